"""Trains many models of one chain for one epoch by the native kernel. A cohort uses it like `fused.program.Program`.

The kernel works on chunks: the lanes of a vector are models with the same activations. A call takes less than a second, so
that Ctrl-C and time limits are noticed; an epoch is cut by chunks, and by steps if the table is large.
"""

from __future__ import annotations

import ctypes
import itertools
import math
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainables.fused.program.contract import AnyProgram
from trainables.fused.program.template import Stack, Template
from trainables.native import structures as c
from trainables.native.arrays import Models, Rows, pointer, pointers, row_size
from trainables.native.chain import Chain, Layer
from trainables.native.library import Library, load
from trainables.native.measures import UnsupportedError
from trainables.native.net import Net
from trainables.native.other_metrics import OtherMetrics

CALL_S = 0.3
"""Seconds that a call of the kernel should take."""

MOST_BYTES = 512 * 2**20
"""The most memory that the kernel may need for the activations of a batch."""

MOST_OUTPUTS = 2**24
"""The most outputs that are kept at once, for metrics that the kernel does not compute."""

ALWAYS_WEIGHTS, MOST_PRODUCT = 128 * 128, 12_000_000
"""Measured by `python -m tests.benchmarks crossover`: the kernel was as fast as XLA or faster with dense layers of at most
so many weights, and with larger ones if weights times rows of a batch were at most the second number."""


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
        self._targets = row_size(fitted[1])
        self._net = Net(template, batch_size, self._targets)
        self.chain: Chain = self._net.chain
        functions = self._library.functions
        functions.workspace.restype = ctypes.c_int64
        size = functions.workspace(ctypes.byref(self._net.structure))
        if size < 0:
            raise UnsupportedError("the kernel does not accept the chain")
        if size > MOST_BYTES:
            raise UnsupportedError("the activations of a batch take too much memory")
        memory = np.empty(size + 64, np.uint8)
        self._memory = memory[-memory.ctypes.data % 64 :][:size]
        self._prepared: dict[int, Rows] = {}
        self._seconds = {"train": 0.0, "evaluate": 0.0}  # of one row of one chunk
        self._fitted = self._rows(fitted)
        self._validation = self._rows(validation)
        self._others = OtherMetrics(template, self.chain.logs, self._library.lanes)
        if self._others.needed and not self._is_additive(stack):
            raise UnsupportedError("a metric of a batch is not the mean over its rows")

    @property
    def why_slower(self) -> str:
        """Why XLA should be faster; empty if it should not be."""
        weights = max(
            (one.inputs * one.outputs for one in self.chain.layers if one.kind is c.Kind.DENSE), default=0
        )
        rows = min(self.batch_size, len(self.fitted[0]))
        if weights <= ALWAYS_WEIGHTS or weights * rows <= MOST_PRODUCT:
            return ""
        return f"XLA is faster with a dense layer of {weights:,} weights and batches of {rows:,} rows"

    # What the cohort uses ---------------------------------------------------------------------------------------------

    def epoch(self, stack: Stack, order: np.ndarray) -> tuple[Stack, np.ndarray]:
        """Train every point of `stack` for one epoch; see `AnyProgram.epoch`."""
        models = self._models(stack, trains=True)
        rows = self._fitted.take(order)
        count = len(order)
        steps = math.ceil(count / self.batch_size)
        draws = [self._draws(layer, count) for layer in self.chain.layers if layer.seed >= 0]
        schedule = self._schedules(steps)
        others = self._others.start(len(stack.weights))
        for chunks, first, last in self._cuts("train", len(models.lane), steps, self.batch_size):
            outputs = others.outputs(chunks, first, len(rows.y), self.chain.outputs)
            self._call(
                "train",
                models.pointers(chunks),
                ctypes.c_int(len(chunks)),
                rows.structure(),
                pointers(draws),
                pointers(schedule),
                pointers(self._net.decays),
                ctypes.c_int64(self.iterations + first),
                ctypes.c_int64(first),
                ctypes.c_int64(last),
                cost=len(chunks) * (last - first) * self.batch_size,
                last=[outputs],
            )
            if last == steps:
                others.add(models.lane[chunks.start : chunks.stop], rows.target, rows.weight)
        trained = self._logs(models.sums, rows, others.found)
        done = models.stack(stack)
        self._advance(steps)
        tested = self._evaluated(models, self._validation, True)
        return done, np.concatenate([trained, tested], 1)

    def evaluate(self, stack: Stack, *rows: np.ndarray, penalties: bool = True) -> np.ndarray:
        """Return the logs of every point of `stack` on other rows; see `AnyProgram.evaluate`."""
        return self._evaluated(self._models(stack), self._rows(rows), penalties)

    # ------------------------------------------------------------------------------------------------------------------

    def _evaluated(self, models: Models, rows: Rows, penalties: bool) -> np.ndarray:
        models.sums[...] = 0.0
        others = self._others.start(len(models.weights))
        tile = self._library.functions.tile()
        tiles = math.ceil(len(rows.y) / tile)
        for chunks, first, last in self._cuts("evaluate", len(models.lane), tiles, tile):
            outputs = others.outputs(chunks, first, len(rows.y), self.chain.outputs)
            self._call(
                "evaluate",
                models.pointers(chunks),
                ctypes.c_int(len(chunks)),
                rows.structure(),
                ctypes.c_int64(first),
                ctypes.c_int64(last),
                cost=len(chunks) * (last - first) * tile,
                last=[outputs],
            )
            if last == tiles:
                others.add(models.lane[chunks.start : chunks.stop], rows.target, rows.weight)
        return self._logs(models.sums, rows, others.found, penalties)

    def _models(self, stack: Stack, trains: bool = False) -> Models:
        return Models(self._net, self.template, stack, self.shared, self._library.lanes, trains)

    def _is_additive(self, stack: Stack) -> bool:
        some = slice(min(256, len(self.validation[0])))
        lane = stack.take(np.zeros(1, int))
        return self.template.is_additive(lane, *(array[some] for array in self.validation))

    def _call(self, name: str, models: Any, *arguments: Any, cost: float, last: Sequence[Any] = ()) -> None:
        started = time.process_time()
        memory = self._memory.ctypes.data_as(ctypes.c_void_p)
        function = getattr(self._library.functions, name)
        if function(ctypes.byref(self._net.structure), ctypes.byref(models), *arguments, memory, *last):
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
            for start, end in itertools.pairwise(ends):
                yield some, int(start), int(end)

    def _most_chunks(self, rows: int) -> int:
        """Return how many chunks may be computed at once, if their outputs are kept."""
        if not self._others.needed:
            return 2**30
        return max(1, MOST_OUTPUTS // (rows * self.chain.outputs * self._library.lanes))

    def _logs(self, sums: np.ndarray, rows: Rows, others: np.ndarray, penalties: bool = True) -> np.ndarray:
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

    def _rows(self, arrays: Sequence[np.ndarray]) -> Rows:
        """Return rows as the kernel takes them; those that the program has seen are prepared once."""
        key = id(arrays[0])
        found = self._prepared.get(key)
        if found is None or not found.is_of(arrays):
            found = Rows.of(self.chain, arrays, self._targets)
            self._prepared[key] = found
            for old in list(self._prepared)[:-8]:
                del self._prepared[old]
        return found

    def _draws(self, layer: Layer, rows: int) -> np.ndarray:
        """Return what a layer draws in an epoch: float32, shape (rows, outputs)."""
        seed = np.asarray(self.shared[self._net.states.shared_position[layer.seed]]).astype(np.int64)
        found = np.empty((rows, layer.outputs), np.float32)
        uniform = self._library.functions.uniform
        for step, first in enumerate(range(0, rows, self.batch_size)):
            part = found[first : first + self.batch_size]
            # As TensorFlow's backend of Keras casts a seed.
            s0, s1 = (int(number) % (2**31 - 2) for number in (seed[0], (seed[1] + step) % 2**32))
            size = part.size
            drawn = part if layer.kind is c.Kind.DROPOUT else np.empty(size + size % 2, np.float32)
            uniform(ctypes.c_int32(s0), ctypes.c_int32(s1), ctypes.c_int64(drawn.size), pointer(drawn))
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
        shared = list(self.shared)  # a new list: who has kept the old one can put it back
        for layer in self.chain.layers:
            if layer.seed >= 0:
                position = self._net.states.shared_position[layer.seed]
                seed = np.asarray(shared[position]).copy()
                seed[1] += seed.dtype.type(steps)
                shared[position] = seed
        self.shared = shared
