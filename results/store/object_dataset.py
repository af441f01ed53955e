"""A dataset on an object store: its parts are written once, under names that no other process uses.

Why a commit does not overwrite the last part, as on a disk (`results.store.local_dataset`)
    On a disk, a reader keeps the old version open. On an object store, a reader asks for the footer and then for the pages,
    and the object may be replaced between the two. A PUT whose answer was lost may also take place late and overwrite
    a newer version.

The rule
    An object is written once. Its name holds a token of its process. A process that does not know whether its PUT took
    place repeats it with the same bytes. So late, lost or repeated PUTs change nothing, and no reader sees half a part. A
    commit PUTs weights and curves first; a point is finished when the object with its row exists.

The exceptions
    Part 0 is overwritten when a column is added. It has no rows but all columns, because readers take the columns from
    the first part. It has the same size in every version and is read by one GET, so a reader sees one version or the
    other. A part with rows is overwritten only when a store is opened after data was lost or damaged, to remove rows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pyarrow as pa

from results.folder.object_store import RemotePath
from results.store import parquet
from results.store.dataset import Dataset
from results.store.parquet import conform

READERS = 16
"""The number of simultaneous GETs."""
COLUMNS_BYTES = 32 * 1024
"""The size of part 0 is a multiple of this; Arrow reads this many bytes, and twice as many, by one GET."""

LEAST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""The limits of the pause between two appends."""

_NAME = re.compile(r"part-(\d+)(?:-([0-9a-f]+))?\.parquet")


class ObjectDataset(Dataset):
    """A folder of Parquet objects that grows by one with each append.

    Args:
        folder: of the dataset.
        columns: the dataset's schema.
        token: of this process, hexadecimal; no other process has it.
        put: called with the path and the bytes of each object to write; see `results.store.outbox`.
    """

    def __init__(
        self, folder: RemotePath, columns: pa.Schema, token: str, put: Callable[[RemotePath, bytes], None]
    ) -> None:
        self.folder = folder
        self.schema = columns
        self.writers: list[str] = []
        self._token = token
        self._put = put
        self._next = 1
        self._opened: list[tuple[RemotePath, pa.Table]] = []  # for `rewrite`
        self._columns: pa.Schema | None = None  # those in part 0

    def open(self, set_aside: Callable[[RemotePath], None]) -> Iterable[pa.Table]:
        """Yield the table of every sound part, in order; damaged ones go to `set_aside`."""
        self._opened, self.writers = [], []
        for path, table in read_parts(self.folder):
            match = _NAME.fullmatch(path.name)
            if match is None or isinstance(table, parquet.DamagedError):
                set_aside(path)
                continue
            if path == self._first:
                self._columns = table.schema
            self._next = max(self._next, int(match[1]) + 1)
            self._opened.append((path, table))
            self.writers.append(match[2] or "")
            yield table

    def rewrite(self, keep: Callable[[pa.Table], pa.Table]) -> None:
        """Rewrite every part of which `keep` drops rows, and part 0 if its columns are not the schema's."""
        for path, table in self._opened:
            kept = keep(table)
            if kept.num_rows == table.num_rows:
                continue
            if kept.num_rows:
                self._put(path, parquet.to_bytes(conform(kept, self.schema)))
            else:
                path.unlink(missing_ok=True)
        self._opened = []
        if self._columns is None or not self._columns.equals(self.schema):
            self._put(self._first, parquet.to_bytes(self.schema.empty_table(), COLUMNS_BYTES))
            self._columns = self.schema

    def append(self, rows: pa.Table) -> None:
        """Add `rows`, which have the schema's columns, as a new part."""
        self._opened = []
        self._put(self.folder / f"part-{self._next:05d}-{self._token}.parquet", parquet.to_bytes(rows))
        self._next += 1

    def mark(self) -> tuple[int, pa.Schema | None]:
        """Return the state that `back_to` needs to undo later appends."""
        return self._next, self._columns

    def back_to(self, mark: tuple[int, pa.Schema | None]) -> None:
        """Forget the appends since `mark`."""
        self._next, self._columns = mark

    @property
    def pause_s(self) -> float:
        """Seconds to wait between two appends: each makes a new object, which every reader has to open.

        The pause grows with the number of objects, so a sweep of `t` seconds makes about ten times the root of `t`.
        """
        return min(max(LEAST_PAUSE_S, self.parts / 50), LONGEST_PAUSE_S)

    @property
    def parts(self) -> int:
        """The number of objects with rows, including those that were removed."""
        return self._next - 1

    @property
    def _first(self) -> RemotePath:
        return self.folder / "part-00000.parquet"


def read_parts(
    folder: RemotePath, idx: Sequence[int] | None = None
) -> Iterable[tuple[RemotePath, pa.Table | parquet.DamagedError]]:
    """Yield the parts of a dataset in order, or only their rows with one of the `idx`; for a damaged part, the error.

    An object that was removed after it was listed is skipped.
    """

    def read(path: RemotePath) -> pa.Table | parquet.DamagedError | None:
        for left in (2, 1, 0):
            try:
                return parquet.read(path, idx)
            except FileNotFoundError:
                return None
            except parquet.DamagedError as error:  # or overwritten between HEAD and GET: read it again
                if not left:
                    return error
        return None

    paths = folder.glob("*.parquet")
    with ThreadPoolExecutor(READERS) as readers:
        for path, table in zip(paths, readers.map(read, paths), strict=True):
            if table is not None:
                yield path, table
