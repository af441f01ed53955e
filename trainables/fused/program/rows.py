"""Puts the arrays of several inputs, or the targets of several outputs, side by side into one array, and takes them apart.

A program gathers, cuts, fills and masks rows of one array of features and one of targets. It takes them apart right where
it calls the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf

from trainables.fused.internals.errors import UnfusableError


@dataclass(frozen=True)
class Layout:
    """Where each array stands among the columns of the one array.

    Attributes:
        shapes: the shape of a row of each array; empty if there is only one array, which then stays as it is.
        names: the keys of the arrays in their dictionary; empty if they are a tuple.
    """

    shapes: tuple[tuple[int, ...], ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def of(cls, rows: Any, what: str) -> Layout:
        """Return the layout of an array, or of a dictionary or a tuple of arrays.

        Args:
            rows: some rows, at least one.
            what: one of the arrays, for a message.

        Raises:
            UnfusableError: they are of other types than float32, and one array would not hold all of their digits.
        """
        if isinstance(rows, np.ndarray):
            return cls()
        names = tuple(rows) if isinstance(rows, Mapping) else ()
        arrays = [rows[name] for name in names] if names else list(rows)
        if others := sorted({str(array.dtype) for array in arrays} - {"float32"}):
            raise UnfusableError(f"{what} is of the type {others[0]}, and a program takes float32")
        return cls(tuple(array.shape[1:] for array in arrays), names)

    def packed(self, rows: Any) -> np.ndarray:
        """Return rows as one array: float32, shape (rows, numbers), unless there is only one array."""
        if not self.shapes:
            return np.asarray(rows)
        arrays = [rows[name] for name in self.names] if self.names else rows
        return np.concatenate([array.reshape(len(array), -1) for array in arrays], 1)

    def unpacked(self, rows: Any) -> Any:
        """Return the rows of one array or tensor as the model takes them. This is the inverse of `packed`."""
        if not self.shapes:
            return rows
        reshaped = np.reshape if isinstance(rows, np.ndarray) else tf.reshape
        found, end = [], 0
        for shape in self.shapes:
            start, end = end, end + int(np.prod(shape))
            part = rows[:, start:end]
            found.append(part if len(shape) == 1 else reshaped(part, (-1, *shape)))
        return dict(zip(self.names, found, strict=True)) if self.names else tuple(found)


@dataclass(frozen=True)
class Rows:
    """The layouts of the rows of a program.

    Attributes:
        x, y: of the features and of the target.
    """

    x: Layout = field(default_factory=Layout)
    y: Layout = field(default_factory=Layout)

    @classmethod
    def of(cls, x: Any, y: Any) -> Rows:
        """Return the layouts of features and target, as a model takes them.

        Raises:
            UnfusableError: no program can take such rows.
        """
        return cls(Layout.of(x, "an input"), Layout.of(y, "a target"))

    def packed(self, x: Any, y: Any) -> tuple[np.ndarray, np.ndarray]:
        """Return features and target as one array each."""
        return self.x.packed(x), self.y.packed(y)

    def unpacked(self, x: Any, y: Any) -> tuple[Any, Any]:
        """Return features and target, of one array or tensor each, as the model takes them."""
        return self.x.unpacked(x), self.y.unpacked(y)
