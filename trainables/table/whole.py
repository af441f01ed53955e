"""Keeps all digits of whole numbers that are categories, such as ids of 17 digits: a float has 15 digits for sure.

pandas makes floats of whole numbers with gaps, and of those of two files if only one has numbers above the range of int64.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from trainables.table.expected import NA_TEXTS

_WITH_GAPS = {pa.int64(): pd.Int64Dtype(), pa.uint64(): pd.UInt64Dtype()}


def of_text(
    frame: pd.DataFrame,
    names: Collection[str],
    decimal: str,
    written: Callable[[list[int]], pd.DataFrame],
) -> pd.DataFrame:
    """Return the table of a text file with whole numbers as such.

    Args:
        frame: as pandas reads the file.
        names: the columns that are categories.
        decimal: the decimal mark.
        written: returns the columns at some positions as texts, with gaps.
    """
    positions = [n for n, name in enumerate(frame) if name in names and _may_differ(frame.iloc[:, n])]
    if not positions:
        return frame
    frame, texts = frame.copy(deep=False), written(positions)
    is_whole = re.compile(rf"[+-]?\d+({re.escape(decimal)}0*)?").fullmatch
    for position, name in zip(positions, texts, strict=True):
        values = [None if pd.isna(text) else str(text).strip() for text in texts[name]]
        if all(value is None or is_whole(value) for value in values):
            numbers = [None if value is None else int(value.partition(decimal)[0]) for value in values]
            found = _as_numbers(numbers, frame.index)
            frame[frame.columns[position]] = found if found is not None else texts[name].to_numpy()
    return frame


def _may_differ(values: pd.Series) -> bool:
    """Return whether pandas may have changed whole numbers with gaps: into floats, or above int64 into texts with ""."""
    if pd.api.types.is_float_dtype(values):
        present = values.dropna()
        return bool(len(present) < len(values) and (present % 1 == 0).all())
    return isinstance(values.dtype, pd.StringDtype) and bool(values.isin(NA_TEXTS).any())


def of_arrow(frame: pd.DataFrame, table: pa.Table, names: Collection[str]) -> pd.DataFrame:
    """Return the table of a Parquet or Feather file with whole numbers as such.

    Args:
        frame: as pandas reads `table`.
        table: the file's content.
        names: the columns that are categories.
    """
    frame = frame.copy(deep=False)
    there = [name for name in names if name in frame and name in table.column_names]
    for name in there:
        if pd.api.types.is_float_dtype(frame[name]) and table.schema.field(name).type in _WITH_GAPS:
            frame[name] = table.column(name).to_pandas(types_mapper=_WITH_GAPS.get).set_axis(frame.index)
    return frame


def of_objects(values: pd.Series) -> pd.Series | None:
    """Return numbers that are objects as whole numbers with gaps, or as texts if they are too large; None if not whole."""
    gaps = values.isna()
    if not all(math.isfinite(value) and value == int(value) for value in values[~gaps]):
        return None
    numbers = [None if gap else int(value) for value, gap in zip(values, gaps, strict=True)]
    found = _as_numbers(numbers, values.index)
    if found is None:
        texts = [None if number is None else str(number) for number in numbers]
        found = pd.Series(texts, values.index, "str")
    return found


def of_one_kind(parts: Sequence[pd.DataFrame], names: Collection[str]) -> list[pd.DataFrame]:
    """Return the tables of several files, so that to join them changes no whole number.

    Args:
        parts: the tables, with the same columns.
        names: the columns that are categories.
    """
    found = [part.copy(deep=False) for part in parts]
    for name in names:
        if {part[name].dtype.kind for part in parts if name in part} >= {"i", "u"}:
            for part in found:
                part[name] = part[name].astype(object)
    return found


def _as_numbers(numbers: Sequence[int | None], index: Any) -> pd.Series | None:
    present = [number for number in numbers if number is not None]
    least, most = min(present, default=0), max(present, default=0)
    for kind in ("int64", "uint64"):
        if np.iinfo(kind).min <= least and most <= np.iinfo(kind).max:
            # `pd.array` would make floats of the numbers on its way to uint64.
            values = np.array([number or 0 for number in numbers], kind)
            is_gap = np.array([number is None for number in numbers])
            return pd.Series(pd.arrays.IntegerArray(values, is_gap), index=index)
    return None
