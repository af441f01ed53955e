"""A dataset on this machine: a folder of numbered Parquet parts, of which only the last one changes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pyarrow as pa

from results.folder.files import explained, replace_file
from results.store import parquet
from results.store.dataset import Dataset
from results.store.parquet import conform

MAX_BYTES = 4 * 2**20
"""A part with at least this many bytes in memory is full."""


class LocalDataset(Dataset):
    """A folder of Parquet parts; an append rewrites the last one or, if that is full, adds one."""

    def __init__(self, folder: Path, columns: pa.Schema, max_rows: int) -> None:
        self.folder = folder
        self.schema = columns
        self.writers: list[str] = []
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
                with explained(path):  # a file that the system cannot read is not necessarily damaged
                    table = parquet.read(path)
            except ValueError:  # DamagedError, or a file name that this class does not write
                set_aside(path)
                continue
            self._numbers.append(number)
            self.writers.append("")
            self._last = None if self._is_full(table) else table
            yield table

    def rewrite(self, keep: Callable[[pa.Table], pa.Table]) -> None:
        """Rewrite every part of which `keep` drops rows, or whose columns are not the schema's."""
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
            # `back_to`, after a failed commit, may have restored a part without the columns that the commit added.
            table = pa.concat_tables([conform(self._last, self.schema), rows])
        replace_file(self._path(number), parquet.to_bytes(table))
        if self._last is None:
            self._numbers.append(number)
        self._last = None if self._is_full(table) else table.combine_chunks()

    def mark(self) -> tuple[list[int], pa.Table | None]:
        """Return the state that `back_to` needs to undo later appends."""
        return list(self._numbers), self._last

    def back_to(self, mark: tuple[list[int], pa.Table | None]) -> None:
        """Forget the appends since `mark`; the next append overwrites their parts."""
        self._numbers, self._last = list(mark[0]), mark[1]

    def _path(self, number: int) -> Path:
        return self.folder / f"part-{number:05d}.parquet"

    def _is_full(self, table: pa.Table) -> bool:
        return table.num_rows >= self._max_rows or table.nbytes >= MAX_BYTES
