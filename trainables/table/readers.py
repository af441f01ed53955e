"""Reads a table from a text or Parquet file into a data frame, with a separate error for each possible fault."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import pandas as pd
import pyarrow.parquet as pq

from trainables.errors import TrainablesError

TargetShape = Literal["auto", "flat", "column", "onehot"]
"""The shape in which models take one target column."""


class DataError(TrainablesError, ValueError):
    """The table cannot be used; the message names the file, the line or column, and the remedy."""


@dataclass(frozen=True)
class DataSpec:
    """The table's file, and how to read and split it.

    Args:
        path: a .csv (or .data, .tsv, .txt) or .parquet file.
        target: name of the numeric column to predict.
        test_fraction: share of the rows kept for the test, between 0 and 1.
        split_seed: seed of the train/test split.
        header: whether the first line of a text file holds the columns' names.
        columns: the columns' names where `header` is false.
        drop: columns to leave out, such as an identifier.
        delimiter: the character that separates the fields of a text file.
        encoding: the encoding of a text file.
        target_shape: how models take one target column: flat, shape (rows,); column, shape (rows, 1); onehot, shape
            (rows, classes); auto finds out what a model's loss and metrics need.

    Raises:
        DataError: an option is out of range or contradicts another one.
    """

    path: str
    target: str
    test_fraction: float = 0.2
    split_seed: int = 0
    header: bool = True
    columns: list[str] | None = None
    drop: list[str] | None = None
    delimiter: str = ","
    encoding: str = "utf-8"
    target_shape: TargetShape = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise DataError(
                f"data.test_fraction got {self.test_fraction}, but needs a share between 0 and 1, such as 0.2."
            )
        if not 0 <= self.split_seed < 2**32:
            raise DataError(
                f"data.split_seed got {self.split_seed}, but needs an integer from 0 to 2**32 - 1."
            )
        if len(self.delimiter) != 1:
            raise DataError(f'data.delimiter got {self.delimiter!r}, but needs one character, such as ";".')
        if self.header and self.columns is not None:
            raise DataError(
                "data.columns is given, but data.header is true. "
                "Set header: false if the file has no line of names, or remove columns."
            )
        if not self.header and self.columns is None and not self.is_parquet:
            raise DataError(
                "data.header is false, so data.columns must name the columns, in the file's order."
            )
        if self.target_shape not in get_args(TargetShape):
            raise DataError(
                f"data.target_shape got {self.target_shape!r}, but needs one of {', '.join(get_args(TargetShape))}."
            )

    @property
    def is_parquet(self) -> bool:
        """Whether the file is read as Parquet."""
        return Path(self.path).suffix.lower() in (".parquet", ".pq")


def read(spec: DataSpec) -> pd.DataFrame:
    """Return the table in the file that `spec` names. Column names are unique texts.

    The index of a row is its line in a text file, as an editor counts, or its number in a Parquet file, from 1.

    Raises:
        DataError: the file cannot be read as a table.
    """
    path = Path(spec.path)
    return _read_parquet(path) if spec.is_parquet else _read_text(path, spec)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        schema = pq.read_schema(path)
        _check_names([str(name) for name in schema.names], path)
        frame = pd.read_parquet(path).reset_index(drop=True)
    except DataError:
        raise
    except Exception as error:  # pyarrow raises many types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be read as Parquet ({reason}). Correct data.path.") from None
    frame.columns = frame.columns.map(str)
    frame.index = pd.RangeIndex(1, len(frame) + 1)
    return frame


def _read_text(path: Path, spec: DataSpec) -> pd.DataFrame:
    # Spreadsheet programs begin a UTF-8 file with a byte order mark, which is no part of the first name.
    encoding = "utf-8-sig" if spec.encoding.lower() in ("utf-8", "utf8") else spec.encoding
    try:
        with path.open(encoding=encoding, newline="") as file:
            reader = csv.reader(file, delimiter=spec.delimiter, skipinitialspace=True)
            # All rows that are not empty, and the line on which each ends.
            rows = [(row, reader.line_num) for row in reader if row]
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, _offset_of_bad_byte(path, encoding)) + 1
        raise DataError(
            f"{path}: line {line} is not {spec.encoding} (byte 0x{error.object[error.start]:02x}). "
            "Set data.encoding, such as latin-1, or save the file as UTF-8."
        ) from None
    except (LookupError, UnicodeError, ValueError) as error:
        raise DataError(
            f'{path}: data.encoding "{spec.encoding}" does not fit the file ({error}). Set utf-8, for example.'
        ) from None
    except csv.Error as error:
        raise DataError(
            f"{path}: this is no delimited text ({error}). Correct data.path or the file."
        ) from None
    if not rows:
        raise DataError(f"{path}: the file is empty, but needs a table. Correct data.path.")
    first = rows[0][0]
    names = [name.strip() for name in first] if spec.header else list(spec.columns or [])
    if len(first) == 1 and (other := _likelier_delimiter(first[0], spec.delimiter)):
        raise DataError(
            f'{path}: line 1 has one field when split at "{spec.delimiter}", but looks split at '
            f"{other!r}. Set data.delimiter: {other!r}."
        )
    if len(names) != len(first):
        raise DataError(
            f"{path}: line 1 has {len(first)} fields, but data.columns names {len(names)}. "
            "Name every column of the file, in its order."
        )
    if spec.header and all(map(_is_number, names)):
        raise DataError(
            f"{path}: line 1 should hold the columns' names, but holds only numbers ({', '.join(names[:4])}, ...). "
            "Set data.header: false and name the columns in data.columns."
        )
    _check_names(names, path)
    body = rows[1:] if spec.header else rows
    if not body:
        raise DataError(f"{path}: there is no row below the names. Correct data.path.")
    for row, line in body:
        if len(row) != len(names):
            raise DataError(
                f"{path}: line {line} has {len(row)} fields, but line {rows[0][1]} has {len(names)}. Correct the line."
            )
    frame = pd.read_csv(
        path,
        header=None,
        names=names,
        index_col=False,
        skiprows=rows[0][1] if spec.header else 0,
        sep=spec.delimiter,
        encoding=encoding,
        skipinitialspace=True,
        low_memory=False,
    )
    if len(frame) == len(body):  # unequal only if pandas and csv parse quotes differently
        frame.index = pd.Index([line for _, line in body])
    return frame


def _offset_of_bad_byte(path: Path, encoding: str) -> int:
    try:
        path.read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _likelier_delimiter(line: str, delimiter: str) -> str | None:
    counts = {other: line.count(other) for other in ",;\t|" if other != delimiter}
    best = max(counts, key=lambda other: counts[other])
    return best if counts[best] else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_names(names: list[str], path: Path) -> None:
    seen: set[str] = set()
    for position, name in enumerate(names, start=1):
        if not name:
            raise DataError(
                f"{path}: column {position} has no name. Name every column, or drop it from the file."
            )
        if name in seen:
            raise DataError(
                f'{path}: two columns are called "{name}" (the second is column {position}). Rename one.'
            )
        seen.add(name)
