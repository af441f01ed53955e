"""One section of the report: a heading, sentences, figures, tables and texts as plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pandas as pd


@dataclass
class Section:
    """One section of the page.

    Attributes:
        title: the heading.
        notes: sentences below the heading.
        figures: title of each figure, and the figure as plain data.
        choose: whether to show one figure at a time, which the reader chooses by its title.
        tables: title of each table, the names of its columns, its rows.
        texts: title of each text, and the text, shown literally.
    """

    title: str
    notes: list[str] = field(default_factory=list)
    figures: list[tuple[str, Any]] = field(default_factory=list)
    choose: bool = False
    tables: list[tuple[str, list[str], list[list[Any]]]] = field(default_factory=list)
    texts: list[tuple[str, str]] = field(default_factory=list)

    def add(self, title: str, figure: Any) -> None:
        """Add a plotly figure."""
        self.figures.append((title, json.loads(figure.to_json())))

    def add_table(self, title: str, table: pd.DataFrame) -> None:
        """Add a table; its numbers are shown with five digits."""
        rows = [[_cell(value) for value in row] for row in table.itertuples(index=False)]
        self.tables.append((title, [str(name) for name in table.columns], rows))


def _cell(value: Any) -> Any:
    if pd.isna(value):
        return ""
    return f"{value:.5g}" if isinstance(value, float) else str(value)
