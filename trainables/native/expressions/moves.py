"""Finds which input numbers each output of an operation such as a slice or a transposition holds.

TensorFlow itself moves numbers that say where they come from: each number of a tensor of rows has a number of its own, from
1 on. 0 is what the operation adds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainables.native.expressions.formula import Formula, NoExpressionError, View

MOVING = (
    *("StridedSlice", "StridedSliceGrad", "Slice", "Pad", "ConcatV2", "Pack", "Unpack", "Split", "SplitV"),
    *("Tile", "BroadcastTo", "Transpose", "ReverseV2", "GatherV2", "Roll"),
)
"""The types of such operations."""

MOVED = {"ConcatV2": slice(-1), "Pack": slice(None), "Split": slice(1, 2), "StridedSliceGrad": slice(4, 5)}
"""Which of their inputs are moved; by default the first one. The others say where to."""

MOST_EXACT = 2**24
"""Float32 has all whole numbers up to this one."""


def origin(
    formula: Formula, rows: int, moved: np.ndarray, views: Sequence[tuple[int, int, View]], kind: str
) -> View:
    """Return the columns that an operation has moved.

    Args:
        formula: to which they belong.
        rows: how many there are.
        moved: where the numbers of the result come from, int64, shape (rows, ...).
        views: for each tensor that was moved: the number of its first number, how many a row has, and its columns.
        kind: the type of the operation.

    Raises:
        NoExpressionError: a number comes from another row.
    """
    columns: list[View] = []
    if not moved.ndim or len(moved) != rows or not moved.size:
        raise NoExpressionError(f"has the operation {kind} of the rows")
    of_rows = moved.reshape(rows, -1)
    for column in of_rows.T:
        found, of_row = formula.constant(0.0), np.zeros(rows, np.int64)
        for first, size, view in views:
            if first <= column[0] < first + size:
                found = formula.column(view, int(column[0]) - first)
                of_row = column[0] + size * np.arange(rows)
        if (column != of_row).any():
            raise NoExpressionError(f"has the operation {kind} of the rows")
        columns.append(found)
    return formula.beside(columns) if len(set(columns)) > 1 else columns[0]
