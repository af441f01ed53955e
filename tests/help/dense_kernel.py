"""Trains a task by the functions of the kernel, in memory of which the borders are watched."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tests.help.dense_nets import SLOTS, Numbers, Task
from tests.help.kernels import pointer
from trainables.native import structures as c
from trainables.native.expressions.formula import Expression, Formula, expressed
from trainables.native.structures import Operation

Alter = Callable[[list[Any]], None]

MARGIN = 256
PATTERN = 0xA5


class Memory:
    """Copies arrays into memory with margins, and tells whether something was written into these."""

    def __init__(self) -> None:
        self._taken: list[tuple[np.ndarray, int, int]] = []

    def copy(self, array: np.ndarray) -> np.ndarray:
        """Return a copy of an array in watched memory, at a multiple of 64 bytes."""
        found = self.take(array.nbytes)[: array.nbytes].view(array.dtype).reshape(array.shape)
        found[...] = array
        return found

    def take(self, size: int) -> np.ndarray:
        """Return `size` bytes at a multiple of 64 bytes."""
        whole = np.full(size + 2 * MARGIN, PATTERN, np.uint8)
        first = MARGIN + -(whole.ctypes.data + MARGIN) % 64
        self._taken.append((whole, first, first + size))
        return whole[first : first + size]

    def check(self) -> None:
        """Raise if a margin was written to."""
        for whole, first, end in self._taken:
            if (whole[:first] != PATTERN).any() or (whole[end:] != PATTERN).any():
                raise AssertionError(f"something was written outside of an array of {end - first} bytes")


@dataclass
class Result:
    """What training made of the models, and the sums of training and of evaluation.

    Attributes:
        parameters, slots, scalar: as in `Numbers`.
        trained, tested: float64, shape (models, measures + 1).
        outputs: what the models predict for the evaluated rows, float32, shape (models, rows, outputs).
        counted: by the kernel, for the trained rows in the last epoch and for the evaluated rows: what the models predict,
            as `outputs`, and what the areas count of it, float64, shape (models, counts).
    """

    parameters: np.ndarray
    slots: np.ndarray
    scalar: np.ndarray
    trained: np.ndarray
    tested: np.ndarray
    outputs: np.ndarray
    counted: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)


def net_of(task: Task, numbers: Numbers) -> tuple[c.CNet, list[Any]]:
    """Return the `struct Net` of a task, and its parts: layers, variables, penalties, optimizers, constraints,
    measures, sources, instructions, areas."""
    places = numbers.places
    layers = (c.CLayer * len(task.layers))()
    sources = (ctypes.c_int32 * sum(map(len, task.sources)))(*(k for some in task.sources for k in some))
    drawn = activation = taken = 0
    each = zip(layers, task.layers, task.sources, task.inputs, places.of, strict=True)
    for made, layer, some, inputs, place in each:
        made.source, made.sources, taken = taken, len(some), taken + len(some)
        made.kind, made.inputs, made.outputs = layer.kind, inputs, layer.outputs
        made.kernel, made.bias, made.mean, made.variance = (
            place.kernel,
            place.bias,
            place.mean,
            place.variance,
        )
        made.frozen, made.activation, made.draws = not layer.trained, -1, -1
        if layer.activation is not None:
            made.activation, activation = activation, activation + 1
        if layer.kind in (c.Kind.DROPOUT, c.Kind.NOISE):
            made.draws, made.number, drawn = drawn, task.columns[drawn], drawn + 1
        made.penalized = bool(layer.l1 or layer.l2)
        made.epsilon, made.momentum, made.l1, made.l2 = 0.01, 0.8, layer.l1, layer.l2
        made.complement = 1 - made.momentum
    variables = (c.CRange * len(places.variables))(*(c.CRange(*one) for one in places.variables))
    penalties = (ctypes.c_int32 * 1)(0)
    optimizers = (c.COptimizer * len(task.optimizers))()
    for made, one in zip(optimizers, task.optimizers, strict=True):
        made.rule, made.centred, made.clip, made.decays = one.rule, one.centred, one.clip, one.decays
        made.scheduled = 0 if one.scheduled else -1
        slots = [slot if slot < SLOTS[one.rule] else -1 for slot in range(3)]
        if one.rule is c.Rule.RMSPROP:
            slots = [0, 1 if one.has_momentum else -1, 2 if one.centred else -1]
        made.slot[:] = slots
    measures = (c.CMeasured * len(task.measures))()
    for made, one in zip(measures, task.measures, strict=True):
        made.measure, made.weighted, made.value, made.smoothing = (
            one.measure, one.weighted, one.value, one.smoothing,
        )  # fmt: skip
        if one.expressed:
            made.measure = c.Measure.EXPRESSION
    squared = squared_error(task.targets, task.outputs)
    expressions = [squared if one.expressed else None for one in task.measures]
    instructions, needed = expressed(measures, expressions)
    constraints = (c.CConstraint * len(task.constraints))()
    for made, one in zip(constraints, task.constraints, strict=True):
        made.kind, made.first = one.kind, places.variables[one.variable][0]
        rows, columns = (1, *places.shapes[one.variable])[-2:]
        made.groups, made.step, made.length, made.stride = {
            None: (1, 0, rows * columns, 1), 0: (columns, 1, rows, columns), 1: (rows, columns, columns, 1),
        }[one.axis]  # fmt: skip
        made.least, made.most, made.rate, made.rest = one.least, one.most, one.rate, 1 - one.rate
        made.epsilon = 1e-7
    areas = (c.CArea * len(task.areas))(*(c.CArea(one.thresholds, one.weighted) for one in task.areas))
    parts = [layers, variables, penalties, optimizers, constraints, measures, sources, instructions, areas]
    addresses = [ctypes.cast(part, ctypes.c_void_p) for part in parts]
    net = c.CNet(
        len(layers), task.features, task.outputs, task.targets, places.weights, places.states, 3,
        numbers.settings.shape[1], len(variables), int(task.penalized), len(optimizers), len(constraints), len(measures),
        activation, len(sources), len(instructions), needed, task.batch, len(areas),
        sum(2 * (one.thresholds + 1) for one in task.areas), *addresses,
    )  # fmt: skip
    return net, parts


def squared_error(targets: int, outputs: int) -> Expression | None:
    """Return the mean squared error as an expression; None if there are not as many targets as outputs."""
    if targets != outputs:
        return None
    formula, count = Formula(targets, outputs), float(outputs)
    error = formula.apply(Operation.MINUS, formula.outputs, formula.targets)
    squares = formula.apply(Operation.SQUARE, error)
    mean = formula.apply(
        Operation.OVER, formula.reduce(Operation.SUM, squares, outputs), formula.constant(count)
    )
    return formula.expression(mean, formula.apply(Operation.TIMES, error, formula.constant(2.0 / count)))


def trained_by_kernel(
    functions: Any, task: Task, memory: Memory, epochs: int = 2, alter: Alter | None = None
) -> Result | None:
    """Train a task and evaluate it, and check that nothing was written outside of its arrays.

    Args:
        functions: of kernel.cpp.
        task: what to train.
        memory: where the arrays are.
        epochs: each in two calls if it has two steps.
        alter: changes the parts of the net before.

    Returns:
        What came of it; None if the kernel refuses the net.
    """
    numbers = Numbers(task)
    net, parts = net_of(task, numbers)
    if alter is not None:
        alter(parts)
    places, lanes = numbers.places, functions.lanes()
    functions.workspace.restype = ctypes.c_int64
    size = functions.workspace(ctypes.byref(net))
    if size < 0:
        return None
    work = memory.take(size)
    work[...] = 0xFF  # not a number, wherever something is read before it is written
    weights = memory.copy(np.ascontiguousarray(numbers.parameters[:, : places.weights]))
    states = memory.copy(np.ascontiguousarray(numbers.parameters[:, places.weights :]))
    slots = [memory.copy(slot) for slot in numbers.slots]
    scalar, optimizer, settings = map(memory.copy, (numbers.scalar, numbers.optimizer, numbers.settings))
    strengths, sums = map(memory.copy, (numbers.strengths, np.zeros((task.models, len(task.measures) + 1))))
    points = np.pad(np.arange(task.models), (0, -task.models % lanes), constant_values=-1)
    lane = memory.copy(points.reshape(-1, lanes).astype(np.int32))
    with_one = [layer for layer in task.layers if layer.activation is not None]
    codes = memory.copy(np.tile(np.array([layer.activation for layer in with_one], np.int32), (len(lane), 1)))
    slopes = memory.copy(np.tile(np.array([layer.slope for layer in with_one], np.float32), (len(lane), 1)))
    models = c.CModels(
        lane=pointer(lane), activation=pointer(codes), slope=pointer(slopes), weights=pointer(weights),
        states=pointer(states), scalar=pointer(scalar), optimizer=pointer(optimizer), settings=pointer(settings),
        strengths=pointer(strengths), sums=pointer(sums),
    )  # fmt: skip
    for number, slot in enumerate(slots):
        models.slot[number] = slot.ctypes.data
    kept = [
        None if array is None else memory.copy(array[part])
        for part in (slice(task.rows), slice(task.rows, None))
        for array in (numbers.x, numbers.y, numbers.weight)
    ]
    of_rows = [None if array is None else pointer(array) for array in kept]
    fitted, tested = c.CRows(*of_rows[:3], task.rows), c.CRows(*of_rows[3:], task.tested)
    draws, schedule = [memory.copy(draw) for draw in numbers.draws], memory.copy(numbers.schedule)
    decays = memory.copy(numbers.decays)

    def addresses(arrays: list[np.ndarray | None]) -> Any:
        return (ctypes.c_void_p * max(1, len(arrays)))(
            *(None if a is None else a.ctypes.data for a in arrays)
        )

    def of_models(counts: np.ndarray) -> np.ndarray:
        return np.moveaxis(counts, 2, 1).reshape(lane.size, counts.shape[1])[: task.models].copy()

    of_decays = addresses([decays if one.decays else None for one in task.optimizers])
    steps = len(schedule)
    outputs = memory.copy(np.zeros((lane.size, task.rows, task.outputs), np.float32))
    counted = (len(lane), sum(2 * (one.thresholds + 1) for one in task.areas), lanes)
    for epoch in range(epochs):
        counts = memory.copy(np.zeros(counted))
        for first, last in ((0, steps // 2), (steps // 2, steps)):
            of_steps = [draw[first * task.batch :] for draw in draws]
            failed = functions.train(
                ctypes.byref(net), ctypes.byref(models), len(lane), ctypes.byref(fitted), addresses(of_steps),
                addresses([schedule]), of_decays, ctypes.c_int64(epoch * steps + first), ctypes.c_int64(first),
                ctypes.c_int64(last), pointer(work), pointer(outputs), pointer(counts),
            )  # fmt: skip
            assert not failed
    of_training, of_fitted = sums.copy(), (outputs[: task.models].copy(), of_models(counts))
    sums[...] = 0
    outputs = memory.copy(np.zeros((lane.size, task.tested, task.outputs), np.float32))
    counts = memory.copy(np.zeros(counted))
    tiles = -(-task.tested // functions.tile())
    for first, last in ((0, tiles // 2), (tiles // 2, tiles)):
        failed = functions.evaluate(
            ctypes.byref(net), ctypes.byref(models), len(lane), ctypes.byref(tested), ctypes.c_int64(first),
            ctypes.c_int64(last), pointer(work), pointer(outputs), pointer(counts),
        )  # fmt: skip
        assert not failed
    assert parts  # alive until here
    memory.check()
    return Result(
        np.concatenate([weights, states], 1), np.array(slots), scalar.copy(), of_training, sums.copy(),
        outputs[: task.models].copy(), [of_fitted, (outputs[: task.models].copy(), of_models(counts))],
    )  # fmt: skip
