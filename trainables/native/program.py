"""Trains many models of one chain for one epoch by the native kernel. A cohort uses it like `fused.program.Program`.

The kernel works on chunks: the lanes of a vector are models with the same activations. A call takes less than a second, so
that Ctrl-C and time limits are noticed; an epoch is cut by chunks, and by steps if the table is large.
"""

from __future__ import annotations

import ctypes
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.model.describe import COMPLEMENT, RATE
from trainables.fused.program.contract import AnyProgram
from trainables.fused.program.template import Stack, Template
from trainables.native import structures as c
from trainables.native.chain import Chain, Layer, chain_of, columns_of
from trainables.native.library import Library, load
from trainables.native.measures import UnsupportedError
from trainables.native.other_metrics import OtherMetrics
from trainables.native.optimizers import rules_of, settings_of

CALL_S = 0.3
"""Seconds that a call of the kernel should take."""

MOST_BYTES = 512 * 2**20
"""The most memory that the kernel may need for the activations of a batch."""

MOST_OUTPUTS = 2**24
"""The most outputs that are kept at once, for metrics that the kernel does not compute."""

MOST_PRODUCT = 128 * 128
"""The most weights of a dense layer. XLA is faster with larger products, since a vector holds many rows there."""


class NativeProgram(AnyProgram):
    """The epoch of a template, and the evaluation of its models.

    Args:
        template: what the program is made from.
        batch_size: rows of a batch; the last batch of an epoch may be smaller.
        fitted: features and target of the fitted rows, and their weights if they have some.
        validation: the same of the validation rows.
        stack: all points before training.

    Raises:
        UnsupportedError: the kernel cannot train such models; the message says why.
        NoKernelError: there is no kernel for this machine.
    """

    engine = "native"

    def __init__(
        self,
        template: Template,
        batch_size: int,
        fitted: Sequence[np.ndarray],
        validation: Sequence[np.ndarray],
        stack: Stack,
    ) -> None:
        self._library: Library = load()
        self.template, self.batch_size = template, batch_size
        self.fitted, self.validation = list(fitted), list(validation)
        self.iterations = 0
        self.steps = math.ceil(len(fitted[0]) / batch_size)
        self.shared: list[Any] = list(template.shared)
        self._targets = _row_size(fitted[1])
        self.chain: Chain = chain_of(template, self._targets)
        if any(
            layer.kind is c.Kind.DENSE and layer.inputs * layer.outputs > MOST_PRODUCT
            for layer in self.chain.layers
        ):
            raise UnsupportedError("a layer is so large that XLA is faster")
        self._columns = columns_of(self.chain.numbers)
        self._states = _States(template, self.chain.layers)
        self._rules, self._slots = rules_of(template)
        self._variants = _Variants(self.chain, len(template.variants))
        self._net, self._kept = self._made_net()
        functions = self._library.functions
        functions.workspace.restype = ctypes.c_int64
        size = functions.workspace(ctypes.byref(self._net))
        if size < 0:
            raise UnsupportedError("the kernel does not accept the chain")
        if size > MOST_BYTES:
            raise UnsupportedError("the activations of a batch take too much memory")
        memory = np.empty(size + 64, np.uint8)
        self._memory = memory[-memory.ctypes.data % 64 :][:size]
        self._prepared: dict[int, _Rows] = {}
        self._seconds = {"train": 0.0, "evaluate": 0.0}  # of one row of one chunk
        self._fitted = self._rows(fitted)
        self._validation = self._rows(validation)
        self._others = OtherMetrics(template, self.chain.logs, self._library.lanes)
        if self._others.needed and not self._is_additive(stack):
            raise UnsupportedError("a metric of a batch is not the mean over its rows")

    # What the cohort uses ---------------------------------------------------------------------------------------------

    def epoch(self, stack: Stack, order: np.ndarray) -> tuple[Stack, np.ndarray]:
        """Train every point of `stack` for one epoch; see `AnyProgram.epoch`."""
        arrays = _Arrays(self, stack, trains=True)
        rows = self._fitted.take(order)
        count = len(order)
        steps = math.ceil(count / self.batch_size)
        draws = [self._draws(layer, count) for layer in self.chain.layers if layer.seed >= 0]
        schedule = self._schedules(steps)
        others = self._others.start(len(stack.weights))
        for chunks, first, last in self._cuts("train", len(arrays.lane), steps, self.batch_size):
            outputs = others.outputs(chunks, first, len(rows.y), self.chain.outputs)
            self._call(
                "train",
                arrays.pointers(chunks),
                ctypes.c_int(len(chunks)),
                rows.structure(),
                _pointers(draws),
                _pointers(schedule),
                _pointers(self._decays),
                ctypes.c_int64(self.iterations + first),
                ctypes.c_int64(first),
                ctypes.c_int64(last),
                cost=len(chunks) * (last - first) * self.batch_size,
                last=[outputs],
            )
            if last == steps:
                others.add(arrays.lane[chunks.start : chunks.stop], rows.target, rows.weight)
        trained = self._logs(arrays.sums, rows, others.found)
        done = arrays.stack(stack)
        self._advance(steps)
        tested = self._evaluated(arrays, self._validation, True)
        return done, np.concatenate([trained, tested], 1)

    def evaluate(self, stack: Stack, *rows: np.ndarray, penalties: bool = True) -> np.ndarray:
        """Return the logs of every point of `stack` on other rows; see `AnyProgram.evaluate`."""
        return self._evaluated(_Arrays(self, stack), self._rows(rows), penalties)

    # ------------------------------------------------------------------------------------------------------------------

    def _evaluated(self, arrays: _Arrays, rows: _Rows, penalties: bool) -> np.ndarray:
        arrays.sums[...] = 0.0
        others = self._others.start(len(arrays.weights))
        for chunks, _, _ in self._cuts("evaluate", len(arrays.lane), 1, len(rows.y)):
            outputs = others.outputs(chunks, 0, len(rows.y), self.chain.outputs)
            self._call(
                "evaluate",
                arrays.pointers(chunks),
                ctypes.c_int(len(chunks)),
                rows.structure(),
                cost=len(chunks) * len(rows.y),
                last=[outputs],
            )
            others.add(arrays.lane[chunks.start : chunks.stop], rows.target, rows.weight)
        return self._logs(arrays.sums, rows, others.found, penalties)

    def _is_additive(self, stack: Stack) -> bool:
        some = slice(min(256, len(self.validation[0])))
        lane = stack.take(np.zeros(1, int))
        return self.template.is_additive(lane, *(array[some] for array in self.validation))

    def _call(self, name: str, models: Any, *arguments: Any, cost: float, last: Sequence[Any] = ()) -> None:
        started = time.process_time()
        memory = self._memory.ctypes.data_as(ctypes.c_void_p)
        function = getattr(self._library.functions, name)
        if function(ctypes.byref(self._net), ctypes.byref(models), *arguments, memory, *last):
            raise RuntimeError("The kernel refused a net that it has accepted before.")
        self._seconds[name] = max(1e-12, (time.process_time() - started) / max(1, cost))

    def _cuts(self, name: str, chunks: int, steps: int, rows: int) -> Iterator[tuple[range, int, int]]:
        """Yield chunks, first and last step of each call, so that a call takes about `CALL_S`."""
        first = 0
        while first < chunks:
            a_chunk = self._seconds[name] * rows * steps
            at_once = min(max(1, int(CALL_S / a_chunk)) if a_chunk else 1, self._most_chunks(rows * steps))
            some = range(first, min(chunks, first + at_once))
            first = some.stop
            pieces = max(1, math.ceil(a_chunk / CALL_S)) if a_chunk else 1
            if not a_chunk and rows * steps > 100_000:  # nothing is known yet
                pieces = math.ceil(rows * steps / 100_000)
            ends = np.linspace(0, steps, min(pieces, steps) + 1).astype(int)
            for start, end in zip(ends, ends[1:], strict=False):
                yield some, int(start), int(end)

    def _most_chunks(self, rows: int) -> int:
        """Return how many chunks may be computed at once, if their outputs are kept."""
        if not self._others.needed:
            return 2**30
        return max(1, MOST_OUTPUTS // (rows * self.chain.outputs * self._library.lanes))

    def _logs(self, sums: np.ndarray, rows: _Rows, others: np.ndarray, penalties: bool = True) -> np.ndarray:
        """Return the logs: float32, shape (points, len(template.logs)).

        Args:
            sums: over the rows, for each measure.
            rows: the rows.
            others: the logs that the kernel does not compute.
        """
        found = others.astype(np.float64)
        for number, (column, measured) in enumerate(zip(self.chain.logs, self.chain.measures, strict=True)):
            is_loss = column == 0
            weight = rows.total if measured.weighted and not is_loss else len(rows.y)
            with np.errstate(invalid="ignore", divide="ignore"):
                found[:, column] = sums[:, number] / weight if weight else 0.0
                if measured.root:
                    found[:, column] = np.sqrt(found[:, column])
        if penalties:
            found[:, 0] += sums[:, -1] / len(rows.y)
        with np.errstate(over="ignore"):
            return found.astype(np.float32)

    def _rows(self, arrays: Sequence[np.ndarray]) -> _Rows:
        """Return rows as the kernel takes them; those that the program has seen are prepared once."""
        key = id(arrays[0])
        found = self._prepared.get(key)
        if found is None or found.given is not arrays[0]:
            found = _Rows.of(self.chain, arrays, self._targets)
            self._prepared[key] = found
            for old in list(self._prepared)[:-8]:
                del self._prepared[old]
        return found

    def _draws(self, layer: Layer, rows: int) -> np.ndarray:
        """Return what a layer draws in an epoch: float32, shape (rows, outputs)."""
        seed = np.asarray(self.shared[self._states.shared_position[layer.seed]]).astype(np.int64)
        found = np.empty((rows, layer.outputs), np.float32)
        uniform = self._library.functions.uniform
        for step, first in enumerate(range(0, rows, self.batch_size)):
            part = found[first : first + self.batch_size]
            # As TensorFlow's backend of Keras casts a seed.
            s0, s1 = (int(number) % (2**31 - 2) for number in (seed[0], (seed[1] + step) % 2**32))
            size = part.size
            drawn = part if layer.kind is c.Kind.DROPOUT else np.empty(size + size % 2, np.float32)
            uniform(ctypes.c_int32(s0), ctypes.c_int32(s1), ctypes.c_int64(drawn.size), _pointer(drawn))
            if layer.kind is c.Kind.NOISE:  # Box and Muller (1958), on pairs
                radius = np.sqrt(np.float32(-2.0) * np.log(np.maximum(drawn[::2], np.float32(1e-7))))
                angle = np.float32(2.0 * math.pi) * drawn[1::2]
                part[...] = (
                    np.stack([np.sin(angle) * radius, np.cos(angle) * radius], 1)
                    .ravel()[:size]
                    .reshape(part.shape)
                )
        return found

    def _schedules(self, steps: int) -> list[np.ndarray]:
        """Return the rate of each step of an epoch for each schedule."""
        found = []
        for update in self.template.updates.each:
            if update.schedule is not None:
                rates = [float(update.schedule(tf.constant(self.iterations + step))) for step in range(steps)]
                found.append(np.array(rates, np.float32))
        return found

    def _advance(self, steps: int) -> None:
        self.iterations += steps
        for layer in self.chain.layers:
            if layer.seed >= 0:
                position = self._states.shared_position[layer.seed]
                seed = np.asarray(self.shared[position]).copy()
                seed[1] += seed.dtype.type(steps)
                self.shared[position] = seed

    def _made_net(self) -> tuple[c.CNet, list[Any]]:
        """Return the net, and what must live as long as it."""
        chain, template = self.chain, self.template
        layers = (c.CLayer * len(chain.layers))()
        drawn = activation = 0
        for made, layer in zip(layers, chain.layers, strict=True):
            made.kind, made.inputs, made.outputs = layer.kind, layer.inputs, layer.outputs
            for name in ("kernel", "bias", "mean", "variance"):
                setattr(made, name, self._states.position(getattr(layer, name)))
            made.frozen = layer.frozen
            made.activation = made.draws = -1
            if layer.activations:
                made.activation, activation = activation, activation + 1
            if layer.seed >= 0:
                made.draws, drawn = drawn, drawn + 1
                made.number = self._columns[layer.number]
            made.epsilon, made.momentum, made.l1, made.l2 = layer.epsilon, layer.momentum, layer.l1, layer.l2
            made.penalized = bool(layer.l1 or layer.l2)
        variables = (c.CRange * len(self._states.ranges))(*(c.CRange(*one) for one in self._states.ranges))
        penalized = np.array(_penalized(template), np.int32)
        measures = (c.CMeasured * len(chain.measures))()
        for one, measured in zip(measures, chain.measures, strict=True):
            one.measure, one.weighted = measured.measure, measured.weighted
            one.value, one.smoothing = measured.value, measured.smoothing
        rules = (c.CRules * len(self._rules))(*(rule.structure() for rule in self._rules))
        self._decays = [rule.decays for rule in self._rules]
        self._penalties = penalized.tolist()
        net = c.CNet(
            layers=len(layers), features=chain.features, outputs=chain.outputs, targets=self._targets,
            weights=self._states.weights, states=self._states.size, slots=self._slots.count,
            settings=len(c.Setting) + len(chain.numbers), variables=len(variables), penalties=len(penalized),
            optimizers=len(rules), measures=len(measures), activations=activation, batch=self.batch_size,
            layer=ctypes.cast(layers, ctypes.c_void_p), variable=ctypes.cast(variables, ctypes.c_void_p),
            penalty=_pointer(penalized), rules=ctypes.cast(rules, ctypes.c_void_p),
            measured=ctypes.cast(measures, ctypes.c_void_p),
        )  # fmt: skip
        return net, [layers, variables, penalized, measures, rules]


class _States:
    """Where each variable of a template stands among the kernel's parameters: weights first, then the states."""

    def __init__(self, template: Template, layers: Sequence[Layer]) -> None:
        model = template.model
        self._at: dict[int, int] = {}
        self.ranges, end = [], 0
        for variable in model.trainable_variables:
            self._at[id(variable)] = end
            self.ranges.append((end, end + int(np.prod(variable.shape))))
            end = self.ranges[-1][1]
        self.weights = end
        others = model.non_trainable_variables
        used = {
            id(v)
            for layer in layers
            for v in (layer.kernel, layer.bias, layer.mean, layer.variance)
            if v is not None
        }
        unstacked = [position for position in range(len(others)) if position not in template.stacked]
        self.shared_position = {position: number for number, position in enumerate(unstacked)}
        # For each state: whether it is stacked, and its number among the stacked or the shared variables.
        self.parts: list[tuple[bool, int, int]] = []
        for position, variable in enumerate(others):
            if id(variable) in used:
                size = int(np.prod(variable.shape))
                self._at[id(variable)] = end
                is_stacked = position in template.stacked
                number = (
                    list(template.stacked).index(position) if is_stacked else self.shared_position[position]
                )
                self.parts.append((is_stacked, number, size))
                end += size
        self.size = end - self.weights
        if unread := [v.path for v in model.trainable_variables if id(v) not in used]:
            raise UnsupportedError(f"the weight {unread[0]} is in no layer of the chain")
        stacked = [p for p in template.stacked if id(others[p]) not in used]
        if stacked:
            raise UnsupportedError(f"the variable {others[stacked[0]].path} differs between the points")

    def position(self, variable: Any) -> int:
        """Return the position of a variable; -1 for None."""
        return -1 if variable is None else self._at[id(variable)]

    def of(self, stack: Stack, shared: Sequence[Any]) -> np.ndarray:
        """Return the states of all points, float32, shape (points, numbers)."""
        count = len(stack.weights)
        found = [np.zeros((count, 0), np.float32)]
        for is_stacked, number, size in self.parts:
            value = stack.state[number] if is_stacked else np.asarray(shared[number])[None]
            found.append(np.broadcast_to(value.reshape(len(value), size), (count, size)))
        return np.ascontiguousarray(np.concatenate(found, 1), np.float32)

    def put(self, states: np.ndarray, stack: Stack) -> list[np.ndarray]:
        """Return the stacked variables, given the states of all points."""
        found, end = list(stack.state), 0
        for is_stacked, number, size in self.parts:
            start, end = end, end + size
            if is_stacked:
                found[number] = states[:, start:end].reshape(stack.state[number].shape)
        return found


class _Variants:
    """The activations of each variant, as the kernel takes them."""

    def __init__(self, chain: Chain, variants: int) -> None:
        layers = [layer for layer in chain.layers if layer.activations]
        self.codes = np.zeros((variants, len(layers)), np.int32)
        self.slopes = np.zeros((variants, len(layers)), np.float32)
        for column, layer in enumerate(layers):
            for variant, (activation, slope) in enumerate(layer.activations):
                self.codes[variant, column], self.slopes[variant, column] = activation, slope


class _Rows:
    """Rows of the table, as the kernel takes them."""

    def __init__(
        self, x: np.ndarray, y: np.ndarray, weight: np.ndarray | None, target: np.ndarray, given: Any
    ) -> None:
        self.x, self.y, self.weight, self.target, self.given = x, y, weight, target, given
        self.total = float(len(y)) if weight is None else float(weight.sum(dtype=np.float64))

    @staticmethod
    def of(chain: Chain, arrays: Sequence[np.ndarray], targets: int) -> _Rows:
        x, target, *weight = arrays
        x = chain.prepared(x)
        y = np.ascontiguousarray(target, np.float32).reshape(len(x), targets)
        if x.shape[1:] != (chain.features,):
            raise UnsupportedError("the layers before the first dense layer give no rows of numbers")
        is_sparse = any(
            one.measure in (c.Measure.SPARSE_CROSSENTROPY, c.Measure.SPARSE_ACCURACY)
            for one in chain.measures
        )
        if is_sparse and not (np.isfinite(y).all() and (y >= 0).all() and (y < chain.outputs).all()):
            raise UnsupportedError("the target is no class of the output")
        of_rows = np.ascontiguousarray(weight[0], np.float32) if weight else None
        if of_rows is not None and of_rows.shape != (len(x),):
            raise UnsupportedError("the weights of rows are not one for each row")
        return _Rows(x, y, of_rows, target, arrays[0])

    def take(self, order: np.ndarray) -> _Rows:
        weight = None if self.weight is None else np.ascontiguousarray(self.weight[order])
        x, y = (np.ascontiguousarray(array[order]) for array in (self.x, self.y))
        return _Rows(x, y, weight, self.target[order], None)

    def structure(self) -> Any:
        made = c.CRows(
            _pointer(self.x),
            _pointer(self.y),
            None if self.weight is None else _pointer(self.weight),
            len(self.y),
        )
        return ctypes.byref(made)


class _Arrays:
    """The models of a stack, as the kernel takes them. They are copies."""

    def __init__(self, program: NativeProgram, stack: Stack, trains: bool = False) -> None:
        self._program = program
        count = len(stack.weights)
        self.weights = np.array(stack.weights, np.float32, order="C")
        self.states = program._states.of(stack, program.shared)
        self.slots, self.scalar = program._slots.of(stack) if trains else ([], None)
        self.optimizer = np.ascontiguousarray(stack.optimizer, np.int32)
        self.settings = settings_of(program.template, stack, program.chain.numbers, program._columns)
        self.strengths = _strengths(program.template, stack, program._penalties)
        self.sums = np.zeros((count, len(program.chain.measures) + 1))
        self.lane, variants = _chunked(stack, program._variants, program._library.lanes)
        self._codes = np.ascontiguousarray(program._variants.codes[variants])
        self._slopes = np.ascontiguousarray(program._variants.slopes[variants])

    def pointers(self, chunks: range) -> Any:
        lane, codes, slopes = (a[chunks.start : chunks.stop] for a in (self.lane, self._codes, self._slopes))
        made = c.CModels(
            lane=_pointer(lane), activation=_pointer(codes), slope=_pointer(slopes), weights=_pointer(self.weights),
            states=_pointer(self.states), scalar=None if self.scalar is None else _pointer(self.scalar),
            optimizer=_pointer(self.optimizer), settings=_pointer(self.settings), strengths=_pointer(self.strengths),
            sums=_pointer(self.sums),
        )  # fmt: skip
        for number, slot in enumerate(self.slots):
            made.slot[number] = slot.ctypes.data
        return made

    def stack(self, before: Stack) -> Stack:
        """Return the models as a stack."""
        program = self._program
        state = program._states.put(self.states, before)
        slots = program._slots.put(self.slots, self.scalar, before)
        return Stack(self.weights, state, slots, before.numbers, before.optimizer, before.variant)


def _chunked(stack: Stack, variants: _Variants, lanes: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the point in each lane of each chunk, -1 for none, int32, shape (chunks, lanes), and a variant of each.

    The lanes of a chunk have the same activations. Equal optimizers are beside each other.
    """
    table = np.column_stack([variants.codes, variants.slopes.view(np.int32)])
    _, same = (
        np.unique(table, axis=0, return_inverse=True) if table.size else (None, np.zeros(len(table), int))
    )
    kinds = same.reshape(-1)[stack.variant]
    found, of_chunk = [], []
    for kind in np.unique(kinds):
        points = np.flatnonzero(kinds == kind)
        points = points[np.argsort(stack.optimizer[points], kind="stable")]
        padded = np.pad(points, (0, -len(points) % lanes), constant_values=-1).reshape(-1, lanes)
        found.append(padded)
        of_chunk += [stack.variant[points[0]]] * len(padded)
    return np.ascontiguousarray(np.concatenate(found), np.int32), np.array(of_chunk, int)


def _penalized(template: Template) -> list[int]:
    """Return the positions of the trainable variables with an L1 or L2 penalty in some point.

    Raises:
        UnsupportedError: a variable has another regularizer.
    """
    kinds = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
    found = []
    for position, variable in enumerate(template.model.trainable_variables):
        if variable.regularizer is not None and type(variable.regularizer) not in kinds:
            raise UnsupportedError("a weight has a regularizer that is neither L1 nor L2")
        keys = [f"penalty.{position}.{norm}" for norm in ("l1", "l2")]
        if any(key in template.keys or template.constants.get(key) for key in keys):
            found.append(position)
    return found


def _strengths(template: Template, stack: Stack, penalized: Sequence[int]) -> np.ndarray:
    found = np.zeros((len(stack.weights), max(1, len(penalized)), 2), np.float32)
    numbers = by_key(template, stack)
    for row, position in enumerate(penalized):
        for column, norm in enumerate(("l1", "l2")):
            found[:, row, column] = numbers.get(f"penalty.{position}.{norm}", 0.0)
    return found


def by_key(template: Template, stack: Stack) -> dict[str, Any]:
    """Return the numbers of all points by key; a float if it is the same for all."""
    found: dict[str, Any] = dict(template.constants)
    return found | {key: stack.numbers[:, column] for column, key in enumerate(template.keys)}


def _row_size(y: np.ndarray) -> int:
    return int(np.prod(np.shape(y)[1:]))


def _pointer(array: np.ndarray) -> ctypes.c_void_p:
    if not array.flags.c_contiguous:
        raise ValueError("an array for the kernel is not contiguous")
    return ctypes.c_void_p(array.ctypes.data)


def _pointers(arrays: Sequence[np.ndarray | None]) -> Any:
    return (ctypes.c_void_p * max(1, len(arrays)))(*(None if a is None else a.ctypes.data for a in arrays))
