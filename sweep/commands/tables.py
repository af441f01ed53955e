"""Printing of tables on the command line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from sweep.commands.printing import printable


def points_table(rows: pd.DataFrame, title: str, shown: Sequence[str | None] = ()) -> None:
    """Print `rows` of `points` under `title`; the less important columns are left out unless they are in `shown`."""
    hidden = {"best_epoch", "seed", "engine", "error", "note", "seconds", "params"}
    hidden |= {name for name in rows.columns if name.endswith("_va")}
    hidden -= set(shown)
    plain_table(rows[[name for name in rows.columns if name not in hidden]], title)


def plain_table(rows: pd.DataFrame, title: str) -> None:
    """Print a table under `title`; if the output is no terminal, it keeps its natural width, for grep and less -S."""
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
        return f"{value:.4f}" if name.removesuffix("_std").endswith(("_tr", "_va", "_te")) else f"{value:g}"
    return printable(str(value))
