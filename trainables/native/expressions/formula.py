"""Builds an expression: the instructions by which the kernel computes a number for each row, and its gradient.

Terminology
    column  one number for each row
    node    columns that one instruction makes, or those of the targets, the outputs or the logits
    view    some columns of a node that are beside each other
    phase   when a node is computed: once for all rows, for the value of a row, or for its gradient only
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from trainables.native.structures import CInstruction, CMeasured, Operation


class NoExpressionError(Exception):
    """The kernel cannot compute a loss or metric; the message says what it does, as in "has the operation MatMul"."""


class View(NamedTuple):
    """Columns of a node; one column may stand for several that are equal."""

    node: int
    first: int
    width: int


class Instruction(NamedTuple):
    """An instruction, as `struct Instruction` of kernel/structures.h."""

    operation: Operation
    width: int
    to: int
    from_: tuple[int, int, int]
    step: tuple[int, int, int]
    number: float


@dataclass(frozen=True)
class Expression:
    """A loss or a metric, as the kernel computes it; see `struct Measured` of kernel/structures.h.

    Attributes:
        instructions: first those that take no rows, then those of the value, then those of the gradient.
        constants, values: the ends of the first two parts.
        value_at: the column with the value of a row.
        gradient_at: the first column of its gradient; -1 if there is none.
        columns: how many columns are needed.
        of_logits: whether the gradient is that of the last activation's input.
        can_weigh: whether rows can be weighted: not if Keras gets a mean over the rows, or several numbers for each.
    """

    instructions: tuple[Instruction, ...]
    constants: int
    values: int
    value_at: int
    gradient_at: int
    columns: int
    of_logits: bool = False
    can_weigh: bool = True


def expressed(measures: Iterable[CMeasured], expressions: Sequence[Expression | None]) -> tuple[Any, int]:
    """Put expressions into measures; return all instructions, and the number of columns."""
    found: list[Instruction] = []
    for measure, expression in zip(measures, expressions, strict=True):
        if expression is not None:
            measure.first, measure.end = len(found), len(expression.instructions)
            for name in ("constants", "values", "value_at", "gradient_at", "of_logits"):
                setattr(measure, name, getattr(expression, name))
            found += expression.instructions
    columns = max((one.columns for one in expressions if one is not None), default=0)
    return (CInstruction * len(found))(*(CInstruction(*one) for one in found)), columns


class _Node(NamedTuple):
    operation: Operation  # COPY: of all views, beside each other
    width: int
    of: tuple[View, ...]
    reads: int  # columns that the instruction goes through
    number: float


class Formula:
    """Nodes, each of which is computed from nodes before it. Equal ones are one.

    Args:
        targets, outputs: numbers in a row.

    Attributes:
        targets, outputs, logits: the views that are given.
    """

    def __init__(self, targets: int, outputs: int) -> None:
        widths = (targets, outputs, outputs)
        self._nodes = [_Node(Operation.COPY, width, (), 0, 0.0) for width in widths]
        self._given = len(widths)
        self._known: dict[tuple, View] = {}
        self.targets, self.outputs, self.logits = (View(k, 0, width) for k, width in enumerate(widths))

    def constant(self, numbers: np.ndarray | float) -> View:
        """Return constants, one column for each number; numbers that are all equal are one column."""
        flat = np.asarray(numbers, np.float32).reshape(-1)
        columns = [self._made(_Node(Operation.CONSTANT, 1, (), 1, float(one))) for one in flat]
        return self.beside(columns) if len(set(columns)) > 1 else columns[0]

    def number(self, view: View) -> float | None:
        """Return the number of a view that is one constant, else None."""
        node = self._nodes[view.node]
        return node.number if node.operation is Operation.CONSTANT else None

    def apply(self, operation: Operation, *views: View) -> View:
        """Return what an operation makes of each column; one column is taken for all of the others."""
        width = max(view.width for view in views)
        if any(view.width not in (1, width) for view in views):
            raise ValueError(f"columns of the widths {[view.width for view in views]}")
        is_neutral = operation in (Operation.TIMES, Operation.OVER) and self.number(views[1]) == 1.0
        if is_neutral or operation is Operation.COPY:
            return views[0]
        if operation is Operation.TIMES and self.number(views[0]) == 1.0:
            return views[1]
        return self._made(_Node(operation, width, views, width, 0.0))

    def reduce(self, operation: Operation, view: View, count: int) -> View:
        """Return one column of `count`, all of which a view of one column stands for."""
        return self._made(_Node(operation, 1, (view,), count, 0.0)) if count > 1 else view

    def beside(self, views: Sequence[View]) -> View:
        """Return columns beside each other."""
        first, end, node = views[0].first, views[0].first + views[0].width, views[0].node
        for view in views[1:]:
            if view.node != node or view.first != end:
                width = sum(view.width for view in views)
                return self._made(_Node(Operation.COPY, width, tuple(views), width, 0.0))
            end += view.width
        return View(node, first, end - first)

    def column(self, view: View, number: int) -> View:
        """Return one column; that of a view of one column is always the same."""
        return View(view.node, view.first + number, 1) if view.width > 1 else view

    def _made(self, node: _Node) -> View:
        key = (*node[:-1], np.float32(node.number).tobytes())
        if key not in self._known:
            self._known[key] = View(len(self._nodes), 0, node.width)
            self._nodes.append(node)
        return self._known[key]

    # The list of instructions ----------------------------------------------------------------------------------------

    def expression(self, value: View, gradient: View | None) -> Expression:
        """Return the instructions that make a value of one column, and its gradient, one column for each output."""
        outputs = self.outputs.width
        if gradient is not None and gradient.width < outputs:
            gradient = self.beside([gradient] * outputs)
        for_value, needed = self._needed([value]), self._needed([value] + ([gradient] if gradient else []))
        phase = {k: 0 if self._is_constant(k) else 1 if k in for_value else 2 for k in needed}
        order = sorted(needed, key=lambda k: (phase[k], k))
        kept = {value.node, *([gradient.node] if gradient else []), *(k for k in needed if not phase[k])}
        last = {view.node: position for position, k in enumerate(order) for view in self._nodes[k].of}
        columns = _Columns(sum(node.width for node in self._nodes[: self._given]))
        at = dict(
            zip(range(self._given), np.cumsum([0, *(n.width for n in self._nodes)]).tolist(), strict=False)
        )
        at = {k: at[k] for k in range(self._given)}
        found: list[tuple[int, Instruction]] = []
        for position, k in enumerate(order):
            node = self._nodes[k]
            at[k] = columns.take(node.width)
            found += [(phase[k], one) for one in _instructions(node, at[k], at)]
            for view in {view.node for view in node.of}:
                if last[view] == position and view >= self._given and view not in kept:
                    columns.give(at[view], self._nodes[view].width)
        return Expression(
            tuple(one for _, one in found),
            sum(one == 0 for one, _ in found),
            sum(one < 2 for one, _ in found),
            at[value.node] + value.first,
            -1 if gradient is None else at[gradient.node] + gradient.first,
            columns.count,
        )

    def _needed(self, views: Sequence[View]) -> set[int]:
        """Return the nodes that views are computed from, without those that are given."""
        found: set[int] = set()
        waiting = [view.node for view in views]
        while waiting:
            node = waiting.pop()
            if node >= self._given and node not in found:
                found.add(node)
                waiting += [view.node for view in self._nodes[node].of]
        return found

    def _is_constant(self, node: int) -> bool:
        return node >= self._given and all(self._is_constant(view.node) for view in self._nodes[node].of)


def _instructions(node: _Node, to: int, at: dict[int, int]) -> list[Instruction]:
    if node.operation is Operation.COPY:
        found, end = [], to
        for view in node.of:
            start, end = end, end + view.width
            source = (at[view.node] + view.first, 0, 0)
            found.append(Instruction(node.operation, view.width, start, source, (1, 0, 0), 0.0))
        return found
    sources = [at[view.node] + view.first for view in node.of] + [0] * (3 - len(node.of))
    steps = [int(view.width > 1) for view in node.of] + [0] * (3 - len(node.of))
    a, b, c = sources
    return [
        Instruction(node.operation, node.reads, to, (a, b, c), (steps[0], steps[1], steps[2]), node.number)
    ]


class _Columns:
    """Gives out columns, and again those that nobody needs any more."""

    def __init__(self, first: int) -> None:
        self.count = first
        self._free: dict[int, list[int]] = defaultdict(list)

    def take(self, width: int) -> int:
        if self._free[width]:
            return self._free[width].pop()
        self.count += width
        return self.count - width

    def give(self, column: int, width: int) -> None:
        self._free[width].append(column)
