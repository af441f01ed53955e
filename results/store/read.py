"""Reads a dataset on this machine or on an object store: all its parts, or the rows of some points."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence

import pandas as pd
import pyarrow as pa

from results.folder.errors import FolderError
from results.folder.path import AnyPath, is_remote
from results.folder.run_folder import RunFolder
from results.store.parquet import DamagedError, read


def parts_in(folder: AnyPath) -> list[AnyPath]:
    """Return the Parquet files in `folder`.

    Raises:
        FolderError: it cannot be read.
    """
    if is_remote(folder):
        return list(folder.glob("*.parquet"))
    try:
        # `Path.glob` passes over a folder that may not be read, as if it were empty.
        return sorted(path for path in folder.iterdir() if path.suffix == ".parquet")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise _unread(folder, error) from None


def _unread(path: AnyPath, error: OSError) -> FolderError:
    return FolderError(
        f"{path}: cannot be read ({error.strerror or error}). Correct the rights, or ask its owner."
    )


def read_parts(folder: AnyPath, idx: Sequence[int] | None = None) -> Iterator[pa.Table]:
    """Yield the table of each part in `folder`, or only its rows with one of the `idx`.

    Raises:
        DamagedError: a part is damaged.
        FolderError: a part cannot be read.
    """
    if not is_remote(folder):
        for path in parts_in(folder):
            try:
                yield read(path, idx)
            except DamagedError:
                raise
            except OSError as error:
                raise _unread(path, error) from None
        return
    from results.store.object_dataset import read_parts as read_objects

    for _, table in read_objects(folder, idx):
        if isinstance(table, DamagedError):
            raise table
        yield table


def read_dataset(
    folder: AnyPath, idx: Sequence[int] | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """Return the rows of all parts in `folder`, or only those with one of the `idx`; a running sweep does not disturb it.

    Args:
        folder: of the dataset.
        idx: of the points; None for all.
        columns: those that are kept, if they are there; None for all.

    Raises:
        DamagedError: a part is damaged, or there is none.
    """
    parts = [_with_columns(part, columns) for part in read_parts(folder, idx)]
    if not parts:
        raise lost(folder, "no file is there")
    return pa.concat_tables(parts, promote_options="default")


def _with_columns(part: pa.Table, columns: Sequence[str] | None) -> pa.Table:
    return part if columns is None else part.select([name for name in columns if name in part.column_names])


def lost(folder: AnyPath, what: str) -> DamagedError:
    """Return the error for a dataset that lacks what the rows of the run promise.

    Args:
        folder: of the dataset.
        what: is missing.
    """
    return DamagedError(
        f"{folder}: {what}, though {folder.parent / 'points'} has rows. Run the sweep again, by the same command or "
        f"`sweep run --out {shlex.quote(str(folder.parent))}`: it trains the points again that have lost something."
    )


def read_points(folder: RunFolder) -> pd.DataFrame:
    """Return one row for each finished point, in the order of the commits.

    Raises:
        ValueError: there is no run in the folder, it has no rows, or a part of it is damaged.
        FolderError: it cannot be read.
    """
    if not parts_in(folder.points):
        if folder.plan.is_file():
            raise ValueError(
                f"{folder.path}: no point has a row: {folder.points} has no file. The run has just begun, or the file was "
                f"removed. `sweep run --out {shlex.quote(str(folder.path))}` trains the points without a row."
            )
        raise ValueError(f"{folder.path}: there is no sweep here. Name the folder that was given as --out.")
    return read_dataset(folder.points).to_pandas()
