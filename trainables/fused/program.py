"""One epoch of many models that differ only in values, as one XLA program.

The program is made from one model, the template, as its builder returned it. What differs between the models comes
in as stacked arrays, leading axis: points. It works on `lanes` of them at once and loops over as many such chunks
as there are points in training, so points that have stopped cost nothing and nothing is ever compiled again.
What happens between two epochs - stopping rules, best weights, who is still in training - is outside.

Terminology
    lane        one model of a chunk
    weights     the trainable variables of a lane, as one vector
    state       non-trainable variables that differ between lanes or that training changes, such as moving averages
    shared      the other non-trainable variables, and seeds that are the same in all lanes: one random draw serves
                all of them, as each would have drawn the same by itself
    slots       the optimizer's variables
    numbers     the floats of `describe` that differ between the points, one column each
"""

from __future__ import annotations

import contextlib
import math
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras.src.backend.common.masking import set_keras_mask
from keras.src.backend.common.stateless_scope import StatelessScope
from tensorflow.compiler.tf2xla.ops import gen_xla_ops

from trainables.fused import kernels
from trainables.fused.describe import LAYER_NUMBERS, RATE, Lifted, UnfusableError
from trainables.fused.optimizers import SharedSlots, UpdateRule, split


@dataclass
class Stack:
    """The models of many points, as arrays with one row a point.

    Attributes:
        weights: float32, shape (points, numbers in the trainable variables).
        state: one array for each stacked non-trainable variable, shape (points, ...).
        slots: one array for each shared slot, shape (points, ...).
        numbers: float32, shape (points, keys of the program).
        rule: int32, shape (points,): the place of each point's optimizer.
        variant: int32, shape (points,): the place of each point's activation functions.
    """

    weights: np.ndarray
    state: list[np.ndarray]
    slots: list[np.ndarray]
    numbers: np.ndarray
    rule: np.ndarray
    variant: np.ndarray

    @property
    def row_bytes(self) -> int:
        """Bytes that one point takes in training: twice its arrays, in NumPy and as tensors, and the best epoch's."""
        own = [self.weights, *self.state]
        return sum(a[:1].nbytes for a in [*own, *self.slots]) * 2 + sum(a[:1].nbytes for a in own)

    def take(self, rows: np.ndarray) -> Stack:
        """Return the models of the points `rows`."""
        return Stack(
            self.weights[rows],
            [a[rows] for a in self.state],
            [a[rows] for a in self.slots],
            self.numbers[rows],
            self.rule[rows],
            self.variant[rows],
        )


@dataclass
class Template:
    """What a program is made from.

    Attributes:
        model: the template.
        optimizers: one model for each rule, whose optimizer follows it.
        variants: one model for each variant, whose layers have its activation functions.
        keys: the numbers that differ between the points, by their keys in `describe`; first the learning rate.
        constants: the others.
        stacked: places, among the non-trainable variables, of those that each lane has of its own.
        sample: features and target of a few rows, to see what the model logs.
        logs: names of what Keras logs: "loss" and each metric.
    """

    model: keras.Model
    optimizers: Sequence[keras.Model]
    variants: Sequence[keras.Model]
    keys: Sequence[str]
    constants: Mapping[str, float]
    stacked: Sequence[int]
    sample: tuple[np.ndarray, np.ndarray]
    rules: SharedSlots = field(init=False)
    logs: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.rules = SharedSlots([UpdateRule(model) for model in self.optimizers])
        self._layers = _layers(self.model)
        functions = zip(
            *([getattr(x, "activation", None) for x in _layers(m)] for m in self.variants), strict=True
        )
        self._activations = list(functions)
        x, y = map(tf.constant, self.sample)
        predicted = self.model(x, training=False)
        # Losses and metrics get their variables with the first batch they see.
        self.model._compute_loss(x=x, y=y, y_pred=predicted, sample_weight=None, training=False)
        self.logs = list(self.model.compute_metrics(x, y, predicted))
        self.model.reset_metrics()
        self.metrics = [v.numpy() for v in self.model.metrics_variables]

    @property
    def shared(self) -> list[np.ndarray]:
        """The initial value of each non-trainable variable that is not stacked."""
        variables = self.model.non_trainable_variables
        return [v.numpy() for place, v in enumerate(variables) if place not in self.stacked]

    def merge(self, state: Sequence[Any], shared: Sequence[Any]) -> list[Any]:
        """Return the values of all non-trainable variables, in order."""
        of_lane, of_all = iter(state), iter(shared)
        count = len(self.model.non_trainable_variables)
        return [next(of_lane) if place in self.stacked else next(of_all) for place in range(count)]

    def part(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return state and shared: the inverse of `merge`."""
        state = [value for place, value in enumerate(values) if place in self.stacked]
        return state, [value for place, value in enumerate(values) if place not in self.stacked]

    @contextlib.contextmanager
    def lifted(self, numbers: Mapping[str, Any], variant: Any) -> Iterator[None]:
        """Give the template's layers and variables what a lane has of its own, while it is traced.

        Args:
            numbers: of the lane, those that differ; floats, or float32 scalars.
            variant: the place of its activation functions, an int or an int32 scalar.
        """
        undo = []

        def put(owner: Any, name: str, value: Any) -> None:
            undo.append((owner, name, getattr(owner, name)))
            setattr(owner, name, value)

        for place, layer in enumerate(self._layers):
            name = LAYER_NUMBERS.get(type(layer))
            if name and f"layer.{place}.{name}" in numbers:
                number = numbers[f"layer.{place}.{name}"]
                put(layer, name, number if isinstance(number, float) else Lifted(number))
        for layer, functions in zip(self._layers, self._activations, strict=True):
            if len({id(function) for function in functions}) > 1:
                put(layer, "activation", _switch(functions, variant))
        for place, variable in enumerate(self.model.trainable_variables):
            keys = [f"penalty.{place}.{norm}" for norm in ("l1", "l2")]
            if any(key in numbers for key in keys):
                strengths = [numbers.get(key, self.constants.get(key, 0.0)) for key in keys]
                put(variable, "regularizer", _Penalty(*strengths))
        try:
            yield
        finally:
            for owner, name, value in reversed(undo):
                setattr(owner, name, value)

    def run(
        self,
        weights: Any,
        values: Sequence[Any],
        metrics: Sequence[Any],
        x: Any,
        y: Any,
        training: bool,
        mask: Any = None,
    ) -> tuple[Any, list[Any], list[Any], dict[str, Any]]:
        """Return the loss, the new non-trainable variables, the new metrics' variables and the logs so far.

        As one `train_step` or `test_step` of Keras' TensorFlow trainer, without the update of the weights.

        Args:
            weights: of the lane, one vector.
            values: of all non-trainable variables.
            metrics: of the metrics' variables.
            x, y: the rows of a batch.
            training: as layers are told.
            mask: bool, shape (rows,): which rows count; all if None.
        """
        model = self.model
        count = tf.shape(y)[0] if mask is None else tf.reduce_sum(tf.cast(mask, tf.float32))
        if mask is not None:
            set_keras_mask(x, mask)
        trainable = split(weights, model.trainable_variables)
        arguments = {"training": training} if model._call_has_training_arg else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of layers that lose a mask
            predicted, values, losses = model.stateless_call(
                trainable, list(values), x, return_losses=True, **arguments
            )
        if mask is not None:
            set_keras_mask(predicted, mask)  # also if a layer has lost it on the way
        variables = [*model.trainable_variables, *model.non_trainable_variables, *model.metrics_variables]
        mapping = list(zip(variables, [*trainable, *values, *metrics], strict=True))
        with StatelessScope(mapping) as scope:
            model._losses_override = losses
            loss = model._compute_loss(x=x, y=y, y_pred=predicted, sample_weight=None, training=training)
            model._losses_override = []
            model._loss_tracker.update_state(loss, sample_weight=count)
            logs = model.compute_metrics(x, y, predicted, sample_weight=None)
            metrics = [scope.get_current_value(variable) for variable in model.metrics_variables]
        return loss, list(values), metrics, logs

    def is_additive(self, lane: Stack, x: np.ndarray, y: np.ndarray) -> bool:
        """Return whether evaluating rows at once is the same as batch after batch, as Keras does.

        It is for means over rows; a loss that is a function of a whole batch, such as a correlation, is none.
        """
        numbers = dict(zip(self.keys, lane.numbers[0].tolist(), strict=True))
        values = self.merge([tf.constant(a[0]) for a in lane.state], list(map(tf.constant, self.shared)))
        found = []
        for ends in ([len(x)], [len(x) // 3, len(x)]):
            metrics, start = list(map(tf.constant, self.metrics)), 0
            with self.lifted(numbers, int(lane.variant[0])):
                for end in ends:
                    rows = tf.constant(x[start:end]), tf.constant(y[start:end])
                    *_, metrics, logs = self.run(tf.constant(lane.weights[0]), values, metrics, *rows, False)
                    start = end
            found.append([float(logs[name]) for name in self.logs])
        # Sums in another order: float32's rounding.
        return bool(np.allclose(found[0], found[1], rtol=1e-4, atol=1e-6, equal_nan=True))

    def can_mask(self, lane: Stack, x: np.ndarray, y: np.ndarray, rows: int) -> bool:
        """Return whether a batch of which only the first `rows` rows count is the same as these rows alone.

        Then the smaller last batch of an epoch needs no trace of its own, which is nearly half of the compilation.
        Keras' masks see to it for its own layers, losses and metrics; that all of a model's parts heed them is
        found out here, on loss, gradient, state and metrics.
        """
        found = []
        numbers = dict(zip(self.keys, lane.numbers[0].tolist(), strict=True))
        values = self.merge([tf.constant(a[0]) for a in lane.state], list(map(tf.constant, self.shared)))
        with self.lifted(numbers, int(lane.variant[0])), kernels.fast():
            for mask, part in ((None, slice(rows)), (tf.range(len(x)) < rows, slice(None))):
                w, metrics = tf.constant(lane.weights[0]), list(map(tf.constant, self.metrics))
                try:
                    with tf.GradientTape() as tape:
                        tape.watch(w)
                        loss, after, metrics, _ = self.run(
                            w, values, metrics, tf.constant(x[part]), tf.constant(y[part]), True, mask
                        )
                    found.append([loss, tape.gradient(loss, w), *after, *metrics])
                except Exception:  # a layer that takes no mask, an output that can have none
                    return False
        # Sums of a few more zeros: float32's rounding, relative to the largest number.
        return all(
            np.allclose(a, b, rtol=1e-4, atol=1e-5 * (1 + np.abs(a).max()))
            for a, b in zip(*found, strict=True)
        )


def _layers(model: keras.Model) -> list[Any]:
    return [model, *model._flatten_layers(include_self=False, recursive=True)]


def _switch(functions: Sequence[Callable[..., Any]], variant: Any) -> Callable[..., Any]:
    """Return the activation function at the place `variant`, which may be known at run time only."""
    if isinstance(variant, int):
        return functions[variant]
    distinct = {id(function): function for function in functions}
    places = [list(distinct).index(id(function)) for function in functions]
    branch = tf.gather(tf.constant(places), variant)
    return lambda x: tf.switch_case(branch, [lambda f=function: f(x) for function in distinct.values()])


class _Penalty(keras.regularizers.Regularizer):
    """L1 and L2 with strengths of a lane, computed as `keras.regularizers.L1L2` does."""

    def __init__(self, l1: Any, l2: Any) -> None:
        self._l1, self._l2 = l1, l2

    def __call__(self, x: Any) -> Any:
        penalty = keras.ops.convert_to_tensor(0.0, dtype=x.dtype)
        for strength, norm in ((self._l1, keras.ops.absolute), (self._l2, keras.ops.square)):
            if not (isinstance(strength, float) and strength == 0.0):
                penalty += strength * keras.ops.sum(norm(x))
        return penalty


class Program:
    """The compiled epoch of a template, and the evaluation of its lanes.

    Args:
        template: see there.
        batch_size: rows of a batch; the last of an epoch is smaller where it must be.
        fitted: features and target of the fitted rows.
        validation: of the validation rows.
        lane: the first lane before training, for what has to be tried out.
        lanes: points in a chunk.
        chunks: the most chunks.
    """

    def __init__(
        self,
        template: Template,
        batch_size: int,
        fitted: tuple[np.ndarray, np.ndarray],
        validation: tuple[np.ndarray, np.ndarray],
        lane: Stack,
        lanes: int,
        chunks: int,
    ) -> None:
        self.template, self.lanes, self.chunks = template, lanes, chunks
        self._batch = batch_size
        self._fitted = [tf.constant(a) for a in fitted]
        self._validation = [tf.constant(a) for a in validation]
        self.shared = [tf.constant(value) for value in template.shared]
        self.iterations = 0
        self.steps = math.ceil(len(fitted[0]) / batch_size)
        some = slice(min(256, len(validation[0])))
        if not template.is_additive(lane, validation[0][some], validation[1][some]):
            raise UnfusableError("a loss or metric of a batch is no mean over its rows")
        rest = len(fitted[0]) % batch_size
        first = slice(min(batch_size, len(fitted[0])))
        self._masks = bool(rest) and template.can_mask(lane, fitted[0][first], fitted[1][first], rest)
        self._epoch = tf.function(self._trace_epoch, jit_compile=True, autograph=False)
        self._evaluate: Any = None

    def epoch(self, stack: Stack, order: np.ndarray) -> tuple[Stack, np.ndarray]:
        """Train every point of `stack` for one epoch.

        Args:
            stack: at most `lanes * chunks` points, all of which have done the same epochs.
            order: of the fitted rows, int, shape (rows,).

        Returns:
            The models after the epoch, and what was logged: float32, shape (points, 2 * len(template.logs)), the
            training logs and then the same on the validation rows.
        """
        places, variants = self._chunked(stack.variant)
        filled = np.resize(places, self.lanes * self.chunks)
        filled[filled < 0] = 0  # lanes that are there to fill a chunk
        padded = stack.take(filled)
        weights, state, slots, shared, logs = self._epoch(
            padded.weights, padded.state, padded.slots, padded.numbers, padded.rule,
            np.resize(variants, self.chunks), self.shared, np.int64(self.iterations), self._filled(order),
            np.int32(len(variants)), *self._fitted, *self._validation,
        )  # fmt: skip
        lanes = np.flatnonzero(places >= 0)
        lanes = lanes[np.argsort(places[lanes])]
        done = Stack(
            weights.numpy()[lanes],
            [a.numpy()[lanes] for a in state],
            [a.numpy()[lanes] for a in slots],
            stack.numbers,
            stack.rule,
            stack.variant,
        )
        self.shared, self.iterations = shared, self.iterations + self.steps
        return done, logs.numpy()[lanes]

    def _chunked(self, variant: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the point in each lane of each chunk, -1 for none, and the variant of each chunk.

        A chunk has one variant: a switch that all lanes take together is a branch, else all of it would be computed.
        """
        places, variants = [], []
        for one in np.unique(variant):
            points = np.flatnonzero(variant == one)
            chunks = math.ceil(len(points) / self.lanes)
            places.append(np.pad(points, (0, chunks * self.lanes - len(points)), constant_values=-1))
            variants += [one] * chunks
        return np.concatenate(places), np.array(variants, np.int32)

    def _filled(self, order: np.ndarray) -> np.ndarray:
        """Return `order`, with rows that will not count at its end if a mask makes the last batch whole."""
        return np.resize(order, self.steps * self._batch if self._masks else len(order)).astype(np.int32)

    def evaluate(self, stack: Stack, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Return the logs of every point of `stack` on other rows: float32, shape (points, len(template.logs))."""
        x, y = tf.constant(x), tf.constant(y)
        places, variants = self._chunked(stack.variant)
        found = np.zeros((len(stack.weights), len(self.template.logs)), np.float32)
        for lanes, variant in zip(places.reshape(-1, self.lanes), variants, strict=True):
            part = stack.take(np.maximum(lanes, 0))
            models = (part.weights, part.state, part.numbers, variant, self.shared)
            if self._evaluate is None:  # for any number of rows: traced once for train and test rows
                rows = [tf.TensorSpec([None, *a.shape[1:]], a.dtype) for a in (x, y)]
                traced = tf.function(self._evaluate_chunk, autograph=False)
                self._evaluate = traced.get_concrete_function(*tf.nest.map_structure(_spec, models), *rows)
            logs = self._evaluate(*tf.nest.map_structure(tf.constant, models), x, y)
            found[lanes[lanes >= 0]] = logs.numpy()[lanes >= 0]
        return found

    def _trace_epoch(
        self, weights: Any, state: Any, slots: Any, numbers: Any, rule: Any, variants: Any, shared: Any,
        iterations: Any, order: Any, chunks: Any, x: Any, y: Any, x_validation: Any, y_validation: Any,
    ) -> Any:  # fmt: skip
        x, y = tf.gather(x, order), tf.gather(y, order)
        everything = [weights, *state, *slots]
        columns = 2 * len(self.template.logs)
        logs = tf.zeros([self.chunks * self.lanes, columns])

        def chunk(number: Any, logs: Any, everything: Any, _: Any) -> Any:
            first = number * self.lanes
            w, s, o, n, r = (
                tf.nest.map_structure(lambda a: _slice(a, first, self.lanes), part)
                for part in (
                    everything[0],
                    everything[1 : 1 + len(state)],
                    everything[1 + len(state) :],
                    numbers,
                    rule,
                )
            )
            variant = variants[number]
            w, s, o, new_shared, trained = self._train_chunk(w, s, o, n, r, variant, shared, iterations, x, y)
            tested = self._evaluate_chunk(w, s, n, variant, new_shared, x_validation, y_validation)
            logs = _put(logs, tf.concat([trained, tested], 1), first)
            everything = [_put(a, b, first) for a, b in zip(everything, [w, *s, *o], strict=True)]
            return number + 1, logs, everything, new_shared

        _, logs, everything, shared = tf.while_loop(
            lambda number, *_: number < chunks, chunk, [tf.constant(0), logs, everything, list(shared)]
        )
        weights, *others = everything
        return weights, others[: len(state)], others[len(state) :], shared, logs

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
        x: Any,
        y: Any,
    ) -> Any:
        rows, batch = len(self._fitted[0]), self._batch
        metrics = [tf.tile(v[None], [self.lanes] + [1] * v.ndim) for v in self.template.metrics]

        def step(first: Any, size: int, carried: Any) -> Any:
            w, s, o, shared, m, iterations, _ = carried
            x_batch, y_batch = _slice(x, first, size), _slice(y, first, size)
            mask = first + tf.range(size) < rows if self._masks else None

            def lane(arguments: Any) -> Any:
                w, s, o, m, n, r = arguments
                return self._train_lane(w, s, o, m, n, r, variant, shared, iterations, x_batch, y_batch, mask)

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
        whole = self.steps if self._masks else rows // batch
        if whole:
            _, carried = tf.while_loop(
                lambda i, _: i < whole,
                lambda i, carried: (i + 1, step(i * batch, batch, carried)),
                [tf.constant(0), carried],
            )
        if rows % batch and not self._masks:
            carried = step(tf.constant(whole * batch), rows % batch, carried)
        w, s, o, shared, _, _, logs = carried
        return w, s, o, shared, logs

    def _train_lane(
        self, w: Any, s: Any, o: Any, m: Any, n: Any, r: Any, variant: Any, shared: Any, iterations: Any,
        x: Any, y: Any, mask: Any,
    ) -> Any:  # fmt: skip
        template = self.template
        numbers = self._numbers(n)
        with template.lifted(numbers, variant), kernels.fast():
            with tf.GradientTape() as tape:
                tape.watch(w)
                loss, values, m, logs = template.run(w, template.merge(s, shared), m, x, y, True, mask)
            gradient = tape.gradient(loss, w)
            w, o = template.rules.apply(r, gradient, w, o, iterations, numbers)
        # vectorized_map cannot return a tensor from outside, as a variable that does not change is.
        s, shared = template.part([tf.identity(value) for value in values])
        return w, s, o, shared, m, self._ordered(logs)

    def _evaluate_chunk(self, w: Any, s: Any, n: Any, variant: Any, shared: Any, x: Any, y: Any) -> Any:
        template = self.template

        def lane(arguments: Any) -> Any:
            w, s, n = arguments
            with template.lifted(self._numbers(n), variant), kernels.fast():
                metrics = [tf.constant(v) for v in template.metrics]
                *_, logs = template.run(w, template.merge(s, shared), metrics, x, y, training=False)
            return self._ordered(logs)

        return tf.vectorized_map(lane, (w, s, n))

    def _numbers(self, n: Any) -> dict[str, Any]:
        found: dict[str, Any] = dict(zip(self.template.keys, tf.unstack(n), strict=True))
        found.setdefault(RATE, tf.constant(self.template.constants.get(RATE, 0.0)))
        return found

    def _ordered(self, logs: Mapping[str, Any]) -> Any:
        return tf.stack([tf.cast(logs[name], tf.float32) for name in self.template.logs])


def _spec(array: Any) -> tf.TensorSpec:
    return tf.TensorSpec(np.shape(array), array.dtype)


def _slice(array: Any, first: Any, size: int) -> Any:
    found = gen_xla_ops.xla_dynamic_slice(
        array,
        tf.stack([first] + [tf.constant(0)] * (len(array.shape) - 1)),
        tf.constant([size, *array.shape[1:]]),
    )
    return tf.ensure_shape(found, [size, *array.shape[1:]])


def _put(array: Any, update: Any, first: Any) -> Any:
    start = tf.stack([first] + [tf.constant(0)] * (len(array.shape) - 1))
    return tf.ensure_shape(gen_xla_ops.xla_dynamic_update_slice(array, update, start), array.shape)
