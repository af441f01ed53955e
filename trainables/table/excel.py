"""Reads one sheet of an Excel file into a data frame. openpyxl, which is optional, opens the file."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trainables.table.expected import NOTHING, Expected, with_texts
from trainables.table.spec import DataError, DataSpec, ending_of

_FIRST_ROWS = 100
"""Rows in which the first one that is not empty is looked for."""


@dataclass(frozen=True)
class Sheet:
    """The table of a sheet.

    Attributes:
        frame: the rows below the names; rows without a value are left out.
        names: the name of each column, empty for a column without one.
        rows: the number of each row in the sheet, as Excel shows it, int, shape (rows,).
        notes: what the user must know.
        gap_texts: for columns of texts, how many gaps are from which texts, such as NA.
    """

    frame: pd.DataFrame
    names: list[str]
    rows: np.ndarray
    notes: tuple[str, ...]
    gap_texts: Mapping[str, Mapping[str, int]]


def read(path: str, data: bytes, spec: DataSpec, expected: Expected = NOTHING) -> Sheet:
    """Return the table in the sheet that `spec` names, which is the first if it names none.

    The first row that is not empty holds the names, unless `spec` says that there is none. Excel's own numbers, dates and
    truth values are taken as they are; the value of a formula is the one that Excel stored.

    Args:
        path: of the file, for messages.
        data: its bytes.
        spec: how to read it. Its own path is not used.
        expected: what is known of the table.

    Raises:
        DataError: the file or the sheet cannot be read as a table, or the package that opens it is missing.
    """
    try:
        with pd.ExcelFile(io.BytesIO(data)) as book:
            sheet, notes = _sheet(path, [str(name) for name in book.sheet_names], spec)
            return _read(path, book, sheet, spec, notes, expected)
    except DataError:
        raise
    except ImportError:
        package = "xlrd" if ending_of(path) == ".xls" else "openpyxl"
        how = "pip install 'keras-grid-sweep[excel]'" if package == "openpyxl" else f"pip install {package}"
        raise DataError(
            f"{path}: an Excel file needs the package {package}, which is not installed. "
            f"Install it ({how}), or save the file as CSV."
        ) from None
    except Exception as error:  # openpyxl raises many types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be read as Excel ({reason}). Correct data.path.") from None


def _sheet(path: str, sheets: list[str], spec: DataSpec) -> tuple[str, list[str]]:
    """Return which sheet is read, and what to tell about the others."""
    if spec.sheet is not None and spec.sheet not in sheets:
        names = ", ".join(map(repr, sheets))
        raise DataError(
            f'{path}: there is no sheet "{spec.sheet}", which data.sheet names. The sheets are: {names}. Name one.'
        )
    if spec.sheet is not None or len(sheets) == 1:
        return spec.sheet or sheets[0], []
    others = ", ".join(f'"{name}"' for name in sheets[1:])
    note = (
        f'{path}: the sheet "{sheets[0]}" is read, and {others} {"are" if len(sheets) > 2 else "is"} not. '
        f'The first sheet is read, unless the plan names one: sheet: "{sheets[1]}" under data, for example.'
    )
    return sheets[0], [note]


def _read(
    path: str, book: pd.ExcelFile, sheet: str, spec: DataSpec, notes: list[str], expected: Expected
) -> Sheet:
    where = f'{path}, sheet "{sheet}"'

    def parsed(**options: Any) -> pd.DataFrame:
        return pd.read_excel(book, sheet_name=sheet, header=None, **options)

    first = parsed(dtype=object, nrows=_FIRST_ROWS, na_values=[""], keep_default_na=False)
    filled = first.notna().any(axis=1).to_numpy()
    if not filled.any():
        raise DataError(f"{where}: is empty, but needs a table. Name another one in data.sheet.")
    start = int(filled.argmax()) + int(spec.header)
    # Names are read apart from the values: a column of both would be one of texts. pandas would rename equal names.
    if spec.header:
        row = first.iloc[start - 1]
        names = ["" if pd.isna(name) else str(name).strip() for name in row]
        if all(isinstance(name, int | float) for name in row) and not expected.are_names(names):
            raise DataError(
                f"{where}: row {start} should hold the columns' names, but holds only numbers ({', '.join(names[:4])}). "
                "Set data.header: false and name the columns in data.columns."
            )
    else:
        names = list(spec.columns or [])
    are_texts = {position: str for position, name in enumerate(names) if name in expected.texts}
    how: dict[str, Any] = {"na_values": spec.na, "decimal": spec.decimal, "dtype": are_texts}
    as_written: dict[str, Any] = {"na_values": spec.na or [], "keep_default_na": False, "dtype": str}

    def table(skipped: list[int]) -> tuple[pd.DataFrame, dict[str, dict[str, int]]]:
        frame = parsed(skiprows=skipped, **how)
        # The names or the values may end earlier.
        full = [*names, *[""] * (frame.shape[1] - len(names))]
        labels = [name or f"column {position}" for position, name in enumerate(full, 1)]
        frame = frame.reindex(columns=range(len(full))).set_axis(labels, axis=1)
        return with_texts(
            frame, lambda positions: parsed(skiprows=skipped, usecols=positions, **as_written), spec, expected
        )

    skipped = list(range(start))
    frame, gap_texts = table(skipped)
    if frame.empty:
        raise DataError(
            f"{where}: there is no row below the names. Correct data.path, or correct data.sheet."
        )
    empty = (frame.isna() | (frame == "")).all(axis=1).to_numpy()
    if empty.any():
        # They are read again, since a column of truth values with a gap has other values.
        frame, gap_texts = table([*skipped, *(start + np.flatnonzero(empty)).tolist()])
        notes.append(f"{where}: {int(empty.sum()):,} rows without a value are left out.")
    if not spec.header and len(names) != frame.shape[1]:
        raise DataError(
            f"{where}: there are {frame.shape[1]} columns, but data.columns names {len(names)}. "
            "Name every column of the sheet, in its order."
        )
    names += [""] * (frame.shape[1] - len(names))
    return Sheet(frame, names, start + 1 + np.flatnonzero(~empty), tuple(notes), gap_texts)
