"""`sweep curves`: the learning curves of some points, or bands over the curves of many points."""

from __future__ import annotations

import json
from pathlib import Path

import click
import pandas as pd

from results import figures
from results.analysis import curves as learning
from results.analysis import repeats
from results.analysis.acting import where_acting
from results.analysis.condition import numbers
from results.analysis.importance import about_pruned
from results.analysis.leaderboard import leaderboard, to_csv
from results.folder.path import AnyPath
from results.run import Run
from results.schema import Status, column_of, metric_and_split
from sweep.commands.chosen import check_axis, chosen_rows, judged, opened, ranking
from sweep.commands.options import BOTH_FORMS, BY, FOLDER, HTML, JSON, WHERE, WITH_PRUNED
from sweep.commands.printing import printable, write_page
from sweep.commands.tables import plain_table, records
from sweep.errors import InputError, as_input_error


@click.command()
@FOLDER
@click.argument("idx", type=int, nargs=-1)
@click.option(
    "--top",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Without IDX: how many of the best points.",
)
@BY
@click.option(
    "--per", metavar="AXIS", help="Show bands over all points instead, one for each value of this axis."
)
@WHERE
@WITH_PRUNED
@click.option("--csv", "as_csv", is_flag=True, help="Print every epoch as CSV.")
@HTML
@JSON
def curves(
    folder: AnyPath,
    idx: tuple[int, ...],
    top: int,
    by: str | None,
    per: str | None,
    where: str | None,
    with_pruned: bool,
    as_csv: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """Show the learning curves of the points IDX, or of the best points, with their epochs, minima and rate cuts.

    \b
    sweep curves DIR                               the best five
    sweep curves DIR 17 4242 --html curves.html    these two, drawn
    sweep curves DIR --per activation --html a.html
    """
    if as_csv and as_json:
        raise InputError(BOTH_FORMS)
    run, rows, notes = opened(folder), chosen_rows(folder, where), []
    with as_input_error():
        if by is not None:
            numbers(rows, by)
        shown = by
        if idx:
            missing = sorted(set(idx) - set(rows["idx"]))
            if missing:
                for point in missing:
                    run.check_is_trained(point)
                such = "that fulfils the condition" if where else "yet"
                verb = "have" if len(missing) > 1 else "has"
                raise InputError(f"{folder}: {', '.join(map(str, missing))} {verb} no row {such}.")
            rows = rows[rows["idx"].isin(idx)]
        elif not per:
            by, mode = ranking(folder, rows, by)
            numbers(rows, by)
            best, means = judged(folder, rows, by, mode)
            # With repeats, a row has means of their numbers, and the curves are those of one repeat.
            best = leaderboard(best, top, by, mode)
            if means:
                notes = [f"{means[0]} The curves are those of its best repeat."]
                notes += repeats.about(best, rows, run.grid, run.repeats)
            rows = rows.set_index("idx", drop=False).loc[best["idx"]].reset_index(drop=True)
        pruned = rows["status"] == Status.PRUNED
        if per and not with_pruned:
            rows = rows[~pruned]
        read = run.curves(rows["idx"].tolist())
        log = _log(run, read, shown, only_shown=bool(idx or per))
        if per:
            check_axis(run, per)
            rows, note = where_acting(rows, per, run.conditional)
            notes = [note] if note else []
            if pruned.any():
                notes.insert(0, about_pruned(int(pruned.sum()), with_pruned))
            every = table = learning.bands(read, rows, per, log)
            if table.empty:
                raise InputError(f"{folder}: no point that was trained to its end has a curve yet.")
        else:
            every, table = (
                learning.annotated(read, rows),
                learning.summary(
                    read, rows, log, run.directions.chosen(None if log == run.directions.log else shown)[1]
                ),
            )
    if html:
        drawn = figures.bands_figure(table, per, log) if per else figures.curves_figure(every, run.metrics)
        write_page(html, drawn.to_html())
    if as_csv:
        click.echo(to_csv(every), nl=False)
    elif as_json:
        click.echo(json.dumps(records(table)))
    elif table.empty:
        lacks = (
            ": none of these points has a curve."
            if idx
            else f" has no point with a {printable(str(by))} yet."
        )
        click.echo(f"{folder}{lacks}")
    else:
        if per:
            few = table["epoch"].isin(_few(table["epoch"].max()))
            plain_table(table[few], f"{log} by {per}, 10% to 90% of the points")
        else:
            plain_table(table, f"{log} of each point")
        for said in notes:
            click.echo(f"Note: {printable(said)}")


def _log(run: Run, read: pd.DataFrame, by: str | None, only_shown: bool) -> str:
    """Return the column of the curves that is shown: that of `by`, else that of the objective.

    Args:
        run: the run.
        read: the curves.
        by: the column of `points` that the user named, or None.
        only_shown: whether `by` ranks nothing, so a column without curves is of no use.

    Raises:
        InputError: `by` is of no use.
    """
    metric, split = metric_and_split(by or "") or ("", "")
    log = {"va": f"val_{metric}", "tr": metric}.get(split)
    if by is None or log in read:
        return log or run.directions.log
    if only_shown:
        having = ", ".join(column_of(metric, "va") for metric in run.metrics)
        raise InputError(f"--by {by} has no learning curves. Name a metric on the validation rows: {having}.")
    return run.directions.log


def _few(last: int) -> list[int]:
    """Return some epochs from the first to the last."""
    return sorted({1, *range(10, last, max(10, last // 60 * 10 or 10)), last})
