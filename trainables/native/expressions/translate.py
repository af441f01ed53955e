"""Translates the graph of a loss or metric into an expression, and says which of its operations the kernel lacks.

Terminology
    of rows   said of a tensor whose first axis is that of the rows; the rest of its shape is that of a row
    mean      a tensor of one number that is the mean over all rows; it is translated like a number for each row
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import tensorflow as tf

from trainables.fused.internals.tracing import traced_as
from trainables.native.expressions import operations
from trainables.native.expressions.formula import Expression, Formula, NoExpressionError, View
from trainables.native.expressions.moves import MOST_EXACT, MOVED, MOVING, origin
from trainables.native.expressions.operations import Columns
from trainables.native.expressions.tracing import Traced, rows_for, traced
from trainables.native.structures import Operation

MOST_INSTRUCTIONS, MOST_COLUMNS = 4096, 2**14
"""More of either are refused."""

_ALIASES = ("Identity", "IdentityN", "StopGradient", "PreventGradient", "Snapshot", "DeepCopy")
_RESHAPING = ("Reshape", "ExpandDims", "Squeeze")
_LINEAR = ("Add", "AddV2", "AddN", "Sub", "Neg", "Mul", "RealDiv", "Div")


def expression_of(
    call: Callable[[Any, Any], Any], target: Sequence[int], outputs: int, activation: str, is_loss: bool
) -> Expression:
    """Return a loss or metric as an expression.

    Args:
        call: the function of targets and outputs.
        target: the shape of a row of the target.
        outputs: numbers in a row of the output.
        activation: of the output.
        is_loss: whether the gradient is wanted.

    Raises:
        NoExpressionError: the kernel cannot compute it.
    """
    rows = rows_for(math.prod(target), outputs)
    found = []
    with traced_as("expression"):  # which forgets the gradients of the graphs
        for count in (rows, 2 * rows):
            graph = traced(call, count, target, outputs, activation, is_loss)
            found.append(_Translation(graph, Formula(math.prod(target), outputs)).result())
    if repr(found[0]) != repr(found[1]):  # the texts, since NaN is not equal to itself
        raise NoExpressionError("depends on the number of rows")
    expression = found[0]
    if len(expression.instructions) > MOST_INSTRUCTIONS or expression.columns > MOST_COLUMNS:
        raise NoExpressionError("takes too many instructions")
    return expression


class _Translation:
    """The translation of one graph."""

    def __init__(self, graph: Traced, formula: Formula) -> None:
        self._graph, self._formula = graph, formula
        given = (
            (graph.logits, formula.logits),
            (graph.outputs, formula.outputs),
            (graph.targets, formula.targets),
        )
        self._views: dict[Any, View] = {tensor.ref(): view for tensor, view in given}
        self._means: set[Any] = set()

    def result(self) -> Expression:
        """Return the expression."""
        graph = self._graph
        wanted = [graph.value] + ([] if graph.gradient is None else [graph.gradient])
        steps = self._steps(wanted)
        self._constants = self._evaluated(steps, wanted)
        for operation in steps:
            views = self._translated(operation)
            self._views |= {
                tensor.ref(): view for tensor, view in zip(operation.outputs, views, strict=False)
            }
        value, *gradient = (self._operand(tensor, tensor.shape, "Identity") for tensor in wanted)
        is_mean = graph.value.ref() in self._means
        if is_mean and graph.gradient is None:
            raise NoExpressionError(
                "is a mean over the rows of a batch"
            )  # batches may differ in their number of rows
        logits = graph.logits.ref() if graph.logits is not graph.outputs else None
        takes_logits = any(tensor.ref() == logits for operation in steps for tensor in operation.inputs)
        if graph.gradient is not None and takes_logits and not graph.of_logits:
            raise NoExpressionError("takes the input of the last activation, but has no gradient there")
        found = self._formula.expression(value, gradient[0] if gradient else None)
        return replace(found, of_logits=takes_logits, can_weigh=graph.is_one and not is_mean)

    def _steps(self, wanted: Sequence[Any]) -> list[Any]:
        """Return the operations, in their order, that take targets or outputs and that `wanted` is computed from."""
        graph = self._graph.function.graph
        depends = set(self._views)
        for operation in graph.get_operations():
            if any(tensor.ref() in depends for tensor in operation.inputs):
                depends |= {tensor.ref() for tensor in operation.outputs}
        needed, waiting = set(), [tensor for tensor in wanted if tensor.ref() in depends]
        while waiting:
            tensor = waiting.pop()
            if tensor.ref() not in self._views and tensor.op not in needed:
                needed.add(tensor.op)
                waiting += [one for one in tensor.op.inputs if one.ref() in depends]
        return [operation for operation in graph.get_operations() if operation in needed]

    def _evaluated(self, steps: Sequence[Any], wanted: Sequence[Any]) -> dict[Any, np.ndarray]:
        """Return the values of all tensors that the steps take, but that depend on no row."""
        made = set(self._views) | {tensor.ref() for operation in steps for tensor in operation.outputs}
        taken = [*wanted, *(tensor for operation in steps for tensor in operation.inputs)]
        some = list({tensor.ref() for tensor in taken if tensor.ref() not in made})
        values = self._computed([one.deref() for one in some], {}) if some else []
        return dict(zip(some, values, strict=True))

    def _computed(self, wanted: Sequence[Any], given: dict[Any, np.ndarray]) -> list[np.ndarray]:
        """Return the values of tensors, given those of others. The rows are there only because gradients wait for them."""
        rows = {one.ref(): np.ones(one.shape) for one in (self._graph.targets, self._graph.logits)}
        feeds = rows | given
        pruned = self._graph.function.prune([one.deref() for one in feeds], list(wanted))
        found = pruned(*(tf.constant(value, one.deref().dtype) for one, value in feeds.items()))
        return [np.asarray(one) for one in found]

    def _translated(self, operation: Any) -> list[View]:
        kind, inputs, (output, *_) = operation.type, list(operation.inputs), operation.outputs
        if not all(tensor.shape.is_fully_defined() for tensor in (*inputs, *operation.outputs)):
            raise NoExpressionError(f"has the operation {kind}, which makes a varying count of numbers")
        if any(tensor.ref() in self._means for tensor in inputs):
            self._check_mean(operation)
        if kind in _ALIASES:
            return [self._operand(tensor, tensor.shape, kind) for tensor in inputs]
        if kind in MOVING:
            return self._moved(operation)
        if kind in _RESHAPING:
            return [self._reshaped(operation)]
        if kind == "Cast":
            return [self._cast(operation)]
        if output.dtype not in (tf.float32, tf.bool) and kind not in ("Select", "SelectV2"):
            raise NoExpressionError(f"computes in {output.dtype.name}")
        if kind in operations.REDUCING:
            return [self._reduced(operation)]
        if kind in ("ZerosLike", "OnesLike"):
            return [self._formula.constant(float(kind == "OnesLike"))]
        if kind in ("Softmax", "LogSoftmax"):
            function = operations.softmax if kind == "Softmax" else operations.log_softmax
            return [function(self._columns(inputs[0], output.shape, kind), self._last(output)).view]
        if kind in ("SoftmaxCrossEntropyWithLogits", "SparseSoftmaxCrossEntropyWithLogits"):
            return self._cross_entropy(operation)
        if kind == "OneHot":
            return [self._one_hot(operation)]
        if kind == "Cumsum":
            return [self._accumulated(operation)]
        if kind not in operations.SAME and kind not in operations.COMPOSED:
            raise NoExpressionError(f"has the operation {kind}, which the kernel lacks")
        views = [self._operand(tensor, output.shape, kind) for tensor in inputs]
        if kind in operations.SAME:
            return [self._formula.apply(operations.SAME[kind], *views)]
        return [operations.COMPOSED[kind](*(Columns(self._formula, view) for view in views)).view]

    # What an operation takes ------------------------------------------------------------------------------------------

    def _operand(self, tensor: Any, shape: Any, kind: str) -> View:
        """Return a tensor as an operation takes it whose result has a shape: one column, or as many as the result."""
        size, rows = math.prod(shape[1:]), self._graph.rows
        key = tensor.ref()
        if key in self._constants:
            try:
                value = np.broadcast_to(self._constants[key], tuple(shape))
            except ValueError:  # such as the rows of the old `Select`
                raise NoExpressionError(f"has the operation {kind} of rows with constants") from None
            if value.dtype.kind not in "fbiu":
                raise NoExpressionError(f"computes with {tensor.dtype.name}")
            if not value.ndim:
                return self._formula.constant(float(value))
            of_row = value[:1].reshape(-1)
            if shape[0] != rows or not np.array_equal(
                value.reshape(rows, -1), np.tile(of_row, (rows, 1)), equal_nan=True
            ):
                raise NoExpressionError(
                    f"has the operation {kind} of rows with constants that differ between them"
                )
            return self._formula.constant(of_row)
        view = self._views[key]
        if key in self._means and not shape.rank:
            return view
        is_of_rows = tensor.shape.rank and tensor.shape[0] == rows and shape[0] == rows
        is_first = tensor.shape.rank == shape.rank or (kind == "Select" and tensor.shape.rank == 1)
        if not is_of_rows or not is_first:
            raise NoExpressionError(f"has the operation {kind} of rows with each other")
        if view.width not in (1, size):
            raise NoExpressionError(f"has the operation {kind} of each number of a row with each other")
        return view

    def _columns(self, tensor: Any, shape: Any, kind: str) -> Columns:
        return Columns(self._formula, self._operand(tensor, shape, kind))

    def _constant(self, tensor: Any, operation: Any) -> np.ndarray:
        if tensor.ref() not in self._constants:
            raise NoExpressionError(f"has the operation {operation.type} by numbers of the rows")
        return self._constants[tensor.ref()]

    def _check_mean(self, operation: Any) -> None:
        """Let a linear operation of means over rows be such a mean, and refuse all others."""
        kind, (output, *_) = operation.type, operation.outputs
        varying = [
            position
            for position, tensor in enumerate(operation.inputs)
            if tensor.ref() not in self._constants
        ]
        is_linear = (kind in ("Mul", "RealDiv", "Div") and varying == [0]) or (
            kind == "Mul" and varying == [1]
        )
        is_linear |= kind in _LINEAR and kind not in ("Mul", "RealDiv", "Div")
        if output.shape.rank != 0 or not (is_linear or kind in _ALIASES):
            raise NoExpressionError(f"has the operation {kind} of a mean over the rows")
        self._means |= {tensor.ref() for tensor in operation.outputs if not tensor.shape.rank}

    def _last(self, tensor: Any) -> int:
        """Return the size of the last axis, which must be the whole row."""
        if tensor.shape.rank < 2 or math.prod(tensor.shape[1:]) != tensor.shape[-1]:
            raise NoExpressionError(f"has the operation {tensor.op.type} over a part of a row")
        return int(tensor.shape[-1])

    # Operations of their own ------------------------------------------------------------------------------------------

    def _reshaped(self, operation: Any) -> View:
        source, output = operation.inputs[0], operation.outputs[0]
        shapes = [tensor.shape.as_list() for tensor in (source, output)]
        if any(not shape or shape[0] != self._graph.rows for shape in shapes):
            raise NoExpressionError(f"has the operation {operation.type} of the rows")
        return self._operand(source, source.shape, operation.type)

    def _cast(self, operation: Any) -> View:
        source, output = operation.inputs[0], operation.outputs[0]
        view = self._operand(source, source.shape, "Cast")
        for one in (source.dtype, output.dtype):
            if one not in (tf.float32, tf.bool) and not one.is_integer:
                raise NoExpressionError(f"computes in {one.name}")
        if output.dtype == tf.bool:
            return Columns(self._formula, view).equals(0.0).opposite().view
        if output.dtype.is_integer and source.dtype == tf.float32:
            return self._formula.apply(Operation.TRUNCATE, view)
        return view

    def _reduced(self, operation: Any) -> View:
        source, kind = operation.inputs[0], operation.type
        axes = self._constant(operation.inputs[1], operation).reshape(-1) % max(1, source.shape.rank)
        if not len(axes):
            return self._operand(source, source.shape, kind)
        sizes = {axis: size for axis, size in enumerate(source.shape) if axis}
        over = math.prod(sizes[axis] for axis in set(axes.tolist()) - {0})
        if over not in (1, math.prod(sizes.values())):
            raise NoExpressionError(f"has the operation {kind} over a part of a row")
        found = self._columns(source, source.shape, kind).sum(over, operations.REDUCING[kind])
        if kind == "Mean":
            found = found / float(over)
        if 0 in axes:
            if kind != "Mean" or operation.outputs[0].shape.rank or math.prod(sizes.values()) != over:
                raise NoExpressionError(f"has the operation {kind} over the rows")
            self._means.add(operation.outputs[0].ref())
        return found.view

    def _cross_entropy(self, operation: Any) -> list[View]:
        (features, labels), kind, count = operation.inputs, operation.type, self._last(operation.outputs[1])
        logits = self._columns(features, operation.outputs[1].shape, kind)
        losses, shares = -operations.log_softmax(logits, count), operations.softmax(logits, count)
        if kind == "SoftmaxCrossEntropyWithLogits":
            target = self._columns(labels, operation.outputs[1].shape, kind)
            return [(target * losses).sum(count).view, (shares - target).view]
        label = self._columns(labels, labels.shape, kind)
        target = label.equals(Columns(self._formula, self._formula.constant(np.arange(count))))
        wanted = target.sum(count).chooses(target.chooses(losses, 0.0).sum(count), np.nan)
        return [wanted.view, (shares - target).view]

    def _one_hot(self, operation: Any) -> View:
        indices, depth, on, off = operation.inputs
        numbers = np.arange(int(self._constant(depth, operation)))
        if operation.get_attr("axis") != -1 or math.prod(indices.shape[1:]) != 1:
            raise NoExpressionError("has the operation OneHot of several numbers of a row")
        yes, no = (float(self._constant(tensor, operation)) for tensor in (on, off))
        index = self._columns(indices, indices.shape, "OneHot")
        return index.equals(Columns(self._formula, self._formula.constant(numbers))).chooses(yes, no).view

    def _accumulated(self, operation: Any) -> View:
        source = operation.inputs[0]
        axis = int(self._constant(operation.inputs[1], operation)) % source.shape.rank
        count, view = self._last(operation.outputs[0]), self._operand(source, source.shape, "Cumsum")
        if axis != source.shape.rank - 1 or operation.get_attr("exclusive"):
            raise NoExpressionError("has the operation Cumsum of the rows, or an exclusive one")
        order = range(count)[:: -1 if operation.get_attr("reverse") else 1]
        columns, total = {}, None
        for number in order:
            one = Columns(self._formula, self._formula.column(view, number))
            total = one if total is None else total + one
            columns[number] = total.view
        return self._formula.beside([columns[number] for number in range(count)])

    def _moved(self, operation: Any) -> list[View]:
        """Let TensorFlow move numbers that say from where they come; 0 is what it adds."""
        rows, feeds, views, first = self._graph.rows, {}, [], 1
        moving = MOVED.get(operation.type, slice(1))
        for tensor in {
            t.ref(): t for t in operation.inputs if t.ref() not in {m.ref() for m in operation.inputs[moving]}
        }.values():
            self._constant(tensor, operation)
        for tensor in operation.inputs[moving]:
            if (
                tensor.dtype not in (tf.float32, tf.int32, tf.int64)
                or not tensor.shape.rank
                or tensor.shape[0] != rows
            ):
                raise NoExpressionError(f"has the operation {operation.type} of rows with each other")
            size = math.prod(tensor.shape[1:])
            view = self._operand(tensor, tensor.shape, operation.type)
            feeds[tensor.ref()] = first + np.arange(rows * size).reshape(tensor.shape)
            views.append((first, size, view))
            first += rows * size
        if first > MOST_EXACT:
            raise NoExpressionError(f"has the operation {operation.type} of too many numbers")
        moved = self._computed(operation.outputs, feeds)
        return [origin(self._formula, rows, one.astype(np.int64), views, operation.type) for one in moved]
