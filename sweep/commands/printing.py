"""What the command line prints for people: a table of points, and how a run ended."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from results.analysis.leaderboard import leaderboard
from results.folder.errors import FolderError
from results.folder.place import Place
from results.folder.run_folder import RunFolder
from results.schema import NOT_WELL
from results.store.read import read_points
from sweep.commands.options import printable
from sweep.process.exits import RESUME

if TYPE_CHECKING:
    from sweep.driver.runner import Outcome


def ending(outcome: Outcome, out: Place) -> None:
    """Say how a run ended, what is best, and what to type next."""
    for note in outcome.notes:
        click.echo(f"Note: {note}")
    for why, lot in outcome.tally.alone.items():
        more = ", ..." if lot["points"] > len(lot["idx"]) else ""
        shown = ", ".join(map(str, lot["idx"])) + more
        click.echo(f"Trained {lot['points']:,} points (idx {shown}) one by one: {printable(why)}.")
    try:
        _what_came_out(read_points(RunFolder(out)))
    except FolderError as error:  # the store is away, which has most likely stopped the run
        if not outcome.error:
            click.echo(f"\nNote: {error}")
    sweep, folder = shlex.quote(command()), shlex.quote(str(out))
    if outcome.error:
        click.echo(f"\nError: {outcome.error}")
    if outcome.tally.open:
        click.echo(f"\nStopped with {outcome.tally.open:,} points open.")
        resume = os.environ.get(RESUME) or f"{sweep} {shlex.join(sys.argv[1:])}"
        click.echo(f"Resume:  {resume}")
    click.echo(f"\nNext:    {sweep} top {folder} -n 20\n         {sweep} status {folder}")


def _what_came_out(rows: pd.DataFrame) -> None:
    if len(best := leaderboard(rows)):
        click.echo()
        table_of(best, "The ten best by loss_te" if len(best) == 10 else "The best by loss_te")
    failed = rows[rows["status"].isin(NOT_WELL)]
    if len(failed):
        click.echo(f"\n{len(failed):,} points failed or ran out of time:")
        for message, count in failed["error"].str.slice(0, 200).value_counts().head(5).items():
            click.echo(f"  {count:,} x {printable(str(message))}")


def command() -> str:
    """Return what to type for this command here: its name, or its path where the name would not be found."""
    if shutil.which("sweep") or not sys.argv[0].endswith("sweep"):
        return "sweep"
    return os.path.relpath(sys.argv[0])


def table_of(rows: pd.DataFrame, title: str, shown: Sequence[str | None] = ()) -> None:
    """Print `rows` of `points` under `title`, without the columns that say little at a glance and are not `shown`."""
    hidden = {"best_epoch", "seed", "engine", "error", "seconds", "params"}
    hidden |= {name for name in rows.columns if name.endswith("_va")}
    hidden -= set(shown)
    plain_table(rows[[name for name in rows.columns if name not in hidden]], title)


def plain_table(rows: pd.DataFrame, title: str) -> None:
    """Print a table under `title`; off a terminal it keeps its natural width, for grep and less -S."""
    table = Table(
        title=Text(printable(title)), title_justify="left", box=None, header_style="bold", pad_edge=False
    )
    for name in rows.columns:
        justify: Any = "right" if rows[name].dtype.kind in "if" else "left"
        table.add_column(Text(printable(str(name))), justify=justify, overflow="fold")
    for row in rows.itertuples(index=False):
        table.add_row(*(Text(_cell(name, value)) for name, value in zip(rows.columns, row, strict=True)))
    console = Console()
    (console if console.is_terminal else Console(width=1000)).print(table)


def _cell(name: str, value: Any) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, float):
        return f"{value:.4f}" if name.endswith(("_tr", "_te")) else f"{value:g}"
    return printable(str(value))
