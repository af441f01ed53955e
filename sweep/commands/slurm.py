"""`sweep slurm`: it writes a batch script that runs a sweep on the nodes of a Slurm cluster."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from cluster.submit import slurm as backend
from results.folder.path import AnyPath
from sweep.commands.options import shared
from sweep.commands.printing import command
from sweep.commands.scripts import FILE, OUT, PLAN, RUN_OPTIONS, run_words, write_script
from sweep.errors import InputError, as_input_error
from sweep.process.exits import RESUME


@click.command()
@PLAN
@OUT
@click.option("--nodes", type=int, default=1, show_default=True, metavar="N", help="Nodes of the job.")
@click.option("--cpus-per-node", type=int, metavar="N", help="Cores of each node; all of them if not given.")
@click.option("--gpus-per-node", type=int, metavar="N", help="GPUs of each node.")
@click.option("--mem-gb", type=float, metavar="GB", help="Memory of each node, in GiB.")
@click.option("--time", metavar="TIME", help="Time limit: minutes, HH:MM:SS or D-HH:MM:SS.")
@click.option("--partition", metavar="NAME", help="The partition that the job is queued in.")
@click.option("--account", metavar="NAME", help="The account to charge.")
@click.option("--qos", metavar="NAME", help="Quality of service.")
@click.option("--job-name", metavar="NAME", help="The job's name  [default: sweep-PLAN]")
@click.option(
    "--sbatch",
    "others",
    multiple=True,
    metavar="KEY=VALUE",
    help="Another option of sbatch; may be repeated.",
)
@click.option(
    "--setup",
    multiple=True,
    metavar="LINE",
    help="A line of Bash to run first, such as a module load; may be repeated.",
)
@click.option("--port", type=int, help="Port of Ray's head  [default: made from the job's number]")
@FILE
@click.option("--submit", is_flag=True, help="Hand the script to sbatch.")
@RUN_OPTIONS
def slurm(
    plan: Path,
    out: AnyPath,
    others: tuple[str, ...],
    setup: tuple[str, ...],
    port: int | None,
    file: Path | None,
    submit: bool,
    run_options: tuple[str, ...],
    **parameters: Any,
) -> None:
    """Write a Slurm batch script that sweeps PLAN on N nodes; --submit queues it.

    A job that is preempted or requeued goes on where it was: it trains only points without a row. It ends with the exit
    code of `sweep run`. Run at most one such job on a node: Ray's launcher refuses a node where another Ray runs.
    """
    words = [
        sys.executable,
        "-m",
        "sweep",
        *run_words(plan, str(plan.resolve()), shared(out), run_options),
    ]
    parameters["job_name"] = parameters["job_name"] or "sweep-" + re.sub(r"[^A-Za-z0-9._-]", "-", plan.stem)
    with as_input_error():
        script = backend.batch_script(
            words, parameters, others=_pairs(others), setup=setup, port=port,
            environment={RESUME: _resume(file, submit)},
        )  # fmt: skip
    write_script(script, file, quiet=submit)
    if submit:
        with as_input_error():
            job = backend.submit(script)
        click.echo(f"Submitted job {job}.")
        shown = f"{command()} status {shlex.quote(shared(out))}"
        click.echo(f"Next:    squeue --job {job}\n         {shown}")


def _resume(file: Path | None, submit: bool) -> str:
    """Return the command that queues this job again; on a node, `sweep run` would lack the cluster of the job."""
    if file is not None and not submit:
        return shlex.join(["sbatch", str(file.absolute())])
    words = sys.argv[1:]
    if not submit:  # the script was printed, and nobody knows to which file
        words.insert(1, "--submit")
    return f"{command()} {shlex.join(words)}"


def _pairs(given: Iterable[str]) -> Mapping[str, str]:
    pairs = {}
    for pair in given:
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--sbatch got {pair!r}, but needs KEY=VALUE, such as constraint=avx512.")
        pairs[key.removeprefix("--")] = value
    return pairs
