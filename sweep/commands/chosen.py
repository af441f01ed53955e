"""The commands that read a run's folder: how far it is, what is best, what matters, and the models in it."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from results.folder.place import Place
from sweep.commands.options import DESCENDING, FOLDER, JSON, WHERE, printable, quiet, told
from sweep.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from results.run import Run


@click.command()
@FOLDER
@JSON
def status(folder: Place, as_json: bool) -> None:
    """Say how far the sweep in DIR is, from its files alone: it may be running, stopped or finished."""
    from results.folder.run_folder import RunFolder
    from results.store.outbox import spooled
    from sweep.commands.printing import command
    from sweep.process.tally import counts_text, duration, read_progress

    rows = rows_of(folder)
    run_folder = RunFolder(folder)
    last = read_progress(run_folder)
    counts = {str(name): int(count) for name, count in rows["status"].value_counts().items()}
    running = run_folder.is_held()
    if last:  # the rows know better than a driver that died after it last wrote
        last["done"] = len(rows) - last.get("outside", 0)
        last["open"] = max(0, last["asked"] - last["done"])
    state = "running" if running else "finished" if last and not last["open"] else "stopped"
    kept = spooled(run_folder.spool)
    answer = {
        **last,
        "kept_here": kept,
        "state": state,
        "rows": len(rows),
        "counts_in_folder": counts,
        "folder": str(folder),
    }
    if running:
        answer["holder"] = run_folder.holder()
    if as_json:
        click.echo(json.dumps(answer))
        return
    click.echo(f"state      {state}" + (f", by {printable(answer['holder'])}" if running else ""))
    click.echo(f"rows       {len(rows):,}: {counts_text(counts)}")
    if last:
        click.echo(f"asked for  {last['asked']:,} points, {last['open']:,} open")
        eta = duration(last["eta_s"]) if running else "-"
        click.echo(
            f"rate       {last['points_per_minute']:.1f} points a minute, "
            f"{duration(last['training_s'])} of training, ETA {eta}"
        )
        click.echo(f"workers    {last['workers']}, {last['memory_mb']:,.0f} MiB")
        if best := last["best"]:
            click.echo(
                f"best       loss_te {best['loss_te']:.4f} at idx {best['idx']}: {printable(str(best['config']))}"
            )
    if answer["kept_here"]:
        click.echo(f"kept here  {answer['kept_here']:,} points, finished but not stored: {run_folder.spool}")
    if state == "stopped":
        chosen = last.get("selection", "")
        words = f"{shlex.quote(command())} run --out {shlex.quote(str(folder))} {chosen}"
        click.echo(f"Resume:    {words.rstrip()}")


@click.command()
@FOLDER
@click.option("-n", "count", type=click.IntRange(1), default=10, show_default=True, help="How many points.")
@click.option("--by", default="loss_te", show_default=True, metavar="COL", help="The column to rank by.")
@DESCENDING
@WHERE
@click.option("--per", metavar="AXIS", help="The best point of each value of this column.")
@click.option(
    "--pareto",
    metavar="COL",
    help="The points that none beats in --by without being higher in COL, such as params or seconds.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, safe to open in a spreadsheet.")
@JSON
def top(
    folder: Place,
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
    from results.analysis import leaderboard

    if per and pareto:
        raise InputError("--per and --pareto are two different questions. Ask one of them.")
    if pareto and descending:
        raise InputError("--pareto takes lower as better in both columns. Leave --descending out.")
    chosen = chosen_rows(folder, where)
    with told():
        if per:
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
        from sweep.commands.printing import table_of

        what = f"by {by}" + (f", one for each {per}" if per else f" against {pareto}" if pareto else "")
        table_of(best, f"The best {len(best):,} of {len(chosen):,} {what}", shown=[by, per, pareto])
    else:
        click.echo(f"{folder} has no {'such ' if where else ''}point with a {by} yet.")


@click.command()
@FOLDER
@click.option("--by", default="loss_va", show_default=True, metavar="COL", help="The metric.")
@WHERE
@click.option("--with-pruned", is_flag=True, help="Take the points that ASHA pruned, too, as they were then.")
@click.option("-n", "count", type=click.IntRange(1), default=15, show_default=True, help="How many lines.")
@JSON
def importance(
    folder: Place, by: str, where: str | None, with_pruned: bool, count: int, as_json: bool
) -> None:
    """Say which axes matter: how much of a metric's variance each axis, and each pair of axes, explains.

    Exact where the points are a whole grid, or --where makes them one; else estimated by random forests, with the
    spread of the estimate. A pruned point's loss is that of an unfinished training, so it is left out.
    """
    from results.analysis.importance import about_pruned
    from results.analysis.importance import importance as shares_of
    from results.schema import Status

    run, chosen = opened(folder), chosen_rows(folder, where)
    pruned = chosen["status"] == Status.PRUNED
    if not with_pruned:
        chosen = chosen[~pruned]
    with told():
        found = shares_of(chosen, list(run.axes), by)
    notes = [about_pruned(int(pruned.sum()), with_pruned)] if pruned.any() else []
    if as_json:
        answer = {"by": by, "rows": found.rows, "exact": found.exact, "fit": found.fit, "notes": notes}
        click.echo(json.dumps({**answer, "shares": found.shares.to_dict("records")}))
        return
    click.echo(f"Shares of the variance of {by}, {found.how}")
    for row in found.shares.head(count).to_dict("records"):
        name = f"{row['axis']} x {row['other']}" if row["other"] else row["axis"]
        spread = "" if found.exact else f" +- {row['spread']:.1%}"
        click.echo(f"{row['share']:7.1%}{spread}  {printable(name)}")
    for note in notes:
        click.echo(f"Note: {note}")


@click.command()
@FOLDER
@click.argument("idx", type=int)
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "kind",
    type=click.Choice(["keras", "savedmodel", "weights"]),
    default="keras",
    show_default=True,
    help="A .keras file, a folder for TensorFlow Serving, or a .weights.h5 file.",
)
@click.option("--trust", is_flag=True, help="Run the builder though it is not installed, or has changed.")
@JSON
def export(folder: Place, idx: int, file: Path, kind: str, trust: bool, as_json: bool) -> None:
    """Write the model of point IDX, with the weights of its best epoch, to FILE, and a card beside it.

    This runs the plan's builder. The model is evaluated on the test rows first and has to give what the sweep stored.
    """
    run = opened(folder)
    click.echo(f"Point {idx} is made by the builder {printable(str(run.plan.get('builder')))}.", err=True)

    with told(), quiet():
        from sweep.models.save import export as write

        answer = write(run, idx, file, kind, trust)
    if as_json:
        click.echo(json.dumps(answer))
        return
    values = ", ".join(f"{printable(name)} {value:.4f}" for name, value in answer["metrics"].items())
    click.echo(f"Wrote {answer['model']} and {answer['card']}. On the test rows, as stored: {values}.")


def opened(folder: Place) -> Run:
    """Return the run in `folder`.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    from results.run import Run

    with told():
        return Run(folder)


def chosen_rows(folder: Place, where: str | None) -> pd.DataFrame:
    """Return the rows of the run in `folder` that fulfil the condition.

    Raises:
        InputError: there is no run, or the condition is none.
    """
    rows = rows_of(folder)
    if where is None:
        return rows
    from results.analysis.condition import ExpressionError, matching

    try:
        return matching(rows, where)
    except ExpressionError as error:
        raise InputError(f"--where: {error}") from None


def rows_of(folder: Place) -> pd.DataFrame:
    """Return the rows of the run in `folder`.

    Raises:
        InputError: there is none, or it is damaged.
    """
    from results.folder.run_folder import RunFolder
    from results.store.read import read_points

    with told():
        return read_points(RunFolder(folder))
