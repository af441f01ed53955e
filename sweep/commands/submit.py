"""`sweep submit`: it gives a sweep to a cluster as a job."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from cluster.connect.attached import passed_on
from results.folder.path import AnyPath
from sweep.commands.dashboard import DASHBOARD, FOLLOW, as_options, cluster_jobs, follow_to_end
from sweep.commands.options import (
    INSECURE,
    JSON,
    NO_VERIFY,
    PLAN_OPTIONS,
    RETRY_FAILED,
    Location,
    loaded_plan,
    shared,
    with_options,
)
from sweep.commands.printing import command
from sweep.driver import travel
from sweep.errors import InputError, as_input_error
from sweep.plan.order import Selection
from sweep.process.exits import RESUME


@click.command()
@with_options(PLAN_OPTIONS)
@click.option(
    "--out",
    type=Location(),
    required=True,
    metavar="URI",
    help="The run's folder: a URI, or a path that the head can also use.",
)
@NO_VERIFY
@RETRY_FAILED
@DASHBOARD
@INSECURE
@FOLLOW
@JSON
def submit(
    plan: Path | None,
    points: int | None,
    idx: list[int] | None,
    cpus: int | None,
    out: AnyPath,
    address: str,
    insecure: bool,
    follow: bool,
    no_verify: bool,
    retry_failed: bool,
    as_json: bool,
    **overrides: Any,
) -> None:
    """Have the cluster at URL run PLAN, and print the job's id.

    The command sends this software, the builder's folder and the table; the cluster needs only the packages. The driver
    runs on the cluster, so you may close the terminal. Submit the same plan and folder again to resume; if its job still
    runs, the command prints that job.
    """
    chosen = loaded_plan(plan, None, **overrides)
    with as_input_error():
        Selection.of(chosen.space, chosen.seed, points, idx)
    chosen.table  # noqa: B018  # this checks the table before anything is sent
    if cpus is not None and cpus < 1:
        raise InputError(f"--cpus got {cpus}, but needs at least 1.")
    folder = shared(out)
    jobs = cluster_jobs(address, insecure)
    address = jobs.address
    if job := jobs.running_into(folder):
        job_id, state = job.job_id, "is running already"
    else:
        with tempfile.TemporaryDirectory(prefix="sweep-job-") as scratch:
            made = Path(scratch) / "job"
            path = travel.make_job(chosen, made)
            words = ["-m", "sweep", "run", str(path), "--out", folder, "--address", "auto"]
            # `cluster_jobs` has checked whether this cluster may be used without a token, by the address as it is seen from
            # this machine. On the head, the same check would see another address.
            words += ["--insecure", "--submitted-as", str(path.with_name(travel.ORIGINAL_FILE))]
            words += [f"--points={points}"] if points else []
            words += [f"--idx={','.join(map(str, idx))}"] if idx else []
            words += [f"--cpus={cpus}"] if cpus else []
            words += ["--no-verify"] if no_verify else []
            words += ["--retry-failed"] if retry_failed else []
            resume = f"{command()} {shlex.join(sys.argv[1:])}"
            job_id = jobs.submit(made, words, folder, {RESUME: resume, **passed_on()})
        state = "submitted"
    if as_json:
        click.echo(json.dumps({"job": job_id, "state": state, "address": address, "out": folder}))
    else:
        click.echo(f"Job {job_id} {state}.")
        sweep, options = command(), as_options(address, insecure)
        click.echo(f"Follow:  {sweep} logs {job_id} -f{options}\nStop:    {sweep} stop {job_id}{options}")
        click.echo(f"Status:  {sweep} status {shlex.quote(folder)}")
    if follow:
        follow_to_end(jobs, job_id, as_options(address, insecure))
