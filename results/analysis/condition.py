"""Conditions on rows, such as `activation == "relu" and params < 200`: they are parsed and never run as code.

`results.grammar` says what a condition consists of. Its names are those of columns.
"""

from __future__ import annotations

import ast
import difflib
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from results.grammar import FLIPPED, ConditionError, Parsed, parsed
from results.schema import holds_json

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


def matching(
    rows: pd.DataFrame, text: str, axes: Mapping[str, Sequence[Any]] = MappingProxyType({})
) -> pd.DataFrame:
    """Return the rows that fulfil the condition `text`.

    A missing value equals only None, as in `column == None`, and is neither below nor above any value.

    Args:
        rows: of `points`.
        text: the condition.
        axes: the values of each axis. They tell the columns that hold JSON text, whose values are then compared.

    Raises:
        ConditionError: the text is not a condition, or it names a column that does not exist.
    """
    condition = parsed(text)
    try:
        found = _Condition(rows, condition, axes).value(condition.tree)
    except RecursionError:
        raise ConditionError(f"The condition {text[:80]!r}... is nested too deeply.") from None
    return rows[found]


class _Condition:
    def __init__(self, rows: pd.DataFrame, condition: Parsed, axes: Mapping[str, Sequence[Any]]) -> None:
        self._rows, self._parsed, self._text = rows, condition, condition.text
        self._json = {name for name, values in axes.items() if holds_json(values)}

    def value(self, node: ast.expr) -> pd.Series:
        """Return whether each row fulfils `node`."""
        if isinstance(node, ast.BoolOp):
            parts = [self.value(part) for part in node.values]
            combine = operator.and_ if isinstance(node.op, ast.And) else operator.or_
            found = parts[0]
            for part in parts[1:]:
                found = combine(found, part)
            return found
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            return ~self.value(node.operand)
        if isinstance(node, ast.Compare):
            left, found = node.left, pd.Series(True, index=self._rows.index)
            for comparison, right in zip(node.ops, node.comparators, strict=True):  # 1 < a < 5 has two
                found &= self._compare(left, comparison, right)
                left = right
            return found
        if isinstance(node, ast.Name) and _is_truth(column := self._column(node)):
            return column.eq(True).fillna(False).astype(bool)
        raise self._parsed.refused(node)

    def _compare(self, left: ast.expr, comparison: ast.cmpop, right: ast.expr) -> pd.Series:
        if not isinstance(left, ast.Name) and isinstance(right, ast.Name):
            flipped = FLIPPED.get(type(comparison), type(comparison))
            if flipped not in _COMPARISONS:
                raise self._parsed.refused(left)
            return self._compare(right, flipped(), left)
        if not isinstance(left, ast.Name):
            raise self._parsed.refused(left)
        column = self._column(left)
        if isinstance(right, ast.Name):
            return self._ordered(column, comparison, self._column(right))
        constant = self._parsed.constant(right)
        if isinstance(comparison, ast.In | ast.NotIn):
            if not isinstance(constant, list):
                raise self._parsed.refused(right)
            found = pd.Series(False, index=column.index)
            for item in constant:
                found |= self._equal(column, item)
            return ~found if isinstance(comparison, ast.NotIn) else found
        if isinstance(comparison, ast.Eq | ast.NotEq | ast.Is | ast.IsNot):
            equal = self._equal(column, constant)
            return equal if isinstance(comparison, ast.Eq | ast.Is) else ~equal
        return self._ordered(column, comparison, constant)

    def _equal(self, column: pd.Series, constant: Any) -> pd.Series:
        if constant is None:
            return column.isna()
        if column.name in self._json:
            return column.map(lambda value: _are_equal(value, constant)).astype(bool)
        if column.dtype.kind in "iuf" and isinstance(constant, str) and column.notna().any():
            raise ConditionError(
                f'The condition {self._text!r} compares "{column.name}", which holds numbers, with the text '
                f"{constant!r}. Write a number, without quotes."
            )
        if isinstance(constant, list):  # the column of an axis of lists holds JSON
            constant = json.dumps(constant)
        if column.dtype.kind == "b" or isinstance(constant, bool):
            constant = constant if isinstance(constant, bool) else None
            column = (
                column
                if column.dtype.kind == "b"
                else column.map(lambda v: v if v is True or v is False else None)
            )
        elif column.dtype.kind not in "iuf" and not isinstance(constant, str):
            constant = json.dumps(constant)  # the column of an axis of mixed types holds JSON
        return (column == constant).fillna(False).astype(bool)

    def _ordered(self, column: pd.Series, comparison: ast.cmpop, other: Any) -> pd.Series:
        compare = _COMPARISONS.get(type(comparison))
        if compare is None:
            raise ConditionError(
                f"The condition {self._text!r} has a comparison that columns do not support."
            )
        is_present = column.notna() & (other.notna() if isinstance(other, pd.Series) else True)
        found = pd.Series(False, column.index)
        try:
            others = other[is_present] if isinstance(other, pd.Series) else other
            found[is_present] = compare(column[is_present], others).astype(bool)
            return found
        except TypeError:
            held = "values of several types" if column.name in self._json else column.dtype
            raise ConditionError(
                f'The condition {self._text!r} compares "{column.name}", which holds {held}, '
                f"with {other if not isinstance(other, pd.Series) else other.name!r}: these cannot be ordered."
            ) from None

    def _column(self, node: ast.Name) -> pd.Series:
        name = self._parsed.name(node)
        if name not in self._rows.columns:
            raise unknown_column(name, self._rows)
        column = self._rows[name]
        if name in self._json:
            values = [json.loads(text) if isinstance(text, str) else None for text in column]
            column = pd.Series(values, column.index, object, name)
        return column


def _is_truth(column: pd.Series) -> bool:
    """Return whether a column holds truth values; those with a null among them are objects for pandas."""
    if column.dtype.kind == "b":
        return True
    return column.dtype.kind == "O" and all(isinstance(value, bool) for value in column.dropna())


def _are_equal(value: Any, constant: Any) -> bool:
    """Return whether the value of an axis is meant by a constant of a condition. True is not 1, and 1 is not "1".

    A text or a list may also be written as the table shows it: as JSON text.
    """
    if isinstance(constant, str) and isinstance(value, str | list | dict):
        return constant in (value, json.dumps(value))
    return isinstance(value, bool) == isinstance(constant, bool) and value == constant


def numbers(rows: pd.DataFrame, name: str) -> pd.Series:
    """Return the column `name`, which must hold numbers.

    Raises:
        ConditionError: there is no such column, or it holds something else.
    """
    if name not in rows.columns:
        raise unknown_column(name, rows)
    if rows[name].dtype.kind not in "iuf":
        having = [str(other) for other in rows.columns if rows[other].dtype.kind in "iuf"]
        raise ConditionError(
            f'The column "{name}" holds no numbers, so it is no metric. Columns of numbers are {", ".join(having)}.'
        )
    return rows[name]


def unknown_column(name: str, rows: pd.DataFrame) -> ConditionError:
    """Return the error for a column that does not exist; it proposes the most similar name."""
    near = difflib.get_close_matches(name, rows.columns, n=1)
    hint = f'Did you mean "{near[0]}"?' if near else f"The columns are {', '.join(rows.columns)}."
    return ConditionError(f'There is no column "{name}". {hint}')
