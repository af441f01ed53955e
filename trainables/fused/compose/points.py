"""Represents points of a space by integer codes, one for each axis, so that they can be grouped.

Terminology
    code          the number of a value on its axis, counted from 0
    row           the number of a point among the points of a `Points`, counted from 0
    combination   the values that some axes take together in at least one of the points
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Combinations:
    """The combinations of some axes, numbered in the order of their first points.

    Attributes:
        first: the row of the first point with each combination, int64, shape (combinations,).
        of_point: the number of each point's combination, int64, shape (points,).
    """

    first: np.ndarray
    of_point: np.ndarray

    def __len__(self) -> int:
        return len(self.first)


@dataclass(frozen=True)
class Column:
    """A value for each point, stored once for each combination of the axes on which it depends.

    Attributes:
        values: one value for each combination.
        combinations: the combinations of these axes.
    """

    values: Sequence[Any]
    combinations: Combinations

    def __getitem__(self, row: int) -> Any:
        return self.values[self.combinations.of_point[row]]

    def to_array(self, convert: Callable[[Sequence[Any]], np.ndarray]) -> np.ndarray:
        """Return an array with a row for each point; `convert` makes one with a row for each combination."""
        return convert(self.values)[self.combinations.of_point]


class Points:
    """Some points of a space.

    Args:
        axes: the axes of the space, each with its `name` and `values`.
        codes: the code of each point on each axis, int64, shape (points, axes).
    """

    def __init__(self, axes: Sequence[Any], codes: np.ndarray) -> None:
        self._axes, self.codes = tuple(axes), codes
        self._column = {axis.name: number for number, axis in enumerate(self._axes)}

    @classmethod
    def of(cls, space: Any, idx: Iterable[int]) -> Points:
        """Return the points `idx` of a space, in their order."""
        return cls(space.axes, space.codes(np.asarray(list(idx) if not isinstance(idx, np.ndarray) else idx)))

    def __len__(self) -> int:
        return len(self.codes)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the axes."""
        return tuple(self._column)

    def code(self, row: int, name: str) -> int:
        """Return the code of a point on an axis."""
        return int(self.codes[row, self._column[name]])

    def config(self, row: int, names: Iterable[str] | None = None) -> dict[str, Any]:
        """Return the values of a point on the axes `names`, or on all axes."""
        return {name: self.value(row, name) for name in (self.names if names is None else names)}

    def value(self, row: int, name: str) -> Any:
        """Return the value of a point on an axis; a list is copied, because the builder may change it."""
        return self.value_of(name, self.code(row, name))

    def value_of(self, name: str, code: int) -> Any:
        """Return the value with the number `code` on an axis; a list is copied, because the builder may change it."""
        value = self._axes[self._column[name]].values[code]
        return deepcopy(value) if isinstance(value, list | dict) else value

    def codes_of(self, names: Iterable[str]) -> np.ndarray:
        """Return the code of each point on each of the axes `names`, int64, shape (points, axes)."""
        return self.codes[:, [self._column[name] for name in names]]

    def varying(self, names: Iterable[str]) -> list[str]:
        """Return those of the axes `names` on which the points differ."""
        columns = ((name, self.codes[:, self._column[name]]) for name in names)
        return [name for name, column in columns if (column != column[0]).any()]

    def combinations(self, names: Iterable[str]) -> Combinations:
        """Return the combinations of the axes `names`."""
        labels = np.zeros(len(self), np.int64)
        for name in names:
            column = self.codes[:, self._column[name]]
            # Renumber after each axis, so that the numbers stay small with many axes.
            _, labels = np.unique(labels * (int(column.max()) + 1) + column, return_inverse=True)
        return numbered(labels)

    def like(self, row: int, names: Iterable[str], other: int, name: str) -> np.ndarray:
        """Return the rows that equal `row` on the axes `names`, but equal the row `other` on the axis `name`."""
        columns = [self._column[axis] for axis in names]
        wanted = self.codes[row].copy()
        wanted[self._column[name]] = self.codes[other, self._column[name]]
        return np.flatnonzero((self.codes[:, columns] == wanted[columns]).all(1))


def numbered(labels: np.ndarray) -> Combinations:
    """Return one combination for each distinct label; `labels` is int64, shape (points,)."""
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty(len(order), np.int64)
    rank[order] = np.arange(len(order))
    return Combinations(first[order], rank[inverse])
