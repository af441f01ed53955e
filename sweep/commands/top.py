"""`sweep top`: it prints the best points."""

from __future__ import annotations

import click

from results.analysis import leaderboard
from results.analysis.acting import where_acting
from results.folder.path import AnyPath
from sweep.commands.chosen import chosen_rows, conditional_of
from sweep.commands.options import DESCENDING, FOLDER, JSON, RANK_BY, WHERE
from sweep.commands.printing import printable
from sweep.commands.tables import points_table
from sweep.errors import InputError, as_input_error


@click.command()
@FOLDER
@click.option("-n", "count", type=click.IntRange(1), default=10, show_default=True, help="How many points.")
@RANK_BY
@DESCENDING
@WHERE
@click.option("--per", metavar="AXIS", help="Only the best point of each value of this column.")
@click.option(
    "--pareto",
    metavar="COL",
    help="Only the Pareto front of --by and COL, such as params or seconds; lower is better in both.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, safe to open in a spreadsheet.")
@JSON
def top(
    folder: AnyPath,
    count: int,
    by: str,
    descending: bool,
    where: str | None,
    per: str | None,
    pareto: str | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Print the best points in DIR.

    \b
    sweep top DIR --where 'activation == "relu" and params < 200'
    sweep top DIR --per optimizers          the best of each optimizer
    sweep top DIR --pareto params           loss against size
    sweep top DIR -n 100000 --csv > points.csv
    """
    if per and pareto:
        raise InputError(
            "--per and --pareto were both given, but only one can choose the points. Leave one of the two out."
        )
    if pareto and descending:
        raise InputError("With --pareto, lower is better in both columns. Leave --descending out.")
    chosen = chosen_rows(folder, where)
    note = ""
    with as_input_error():
        if per:
            chosen, note = where_acting(chosen, per, conditional_of(folder))
            best = leaderboard.best_of_each(chosen, per, by, descending).head(count)
        elif pareto:
            best = leaderboard.pareto(chosen, by, pareto).head(count)
        else:
            best = leaderboard.leaderboard(chosen, count, by, descending)
    if as_json:
        click.echo(best.to_json(orient="records"))
    elif as_csv:
        click.echo(leaderboard.to_csv(best), nl=False)
    elif len(best):
        what = f"by {by}" + (f", one for each {per}" if per else f" against {pareto}" if pareto else "")
        points_table(best, f"The best {len(best):,} of {len(chosen):,} {what}", shown=[by, per, pareto])
        if note:
            click.echo(f"Note: {printable(note)}")
    else:
        click.echo(f"{folder} has no {'such ' if where else ''}point with a {by} yet.")
