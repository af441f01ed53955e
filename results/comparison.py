"""Compares the values of an axis with a constant, strictly: a number never equals a text, and true never equals 1."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from results.grammar import ConditionError

_ORDER: Mapping[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def compared(text: str, axis: str, values: Sequence[Any], comparison: ast.cmpop, constant: Any) -> np.ndarray:
    """Return for each value of an axis whether the comparison with a constant holds: bool, shape (values,).

    None is neither below nor above any value.

    Args:
        text: the condition, for messages.
        axis: the name of the axis, for messages.
        values: of the axis.
        comparison: such as `ast.Lt()`.
        constant: the right side; a list for `in`.

    Raises:
        ConditionError: the axis has no value of the constant's kind, or the two cannot be ordered.
    """
    kinds = {kind_of(value) for value in values} if not isinstance(values, range) else {"numbers"}
    if isinstance(comparison, ast.In | ast.NotIn):
        found = np.zeros(len(values), bool)
        for item in constant:
            found |= compared(text, axis, values, ast.Eq(), item)
        return ~found if isinstance(comparison, ast.NotIn) else found
    if kind_of(constant) not in kinds and constant is not None:
        raise ConditionError(
            f'The condition {text!r} compares "{axis}" with {constant!r}, but this axis has {_some(values)}.'
        )
    if isinstance(comparison, ast.Eq | ast.Is | ast.NotEq | ast.IsNot):
        found = np.fromiter((equal(value, constant) for value in values), bool, len(values))
        return found if isinstance(comparison, ast.Eq | ast.Is) else ~found
    if constant is None or kind_of(constant) not in ("numbers", "text"):
        raise ConditionError(
            f"The condition {text!r} orders {constant!r}, but only numbers and texts have an order."
        )
    if kinds - {kind_of(constant), "null"}:
        raise ConditionError(
            f'The condition {text!r} orders "{axis}", whose values {_some(values)} have no common order.'
        )
    order = _ORDER[type(comparison)]
    return np.fromiter((value is not None and order(value, constant) for value in values), bool, len(values))


def equal(value: Any, other: Any) -> bool:
    """Return whether two values are equal and of one kind; lists are compared item by item."""
    if kind_of(value) != kind_of(other):
        return False
    if isinstance(value, list):
        return len(value) == len(other) and all(map(equal, value, other))
    return bool(value == other)


def kind_of(value: Any) -> str:
    """Return the kind of a value: numbers, text, truth, lists or null."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "truth"
    if isinstance(value, int | float):
        return "numbers"
    return "text" if isinstance(value, str) else "lists"


def _some(values: Sequence[Any]) -> str:
    return f"{list(values[:5])}" + (f" and {len(values) - 5} more" if len(values) > 5 else "")
