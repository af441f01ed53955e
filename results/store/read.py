"""Reads a dataset on this machine or on an object store: all its parts, or the rows of some points."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from results.folder.path import AnyPath
from results.folder.run_folder import RunFolder
from results.store.parquet import DamagedError, read


def read_parts(folder: AnyPath, idx: Sequence[int] | None = None) -> Iterator[pa.Table]:
    """Yield the table of each part in `folder`, or only its rows with one of the `idx`.

    Raises:
        DamagedError: a part is damaged.
    """
    if isinstance(folder, Path):
        yield from (read(path, idx) for path in sorted(folder.glob("*.parquet")))
        return
    from results.store.object_dataset import read_parts as read_objects

    for _, table in read_objects(folder, idx):
        if isinstance(table, DamagedError):
            raise table
        yield table


def read_dataset(folder: AnyPath, idx: Sequence[int] | None = None) -> pa.Table:
    """Return the rows of all parts in `folder`, or only those with one of the `idx`; a running sweep does not disturb it.

    Raises:
        DamagedError: a part is damaged.
    """
    return pa.concat_tables(read_parts(folder, idx), promote_options="default")


def read_points(folder: RunFolder) -> pd.DataFrame:
    """Return one row for each finished point, in the order of the commits.

    Raises:
        ValueError: there is no run in the folder, or a part of it is damaged.
    """
    if not any(folder.points.glob("*.parquet")):
        raise ValueError(f"{folder.path}: there is no sweep here. Name the folder that was given as --out.")
    return read_dataset(folder.points).to_pandas()
