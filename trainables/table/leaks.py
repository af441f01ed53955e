"""Finds features that give the target away: copies of it, also under other names of its values."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from trainables.table.recipe import Recipe, shown

_LOOKED_AT = 1000
"""Rows that are compared first, because most columns differ in them."""


def notes_of(frame: pd.DataFrame, rows: np.ndarray, made: Recipe, x: np.ndarray, y: np.ndarray) -> list[str]:
    """Return a sentence about each column that gives the target away in the train rows.

    Args:
        frame: the raw table.
        rows: positions of the train rows.
        made: says what the columns became.
        x: features of the train rows, shape (rows, features).
        y: target of the train rows, shape (rows,), or (rows, targets), of which none is compared.
    """
    if y.ndim > 1:
        return []
    found = []
    for column in made.columns:
        values = frame[column.name].iloc[rows]
        if any(np.array_equal(x[:, position], y) for position in made.positions[column.name]):
            what = "equals the target in every train row"
        elif _is_renamed(values, y):
            first, other = (int((y == code).argmax()) for code in np.unique(y)[:2])
            what = (
                f"has one value for each value of the target ({shown(values, first)} and {shown(values, other)} for the "
                "first two)"
            )
        else:
            continue
        found.append(
            f'The feature "{column.name}" {what}, so it gives the answer away. If it is not known before the target, '
            f"leave it out: drop: {json.dumps([column.name], ensure_ascii=False)}."
        )
    return found


def _is_renamed(values: pd.Series, y: np.ndarray) -> bool:
    """Return whether each value goes with one value of the target, and each of these with one value.

    Values that hardly repeat, such as amounts and ids, say nothing: any two columns of them are so.
    """
    for end in (_LOOKED_AT, len(y)):
        numbers, distinct = pd.factorize(values.iloc[:end], use_na_sentinel=False)
        codes, targets = pd.factorize(y[:end])
        if len(distinct) != len(targets):
            return False
        pairs = len(np.unique(numbers.astype("int64") * len(targets) + codes))
        if pairs != len(distinct):
            return False
    return 1 < len(distinct) <= len(y) / 2
