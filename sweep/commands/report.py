"""The commands that show a run: learning curves, what values do, ASHA's account, and the report."""

from __future__ import annotations

import contextlib
import difflib
import json
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from results.folder.object_store import RemotePath
from results.folder.place import Place
from sweep.commands.chosen import chosen_rows, opened
from sweep.commands.options import FOLDER, JSON, WHERE, Location, printable, quiet, told
from sweep.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

    from results.diagnosis.diagnose import Diagnosis
    from results.run import Run

BY = click.option("--by", default="loss_va", show_default=True, metavar="COL", help="The metric.")
HTML = click.option(
    "--html",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Draw it into this file, too: one page, no network.",
)
AGAINST = click.option(
    "--against",
    type=Location(),
    metavar="DIR",
    help="An exhaustive run of the same plan, to measure what pruning lost.",
)


@click.command()
@FOLDER
@click.argument("idx", type=int, nargs=-1)
@click.option(
    "--top", type=click.IntRange(1), default=5, show_default=True, help="Without IDX: so many of the best."
)
@BY
@click.option("--per", metavar="AXIS", help="Bands over all points instead, one for each value of this axis.")
@WHERE
@click.option("--with-pruned", is_flag=True, help="In bands, take the points that ASHA pruned, too.")
@click.option("--csv", "as_csv", is_flag=True, help="Print every epoch as CSV.")
@HTML
@JSON
def curves(
    folder: Place,
    idx: tuple[int, ...],
    top: int,
    by: str,
    per: str | None,
    where: str | None,
    with_pruned: bool,
    as_csv: bool,
    html: Path | None,
    as_json: bool,
) -> None:
    """Show the learning curves of the points IDX, or of the best ones: how long, how low, when the rate was cut.

    \b
    sweep curves DIR                               the best five
    sweep curves DIR 17 4242 --html curves.html    these two, drawn
    sweep curves DIR --per activation --html a.html
    """
    from results import figures
    from results.analysis import curves as learning
    from results.analysis.condition import numbers
    from results.analysis.importance import about_pruned
    from results.analysis.leaderboard import leaderboard, to_csv
    from results.schema import Status

    run, rows = opened(folder), chosen_rows(folder, where)
    with told():
        if idx:
            missing = sorted(set(idx) - set(rows["idx"]))
            if missing:
                raise InputError(
                    f"{folder}: {', '.join(map(str, missing))} has no row{' like that' if where else ''} yet."
                )
            rows = rows[rows["idx"].isin(idx)]
        elif not per:
            numbers(rows, by)
            rows = leaderboard(rows, top, by)
        pruned = rows["status"] == Status.PRUNED
        if per and not with_pruned:
            rows = rows[~pruned]
        read = run.curves(rows["idx"].tolist())
        if per:
            check_axis(run, per)
            every = table = learning.bands(read, rows, per)
            if table.empty:
                raise InputError(f"{folder}: no point that was trained to its end has a curve yet.")
        else:
            every, table = learning.annotated(read, rows), learning.summary(read, rows)
    if html:
        drawn = figures.bands_figure(table, per) if per else figures.curves_figure(every, run.metrics)
        _write(html, drawn.to_html())
    if as_csv:
        click.echo(to_csv(every), nl=False)
    elif as_json:
        click.echo(table.to_json(orient="records"))
    elif per:
        _print(
            table[table["epoch"].isin(_few(table["epoch"].max()))],
            f"val_loss by {per}, 10% to 90% of the points",
        )
        if pruned.any():
            click.echo(f"Note: {about_pruned(int(pruned.sum()), with_pruned)}")
    else:
        _print(table, "val_loss of each point")


@click.command()
@FOLDER
@click.argument("axis")
@BY
@WHERE
@click.option("--with-pruned", is_flag=True, help="Take the points that ASHA pruned, too, as they were then.")
@HTML
@JSON
def effects(
    folder: Place, axis: str, by: str, where: str | None, with_pruned: bool, html: Path | None, as_json: bool
) -> None:
    """Say what the values of AXIS do: the metric's distribution for each, and the differences, all else equal."""
    from results import figures
    from results.analysis.importance import about_pruned, distribution, paired
    from results.schema import Status

    run, rows = opened(folder), chosen_rows(folder, where)
    pruned = rows["status"] == Status.PRUNED
    if not with_pruned:
        rows = rows[~pruned]
    with told():
        check_axis(run, axis)
        table, pairs = distribution(rows, axis, by), paired(rows, list(run.axes), axis, by)
    if html:
        _write(html, figures.distribution_figure(table, axis, by).to_html())
    if as_json:
        answer = {"values": table.to_json(orient="records"), "pairs": pairs.to_json(orient="records")}
        click.echo(json.dumps({name: json.loads(text) for name, text in answer.items()}))
        return
    _print(table, f"{by} for each value of {axis}, low and high being 5% and 95%")
    _print(pairs, f"{by} of other less {by} of value, all other axes equal")
    if pruned.any():
        click.echo(f"Note: {about_pruned(int(pruned.sum()), with_pruned)}")


@click.command()
@FOLDER
@AGAINST
@BY
@JSON
def account(folder: Place, against: Place | None, by: str, as_json: bool) -> None:
    """Say what ASHA did: who came to each rung and went on, what it saved, and with --against what it cost."""
    from dataclasses import asdict

    from results.analysis import account as accounts

    run = opened(folder)
    rungs = accounts.rungs(run.rungs())
    if rungs.empty:
        raise InputError(
            f"{folder}: its rungs have seen no point; it was run without ASHA, or has just begun."
        )
    with told():
        answer: dict[str, Any] = dict(accounts.epochs(run.points, run.budget))
        if against:
            other = opened(against)
            accounts.check_comparable(run, other)
            lost = accounts.regret(run.points, other.points, by)
            answer |= {"regret": asdict(lost), "saved": accounts.saved(run.points, other.points)}
            known = accounts.rank_correlation(run.rungs(), other.points, by)
            rungs = rungs.merge(known.drop(columns="points"), on="milestone", how="left")
    if as_json:
        click.echo(json.dumps({**answer, "rungs": json.loads(rungs.to_json(orient="records"))}))
        return
    _print(rungs, "Points at each rung, and their val_loss")
    click.echo(f"{answer['spent']:,} epochs trained, {answer['pruned']:,} points pruned.")
    if not against:
        click.echo(
            f"At most {answer['saved_at_most']:,} epochs saved; some points would have stopped early by themselves. "
            "Give an exhaustive run of the same plan by --against to know."
        )
        return
    click.echo(f"{answer['saved']:,} epochs saved against the exhaustive run.")
    click.echo(
        f"By {by}, the winner here (idx {lost.winner}) is number {lost.rank:,} of {lost.points:,} there, and loses "
        f"{lost.lost:.4g} to the best (idx {lost.best})."
    )


@click.command()
@FOLDER
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False), required=False)
@BY
@AGAINST
@click.option(
    "--diagnose", is_flag=True, help="Make the winner's model and diagnose it. Runs the plan's builder."
)
@click.option(
    "--trust", is_flag=True, help="With --diagnose: run it though it is not installed, or has changed."
)
@click.option(
    "--watch", is_flag=True, help="Serve it on 127.0.0.1 instead, and refresh it while the sweep runs."
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="To serve on; any that is free if not given."
)
@click.option("--open", "show", is_flag=True, help="Open it in the browser.")
def report(
    folder: Place,
    file: Path | None,
    by: str,
    against: Place | None,
    diagnose: bool,
    trust: bool,
    watch: bool,
    port: int,
    show: bool,
) -> None:
    """Write a page about the sweep in DIR to FILE, by default DIR/report.html: one file that needs no network.

    The page has the points to filter and sort, what matters, learning curves, ASHA's account, failures, and where it
    all comes from. It can be made while the sweep runs. Nothing of the folder is executed, unless --diagnose asks for it.
    """
    from results.report.page import page

    other = opened(against) if against else None

    def made(version: str = "") -> str:
        run = opened(folder)
        with told():
            return page(run, by, other, _diagnosis(run, by, trust) if diagnose else None, version)

    if watch:
        if file:
            raise InputError("--watch serves the page and writes no file. Leave one of the two out.")
        _serve(folder, made, port, show)
        return
    target: Place = file or folder / "report.html"
    _write(target, made())
    click.echo(f"Wrote {target} ({target.stat().st_size / 2**20:.1f} MiB).")
    if show:
        if isinstance(target, RemotePath):
            raise InputError(
                f"{target} cannot be opened in a browser. Give a FILE of this machine, or --watch."
            )
        webbrowser.open(target.resolve().as_uri())


def check_axis(run: Run, name: str) -> None:
    """Check that the run has an axis of this name.

    Raises:
        InputError: it has none.
    """
    if name not in run.axes:
        near = difflib.get_close_matches(name, run.axes, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else f"The axes are {', '.join(run.axes)}."
        raise InputError(f'There is no axis "{name}". {hint}')


def _diagnosis(run: Run, by: str, trust: bool) -> Diagnosis:
    from results.report.page import winner_of

    idx = winner_of(run, by)
    builder = printable(str(run.plan.get("builder")))
    click.echo(f"Point {idx} is made by the builder {builder}.", err=True)
    with quiet():
        from sweep.models.diagnose import diagnosed

        return diagnosed(run, idx, trust)


def _serve(folder: Place, made: Callable[[str], str], port: int, show: bool) -> None:
    import threading

    from results.report.serve import served
    from sweep.process.signals import StopRequested

    points = opened(folder).folder.points

    def version() -> str:
        parts = sorted((path.name, path.stat().st_mtime_ns) for path in points.glob("*.parquet"))
        return f"{len(parts)}-{parts[-1][1]}" if parts else "0"

    try:
        with served(made, version, port) as address:
            click.echo(f"The report of {folder} is at {address} (Ctrl-C ends it).")
            if show:
                webbrowser.open(address)
            with contextlib.suppress(KeyboardInterrupt, StopRequested):
                threading.Event().wait()
    except OSError as error:
        raise InputError(f"--port {port}: cannot be listened on ({error.strerror}). Give another.") from None


def _write(target: Place, page: str) -> None:
    from results.folder.files import replace_file

    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.absolute().parent}. Make it first.")
    replace_file(target, page.encode())


def _print(table: pd.DataFrame, title: str) -> None:
    from sweep.commands.printing import plain_table

    plain_table(table, title)


def _few(last: int) -> list[int]:
    """Return some epochs from the first to the last."""
    return sorted({1, *range(10, last, max(10, last // 60 * 10 or 10)), last})
