"""The space of a sweep: its axes, and the conversion between a point's number and its configuration.

Terminology
    axis    a hyper-parameter and the values it takes
    point   one combination: one value of every axis
    config  a point as a mapping from the name of each axis to its value
    idx     the number of a point in scikit-learn's `ParameterGrid` of the same axes: axes sorted by name,
            the last one varying fastest, counted from 0
    code    the number of a value on its axis, counted from 0; a point is one code for each axis
    repeat  with `repeats`, each combination is there so often, as that many points: `idx` is then the repeat, counted from
            0, times the size of the grid, plus the number in the grid
    configuration   a combination that is trained, whatever its repeats are; without `repeats` the same as a point
    acting, different points    see `results.conditional`; without conditions, each axis acts and all points are different
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np

from results.conditional import ConditionalAxes
from results.schema import REPEAT

Config = dict[str, Any]


@dataclass(frozen=True)
class Axis:
    """One hyper-parameter and its values.

    Args:
        name: the name of an argument of the builder or of `Model.fit`.
        values: at least one; each is a number, string, boolean, null, or a list of these. A `range` is not expanded.
            A value of the axis `class_weight` may also be a mapping.

    Raises:
        ValueError: the name or a value cannot be used; the message says which and what to write.
    """

    name: str
    values: Sequence[Any]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(
                f"Axis {self.name!r} is not the name of an argument. "
                "Use letters, digits and underscores, as in the builder's signature."
            )
        values = self.values
        if hasattr(values, "tolist"):  # a NumPy array
            values = values.tolist()
        if not isinstance(values, list | tuple | range):
            single = "null" if values is None else values
            raise ValueError(
                f'Axis "{self.name}" got {values!r}, but needs a list of values. '
                f"Write [{single}] for a single value."
            )
        if not isinstance(values, range):
            values = tuple(_plain(self.name, value) for value in values)
        if not values:
            raise ValueError(
                f'Axis "{self.name}" got values=[], but needs at least one. '
                "Remove the axis or give it a one-element list."
            )
        object.__setattr__(self, "values", values)

    def __len__(self) -> int:
        return len(self.values)


def _plain(axis: str, value: Any) -> Any:
    """Return `value` as plain Python data; raise ValueError if it cannot be a value of `axis`."""
    if isinstance(value, list | tuple):
        return [_plain(axis, item) for item in value]
    if axis == "class_weight" and isinstance(
        value, Mapping
    ):  # by the labels of classes, which JSON has as texts
        return {str(_plain(axis, key)): _plain(axis, one) for key, one in value.items()}
    if hasattr(value, "item") and not isinstance(value, str):  # a NumPy scalar
        value = value.item()
    if isinstance(value, str):
        if not value.isprintable() and value != value.encode("utf-8", "replace").decode():
            raise ValueError(f'Axis "{axis}" got the text {value!r}, which UTF-8 cannot hold. Change it.')
        return str(value)  # YAML cannot write np.str_ and StrEnum
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        if math.isnan(value):
            raise ValueError(f'Axis "{axis}" got the value NaN, which equals nothing. Remove it.')
        return value
    raise ValueError(
        f'Axis "{axis}" got the value {value!r} of type {type(value).__name__}, but a value is a number, '
        "a string, a boolean, null, or a list of these. Name it by a string and build it in the builder."
    )


def value_key(value: Any) -> str:
    """Return a text that is equal for equal values of the same type: 1, 1.0 and true differ."""
    return json.dumps(value)


class Space(Sequence[Config]):
    """All points of a grid, which are computed only when they are needed.

    `space[idx]` is a point's configuration, `space.index(config)` its idx, and `len(space)` the number of points. A
    configuration does not name the repeat. No list of points is made, so a space of 10**7 points takes no time.

    Args:
        axes: values by axis name, in any order, or `Axis` objects.
        only: the conditions of axes that act only at some points, by axis name, such as `{"width_2": "layers >= 2"}`.
        repeats: how often each combination is there.

    Raises:
        OnlyError: a condition cannot be used.
        ValueError: there is no axis, two axes have the same name, or `Axis` refuses one.
    """

    def __init__(
        self,
        axes: Mapping[str, Sequence[Any]] | Sequence[Axis],
        only: Mapping[str, str] | None = None,
        repeats: int = 1,
    ) -> None:
        made = [Axis(*item) for item in axes.items()] if isinstance(axes, Mapping) else list(axes)
        if not made:
            raise ValueError(
                "The space has no axis, but needs at least one. Add one, such as units: [8, 16]."
            )
        self.axes: tuple[Axis, ...] = tuple(sorted(made, key=lambda axis: axis.name))
        for first, second in zip(self.axes, self.axes[1:], strict=False):
            if first.name == second.name:
                raise ValueError(f'The space has two axes "{first.name}". Merge their values into one list.')
        self.repeats = repeats
        self.grid = math.prod(len(axis) for axis in self.axes)
        """The number of points of one repeat."""
        self._len = self.grid * repeats
        if self._len > sys.maxsize:
            raise ValueError(
                f"The space has {self._len:.1e} points, but an index holds at most {sys.maxsize:.1e}. Remove an axis."
            )
        self.only: dict[str, str] = dict(only or {})
        self._conditional = ConditionalAxes(self.axes, self.only) if self.only else None

    @property
    def names(self) -> tuple[str, ...]:
        """The axes' names, sorted."""
        return tuple(axis.name for axis in self.axes)

    def __len__(self) -> int:
        return self._len

    def __getitem__(self, idx: int) -> Config:  # type: ignore[override]  # slices would list points
        if not 0 <= idx < self._len:  # also of a number that no array holds
            raise IndexError(f"idx={idx} is outside the space: it has the points 0 to {self._len - 1}.")
        [codes] = self.codes(np.array([idx])).tolist()
        values = (axis.values[code] for axis, code in zip(self.axes, codes, strict=True))
        return {
            name: deepcopy(value) if isinstance(value, list | dict) else value
            for name, value in zip(self.names, values, strict=True)
        }

    def __iter__(self) -> Iterator[Config]:
        return (self[idx] for idx in range(self._len))

    def codes(self, idx: np.ndarray) -> np.ndarray:
        """Return the code of each point on each axis: int64, shape (points, axes), in the order of `axes`.

        Args:
            idx: of the points, shape (points,).

        Raises:
            IndexError: a point is outside the space.
        """
        return codes_of(idx, [self.repeats, *(len(axis) for axis in self.axes)])[:, 1:]

    def repeat(self, idx: np.ndarray) -> np.ndarray:
        """Return the repeat of each point, counted from 0: int64, shape (points,)."""
        return repeat_of(np.asarray(idx, np.int64), self.grid)

    def number_in_grid(self, idx: np.ndarray) -> np.ndarray:
        """Return the number of each point in the grid, which is its idx in repeat 0: int64, shape (points,)."""
        return number_in_grid(np.asarray(idx, np.int64), self.grid)

    @property
    def configurations(self) -> int:
        """The number of different points of one repeat."""
        return self.grid if self._conditional is None else len(self._conditional)

    @property
    def different(self) -> int:
        """The number of different points: those that are trained."""
        return self.configurations * self.repeats

    def nth(self, numbers: np.ndarray) -> np.ndarray:
        """Return the idx of different points by their numbers, from 0 to `different` - 1: int64, shape (points,).

        The numbers of repeat 0 come first, then those of repeat 1 in the same order.
        """
        if self._conditional is None:
            return np.asarray(numbers, np.int64)
        repeat, number = np.divmod(np.asarray(numbers, np.int64), self.configurations)
        return repeat * self.grid + self._idx(self._conditional.codes(number))

    def numbers(self, idx: np.ndarray) -> np.ndarray:
        """Return the numbers of points, the inverse of `nth`; -1 for a point that another one stands for."""
        if self._conditional is None:
            return np.asarray(idx, np.int64)
        found = self._conditional.numbers(self.codes(idx))
        return np.where(found < 0, -1, self.repeat(idx) * self.configurations + found)

    def acting(self, idx: np.ndarray) -> np.ndarray:
        """Return whether each axis acts at each point: bool, shape (points, axes), in the order of `axes`."""
        return self.acting_codes(self.codes(idx))

    def acting_codes(self, codes: np.ndarray) -> np.ndarray:
        """Return the same as `acting` for points that are given by their codes, shape (points, axes)."""
        return np.ones(codes.shape, bool) if self._conditional is None else self._conditional.acting(codes)

    def standing_for(self, idx: np.ndarray) -> np.ndarray:
        """Return the point that stands for each point, which is trained in its place: int64, shape (points,)."""
        return self.repeat(idx) * self.grid + self.standing(self.codes(idx))

    def standing(self, codes: np.ndarray) -> np.ndarray:
        """Return the same as `standing_for` for points of repeat 0, given by their codes, shape (points, axes)."""
        return self._idx(codes * self.acting_codes(codes))

    def shown(self, idx: int) -> Config:
        """Return the value of each axis that acts at a point, and its repeat if there are several, for people."""
        acting = self.acting(np.array([idx]))[0]
        found = {name: value for (name, value), acts in zip(self[idx].items(), acting, strict=True) if acts}
        return found | ({REPEAT: repeat_of(idx, self.grid)} if self.repeats > 1 else {})

    def _idx(self, codes: np.ndarray) -> np.ndarray:
        found = np.zeros(len(codes), np.int64)
        for axis, column in zip(self.axes, codes.T, strict=True):
            found = found * len(axis) + column
        return found

    def index(self, config: Mapping[str, Any]) -> int:  # type: ignore[override]  # a point occurs once
        """Return the idx of `config`, which has a value for every axis; with `repeats`, the idx in repeat 0.

        Raises:
            ValueError: an axis is missing or unknown, or a value is not on its axis.
        """
        if set(config) != set(self.names):
            raise ValueError(
                f"The configuration has the keys {sorted(config)}, but needs {list(self.names)}."
            )
        idx = 0
        for axis in self.axes:
            wanted = value_key(_plain(axis.name, config[axis.name]))
            offset = next((at for at, value in enumerate(axis.values) if value_key(value) == wanted), None)
            if offset is None:
                raise ValueError(
                    f'{config[axis.name]!r} is not a value of axis "{axis.name}". It has: {list(axis.values)}.'
                )
            idx = idx * len(axis) + offset
        return idx

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Space) and self._key() == other._key()

    def _key(self) -> tuple[Any, ...]:
        return self.to_dict(), self.only, self.repeats

    def __hash__(self) -> int:
        return hash((self.names, self._len))

    def __repr__(self) -> str:
        different = f", {self.different} of them different" if self.only else ""
        repeats = f" in {self.repeats} repeats" if self.repeats > 1 else ""
        axes = ", ".join(f"{axis.name} x{len(axis)}" for axis in self.axes)
        return f"Space({len(self)} points{repeats}{different}: {axes})"

    def to_dict(self) -> dict[str, list[Any]]:
        """Return the values by axis name, as plain data for YAML and JSON."""
        return {axis.name: list(axis.values) for axis in self.axes}


def repeat_of(idx: Any, grid: int) -> Any:
    """Return the repeat of each point, counted from 0.

    Args:
        idx: of the points: a number, an array or a series. The same is returned.
        grid: the number of points of one repeat.
    """
    return idx // grid


def number_in_grid(idx: Any, grid: int) -> Any:
    """Return the number of each point in the grid, which is the same for all repeats of a configuration.

    Args:
        idx: of the points: a number, an array or a series. The same is returned.
        grid: the number of points of one repeat.
    """
    return idx % grid


def codes_of(idx: np.ndarray, sizes: Sequence[int]) -> np.ndarray:
    """Return the code of each point on each axis: int64, shape (points, axes).

    Args:
        idx: of the points, shape (points,).
        sizes: how many values each axis has, the axes sorted by name.

    Raises:
        IndexError: a point is outside the grid.
    """
    left = np.asarray(idx, np.int64)
    outside = (left < 0) | (left >= math.prod(sizes))
    if outside.any():
        raise IndexError(
            f"idx={left[outside][0]} is outside the grid: it has the points 0 to {math.prod(sizes) - 1}."
        )
    codes = np.empty((len(left), len(sizes)), np.int64)
    for axis in reversed(range(len(sizes))):
        left, codes[:, axis] = np.divmod(left, sizes[axis])
    return codes
