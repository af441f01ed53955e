"""Conditions on rows, such as `activation == "relu" and params < 200`: they are parsed and never run as code.

A condition consists of names of columns, numbers, strings, True, False, None, lists, comparisons, `in`, `and`, `or`,
`not` and brackets. Names that are not plain words need backticks. Anything else is refused.
"""

from __future__ import annotations

import ast
import difflib
import json
import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from results.errors import ResultsError

_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_FLIPPED: Mapping[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.Gt,
    ast.LtE: ast.GtE,
    ast.Gt: ast.Lt,
    ast.GtE: ast.LtE,
}
_QUOTED = re.compile(r"""("(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')|`([^`]*)`""")
MAX_CHARACTERS = 10_000


class ConditionError(ResultsError, ValueError):
    """The condition cannot be used; the message quotes it and says what is expected."""


def matching(rows: pd.DataFrame, text: str) -> pd.DataFrame:
    """Return the rows that fulfil the condition `text`.

    A missing value equals only None, as in `column == None`, and is neither below nor above any value.

    Raises:
        ConditionError: the text is not a condition, or it names a column that does not exist.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConditionError(
            f"The condition has {len(text):,} characters, but may have {MAX_CHARACTERS:,} at most."
        )
    names: dict[str, str] = {}

    def plain(match: re.Match[str]) -> str:
        if match[1] is not None:  # a string, whose backticks quote no column
            return match[1]
        return names.setdefault(match[2], f"quoted_column_{len(names)}_")

    try:
        tree = ast.parse(_QUOTED.sub(plain, text).strip(), mode="eval")
    except (SyntaxError, ValueError, MemoryError, RecursionError) as error:
        raise ConditionError(
            f"The condition {text!r} cannot be read ({getattr(error, 'msg', error)}). "
            'It needs the form activation == "relu" and params < 200.'
        ) from None
    columns = {placeholder: name for name, placeholder in names.items()}
    try:
        found = _Condition(rows, columns, text).value(tree.body)
    except RecursionError:
        raise ConditionError(f"The condition {text[:80]!r}... is nested too deeply.") from None
    return rows[found]


class _Condition:
    def __init__(self, rows: pd.DataFrame, columns: Mapping[str, str], text: str) -> None:
        self._rows, self._columns, self._text = rows, columns, text

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
        if isinstance(node, ast.Name) and self._column(node).dtype.kind == "b":
            return self._column(node).fillna(False).astype(bool)
        raise self._refused(node)

    def _compare(self, left: ast.expr, comparison: ast.cmpop, right: ast.expr) -> pd.Series:
        if not isinstance(left, ast.Name) and isinstance(right, ast.Name):
            flipped = _FLIPPED.get(type(comparison), type(comparison))
            if flipped not in _COMPARISONS:
                raise self._refused(left)
            return self._compare(right, flipped(), left)
        if not isinstance(left, ast.Name):
            raise self._refused(left)
        column = self._column(left)
        if isinstance(right, ast.Name):
            return self._ordered(column, comparison, self._column(right))
        constant = self._constant(right)
        if isinstance(comparison, ast.In | ast.NotIn):
            if not isinstance(constant, list):
                raise self._refused(right)
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
        try:
            return compare(column, other).fillna(False).astype(bool)
        except TypeError:
            raise ConditionError(
                f'The condition {self._text!r} compares "{column.name}", which holds {column.dtype}, '
                f"with {other if not isinstance(other, pd.Series) else other.name!r}: these cannot be ordered."
            ) from None

    def _constant(self, node: ast.expr) -> Any:
        if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str | None):
            return node.value
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
            inner = self._constant(node.operand)
            if isinstance(inner, int | float) and not isinstance(inner, bool):
                return -inner
        if isinstance(node, ast.List | ast.Tuple):
            return [self._constant(item) for item in node.elts]
        raise self._refused(node)

    def _column(self, node: ast.Name) -> pd.Series:
        name = self._columns.get(node.id, node.id)
        if name not in self._rows.columns:
            raise unknown_column(name, self._rows)
        return self._rows[name]

    def _refused(self, node: ast.expr) -> ConditionError:
        part = ast.unparse(node)
        return ConditionError(
            f"The condition {self._text!r} has {part[:80]!r}, but may have columns, numbers, strings and lists, "
            'compared and joined by and, or, not: activation == "relu" and params < 200.'
        )


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
