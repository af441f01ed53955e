"""Conditional axes: which axes act at which points of a space, and which points are therefore the same.

Terminology
    conditional axis    an axis with a condition, such as `width_2: layers >= 2`
    acting              an axis acts at a point if it has no condition, or if its condition holds there
    different points    points that differ only in axes that do not act are the same point; the one with the first value
                        of each of these axes stands for all of them, and only this one is trained
    number              of a different point, counted from 0 in an order that has no gaps
    named               an axis is named if it occurs in a condition
    combination         the values of all named axes together; it decides which axes act

A condition may name axes that are conditional themselves. A comparison with an axis that does not act is neither true nor
false, and a condition holds only if it is true (Kleene's logic of three values).

Nothing here makes an object for a point: the combinations are tables, which are looked up for arrays of points.
"""

from __future__ import annotations

import ast
import difflib
import graphlib
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from results.comparison import compared
from results.grammar import FLIPPED, ConditionError, Parsed, parsed

MAX_COMBINATIONS = 2_000_000
"""The most combinations of the named axes; a table of them is kept."""

_Truth = tuple[np.ndarray, np.ndarray]
"""Where an expression is true, and where it is false: bool, shape (combinations,) each. Elsewhere it is neither."""


class OnlyError(ConditionError):
    """Some conditions cannot be used.

    Attributes:
        faults: what is wrong, by the name of the conditional axis.
    """

    def __init__(self, faults: Mapping[str, str]) -> None:
        super().__init__(" ".join(faults.values()))
        self.faults = dict(faults)


class ConditionalAxes:
    """The conditional axes of a space, and its different points.

    Args:
        axes: all axes of the space, each with its `name` and `values`, sorted by name.
        only: the conditions by the names of their axes; at least one.

    Raises:
        OnlyError: a condition names no axis, cannot be read, compares what cannot be compared, never holds, or depends on
            itself.
    """

    def __init__(self, axes: Sequence[Any], only: Mapping[str, str]) -> None:
        self._axes = {axis.name: axis for axis in axes}
        self._position = {name: position for position, name in enumerate(self._axes)}
        faults: dict[str, str] = {}
        conditions = self._read(only, faults)
        names = {name for condition in conditions.values() for name in condition.names}
        self._named = [name for name in self._axes if name in names]
        self._sizes = [len(self._axes[name].values) for name in self._named]
        if math.prod(self._sizes) > MAX_COMBINATIONS:
            faults[next(iter(only))] = (
                f"The conditions name axes ({', '.join(self._named)}) that have {math.prod(self._sizes):,} combinations, "
                f"but may have {MAX_COMBINATIONS:,}. Name fewer axes."
            )
        elif conditions:
            codes = np.unravel_index(np.arange(math.prod(self._sizes)), self._sizes)
            self._codes = dict(zip(self._named, codes, strict=True))
            self._acting = self._evaluated(conditions, faults)
        if faults:
            raise OnlyError({name: faults[name] for name in only if name in faults})
        # The axes whose values are free: those with a condition that no condition names, and those without one.
        self._inner = [name for name in self._axes if name in conditions and name not in names]
        self._outer = [name for name in self._axes if name not in conditions and name not in names]
        self._of_outer = math.prod(len(self._axes[name].values) for name in self._outer)
        points = np.ones(math.prod(self._sizes), np.int64)
        for name, acting in self._acting.items():
            if name in names:
                points *= acting | (self._codes[name] == 0)
            else:
                points *= np.where(acting, len(self._axes[name].values), 1)
        self._until = np.cumsum(points)  # different points up to each combination, without the outer axes

    def __len__(self) -> int:
        """Return the number of different points."""
        return int(self._until[-1]) * self._of_outer

    def acting(self, codes: np.ndarray) -> np.ndarray:
        """Return whether each axis acts at each point: bool, shape (points, axes).

        Args:
            codes: of the points, int64, shape (points, axes).
        """
        found = np.ones(codes.shape, bool)
        combination = self._combination(codes)
        for name, acting in self._acting.items():
            found[:, self._position[name]] = acting[combination]
        return found

    def codes(self, numbers: np.ndarray) -> np.ndarray:
        """Return the codes of different points by their numbers: int64, shape (points, axes)."""
        codes = np.zeros((len(numbers), len(self._axes)), np.int64)
        left, outer = np.divmod(np.asarray(numbers, np.int64), self._of_outer)
        for name in reversed(self._outer):
            outer, codes[:, self._position[name]] = np.divmod(outer, len(self._axes[name].values))
        combination = np.searchsorted(self._until, left, side="right")
        left = left - np.where(combination, self._until[combination - 1], 0)
        for name in reversed(self._inner):
            left, codes[:, self._position[name]] = np.divmod(left, self._free(name, combination))
        for name in self._named:
            codes[:, self._position[name]] = self._codes[name][combination]
        return codes

    def numbers(self, codes: np.ndarray) -> np.ndarray:
        """Return the numbers of points: int64, shape (points,); -1 for a point that another one stands for."""
        combination = self._combination(codes)
        found = np.zeros(len(codes), np.int64)
        for name in self._inner:
            found = found * self._free(name, combination) + codes[:, self._position[name]]
        found += np.where(combination, self._until[combination - 1], 0)
        for name in self._outer:
            found = found * len(self._axes[name].values) + codes[:, self._position[name]]
        return np.where((self.acting(codes) | (codes == 0)).all(1), found, -1)

    def _free(self, name: str, combination: np.ndarray) -> np.ndarray:
        """Return how many values of an axis are different in each combination."""
        return np.where(self._acting[name][combination], len(self._axes[name].values), 1)

    def _combination(self, codes: np.ndarray) -> np.ndarray:
        found = np.zeros(len(codes), np.int64)
        for name, size in zip(self._named, self._sizes, strict=True):
            found = found * size + codes[:, self._position[name]]
        return found

    def _read(self, only: Mapping[str, str], faults: dict[str, str]) -> dict[str, Parsed]:
        """Return the conditions that can be read, each after those of the axes that it names; note other `faults`."""
        found = {}
        for name, text in only.items():
            try:
                self._check_axis(name, "")
                condition = parsed(text)
                for other in condition.names:
                    self._check_axis(other, f'The condition {text!r} of "{name}" names ')
                if not condition.names:
                    raise ConditionError(
                        f"The condition {text!r} names no axis. Name one, such as layers >= 2."
                    )
                found[name] = condition
            except ConditionError as error:
                faults[name] = str(error)
        needs = {name: [one for one in found[name].names if one in found] for name in found}
        try:
            order = list(graphlib.TopologicalSorter(needs).static_order())
        except graphlib.CycleError as error:
            circle = error.args[1]
            faults[circle[0]] = (
                f'Whether "{circle[0]}" acts depends on itself: {" needs ".join(reversed(circle))}. '
                "Change one of these conditions."
            )
            return {}
        return {name: found[name] for name in order}

    def _check_axis(self, name: str, where: str) -> None:
        if name not in self._axes:
            near = difflib.get_close_matches(name, self._axes, n=1)
            hint = f'Did you mean "{near[0]}"?' if near else f"The axes are {', '.join(self._axes)}."
            raise ConditionError(f'{where}"{name}", which is no axis. {hint}')

    def _evaluated(self, conditions: Mapping[str, Parsed], faults: dict[str, str]) -> dict[str, np.ndarray]:
        """Return for each conditional axis in which combinations it acts; note the `faults` of conditions."""
        acting: dict[str, np.ndarray] = {}
        for name, condition in conditions.items():
            try:
                acting[name], _ = _Condition(self._axes, self._codes, acting, condition).value(condition.tree)
            except RecursionError:
                faults[name] = f"The condition {condition.text[:80]!r}... is nested too deeply."
            except ConditionError as error:
                faults[name] = str(error)
            else:
                if not acting[name].any():
                    faults[name] = (
                        f'"{name}" acts nowhere, because {condition.text!r} holds for no point. Correct the condition, '
                        f"or remove the axis."
                    )
            acting.setdefault(name, np.ones(math.prod(self._sizes), bool))
        return acting


class _Condition:
    """Evaluates a condition for all combinations of the named axes.

    Args:
        axes: the axes by name.
        codes: the code of each combination on each named axis.
        acting: in which combinations the axes act that have a condition.
        condition: the condition.
    """

    def __init__(
        self,
        axes: Mapping[str, Any],
        codes: Mapping[str, np.ndarray],
        acting: Mapping[str, np.ndarray],
        condition: Parsed,
    ) -> None:
        self._axes, self._codes, self._acting, self._parsed = axes, codes, acting, condition

    def value(self, node: ast.expr) -> _Truth:
        """Return where `node` is true and where it is false."""
        if isinstance(node, ast.BoolOp):
            parts = [self.value(part) for part in node.values]
            combined = _all if isinstance(node.op, ast.And) else _any
            return combined([true for true, _ in parts], [false for _, false in parts])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            true, false = self.value(node.operand)
            return false, true
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]  # 1 < a < 5 has two comparisons
            found = [
                self._compare(left, comparison, right)
                for left, comparison, right in zip(sides, node.ops, sides[1:], strict=False)
            ]
            return _all([true for true, _ in found], [false for _, false in found])
        if isinstance(node, ast.Name):
            values = self._axes[self._parsed.name(node)].values
            if all(isinstance(value, bool) for value in values):
                return self._known(np.array(values, bool)[self._codes[self._parsed.name(node)]], node)
        raise self._parsed.refused(node)

    def _compare(self, left: ast.expr, comparison: ast.cmpop, right: ast.expr) -> _Truth:
        if not isinstance(left, ast.Name) and isinstance(right, ast.Name):
            if isinstance(comparison, ast.In | ast.NotIn):
                raise self._parsed.refused(left)
            return self._compare(right, FLIPPED.get(type(comparison), type(comparison))(), left)
        if not isinstance(left, ast.Name):
            raise self._parsed.refused(left)
        one = self._parsed.name(left)
        text, values = self._parsed.text, self._axes[one].values
        if isinstance(right, ast.Name):
            if isinstance(comparison, ast.In | ast.NotIn):
                raise self._parsed.refused(right)
            other = self._parsed.name(right)
            table = np.array([compared(text, one, values, comparison, v) for v in self._axes[other].values])
            return self._known(table[self._codes[other], self._codes[one]], left, right)
        constant = self._parsed.constant(right)
        if isinstance(comparison, ast.In | ast.NotIn) and not isinstance(constant, list):
            raise self._parsed.refused(right)
        return self._known(compared(text, one, values, comparison, constant)[self._codes[one]], left)

    def _known(self, found: np.ndarray, *names: ast.Name) -> _Truth:
        known = np.ones(len(found), bool)
        for node in names:
            if (acting := self._acting.get(self._parsed.name(node))) is not None:
                known &= acting
        return found & known, ~found & known


def _all(true: list[np.ndarray], false: list[np.ndarray]) -> _Truth:
    return np.logical_and.reduce(true), np.logical_or.reduce(false)


def _any(true: list[np.ndarray], false: list[np.ndarray]) -> _Truth:
    return np.logical_or.reduce(true), np.logical_and.reduce(false)
