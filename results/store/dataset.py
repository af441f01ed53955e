"""The base class of datasets: folders of Parquet files that grow by whole appends and can be read at any moment.

`LocalDataset` is a dataset in a folder on this machine, `ObjectDataset` one on an object store.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

import pyarrow as pa


class Dataset(ABC):
    """Rows of one schema in Parquet files. Only the process that holds the run's folder may change it.

    Attributes:
        schema: of the rows; it may be replaced by one with more columns before a call of `rewrite`.
        writers: for each table that `open` has yielded, the token of the process that wrote it; an empty text if the dataset
            does not tell.
    """

    schema: pa.Schema
    writers: list[str]

    @abstractmethod
    def open(self, set_aside: Callable[[Any], None]) -> Iterable[pa.Table]:
        """Yield the table of every sound file, in the order in which they were appended.

        Args:
            set_aside: called with the path of each damaged file.

        Raises:
            FolderError: the folder cannot be read.
        """

    @abstractmethod
    def rewrite(self, keep: Callable[[pa.Table], pa.Table]) -> None:
        """Replace the rows of every file by those that `keep` returns, and give it the columns of the schema.

        Afterwards there is at least one file, even if it has no rows, so that a reader finds the columns.

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
        """Return the state that `back_to` needs to undo later appends."""

    @abstractmethod
    def back_to(self, mark: Any) -> None:
        """Forget the appends since `mark`."""

    @property
    def pause_s(self) -> float:
        """Seconds to wait between two appends, so that readers have fewer files to open."""
        return 0.0
