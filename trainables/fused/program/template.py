"""Holds what a program is made from: one model as its builder returned it, and the models of many points as arrays.

Terminology
    lane        one model of those that a program works on at once
    weights     the trainable variables of a model, as one vector
    state       the non-trainable variables that differ between points or that training changes, such as moving averages
    stacked     said of a variable that is in the state
    shared      the other non-trainable variables, and the seeds if they are the same for all points: one random draw
                then serves all points, because each model by itself would draw the same numbers
    slots       the optimizer's variables, except its iterations and learning rate
    numbers     the floats of `describe` that differ between the points, one column each
    variant     the activation functions of a model's layers
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.internals import kernels
from trainables.fused.internals.errors import raise_ours
from trainables.fused.internals.keras import (
    batch_loss,
    batches_counted,
    log_loss,
    set_mask,
    training_argument,
)
from trainables.fused.internals.lifted import Lifted
from trainables.fused.internals.measures import computed_metrics
from trainables.fused.internals.models import layers_of
from trainables.fused.internals.penalties import NONE, has_other_penalties
from trainables.fused.internals.updates import watched
from trainables.fused.model.code import is_foundation, is_library
from trainables.fused.model.describe import COMPLEMENT, LAYER_NUMBERS, RATE
from trainables.fused.model.parts import has_operations, has_users_parts
from trainables.fused.model.refuse import SEED
from trainables.fused.program.fillings import batches_to_mask
from trainables.fused.program.late import FURTHER, Change, later
from trainables.fused.program.optimizers import Update, Updates, split
from trainables.fused.program.rows import Rows
from trainables.fused.program.switch import Penalty, switch

ZERO = tf.UnconnectedGradients.ZERO
"""The gradient of a variable that the loss does not depend on."""


@dataclass
class Stack:
    """The models of many points, as arrays with one row for each point.

    Attributes:
        weights: float32, shape (points, numbers in the trainable variables).
        state: one array for each stacked non-trainable variable, shape (points, ...).
        slots: one array for each shared slot, shape (points, ...).
        numbers: float32, shape (points, keys of the program).
        optimizer: int32, shape (points,): the number of each point's optimizer.
        variant: int32, shape (points,): the number of each point's variant.
    """

    weights: np.ndarray
    state: list[np.ndarray]
    slots: list[np.ndarray]
    numbers: np.ndarray
    optimizer: np.ndarray
    variant: np.ndarray

    def take(self, rows: np.ndarray) -> Stack:
        """Return the models of the points `rows`."""
        return Stack(
            self.weights[rows],
            [a[rows] for a in self.state],
            [a[rows] for a in self.slots],
            self.numbers[rows],
            self.optimizer[rows],
            self.variant[rows],
        )


@dataclass
class Template:
    """The models and settings from which a program is made.

    Attributes:
        model: the template.
        optimizers: one model for each optimizer, compiled with it.
        variants: one model for each variant, whose layers have its activation functions.
        keys: the keys in `describe` of the numbers that differ between the points; the learning rate is first.
        constants: the other numbers, by key.
        stacked: positions of the stacked variables among the non-trainable ones.
        sample: features and target of a few rows, to find out what the model logs.
        rows: how the model takes features and target, of which a program has one array each.
        updates: the updates of the optimizers.
        logs: names of the logs of Keras: "loss" and each metric.
        has_other_penalties: whether the loss may hold more than L1 and L2 penalties of weights.
    """

    model: keras.Model
    optimizers: Sequence[keras.Model]
    variants: Sequence[keras.Model]
    keys: Sequence[str]
    constants: Mapping[str, float]
    stacked: Sequence[int]
    sample: tuple[np.ndarray, np.ndarray]
    rows: Rows = field(default_factory=Rows)
    updates: Updates = field(init=False)
    logs: list[str] = field(init=False)
    has_other_penalties: bool = field(init=False)

    def __post_init__(self) -> None:
        # A layer may draw, or change its state, in the calls below.
        self._initial = [v.numpy() for v in self.model.non_trainable_variables]
        self.updates = Updates([Update(model) for model in self.optimizers])
        self._layers = layers_of(self.model)
        functions = zip(
            *([getattr(x, "activation", None) for x in layers_of(m)] for m in self.variants), strict=True
        )
        self._activations = list(functions)
        x, y = self.rows.unpacked(*map(tf.constant, self.sample))
        predicted = self.model(x, training=False)
        # Losses and metrics create their variables with their first batch.
        batch_loss(self.model, x, y, predicted, training=False)
        self.has_other_penalties = has_other_penalties(self.model)
        self.logs = list(self.model.compute_metrics(x, y, predicted))
        self.model.reset_metrics()
        self.metrics = [v.numpy() for v in self.model.metrics_variables]

    @property
    def shared(self) -> list[np.ndarray]:
        """The initial value of each non-trainable variable that is not stacked."""
        return [value for position, value in enumerate(self._initial) if position not in self.stacked]

    @property
    def draw(self) -> kernels.Draw:
        """How random floats are drawn in a lane, if they are not drawn for all lanes beforehand."""
        variables = enumerate(self.model.non_trainable_variables)
        own = any(position in self.stacked for position, v in variables if v.path.endswith(SEED))
        return kernels.drawn_by_lane if own else kernels.drawn

    @property
    def layers(self) -> list[Any]:
        """The model and all layers in it, in the order of their positions in the keys of numbers."""
        return self._layers

    def activations_of(self, layer: Any) -> tuple[Any, ...]:
        """Return the activation function of one of the template's layers for each variant."""
        return self._activations[self._layers.index(layer)]

    @property
    def counts(self) -> set[int]:
        """The positions of the non-trainable variables that may hold a count of steps, or what follows from one.

        Keras' own layers have none. Of what a model itself has, only those without a shape: the statistics of a layer of one
        unit have one number each, too.
        """
        own: set[int] = set()
        of_keras: set[int] = set()
        for layer in self._layers:
            if not is_foundation(type(layer).__module__):
                own |= set(map(id, layer.non_trainable_variables))
            elif not isinstance(layer, keras.Model):
                of_keras |= set(map(id, layer.non_trainable_variables))
        found = set()
        for position, variable in enumerate(self.model.non_trainable_variables):
            is_one = int(np.prod(variable.shape)) == 1
            is_whole = variable.dtype == "bool" or "int" in variable.dtype
            is_plain = variable.shape == () and id(variable) not in of_keras
            may_count = (is_one or is_whole) if id(variable) in own else is_plain
            if may_count and not variable.path.endswith(SEED):
                found.add(position)
        return found

    def merge(self, state: Sequence[Any], shared: Sequence[Any]) -> list[Any]:
        """Return the values of all non-trainable variables, in order."""
        of_lane, of_all = iter(state), iter(shared)
        count = len(self.model.non_trainable_variables)
        return [next(of_lane) if position in self.stacked else next(of_all) for position in range(count)]

    def part(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """Return state and shared. This is the inverse of `merge`."""
        state = [value for position, value in enumerate(values) if position in self.stacked]
        return state, [value for position, value in enumerate(values) if position not in self.stacked]

    @contextlib.contextmanager
    def lifted(self, numbers: Mapping[str, Any], variant: Any) -> Iterator[None]:
        """Give the template's layers and variables the values of one lane, inside a `with` block that traces the lane.

        Args:
            numbers: the lane's numbers that differ between points; floats, or float32 scalars.
            variant: the number of the lane's variant, an int or an int32 scalar.
        """
        undo = []

        def put(owner: Any, name: str, value: Any) -> None:
            undo.append((owner, name, getattr(owner, name)))
            setattr(owner, name, value)

        for position, layer in enumerate(self._layers):
            name = LAYER_NUMBERS.get(type(layer))
            key = f"layer.{position}.{name}"
            if name and key in numbers:
                number, complement = numbers[key], numbers.get(f"{key}{COMPLEMENT}")
                put(layer, name, number if isinstance(number, float) else Lifted(number, complement))
        for layer, functions in zip(self._layers, self._activations, strict=True):
            if len({id(function) for function in functions}) > 1:
                put(layer, "activation", switch(functions, variant))
        for position, variable in enumerate(self.model.trainable_variables):
            keys = [f"penalty.{position}.{norm}" for norm in ("l1", "l2")]
            if any(key in numbers for key in keys):
                strengths = [numbers.get(key, self.constants.get(key, 0.0)) for key in keys]
                put(variable, "regularizer", Penalty(*strengths))
        try:
            yield
        finally:
            for owner, name, value in reversed(undo):
                setattr(owner, name, value)

    def by_key(self, numbers: Any) -> dict[str, Any]:
        """Return a lane's numbers by their keys; `numbers` is their vector."""
        found: dict[str, Any] = dict(zip(self.keys, tf.unstack(numbers), strict=True))
        found.setdefault(RATE, tf.constant(self.constants.get(RATE, 0.0)))
        return found

    def parts(self, weights: Any) -> list[Any]:
        """Return the values of the trainable variables; `weights` is the vector of all of them."""
        return split(weights, self.model.trainable_variables)

    def run(
        self,
        trainable: Sequence[Any],
        values: Sequence[Any],
        metrics: Sequence[Any],
        x: Any,
        y: Any,
        training: bool,
        mask: Any = None,
        row_weights: Any = None,
        penalties: bool = True,
    ) -> tuple[Any, list[Any], list[Any], dict[str, Any]]:
        """Return the loss, the new non-trainable variables, the new metrics' variables and the logs so far.

        This does the same as `train_step` or `test_step` of Keras' TensorFlow trainer, without the update of the weights.

        Args:
            trainable: the values of the lane's trainable variables.
            values: the values of all non-trainable variables.
            metrics: the values of the metrics' variables.
            x, y: features and target of a batch, one array each.
            training: the argument `training` of the layers.
            mask: bool, shape (rows,): which rows count; None if all do.
            row_weights: float32, shape (rows,): how much each row counts, as Keras' `sample_weight`; None for once each.
            penalties: whether the loss holds the penalties of regularizers and `add_loss`, as in Keras.

        Raises:
            UnfusableError: the user's code assigns to a variable where a program would not do as Keras does.
        """
        model = self.model
        count = tf.shape(y)[0] if mask is None else tf.reduce_sum(tf.cast(mask, tf.float32))
        x, y = self.rows.unpacked(x, y)
        if mask is not None:
            for tensor in tf.nest.flatten(x):
                set_mask(tensor, mask)
        with warnings.catch_warnings(), watched(model.trainable_variables):
            warnings.simplefilter("ignore", UserWarning)  # from layers that lose a mask
            predicted, values, losses = model.stateless_call(
                list(trainable), list(values), x, return_losses=True, **training_argument(model, training)
            )
        if mask is not None:
            for tensor in tf.nest.flatten(predicted):
                set_mask(tensor, mask)  # in case a layer has lost it
        variables = [*model.trainable_variables, *model.non_trainable_variables, *model.metrics_variables]
        mapping = list(zip(variables, [*trainable, *values, *metrics], strict=True))
        others = set(map(id, model.metrics_variables))
        fixed = [variable for variable in variables if id(variable) not in others]
        with watched(fixed), keras.StatelessScope(mapping) as scope, batches_counted(model):
            counted = losses if penalties else NONE
            loss = batch_loss(model, x, y, predicted, training, counted, row_weights)
            log_loss(model, loss, count)
            logs = model.compute_metrics(x, y, predicted, sample_weight=row_weights)
            metrics = [scope.get_current_value(variable) for variable in model.metrics_variables]
        return loss, list(values), metrics, logs

    def is_additive(
        self, lane: Stack, x: np.ndarray, y: np.ndarray, row_weights: np.ndarray | None = None
    ) -> bool:
        """Return whether evaluating all rows at once gives the same logs as evaluating them in batches, as Keras does.

        It does so for means over rows, but not for a function of a whole batch, such as a correlation. Where both are
        NaN, nothing speaks against it. What a layer counts may decide what it does, so states of later in training are
        tried, too.
        """
        if len(x) < 2:
            return True
        whole, parts = [len(x)], [max(1, len(x) // 3), len(x)]
        return self._agree(lane, (whole, parts), x, y, row_weights)

    def is_repeatable(
        self, lane: Stack, x: np.ndarray, y: np.ndarray, row_weights: np.ndarray | None = None
    ) -> bool:
        """Return whether all rows give the same logs if they are evaluated again.

        They do not if users' code draws numbers of its own or counts its calls.
        """
        return self._agree(lane, ([len(x)], [len(x)]), x, y, row_weights)

    def _agree(
        self,
        lane: Stack,
        every: tuple[list[int], list[int]],
        x: np.ndarray,
        y: np.ndarray,
        row_weights: np.ndarray | None,
    ) -> bool:
        """Return whether the logs are the same for both ways to cut the rows, each given by the ends of its batches."""
        numbers = dict(zip(self.keys, lane.numbers[0].tolist(), strict=True))
        for weights, values, _ in self._tried(lane):
            found = []
            for ends in every:
                metrics, start = list(map(tf.constant, self.metrics)), 0
                with self.lifted(numbers, int(lane.variant[0])):
                    for end in ends:
                        some_x, some_y, counts = _constants(slice(start, end), x, y, row_weights)
                        *_, metrics, logs = self.run(
                            self.parts(weights), values, metrics, some_x, some_y, False, None, counts
                        )
                        start = end
                found.append([float(np.asarray(logs[name]).reshape(())) for name in self.logs])
            # The tolerance is float32's rounding: the sums have another order.
            if not np.allclose(found[0], found[1], rtol=1e-5, atol=1e-7, equal_nan=True):
                return False
        return True

    def can_mask(
        self, lane: Stack, x: np.ndarray, y: np.ndarray, rows: int, row_weights: np.ndarray | None = None
    ) -> bool:
        """Return whether a batch with all but its first `rows` rows masked gives the same results as only these rows.

        If so, the smaller last batch of an epoch needs no separate trace, which would be nearly half of the compilation.
        Keras' own layers and losses follow masks, and so do those of its metrics that are means. This checks on loss,
        gradient, state and metrics that all parts of the model do. What the masked rows hold must not count: the largest
        number of a batch, for example, may be in one of the other rows by chance. So they are filled in several ways, unless
        all parts of the model are layers of Keras.
        """
        # What was passed to `compile` may be the name of a metric, or its class.
        if any(_counts_masked_rows(metric.kind) for metric in computed_metrics(self.model)):
            return False
        numbers = dict(zip(self.keys, lane.numbers[0].tolist(), strict=True))

        def results(mask: Any, weights: Any, values: Any, x: Any, y: Any, row_weights: Any) -> list[Any]:
            parts, metrics = self.parts(weights), list(map(tf.constant, self.metrics))
            with self.lifted(numbers, int(lane.variant[0])), kernels.fast(), tf.GradientTape() as tape:
                tape.watch(parts)
                loss, after, metrics, _ = self.run(parts, values, metrics, x, y, True, mask, row_weights)
            gradients = tape.gradient(loss, parts, unconnected_gradients=ZERO)
            return [loss, *map(tf.convert_to_tensor, gradients), *after, *metrics]

        def plain(*arrays: Any) -> list[Any]:
            return results(None, *arrays)

        def masked(*arrays: Any) -> list[Any]:
            return results(tf.range(len(x)) < rows, *arrays)

        batches = [[(x, y, row_weights)]]
        if has_users_parts(self.model) or has_operations(self.model):
            batches = list(batches_to_mask(x, y, row_weights, rows))
            # Many batches are faster in graphs.
            plain, masked = (tf.function(function, autograph=False) for function in (plain, masked))
        for weights, values, is_further in self._tried(lane):
            for counted, *others in batches[:1] if is_further else batches:
                try:
                    expected = plain(weights, values, *_constants(slice(rows), *counted))
                    found = masked(weights, values, *_constants(slice(None), *counted))
                except Exception as error:  # a layer or an output that accepts no mask
                    raise_ours(error)
                    return False
                if not all(map(_is_close, found, expected)):
                    return False
                for arrays in others:
                    try:
                        found = masked(weights, values, *_constants(slice(None), *arrays))
                    except Exception as error:  # rows that no table has may be no input of the model
                        raise_ours(error)
                        continue
                    # Such rows may also overflow, and zero times infinity is not zero.
                    overflows = not all(map(_is_finite_as, found, expected))
                    if not overflows and not all(map(_is_close, found, expected)):
                        return False
        return True

    def _tried(self, lane: Stack) -> Iterator[tuple[Any, list[Any], bool]]:
        """Yield weights and non-trainable variables with which a property of the model is checked.

        Initial weights may hide what a user's function does, for example if the last layer starts from zeros. So other
        weights are tried too, unless all parts of the model are Keras' own layers. The last value says whether the state
        is one of many late ones, for which a shorter check is enough.
        """
        each = [lane.weights[0]]
        if has_users_parts(self.model) or has_operations(self.model):
            chance = np.random.default_rng(0)
            for scale in (0.5, 2.0):
                noise = chance.normal(size=lane.weights[0].shape).astype(np.float32)
                each.append(lane.weights[0] + scale * noise)
        counts = self.counts
        initial = self.merge([a[0] for a in lane.state], self.shared)

        def tried(weights: np.ndarray, change: Change | None, is_further: bool = False) -> Any:
            values = [
                change(value) if change and number in counts else value
                for number, value in enumerate(initial)
            ]
            return tf.constant(weights), list(map(tf.constant, values)), is_further

        changes: tuple[Change | None, ...] = (None, later) if counts else (None,)
        for weights in each:
            for change in changes:
                yield tried(weights, change)
        for further in FURTHER if counts else ():
            yield tried(each[-1], further, is_further=True)


def _constants(taken: slice, *arrays: np.ndarray | None) -> list[Any]:
    """Return some rows of arrays as tensors; None for an array that there is not."""
    return [None if array is None else tf.constant(array[taken]) for array in arrays]


def _counts_masked_rows(metric: type | None) -> bool:
    """Return whether a class of metrics is one of Keras that counts rows whatever a mask says, such as `Precision`."""
    kinds = (keras.metrics.MeanMetricWrapper, keras.metrics.Mean)
    return metric is not None and is_library(metric.__module__) and not issubclass(metric, kinds)


def _is_finite_as(one: Any, other: Any) -> bool:
    """Return whether each number is finite where that of `other` is."""
    a, b = np.asarray(one), np.asarray(other)
    return a.shape == b.shape and bool((np.isfinite(a) | ~np.isfinite(b)).all())


def _is_close(one: Any, other: Any) -> bool:
    a, b = np.asarray(one), np.asarray(other)
    # The tolerance is float32's rounding, relative to the largest number: the sums have a few more zeros.
    largest = np.abs(a[np.isfinite(a)]).max(initial=0.0)
    return a.shape == b.shape and np.allclose(a, b, rtol=1e-4, atol=1e-5 * (1 + largest), equal_nan=True)
