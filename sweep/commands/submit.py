"""The commands that have a cluster run a sweep: submit, jobs, logs, stop."""

from __future__ import annotations

import json
import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from results.folder.place import Place
from sweep.commands.options import INSECURE, JSON, PLAN_OPTIONS, Location, loaded_plan, with_options

if TYPE_CHECKING:
    from cluster.submit.jobs import Jobs

DASHBOARD = click.option(
    "--address",
    envvar="RAY_API_SERVER_ADDRESS",
    default="http://127.0.0.1:8265",
    show_default=True,
    show_envvar=True,
    metavar="URL",
    help="The dashboard of the cluster.",
)
JOB = click.argument("job_id", metavar="ID")


@click.command()
@with_options(PLAN_OPTIONS)
@click.option(
    "--out",
    type=Location(),
    required=True,
    metavar="URI",
    help="The run's folder: a path that the head has, too, or a URI.",
)
@DASHBOARD
@INSECURE
@click.option(
    "--follow", "-f", is_flag=True, help="Show what it prints until it ends, and end with its exit code."
)
@JSON
def submit(
    plan: Path | None,
    points: int | None,
    idx: list[int] | None,
    cpus: int | None,
    out: Place,
    address: str,
    insecure: bool,
    follow: bool,
    as_json: bool,
    **overrides: Any,
) -> None:
    """Have the cluster at URL run PLAN, and print the job's id.

    This software, the builder's folder and the table travel; the cluster needs the packages only. The driver runs on the
    cluster: closing the terminal changes nothing. Submitting the same plan and folder again resumes, or tells of the job
    that is running.
    """
    from sweep.commands.printing import command
    from sweep.driver import travel
    from sweep.plan.form import PlanError
    from sweep.plan.order import Selection
    from sweep.process.exits import RESUME

    chosen = loaded_plan(plan, None, **overrides)
    try:
        Selection(len(chosen.space), chosen.seed, points, idx)
    except ValueError as error:
        raise PlanError(str(error)) from None
    chosen.table  # noqa: B018  # is checked before anything is sent
    folder = str(out.expanduser().resolve())
    jobs = _opened(address, insecure)
    address = jobs.address
    if job := jobs.running_into(folder):
        job_id, state = job.job_id, "is running already"
    else:
        with tempfile.TemporaryDirectory(prefix="sweep-job-") as scratch:
            made = Path(scratch) / "job"
            path = travel.make_job(chosen, made)
            words = ["-m", "sweep", "run", str(path), "--out", folder, "--address", "auto"]
            # Whether the cluster may ask for no token was decided here, by its address as seen from here.
            words += ["--insecure", "--submitted-as", str(path.with_name(travel.ORIGINAL_FILE))]
            words += [f"--points={points}"] if points else []
            words += [f"--idx={','.join(map(str, idx))}"] if idx else []
            words += [f"--cpus={cpus}"] if cpus else []
            resume = shlex.join([command(), *sys.argv[1:]])
            job_id = jobs.submit(made, words, folder, {RESUME: resume})
        state = "submitted"
    if as_json:
        click.echo(json.dumps({"job": job_id, "state": state, "address": address, "out": folder}))
    else:
        click.echo(f"Job {job_id} {state}.")
        sweep, options = shlex.quote(command()), _options(address, insecure)
        click.echo(f"Follow:  {sweep} logs {job_id} -f{options}\nStop:    {sweep} stop {job_id}{options}")
        click.echo(f"Status:  {sweep} status {shlex.quote(folder)}")
    if follow:
        _follow(jobs, job_id, _options(address, insecure))


@click.command()
@DASHBOARD
@INSECURE
@JSON
def jobs(address: str, insecure: bool, as_json: bool) -> None:
    """List the sweeps that the cluster at URL knows of, the latest first."""
    found = _opened(address, insecure).all()
    if as_json:
        click.echo(
            json.dumps([{**vars(job), "started": job.started and job.started.isoformat()} for job in found])
        )
        return
    for job in found:
        started = f"{job.started:%Y-%m-%d %H:%M:%S} UTC" if job.started else "-"
        click.echo(f"{job.job_id}  {job.status:9}  {started}  {job.out}")
    if not found:
        click.echo("No sweep was submitted here.")


@click.command()
@JOB
@click.option("--follow", "-f", is_flag=True, help="Go on until it ends, and end with its exit code.")
@DASHBOARD
@INSECURE
def logs(job_id: str, follow: bool, address: str, insecure: bool) -> None:
    """Show what the sweep ID has printed."""
    opened = _opened(address, insecure)
    if follow:
        _follow(opened, job_id, _options(address, insecure))
    click.echo(opened.log(job_id), nl=False)


@click.command()
@JOB
@DASHBOARD
@INSECURE
def stop(job_id: str, address: str, insecure: bool) -> None:
    """Stop the sweep ID as Ctrl-C does: what has finished is kept; its log says how to resume."""
    opened = _opened(address, insecure)
    before = opened.get(job_id)
    if before.ended:
        click.echo(f"Job {job_id} had ended: {before.status}.")
        return
    job = opened.stop(job_id)
    click.echo("".join(opened.log(job_id).splitlines(keepends=True)[-25:]), nl=False)
    click.echo(f"Job {job_id}: {job.status}.")
    sys.exit(0 if job.ended else 3)


def _opened(address: str, insecure: bool) -> Jobs:
    from cluster.connect import reach
    from cluster.submit.jobs import Jobs

    checked = reach.check_dashboard(address, insecure)
    if reach.sends_token_in_clear(checked) and not insecure:
        click.echo(
            f"Note: {checked} has no TLS, so the token goes there for all on the way to read. An SSH tunnel hides it: "
            "ssh -L 8265:localhost:8265 HEAD, and --address http://localhost:8265.",
            err=True,
        )
    return Jobs(checked)


def _options(address: str, insecure: bool) -> str:
    return f" --address {shlex.quote(address)}" + (" --insecure" if insecure else "")


def _follow(jobs: Jobs, job_id: str, options: str) -> None:
    """Show a job's output to its end and exit with its code; Ctrl-C leaves it running."""
    from sweep.commands.printing import command
    from sweep.process.exits import EXIT_STOPPED
    from sweep.process.signals import StopRequested

    try:
        job = jobs.follow(job_id, lambda part: click.echo(part, nl=False))
    except (KeyboardInterrupt, StopRequested):
        sweep = shlex.quote(command())
        click.echo(f"\nJob {job_id} goes on. Follow: {sweep} logs {job_id} -f{options}", err=True)
        sys.exit(0)
    if job.status == "SUCCEEDED":
        sys.exit(0)
    sys.exit(job.exit_code if job.exit_code else EXIT_STOPPED)
