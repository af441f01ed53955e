"""Trains many models that differ only in values for one epoch, as one XLA program.

The program is made from a template. The values that differ between the models are arguments: stacked arrays, whose first
axis is the points (see the terminology of `template`). The program works on `lanes` points at once, which are a chunk, and
loops over as many chunks as the points in training need. So points that have stopped take no time, and the program is
compiled only once. The cohort does everything between two epochs: stopping rules, best weights, and which points train.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainables.fused.internals import kernels
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.slices import put, sliced
from trainables.fused.internals.tracing import traced_as
from trainables.fused.program.batches import over_batches
from trainables.fused.program.contract import AnyProgram
from trainables.fused.program.draws import draws_of_steps
from trainables.fused.program.mixing import counts_batches, may_mix_rows
from trainables.fused.program.otherwise import why_otherwise, without_gradient
from trainables.fused.program.template import Stack, Template

ROWS_AT_ONCE = 200_000
"""The maximum of rows times points evaluated at once, because the outputs of a layer must fit into memory."""


class Program(AnyProgram):
    """The compiled epoch of a template, and the evaluation of its lanes.

    Args:
        template: what the program is made from.
        batch_size: rows of a batch; the last batch of an epoch may be smaller.
        fitted: features and target of the fitted rows, and their weights if they have some.
        validation: the same of the validation rows.
        stack: all points before training.
        lanes: maximum number of points in a chunk.

    """

    engine = "fused"

    def __init__(
        self,
        template: Template,
        batch_size: int,
        fitted: tuple[np.ndarray, ...],
        validation: tuple[np.ndarray, ...],
        stack: Stack,
        lanes: int,
    ) -> None:
        self.template = template
        self.lanes = min(lanes, _at_once(len(validation[0])))
        self.chunks = len(self._chunked(stack.variant)[1])
        lane = stack.take(np.zeros(1, int))
        self.batch_size = batch_size
        self.fitted = [tf.constant(a) for a in fitted]
        self.validation = [tf.constant(a) for a in validation]
        self.shared = [tf.constant(value) for value in template.shared]
        self.iterations = 0
        self.steps = math.ceil(len(fitted[0]) / batch_size)
        some = slice(min(256, len(validation[0])))
        rows = [array[some] for array in validation]
        mixes = may_mix_rows(template, len(fitted) > 2)
        self._by_batch = mixes or counts_batches(template) or not template.is_additive(lane, *rows)
        if self._by_batch and not template.is_repeatable(lane, *rows):
            raise UnfusableError("its code gives other numbers each time that the same rows are evaluated")
        rest = len(fitted[0]) % batch_size
        x, y, *weights = (array[: min(batch_size, len(fitted[0]))] for array in fitted)
        if why := why_otherwise(template, stack, x, y):
            raise UnfusableError(why)
        # A function of a batch does not heed a mask, and what the masked rows hold may show in few batches only.
        # If all rows are fewer than a batch, they hold no other rows with which to check that.
        has_others = len(fitted[0]) > batch_size and bool(rest)
        self._masks = has_others and not mixes and template.can_mask(lane, x, y, rest, *weights)
        self._epoch: Any = None
        self._evaluate: dict[bool, Any] = {}

    def epoch(self, stack: Stack, order: np.ndarray) -> tuple[Stack, np.ndarray]:
        """See `AnyProgram.epoch`; there may be at most `lanes * chunks` points."""
        positions, variants = self._chunked(stack.variant)
        filled = np.resize(positions, self.lanes * self.chunks)
        filled[filled < 0] = 0  # lanes that only fill a chunk
        padded = stack.take(filled)
        arguments = (
            padded.weights, padded.state, padded.slots, padded.numbers, padded.optimizer,
            np.resize(variants, self.chunks), self.shared, np.int64(self.iterations), self._filled(order),
            np.int32(len(order) // self.batch_size), np.int32(len(variants)), *self.fitted, *self.validation,
        )  # fmt: skip
        weights, state, slots, shared, logs = (self._epoch or self._first_epoch)(*arguments)
        lanes = np.flatnonzero(positions >= 0)
        lanes = lanes[np.argsort(positions[lanes])]
        done = Stack(
            weights.numpy()[lanes],
            [a.numpy()[lanes] for a in state],
            [a.numpy()[lanes] for a in slots],
            stack.numbers,
            stack.optimizer,
            stack.variant,
        )
        self.shared, self.iterations = shared, self.iterations + math.ceil(len(order) / self.batch_size)
        return done, logs.numpy()[lanes]

    def _first_epoch(self, *arguments: Any) -> Any:
        """Trace, compile and run the epoch, and return its result."""
        self._epoch = tf.function(self._trace_epoch, jit_compile=True, autograph=False)
        with traced_as(self._key()):
            return self._epoch(*arguments)

    def _key(self) -> str:
        """Return a text that identifies this program, the same in each process."""
        layers = [
            (type(layer).__name__, [v.shape for v in layer.variables]) for layer in self.template.model.layers
        ]
        optimizers = [type(model.optimizer).__name__ for model in self.template.optimizers]
        rows = [
            len(self.fitted[0]),
            len(self.validation[0]),
            *(tuple(a.shape[1:]) for a in (*self.fitted, *self.validation)),
        ]
        by_batch = ["by batch"] if self._by_batch else []
        return repr(
            [
                layers,
                optimizers,
                self.template.keys,
                self.batch_size,
                rows,
                self.lanes,
                self.chunks,
                *by_batch,
            ]
        )

    def _chunked(self, variant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the point in each lane of each chunk, -1 for none, and the variant of each chunk.

        All lanes of a chunk have one variant, so that a switch computes one branch only, and not all of them.
        """
        positions, variants = [], []
        for one in np.unique(variant):
            points = np.flatnonzero(variant == one)
            chunks = math.ceil(len(points) / self.lanes)
            positions.append(np.pad(points, (0, chunks * self.lanes - len(points)), constant_values=-1))
            variants += [one] * chunks
        return np.concatenate(positions), np.array(variants, np.int32)

    def _filled(self, order: np.ndarray) -> np.ndarray:
        """Return `order` with as many more rows as the program takes; they are not trained."""
        rows = self.steps * self.batch_size if self._masks else len(self.fitted[0])
        return np.resize(order, rows).astype(np.int32)

    def evaluate(self, stack: Stack, *rows: np.ndarray, penalties: bool = True) -> np.ndarray:
        """See `AnyProgram.evaluate`."""
        constants = [tf.constant(array) for array in rows]
        found = np.zeros((len(stack.weights), len(self.template.logs)), np.float32)
        for variant in np.unique(stack.variant):
            points = np.flatnonzero(stack.variant == variant)
            at_once = _at_once(len(rows[0]))
            for some in np.split(points, range(at_once, len(points), at_once)):
                # Append one more point, whose result is dropped: the last numbers of an array are not computed by
                # vectors and may differ in their last bit. So a point's numbers do not depend on the other points.
                part = stack.take(np.append(some, some[-1]))
                arguments = ((part.weights, part.state, part.numbers), variant, self.shared, *constants)
                if penalties not in self._evaluate:
                    chunk = self._evaluate_chunk if penalties else self._evaluate_chunk_without_penalties
                    traced = tf.function(chunk, autograph=False)
                    what = "evaluation" if penalties else "evaluation without penalties"
                    with traced_as(f"{what} of {self._key()}"):
                        self._evaluate[penalties] = traced.get_concrete_function(*_specs(*arguments))
                evaluate = self._evaluate[penalties]
                found[some] = evaluate(*tf.nest.map_structure(tf.constant, arguments)).numpy()[:-1]
        return found

    def _trace_epoch(
        self, weights: Any, state: Any, slots: Any, numbers: Any, optimizer: Any, variants: Any, shared: Any,
        iterations: Any, order: Any, whole: Any, chunks: Any, *rows: Any,
    ) -> Any:  # fmt: skip
        fitted = [tf.gather(array, order) for array in rows[: len(self.fitted)]]
        validation = rows[len(self.fitted) :]
        everything = [weights, *state, *slots]
        columns = 2 * len(self.template.logs)
        logs = tf.zeros([self.chunks * self.lanes, columns])
        floats = self._draws(weights[0], [a[0] for a in state], numbers[0], list(shared), *fitted[:2])

        def chunk(number: Any, logs: Any, everything: Any, _: Any) -> Any:
            first = number * self.lanes
            w, s, o, n, r = (
                tf.nest.map_structure(lambda a: sliced(a, first, self.lanes), part)
                for part in (
                    everything[0],
                    everything[1 : 1 + len(state)],
                    everything[1 + len(state) :],
                    numbers,
                    optimizer,
                )
            )
            variant = variants[number]
            w, s, o, new_shared, trained = self._train_chunk(
                w, s, o, n, r, variant, shared, iterations, floats, whole, fitted
            )
            tested = self._evaluate_chunk((w, s, n), variant, new_shared, *validation)
            logs = put(logs, tf.concat([trained, tested], 1), first)
            everything = [put(a, b, first) for a, b in zip(everything, [w, *s, *o], strict=True)]
            return number + 1, logs, everything, new_shared

        _, logs, everything, shared = tf.while_loop(
            lambda number, *_: number < chunks, chunk, [tf.constant(0), logs, everything, list(shared)]
        )
        weights, *others = everything
        return weights, others[: len(state)], others[len(state) :], shared, logs

    def _draws(self, w: Any, s: Any, n: Any, shared: Any, x: Any, y: Any) -> list[Any]:
        if len(self.fitted[0]) % self.batch_size and not self._masks:  # the last step draws fewer numbers
            return []
        # Not `tf.ones`: XLA folds that and names it by a count, so that the cache would not find the program.
        mask = tf.constant(np.ones(self.batch_size, bool)) if self._masks else None
        batch = x[: self.batch_size], y[: self.batch_size]
        return draws_of_steps(self.template, shared, (w, s, n), batch, mask, self.steps)

    def _train_chunk(
        self,
        w: Any,
        s: Any,
        o: Any,
        n: Any,
        r: Any,
        variant: Any,
        shared: Any,
        iterations: Any,
        floats: Sequence[Any],
        whole: Any,
        rows: Sequence[Any],
    ) -> Any:
        batch, rest = self.batch_size, len(self.fitted[0]) % self.batch_size
        metrics = [tf.tile(v[None], [self.lanes] + [1] * v.ndim) for v in self.template.metrics]

        def step(first: Any, size: int, carried: Any) -> Any:
            w, s, o, shared, m, iterations, _ = carried
            batch_rows = [sliced(array, first, size) for array in rows]
            mask = first + tf.range(size) < whole * batch + rest if self._masks else None
            drawn = [sliced(a, first // batch, 1)[0] for a in floats]

            def lane(arguments: Any) -> Any:
                w, s, o, m, n, r = arguments
                return self._train_lane(
                    w, s, o, m, n, r, variant, shared, iterations, drawn, mask, *batch_rows
                )

            w, s, o, shared, m, logs = tf.vectorized_map(lane, (w, s, o, m, n, r))
            return [w, s, o, [a[0] for a in shared], m, iterations + 1, logs]

        carried = [
            w,
            s,
            o,
            list(shared),
            metrics,
            iterations,
            tf.zeros([self.lanes, len(self.template.logs)]),
        ]
        steps = whole + 1 if self._masks else whole
        if self._masks or len(self.fitted[0]) >= batch:
            _, carried = tf.while_loop(
                lambda i, _: i < steps,
                lambda i, carried: (i + 1, step(i * batch, batch, carried)),
                [tf.constant(0), carried],
            )
        if rest and not self._masks:
            carried = step(whole * batch, rest, carried)
        w, s, o, shared, _, _, logs = carried
        return w, s, o, shared, logs

    def _train_lane(
        self, w: Any, s: Any, o: Any, m: Any, n: Any, r: Any, variant: Any, shared: Any, iterations: Any,
        drawn: Sequence[Any], mask: Any, x: Any, y: Any, row_weights: Any = None,
    ) -> Any:  # fmt: skip
        template = self.template
        numbers, ready = template.by_key(n), list(drawn)

        def draw(shape: Sequence[int], seed: Any) -> Any:
            if not ready:
                raise UnfusableError("an activation function draws random numbers")
            return ready.pop(0)

        with template.lifted(numbers, variant), kernels.fast(draw if drawn else template.draw):
            with tf.GradientTape() as tape:
                parts = template.parts(w)
                tape.watch(parts)
                loss, values, m, logs = template.run(
                    parts, template.merge(s, shared), m, x, y, True, mask, row_weights
                )
            if ready:
                raise UnfusableError("an activation function draws random numbers")
            gradients = tape.gradient(loss, parts)
            for variable, gradient in zip(template.model.trainable_variables, gradients, strict=True):
                if gradient is None:
                    raise UnfusableError(without_gradient(variable.path))
            w, o = template.updates.apply(r, gradients, w, o, iterations, numbers)
        # vectorized_map cannot return a tensor from outside, such as the value of a variable that does not change.
        s, shared = template.part([tf.identity(value) for value in values])
        return w, s, o, shared, m, self._ordered(logs)

    def _evaluate_chunk(self, models: Any, variant: Any, shared: Any, *rows: Any) -> Any:
        return self._logs_of_chunk(True, models, variant, shared, *rows)

    def _evaluate_chunk_without_penalties(self, models: Any, variant: Any, shared: Any, *rows: Any) -> Any:
        return self._logs_of_chunk(False, models, variant, shared, *rows)

    def _logs_of_chunk(self, penalties: bool, models: Any, variant: Any, shared: Any, *rows: Any) -> Any:
        template = self.template

        def lane(arguments: Any, metrics: Sequence[Any], batch: Sequence[Any]) -> Any:
            w, s, n = arguments
            x, y, row_weights = (*batch, None)[:3]
            with template.lifted(template.by_key(n), variant), kernels.fast(template.draw):
                values = template.merge(s, shared)
                *_, metrics, logs = template.run(
                    template.parts(w), values, metrics, x, y, False, None, row_weights, penalties
                )
            return metrics, self._ordered(logs)

        def step(batch: Sequence[Any], carried: Any) -> Any:
            return tf.vectorized_map(lambda given: lane(given[0], given[1], batch), (models, carried[0]))

        if not self._by_batch:
            return tf.vectorized_map(
                lambda given: lane(given, [tf.constant(v) for v in template.metrics], rows)[1], models
            )
        lanes = tf.shape(models[0])[0]
        metrics = [tf.tile(v[None], [lanes] + [1] * v.ndim) for v in template.metrics]
        logs = tf.zeros([lanes, len(template.logs)])
        return over_batches(step, rows, self.batch_size, (metrics, logs))[1]

    def _ordered(self, logs: Mapping[str, Any]) -> Any:
        found = [tf.cast(logs[name], tf.float32) for name in self.template.logs]
        # A metric by class gives an array of one number for one class.
        return tf.stack([value if value.shape.rank == 0 else tf.reshape(value, []) for value in found])


def _at_once(rows: int) -> int:
    """Return how many points can be evaluated on `rows` rows at once."""
    return max(1, ROWS_AT_ONCE // rows)


def _specs(models: Any, variant: Any, shared: Any, *rows: Any) -> Any:
    """Return the specs of the arguments of `_evaluate_chunk` for any number of points and rows."""
    models, rows = (
        tf.nest.map_structure(lambda a: tf.TensorSpec([None, *a.shape[1:]], a.dtype), part)
        for part in (models, rows)
    )
    variant, shared = tf.nest.map_structure(lambda a: tf.TensorSpec(np.shape(a), a.dtype), (variant, shared))
    return models, variant, shared, *rows
