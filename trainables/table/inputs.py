"""Rows of features, which are an array, or a dictionary of arrays for a model with several inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Features = np.ndarray | Mapping[str, np.ndarray]
"""Features of rows: an array, shape (rows, ...), or such an array for each input, by its name."""


def count(x: Features) -> int:
    """Return the number of rows."""
    return len(next(iter(x.values()))) if isinstance(x, Mapping) else len(x)


def taken(x: Features, rows: np.ndarray | slice) -> Features:
    """Return some of the rows."""
    return {name: array[rows] for name, array in x.items()} if isinstance(x, Mapping) else x[rows]


def joined(one: Features, other: Features) -> Features:
    """Return the rows of both, one after the other."""
    if isinstance(one, Mapping):
        assert isinstance(other, Mapping)
        return {name: np.concatenate([array, other[name]]) for name, array in one.items()}
    return np.concatenate([one, np.asarray(other)])


def shape(x: Features) -> Any:
    """Return the shape of one row, for each input if there are several."""
    return {name: array.shape[1:] for name, array in x.items()} if isinstance(x, Mapping) else x.shape[1:]


def in_words(shape: Sequence[int]) -> str:
    """Return the shape of an array of rows for a message, such as "(rows, 10)", from the shape of one row."""
    return f"({', '.join(['rows', *map(str, shape)])})"
