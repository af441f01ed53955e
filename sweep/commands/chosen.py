"""Opens a run for the commands that read one: the run, its rows, and the rows that fulfil a condition."""

from __future__ import annotations

import difflib
from typing import Any

import click
import pandas as pd

from results.analysis.condition import matching
from results.analysis.repeats import numbered
from results.directions import Mode, with_objective
from results.directions import read as read_directions
from results.folder.path import AnyPath
from results.folder.run_folder import RunFolder
from results.grammar import ConditionError
from results.run import Run
from results.schema import OF_LOSSES, metric_and_split
from results.space import Space
from results.store.read import read_points
from sweep.commands.printing import printable
from sweep.errors import InputError, as_input_error
from sweep.process.tally import read_progress


def opened(folder: AnyPath) -> Run:
    """Return the run in `folder`.

    Raises:
        InputError: there is no run, or it cannot be read.
    """
    with as_input_error():
        return Run(folder)


def chosen_rows(folder: AnyPath, where: str | None) -> pd.DataFrame:
    """Return the rows of the run in `folder` that fulfil the condition.

    Raises:
        InputError: there is no run, or the condition is not valid.
    """
    rows = rows_of(folder)
    if where is None:
        return rows
    try:
        return matching(rows, where, axes_of(folder))
    except ConditionError as error:
        raise InputError(f"--where: {error}") from None


def axes_of(folder: AnyPath) -> dict[str, list[Any]]:
    """Return the values of the axes of the run in `folder`; rows without a plan beside them have none.

    Raises:
        InputError: the plan cannot be read.
    """
    return opened(folder).axes if RunFolder(folder).plan.is_file() else {}


def rows_of(folder: AnyPath) -> pd.DataFrame:
    """Return the rows of the run in `folder`.

    Raises:
        InputError: there is no run, or it is damaged.
    """
    with as_input_error():
        rows = with_objective(read_points(RunFolder(folder)), RunFolder(folder))
    run = repeated(folder)
    return rows if run is None else numbered(rows, run.repeats, run.grid)


def repeated(folder: AnyPath) -> Run | None:
    """Return the run in `folder` if its plan asks for repeats; rows without a plan beside them have none.

    Raises:
        InputError: the plan cannot be read. Without it, rows would be ranked by another metric, or each by itself.
    """
    if not RunFolder(folder).plan.is_file():
        return None
    run = opened(folder)
    return run if run.repeats > 1 else None


def judged(folder: AnyPath, rows: pd.DataFrame, by: str, mode: Mode) -> tuple[pd.DataFrame, list[str]]:
    """Return what a ranking compares: with repeats, a row for each configuration, with the mean over its repeats.

    Args:
        folder: of the run.
        rows: of the run.
        by: the column to rank by.
        mode: whether a lower or a higher value of it is better.

    Returns:
        These rows, and a sentence that says so; `rows` themselves and no sentence without repeats.

    Raises:
        ConditionError: there is no column `by`, or it has no numbers.
    """
    run = repeated(folder)
    if run is None:
        return rows, []
    said = f"Each is the mean over the repeats of a configuration; the plan asks for {run.repeats}."
    return run.judged(rows, by, mode), [said]


def conditional_of(folder: AnyPath) -> Space | None:
    """Return the space of the run in `folder` if it has conditional axes; rows without a plan beside them have none.

    Raises:
        InputError: its conditions cannot be used.
    """
    if not RunFolder(folder).plan.is_file():
        return None
    with as_input_error():
        return Run(folder).conditional


def ranking(
    folder: AnyPath, rows: pd.DataFrame, by: str | None = None, mode: Mode | None = None
) -> tuple[str, Mode]:
    """Return the column to rank by, and whether a lower or a higher value of it is better. Say so if that is not known.

    Args:
        folder: of the run.
        rows: of the run.
        by: the column; None for the objective on the validation rows.
        mode: as the user gave it, or None.

    Raises:
        UnknownModeError: nothing tells the mode of the objective.
    """
    directions = read_directions(RunFolder(folder))
    if not len(rows):
        return by or directions.by, mode or "min"
    by, chosen = directions.chosen(by, mode)
    has_numbers = by in rows.columns and rows[by].dtype.kind in "iuf"  # else the caller says what is wrong
    if mode is None and has_numbers and directions.of(by) is None:
        click.echo(
            f"Note: whether a lower or a higher {printable(by)} is better is not known, so the lowest counts as the best. "
            "`sweep top --mode max` lists the highest first.",
            err=True,
        )
    elif mode is None and has_numbers and (said := directions.doubt(by)):
        click.echo(f"Note: {printable(said)}", err=True)
    if has_numbers and (said := _about_weights(by, rows)):
        click.echo(f"Note: {printable(said)}", err=True)
    if has_numbers and _is_loss(by) and (said := read_progress(RunFolder(folder)).get("incomparable", "")):
        click.echo(f"Note: {printable(said)}", err=True)
    return by, chosen


def _is_loss(by: str) -> bool:
    return (metric_and_split(by) or ("",))[0] in OF_LOSSES


def _about_weights(by: str, rows: pd.DataFrame) -> str:
    """Return a sentence if points with different weights of rows are ranked by their losses; else empty.

    The rows alone do not tell whether the axis is an argument of the builder.
    """
    if not _is_loss(by) or "weight" not in rows:
        return ""
    values = rows["weight"].astype(object)
    names = [value for value in values.unique() if isinstance(value, str)]
    if not names or len(names) + values.isna().any() < 2:
        return ""
    return (
        f"The axis weight has several values. If they are columns that weight the rows, {by} has another scale with each, "
        "so points of different values cannot be compared by it. --by takes a metric that is not weighted, such as mae_va; "
        f"--where \"weight == '{names[0]}'\" takes the points with one value."
    )


def say_builder(run: Run, idx: int, trust: bool = False) -> None:
    """Print which builder makes the model of a point, before it runs.

    Args:
        run: the run.
        idx: of the point.
        trust: whether the builder runs without a check. Then also say whether it is another one than the sweep ran.
    """
    builder = printable(str(run.plan.get("builder")))
    click.echo(f"Point {idx} is made by the builder {builder}.", err=True)
    if trust:
        from sweep.models.rebuild import changed_builder

        if said := changed_builder(run.folder):
            click.echo(f"Note: {printable(said)}", err=True)


def check_axis(run: Run, name: str) -> None:
    """Check that the run has an axis of this name.

    Raises:
        InputError: it has none.
    """
    if name not in run.axes:
        near = difflib.get_close_matches(name, run.axes, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else f"The axes are {', '.join(run.axes)}."
        raise InputError(f'There is no axis "{name}". {hint}')
