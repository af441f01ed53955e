"""Trains many models of one chain for one epoch by the native kernel. A cohort uses it like `fused.program.Program`.

The kernel works on chunks: the lanes of a vector are models with the same activations. Where the processor can run several
kernels, the last models of an epoch that fill a narrow vector are trained by the next one.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from trainables.fused.program.contract import AnyProgram
from trainables.fused.program.template import Stack, Template
from trainables.native import structures as c
from trainables.native.arrays import Chunks, Models, Part, Rows, pointers, row_size
from trainables.native.calls import Calls
from trainables.native.chain import Chain
from trainables.native.draws import Draws
from trainables.native.library import load_all
from trainables.native.measures import UnsupportedError
from trainables.native.net import Net
from trainables.native.other_metrics import OtherMetrics

MOST_OUTPUTS = 2**24
"""The most outputs that are kept at once, for metrics that the kernel does not compute; a count is as large as two."""

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
        libraries = load_all()
        self.template, self.batch_size = template, batch_size
        self.fitted, self.validation = list(fitted), list(validation)
        self.iterations = 0
        self.steps = math.ceil(len(fitted[0]) / batch_size)
        self.shared: list[Any] = list(template.shared)
        self._targets = row_size(fitted[1])
        self._net = Net(template, batch_size, self._targets)
        self.chain: Chain = self._net.chain
        self._others = OtherMetrics(template, self.chain.logs, self._net.areas)
        # What Keras computes of a chunk would be traced for each number of lanes.
        self._calls = [
            Calls(one, self._net.structure) for one in libraries[: 1 if self._others.keeps else None]
        ]
        self._chunks = Chunks(self._net.variants, [calls.library.lanes for calls in self._calls])
        self._prepared: dict[int, Rows] = {}
        self._fitted = self._rows(fitted)
        self._validation = self._rows(validation)
        if mixing := self._others.mixing:
            raise UnsupportedError(f"the metric `{mixing}` may be no mean over the rows of a batch")
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
        draws = self._draws(count)
        schedule = self._schedules(steps)
        others = self._others.start(len(stack.weights))
        for calls, part, chunks, first, last in self._each(
            "train", models, steps, min(self.batch_size, count), draws.most_steps
        ):
            lane = part.lane[chunks.start : chunks.stop]
            drawn = draws.of(first, last)
            outputs = others.outputs(lane.size, first, count, self.chain.outputs)
            counts = others.counts(len(chunks), first, lane.shape[1])
            calls.call(
                "train",
                models.pointers(part, chunks),
                ctypes.c_int(len(chunks)),
                rows.structure(),
                pointers(drawn),
                pointers(schedule),
                pointers(self._net.decays),
                ctypes.c_int64(self.iterations + first),
                ctypes.c_int64(first),
                ctypes.c_int64(last),
                cost=len(chunks) * (min(last * self.batch_size, count) - first * self.batch_size),
                last=[outputs, counts],
            )
            if last == steps:
                others.add(lane, rows.target, rows.weight)
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
        tile = self._functions.tile()
        tiles = math.ceil(len(rows.y) / tile)
        for calls, part, chunks, first, last in self._each("evaluate", models, tiles, min(tile, len(rows.y))):
            lane = part.lane[chunks.start : chunks.stop]
            outputs = others.outputs(lane.size, first, len(rows.y), self.chain.outputs)
            counts = others.counts(len(chunks), first, lane.shape[1])
            calls.call(
                "evaluate",
                models.pointers(part, chunks),
                ctypes.c_int(len(chunks)),
                rows.structure(),
                ctypes.c_int64(first),
                ctypes.c_int64(last),
                cost=len(chunks) * (min(last * tile, len(rows.y)) - first * tile),
                last=[outputs, counts],
            )
            if last == tiles:
                others.add(lane, rows.target, rows.weight)
        return self._logs(models.sums, rows, others.found, penalties)

    @property
    def _functions(self) -> ctypes.CDLL:
        """The functions that are the same in all kernels of this machine."""
        return self._calls[0].library.functions

    def _models(self, stack: Stack, trains: bool = False) -> Models:
        return Models(self._net, self.template, stack, self.shared, self._chunks.of(stack), trains)

    def _each(
        self, name: str, models: Models, steps: int, rows: int, most_steps: int = 2**63
    ) -> Iterator[tuple[Calls, Part, range, int, int]]:
        """Yield what each call of an epoch computes: by which kernel, for which chunks, from which to which step."""
        for calls, part in zip(self._calls, models.parts, strict=True):
            most = self._most_chunks(steps * rows, calls.library.lanes)
            for chunks, first, last in calls.cuts(name, len(part.lane), steps, rows, most, most_steps):
                yield calls, part, chunks, first, last

    def _is_additive(self, stack: Stack) -> bool:
        some = slice(min(256, len(self.validation[0])))
        lane = stack.take(np.zeros(1, int))
        return self.template.is_additive(lane, *(array[some] for array in self.validation))

    def _most_chunks(self, rows: int, lanes: int) -> int:
        """Return how many chunks may be computed at once, if their outputs are kept or counted."""
        kept = rows * self.chain.outputs if self._others.keeps else 0
        return max(1, MOST_OUTPUTS // max(1, lanes * (kept + 2 * self._net.structure.counts)))

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

    def _draws(self, rows: int) -> Draws:
        layers = [layer for layer in self.chain.layers if layer.seed >= 0]
        places = [self._net.states.shared_position[layer.seed] for layer in layers]
        seeds = [np.asarray(self.shared[place]).astype(np.int64) for place in places]
        return Draws(layers, seeds, self._functions.uniform, rows, self.batch_size)

    def _schedules(self, steps: int) -> list[np.ndarray]:
        """Return the rate of each step of an epoch for each schedule."""
        found = []
        for update in self.template.updates.each:
            if update.schedule is not None:
                rates = [update.scheduled(self.iterations + step) for step in range(steps)]
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
