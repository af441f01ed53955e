"""`sweep top`: it prints the best points."""

from __future__ import annotations

import json

import click
import pandas as pd

from results.analysis import leaderboard, repeats
from results.analysis.acting import where_acting
from results.directions import Mode
from results.folder.path import AnyPath
from sweep.commands.chosen import axes_of, chosen_rows, conditional_of, ranking, repeated
from sweep.commands.options import BOTH_FORMS, FOLDER, JSON, MODE, RANK_BY, WHERE
from sweep.commands.printing import printable
from sweep.commands.tables import points_table, records
from sweep.errors import InputError, as_input_error


@click.command()
@FOLDER
@click.option("-n", "count", type=click.IntRange(1), default=10, show_default=True, help="How many points.")
@RANK_BY
@MODE
@WHERE
@click.option("--per", metavar="AXIS", help="Only the best point of each value of this column.")
@click.option(
    "--pareto",
    metavar="COL",
    help="Only the Pareto front of --by and COL, such as params or seconds.",
)
@click.option("--each", is_flag=True, help="With repeats: rank each repeat by itself, not the means.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, safe to open in a spreadsheet.")
@JSON
def top(
    folder: AnyPath,
    count: int,
    by: str | None,
    mode: Mode | None,
    where: str | None,
    per: str | None,
    pareto: str | None,
    each: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Print the best points in DIR.

    The best value of the objective on the validation rows comes first; test rows rank only if --by asks for them.
    Points that diverged, failed or ran out of time come after all others, if they have a value at all.
    --where "status == 'diverged'" shows them alone.

    If the plan has `repeats`, a line is a configuration: the mean over its repeats, the standard deviation, how many repeats
    are in the mean, and the idx of the best of them. --each ranks the repeats by themselves.

    \b
    sweep top DIR --where 'activation == "relu" and params < 200'
    sweep top DIR --per optimizers          the best of each optimizer
    sweep top DIR --pareto params           loss against size
    sweep top DIR -n 100000 --csv > points.csv
    sweep top DIR --each --where 'repeat == 0'
    """
    if per and pareto:
        raise InputError(
            "--per and --pareto were both given, but only one can choose the points. Leave one of the two out."
        )
    if as_csv and as_json:
        raise InputError(BOTH_FORMS)
    single = chosen = chosen_rows(folder, where)
    note, run = "", None if each else repeated(folder)
    by, mode = ranking(folder, chosen, by, mode)
    with as_input_error():
        if run is not None:
            chosen = run.judged(single, by, mode)
        if per:
            chosen, note = where_acting(chosen, per, conditional_of(folder))
            best = leaderboard.best_of_each(chosen, per, by, mode).head(count)
        elif pareto:
            best = leaderboard.pareto(chosen, by, *_against(folder, chosen, pareto, mode)).head(count)
        else:
            best = leaderboard.leaderboard(chosen, count, by, mode)
    ranked = len(best)
    if not ranked and not (per or pareto):
        best = leaderboard.without_value(chosen, by).head(count)
    if as_json:
        click.echo(json.dumps(records(best)))
    elif as_csv:
        click.echo(leaderboard.to_csv(best), nl=False)
    elif len(best):
        kind = f"mean {by} over {run.repeats} repeats" if run else by
        what = f"by {kind}" + (f", one for each {per}" if per else f" against {pareto}" if pareto else "")
        title = f"The best {ranked:,} of {len(chosen):,} {what}" if ranked else f"Points without {by}"
        points_table(best, title, shown=[by, per, pareto], axes=axes_of(folder))
        notes = repeats.about(best, single, run.grid, run.repeats) if run and ranked else []
        for said in [*notes, *([note] if note else [])]:
            click.echo(f"Note: {printable(said)}")
    else:
        if where is None:
            click.echo(f"{folder} has no point with a {printable(by)} yet.")
        else:
            with_it = f" with a {printable(by)}" if len(chosen) else ""
            click.echo(f"{folder} has no such point{with_it}.")


def _against(folder: AnyPath, rows: pd.DataFrame, pareto: str, mode: Mode) -> tuple[str, Mode, Mode]:
    """Return the other column of a front, and the modes of both columns."""
    other, other_mode = ranking(folder, rows, pareto)
    return other, mode, other_mode
