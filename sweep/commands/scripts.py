"""The arguments and functions that `slurm` and `kuberay` share: both write a file with which another system runs a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from sweep.commands.options import Location
from sweep.commands.run import run
from sweep.plan.plan import Plan

PLAN = click.argument("plan", type=click.Path(path_type=Path))
OUT = click.option(
    "--out",
    type=Location(),
    required=True,
    metavar="DIR",
    help="The run's folder: a path that all nodes share, or a URI.",
)
FILE = click.option(
    "--file",
    "file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write to FILE, not to the terminal.",
)
RUN_OPTIONS = click.argument(
    "run_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS OF sweep run]"
)


def run_words(plan: Path, where: str, out: str, options: Iterable[str]) -> list[str]:
    """Check the plan and the options of a `sweep run`, and return the words of that command.

    Args:
        plan: the plan file on this machine.
        where: the path of the plan file where the command will run.
        out: the run's folder.
        options: further options of `sweep run`.
    """
    words = [where, "--out", out, *options]
    # This refuses an unknown or misspelt option as the command itself does.
    run.make_context("run", list(words))
    _ = Plan.load(plan).table
    return ["run", *words]


def write_script(text: str, file: Path | None, quiet: bool = False) -> None:
    """Write `text` into `file`; if that is None, print it unless `quiet`."""
    if file is not None:
        file.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {file}.", err=True)
    elif not quiet:
        click.echo(text, nl=False)
