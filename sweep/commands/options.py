"""The arguments and options that several commands share, and the plan that they choose."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from results.folder.path import AnyPath, any_path, is_remote

if TYPE_CHECKING:
    from sweep.plan.plan import Plan


class Location(click.ParamType):
    """A path, or the URI of a folder on an object store."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path or URI; fail with the reason if `value` is neither.

        The shell leaves the ~ of `--out=~/runs` as it is.
        """
        if value == "":
            self.fail("got an empty text, but needs a folder, such as runs/NAME.", param, ctx)
        try:
            return any_path(value).expanduser()
        except (ValueError, RuntimeError) as error:  # the latter for the home of an unknown user
            self.fail(str(error), param, ctx)


class LocalFile(click.Path):
    """The path of a file that an option names. The shell leaves the ~ of `--out=~/a.csv` as it is."""

    def __init__(self) -> None:
        super().__init__(path_type=Path, dir_okay=False)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path; fail with the reason if it is a folder."""
        return super().convert(os.path.expanduser(value), param, ctx)  # noqa: PTH111  # it leaves unknown users as they are


BOTH_FORMS = "--csv and --json were both given, but an answer has one form. Leave one of the two out."


def _column(ctx: click.Context, parameter: click.Parameter, name: str | None) -> str | None:
    if name is not None and not name.strip():
        raise click.BadParameter("got an empty text, but needs the name of a column, such as loss_va.")
    return name


FOLDER = click.argument("folder", metavar="DIR", type=Location())
INSECURE = click.option(
    "--insecure", is_flag=True, help="Use a cluster even if others can reach it and it asks for no token."
)
NO_VERIFY = click.option(
    "--no-verify",
    is_flag=True,
    help="Do not train the best points again by plain Keras at the end. (`verify` in the plan says how many.)",
)
RETRY_FAILED = click.option(
    "--retry-failed",
    is_flag=True,
    help="Also train the points again that failed or ran out of time; their rows are deleted first.",
)
JSON = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
_OBJECTIVE = "  [default: the plan's objective on the validation rows, such as loss_va]"
RANK_BY = click.option("--by", metavar="COL", callback=_column, help=f"The column to rank by.{_OBJECTIVE}")
MODE = click.option(
    "--mode",
    type=click.Choice(["min", "max"]),
    help="Whether a lower or a higher value is better.  [default: as Keras says of the metric, else min]",
)
BY = click.option("--by", metavar="COL", callback=_column, help=f"The metric.{_OBJECTIVE}")
WHERE = click.option(
    "--where",
    metavar="CONDITION",
    help="Only points that fulfil it, such as 'activation == \"relu\" and params < 200'; join by and, or, not.",
)
WITH_PRUNED = click.option(
    "--with-pruned",
    is_flag=True,
    help="Include the points that ASHA pruned, with the losses that they had then.",
)
TRUST = click.option(
    "--trust", is_flag=True, help="Run the builder even if it is not installed, or has changed."
)
HTML = click.option(
    "--html",
    type=LocalFile(),
    metavar="FILE",
    help="Also draw it into this file: one page that needs no network.",
)
AGAINST = click.option(
    "--against",
    type=Location(),
    metavar="DIR",
    help="An exhaustive run of the same plan, to measure what pruning lost.",
)


def _idx(ctx: click.Context, parameter: click.Parameter, text: str | None) -> list[int] | None:
    if text is None:
        return None
    try:
        return [int(part) for part in text.split(",") if part.strip()]
    except ValueError:
        raise click.BadParameter(
            f"got {text!r}, but needs whole numbers with commas between, such as 0,17."
        ) from None


PLAN = click.argument("plan", required=False, type=click.Path(path_type=Path))
POINTS = click.option(
    "--points",
    type=int,
    metavar="N",
    help="Only the first N points of the shuffled order, each with all its repeats.",
)
IDX = click.option(
    "--idx", callback=_idx, metavar="I,J,...", help="Only these points, by their index in the grid."
)
ENGINE = click.option(
    "--engine", type=click.Choice(["auto", "native", "fused", "keras"]), help="What trains the points."
)
SCHEDULER = click.option(
    "--scheduler", type=click.Choice(["asha", "none"]), help="Whether ASHA prunes points."
)
SEED = click.option("--seed", type=int, help="Seed of weights, data order and order of points.")
CPUS = click.option("--cpus", type=int, metavar="N", help="Cores to use; all if not given.")
PLAN_OPTIONS = (PLAN, POINTS, IDX, ENGINE, SCHEDULER, SEED, CPUS)
"""The arguments and options of the commands that take a plan."""


def with_options(options: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """Return a decorator that gives a command these options, in their order."""

    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def shared(out: AnyPath) -> str:
    """Return the absolute path of a run's folder, or its URI, by which other machines find it.

    Links are not followed: an automounted path such as /home/me may be a link to one that only this machine has.
    """
    return str(out) if is_remote(out) else os.path.abspath(out.expanduser())  # noqa: PTH100  # resolve follows links


def loaded_plan(path: Path | None, out: AnyPath | None = None, **overrides: Any) -> Plan:
    """Load the plan at `path`, else the one that the run in `out` was begun with, else the default plan.

    Args:
        path: of the plan file; None if the user named none.
        out: the run's folder; None to ignore it.
        **overrides: values for keys of the plan; None leaves a key unchanged.
    """
    from dataclasses import replace

    from results.folder.run_folder import RunFolder
    from sweep.plan.plan import DEFAULT_PLAN, Plan

    found: AnyPath = path or DEFAULT_PLAN
    if path is None and out is not None and RunFolder(out).exists:
        found = RunFolder(out).plan
    plan = Plan.load(found)
    given = {name: value for name, value in overrides.items() if value is not None}
    return replace(plan, **given) if given else plan
