"""A table as it is in its file, before anything is made of its columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from trainables.table.spec import DataError


@dataclass(frozen=True)
class Source:
    """A table as it is in its file.

    Attributes:
        name: the file's path, for messages.
        frame: the table. Its column names are unique texts; its index counts the rows from 0.
        nameless: the names that were given to columns without a name.
        notes: what was left out.
        lines: returns the line of each row in a text file, as an editor counts, or its row in a sheet, as Excel counts; None
            for other formats.
        parts: the sources whose rows follow each other in the table; none if all rows are from one file.
        gap_texts: for columns of texts, how many gaps are from which texts, such as NA; the empty text is left out.
    """

    name: str
    frame: pd.DataFrame
    nameless: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    lines: Callable[[], np.ndarray] | None = None
    parts: tuple[Source, ...] = ()
    gap_texts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def row(self, position: int) -> str:
        """Return where the row at `position` is, from 1: its line in a text file, its row in a sheet, or its number.

        Of several files, the name of the row's file follows.
        """
        for part in self.parts:
            if position < len(part.frame):
                return f"{part.row(position)} of {part.name}"
            position -= len(part.frame)
        if self.lines is not None:
            lines = self.lines()
            if len(lines) == len(self.frame):  # unequal only if pandas and csv parse quotes differently
                return str(lines[position])
        return str(position + 1)


def with_names(
    path: str, frame: pd.DataFrame, names: list[str], lines: Callable[[], np.ndarray] | None
) -> Source:
    """Return the table without the empty columns behind its last name, and with names for other columns without one."""
    frame.columns = pd.Index([name or f"column {position}" for position, name in enumerate(names, 1)])
    empty = 0
    while empty < len(names) and not names[-1 - empty] and frame.iloc[:, -1 - empty].isna().all():
        empty += 1
    notes = []
    if empty:
        frame, names = frame.iloc[:, :-empty], names[:-empty]
        notes.append(f"{path}: the last {empty} columns have neither names nor values, and are left out.")
    nameless = tuple(str(label) for label, name in zip(frame.columns, names, strict=True) if not name)
    return Source(path, frame, nameless, tuple(notes), lines)


def check_names(names: list[str], path: str, by_position: list[Any] | None = None) -> None:
    """Raise a DataError if a name is there twice; `by_position` are the names by position, if some columns have none."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            positions = [n for n, one in enumerate(by_position or names, start=1) if one == name]
            raise DataError(
                f'{path}: two columns are called "{name}" (the second is column {positions[1]}). Rename one.'
            )
        seen.add(name)
