"""Translates the constraints of a model's weights into those that the kernel applies after each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras

from trainables.native.measures import UnsupportedError
from trainables.native.structures import CConstraint, Constraint

_KINDS = {
    keras.constraints.NonNeg: Constraint.NON_NEGATIVE,
    keras.constraints.MaxNorm: Constraint.MAX_NORM,
    keras.constraints.UnitNorm: Constraint.UNIT_NORM,
    keras.constraints.MinMaxNorm: Constraint.MIN_MAX_NORM,
}


def constraints_of(model: keras.Model, ranges: Sequence[tuple[int, int]]) -> list[CConstraint]:
    """Return the constraints of the trainable variables of a model.

    Args:
        model: the model.
        ranges: first and end of each variable among the kernel's parameters.

    Raises:
        UnsupportedError: the kernel does not have one of them.
    """
    found = []
    for variable, (first, _) in zip(model.trainable_variables, ranges, strict=True):
        if (constraint := variable.constraint) is None:
            continue
        kind = type(constraint)
        if kind not in _KINDS:
            raise UnsupportedError(f"the kernel has no constraint {kind.__name__}")
        groups, step, length, stride = _groups(tuple(variable.shape), getattr(constraint, "axis", None))
        rate = float(getattr(constraint, "rate", 1.0))
        found.append(
            CConstraint(
                _KINDS[kind],
                first,
                groups,
                step,
                length,
                stride,
                least=float(getattr(constraint, "min_value", 0.0)),
                most=float(getattr(constraint, "max_value", 0.0)),
                rate=rate,
                rest=1 - rate,
                epsilon=keras.config.epsilon(),
            )
        )
    return found


def _groups(shape: tuple[int, ...], axis: Any) -> tuple[int, int, int, int]:
    """Return the groups of numbers of which a constraint takes the norm: how many, step, length and stride.

    Args:
        shape: of the variable, of one or two axes.
        axis: as in `keras.ops.sum`.

    Raises:
        UnsupportedError: the variable does not have such an axis.
    """
    given = range(len(shape)) if axis is None else axis if isinstance(axis, list | tuple) else [axis]
    if any(not -len(shape) <= one < len(shape) for one in given):
        raise UnsupportedError(f"a constraint has the axis {axis}, but the weight has the shape {shape}")
    summed = {one % len(shape) for one in given}
    rows, columns = shape if len(shape) == 2 else (1, *shape)
    if len(summed) == len(shape):
        return 1, 0, rows * columns, 1
    if not summed:
        return rows * columns, 1, 1, 1
    return (columns, 1, rows, columns) if summed == {0} else (rows, columns, columns, 1)
