"""The arguments and functions that `slurm` and `kuberay` share: both write a file with which another system runs a sweep."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import click

from results.folder.files import explained
from sweep.commands.options import LocalFile, Location
from sweep.commands.run import run
from sweep.driver.travel import user_folder
from sweep.errors import InputError
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
    type=LocalFile(),
    metavar="FILE",
    help="Write to FILE, not to the terminal.",
)
RUN_OPTIONS = click.argument(
    "run_options", nargs=-1, type=click.UNPROCESSED, metavar="[-- OPTIONS OF sweep run]"
)


def run_words(plan: Path, where: str, out: str, options: Iterable[str], inside: bool = False) -> list[str]:
    """Check the plan and the options of a `sweep run`, and return the words of that command.

    Args:
        plan: the plan file on this machine.
        where: the path of the plan file where the command will run.
        out: the run's folder.
        options: further options of `sweep run`.
        inside: whether only the plan's folder is where the command will run.

    Raises:
        InputError: with `inside`, a file that the plan names is outside of the plan's folder.
    """
    words = [where, "--out", out, *options]
    # This refuses an unknown or misspelt option as the command itself does.
    run.make_context("run", list(words))
    loaded = Plan.load(plan)
    if inside:
        _check_inside(loaded)
    _ = loaded.table
    return ["run", *words]


def _check_inside(plan: Plan) -> None:
    """Check that the builder and the table are in the plan's folder, by paths that are right wherever that folder is."""
    named = [("builder", plan.builder, plan.found_builder.path)] if user_folder(plan) else []
    for key in ("path", "test_path", "validation_path"):
        given = getattr(plan.data, key, None)  # a text, if the data is this software's own
        if given and "://" not in given:
            named.append((f"data.{key}", given, Path(getattr(plan.data_spec, key))))
    for key, given, path in named:
        is_inside = path.resolve().is_relative_to(plan.base.resolve())
        if not is_inside or Path(given).expanduser().is_absolute():
            raise InputError(
                f"{key} got {given}, but the image has only the plan's folder, {plan.base}. Move the file there "
                "and name it by its path from there, or say by --plan-in-image where the plan is in an image with both."
            )


def write_script(text: str, file: Path | None, quiet: bool = False) -> None:
    """Write `text` into `file`; if that is None, print it unless `quiet`.

    Raises:
        InputError: there is no folder to write it into.
    """
    if file is not None:
        if not file.absolute().parent.is_dir():
            raise InputError(f"{file}: there is no folder {file.absolute().parent}. Make it first.")
        with explained(file):
            file.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {file}.", err=True)
    elif not quiet:
        click.echo(text, nl=False)
