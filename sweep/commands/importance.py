"""`sweep importance`: it shows which axes matter."""

from __future__ import annotations

import json

import click

from results.analysis import acting, repeats
from results.analysis.importance import about_broken, about_missing, about_pruned
from results.analysis.importance import importance as shares_of
from results.folder.path import AnyPath
from results.schema import Status
from sweep.commands.chosen import chosen_rows, judged, opened
from sweep.commands.options import BY, FOLDER, JSON, WHERE, WITH_PRUNED
from sweep.commands.printing import printable
from sweep.errors import as_input_error


@click.command()
@FOLDER
@BY
@WHERE
@WITH_PRUNED
@click.option("-n", "count", type=click.IntRange(1), default=15, show_default=True, help="How many lines.")
@JSON
def importance(
    folder: AnyPath, by: str | None, where: str | None, with_pruned: bool, count: int, as_json: bool
) -> None:
    """Say which axes matter: how much of a metric's variance each axis, and each pair of axes, explains.

    The shares are exact if the points are a whole grid; --where can choose one. Otherwise random forests estimate them, and
    the spread of the estimate is printed. Pruned points are left out, since their training was not finished. If the plan has
    `repeats`, the means over them are compared, and a note says how much of the variance is due to the seeds.
    """
    run, chosen = opened(folder), chosen_rows(folder, where)
    by = by or run.directions.by
    pruned = chosen["status"] == Status.PRUNED
    singles = chosen if with_pruned else chosen[~pruned]
    if not with_pruned:
        pruned = repeats.only_pruned(chosen, run.grid)
        chosen = chosen[~pruned]
    with as_input_error():
        space = run.conditional
        means, notes = judged(folder, chosen, by, run.directions.of(by) or "min")
        found = acting.importance(means, space, by) if space else shares_of(means, list(run.axes), by)
        notes += repeats.about_noise(singles, run.grid, by) if notes else []
        told = [about_missing(means, by), about_broken(means, by)]
    notes += [about_pruned(int(pruned.sum()), with_pruned)] if pruned.any() else []
    notes += [*filter(None, told), *found.notes]
    if as_json:
        answer = {"by": by, "rows": found.rows, "exact": found.exact, "fit": found.fit, "notes": notes}
        click.echo(json.dumps({**answer, "shares": found.shares.to_dict("records")}))
        return
    click.echo(f"Shares of the variance of {printable(by)}, {found.how}")
    for row in found.shares.head(count).to_dict("records"):
        name = f"{row['axis']} x {row['other']}" if row["other"] else row["axis"]
        spread = "" if found.exact else f" +- {row['spread']:.1%}"
        click.echo(f"{row['share']:7.1%}{spread}  {printable(name)}")
    for note in notes:
        click.echo(f"Note: {printable(note)}")
