"""Prints tables on the command line, and gives them to JSON."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from results.schema import is_whole, metric_and_split
from sweep.commands.printing import printable
from sweep.process.tally import metric_text


def points_table(
    rows: pd.DataFrame, title: str, shown: Sequence[str | None] = (), axes: Collection[str] = ()
) -> None:
    """Print `rows` of `points` under `title`; the less important columns are left out unless they are in `shown`.

    Args:
        rows: of `points`.
        title: the line above them.
        shown: columns that are never left out.
        axes: names of the axes, which are no metrics even if they end like one.
    """
    hidden = {"best_epoch", "seed", "engine", "error", "note", "seconds", "params"}
    hidden |= {name for name in rows.columns if (metric_and_split(name) or ("", ""))[1] == "va"}
    hidden -= {*shown, *axes}
    plain_table(rows[[name for name in rows.columns if name not in hidden]], title, axes)


def plain_table(rows: pd.DataFrame, title: str, axes: Collection[str] = ()) -> None:
    """Print a table under `title`."""
    table = Table(
        title=Text(printable(title)), title_justify="left", box=None, header_style="bold", pad_edge=False
    )
    for name in rows.columns:
        justify: Any = "right" if rows[name].dtype.kind in "if" else "left"
        table.add_column(Text(printable(str(name))), justify=justify, overflow="fold")
    ends = [str(name).removesuffix("_std") for name in rows.columns]
    rounded = [name not in axes and metric_and_split(name) is not None for name in ends]
    for row in rows.itertuples(index=False):
        table.add_row(*(Text(_cell(value, is_metric)) for value, is_metric in zip(row, rounded, strict=True)))
    show(table)


def show(table: Table) -> None:
    """Print a table; if the output is no terminal, it keeps its natural width, for grep and less -S."""
    console = _Console()
    (console if console.is_terminal else _Console(width=1000)).print(table)


class _Console(Console):
    """A console that leaves it to the caller what to do if nobody reads the output any more."""

    def on_broken_pipe(self) -> None:
        """Raise the error again; see `even_unread`."""
        raise  # rich calls this while it handles the error


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows as plain data for JSON: numbers to their last digit, null for what is missing or no number."""
    return [{str(name): _plain(value) for name, value in row.items()} for row in table.to_dict("records")]


def _plain(value: Any) -> Any:
    if pd.isna(value) or (isinstance(value, float) and math.isinf(value)):
        return None
    return value.item() if isinstance(value, np.generic) else value


def _cell(value: Any, is_metric: bool) -> str:
    if pd.isna(value):
        return "-"
    if isinstance(value, float):
        if is_metric:
            return metric_text(value)
        # Whole numbers are floats in a column with a null, as the `params` of a run with failed points.
        return f"{value:.0f}" if is_whole(value) else f"{value:g}"
    return printable(str(value))
