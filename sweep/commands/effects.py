"""`sweep effects`: it shows how a metric depends on the values of an axis."""

from __future__ import annotations

import json
from pathlib import Path

import click

from results import figures
from results.analysis import acting, repeats
from results.analysis.importance import about_broken, about_missing, about_pruned, distribution, paired
from results.folder.path import AnyPath
from results.schema import Status
from sweep.commands.chosen import check_axis, chosen_rows, judged, opened, ranking
from sweep.commands.options import BY, FOLDER, HTML, JSON, WHERE, WITH_PRUNED
from sweep.commands.printing import printable, write_page
from sweep.commands.tables import plain_table, records
from sweep.errors import as_input_error


@click.command()
@FOLDER
@click.argument("axis")
@BY
@WHERE
@WITH_PRUNED
@HTML
@JSON
def effects(
    folder: AnyPath,
    axis: str,
    by: str | None,
    where: str | None,
    with_pruned: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """Say what the values of AXIS do: the metric's distribution for each value, and the differences, all else equal."""
    run, rows = opened(folder), chosen_rows(folder, where)
    by, mode = ranking(folder, rows, by)
    pruned = rows["status"] == Status.PRUNED
    if not with_pruned:
        pruned = repeats.only_pruned(rows, run.grid)
        rows = rows[~pruned]
    with as_input_error():
        check_axis(run, axis)
        rows, notes = judged(folder, rows, by, mode)
        space = run.conditional
        acts, note = acting.where_acting(rows, axis, space)
        notes += [said for said in (note, about_missing(acts, by), about_broken(acts, by)) if said]
        table = distribution(acts, axis, by, mode)
        pairs = acting.paired(acts, space, axis, by) if space else paired(rows, list(run.axes), axis, by)
    if html:
        write_page(html, figures.distribution_figure(table, axis, by).to_html())
    if as_json:
        answer = {"values": records(table), "pairs": records(pairs)}
        said = {"notes": notes} if notes else {}
        click.echo(json.dumps(answer | said))
        return
    plain_table(table, f"{by} for each value of {axis}; low and high are the 5% and 95% quantiles")
    plain_table(pairs, f"{by} of other minus {by} of value, all other axes equal")
    if pruned.any():
        click.echo(f"Note: {about_pruned(int(pruned.sum()), with_pruned)}")
    for note in notes:
        click.echo(f"Note: {printable(note)}")
