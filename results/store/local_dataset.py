"""A folder of numbered Parquet parts that grows at its end, a whole part at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa

from results.folder.files import explained, replace_file
from results.store import parquet
from results.store.dataset import Dataset
from results.store.parquet import conform

MAX_BYTES = 4 * 2**20
"""A part with at least so many bytes in memory is full."""


class LocalDataset(Dataset):
    """A folder of Parquet parts that grows at its end."""

    def __init__(self, folder: Path, columns: pa.Schema, max_rows: int) -> None:
        self.folder = folder
        self.schema = columns
        self._max_rows = max_rows
        self._numbers: list[int] = []
        self._last: pa.Table | None = None  # the rows of the last part; None if there is none or it is full

    def open(self, set_aside: Callable[[Path], None]) -> Iterable[pa.Table]:
        """Yield the table of every sound part, in order; damaged ones go to `set_aside`."""
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
            for left in self.folder.glob(".*.tmp"):
                left.unlink()
        for path in sorted(self.folder.glob("*.parquet")):
            try:
                number = int(path.stem.removeprefix("part-"))
                with explained(path):  # what cannot be read now may be sound
                    table = parquet.read(path)
            except ValueError:  # DamagedError, or a name that is none of ours
                set_aside(path)
                continue
            self._numbers.append(number)
            self._last = None if self._is_full(table) else table
            yield table

    def rewrite(self, keep: Callable[[pa.Table], pa.Table]) -> None:
        """Write every part of which `keep` leaves fewer rows, or whose columns are not the schema's, anew."""
        for number in list(self._numbers):
            table = parquet.read(self._path(number))
            kept = conform(keep(table), self.schema)
            if kept.num_rows != table.num_rows or not kept.schema.equals(table.schema):
                replace_file(self._path(number), parquet.to_bytes(kept))
            if number == self._numbers[-1]:
                self._last = None if self._is_full(kept) else kept
        if not self._numbers:
            self.append(self.schema.empty_table())  # so that a reader always finds a table

    def append(self, rows: pa.Table) -> None:
        """Add `rows`, which have the schema's columns, all or nothing."""
        if self._last is None:
            number = self._numbers[-1] + 1 if self._numbers else 0
            table = rows
        else:
            number = self._numbers[-1]
            # A commit that failed may have left it without the columns that it had just added.
            table = pa.concat_tables([conform(self._last, self.schema), rows])
        replace_file(self._path(number), parquet.to_bytes(table))
        if self._last is None:
            self._numbers.append(number)
        self._last = None if self._is_full(table) else table.combine_chunks()

    def mark(self) -> tuple[list[int], pa.Table | None]:
        """Return what `back_to` needs to undo the appends from now on, in memory."""
        return list(self._numbers), self._last

    def back_to(self, mark: tuple[list[int], pa.Table | None]) -> None:
        """Forget what was appended since `mark`; the next append writes over it."""
        self._numbers, self._last = list(mark[0]), mark[1]

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:05d}.parquet"

    def _is_full(self, table: pa.Table) -> bool:
        return table.num_rows >= self._max_rows or table.nbytes >= MAX_BYTES
