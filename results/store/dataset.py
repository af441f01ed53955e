"""What a dataset must do: a folder of Parquet files that grows by whole appends and is read at any moment.

`LocalDataset` is one in a folder of this machine, `ObjectDataset` one on an object store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa


class Dataset(ABC):
    """Rows of one schema in Parquet files. Only the process that holds the run's folder may change it.

    Attributes:
        schema: of the rows; may be replaced by one with more columns, before `rewrite`.
    """

    schema: pa.Schema

    @abstractmethod
    def open(self, set_aside: Callable[[Any], None]) -> Iterable[pa.Table]:
        """Yield the table of every sound file, in the order in which they were appended.

        Args:
            set_aside: is given the path of each file that is damaged.

        Raises:
            FolderError: the folder cannot be read.
        """

    @abstractmethod
    def rewrite(self, keep: Callable[[pa.Table], pa.Table]) -> None:
        """Make every file hold what `keep` leaves of it, and the columns of the schema; leave a reader something to read.

        Raises:
            FolderError: the folder cannot be written.
        """

    @abstractmethod
    def append(self, rows: pa.Table) -> None:
        """Add `rows`, which have the schema's columns, all or nothing.

        Raises:
            FolderError: the folder cannot be written.
        """

    @abstractmethod
    def mark(self) -> Any:
        """Return what `back_to` needs to undo the appends from now on."""

    @abstractmethod
    def back_to(self, mark: Any) -> None:
        """Forget what was appended since `mark`."""

    @property
    def pause_s(self) -> float:
        """Seconds to leave between two appends, for the sake of the readers."""
        return 0.0
