"""Applies the optimizers of a program: each lane uses one of them, and they share the arrays of their slots.

Terminology
    slot        a variable that an optimizer keeps for each lane, such as a momentum
    flat        said of an optimizer that works element by element: it is built on one vector of all weights of a lane

A flat optimizer halves the work of tracing and compiling. Gradients are clipped for each variable before its update, and
constraints are applied to each variable afterwards. Other optimizers are built on the variables themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.internals.errors import UnfusableError, raise_ours
from trainables.fused.internals.keras import (
    CLIPS,
    clip_of,
    clipped,
    copied,
    decay_by,
    decay_only,
    stateless_step,
    unclipped,
)
from trainables.fused.internals.lifted import Lifted
from trainables.fused.internals.models import rate_of
from trainables.fused.model.describe import COMPLEMENT, OPTIMIZER_NUMBERS, RATE, decayed
from trainables.fused.model.proven import ELEMENTWISE

_NOT_CALLED = ("finalize_variable_values", "scale_loss", "learning_rate", "iterations", "variables")
"""Methods and properties of optimizers that Keras uses elsewhere than in a step."""


class Update:
    """The update of one optimizer, as a function of gradients, weights and slots.

    Args:
        model: a model as the builder compiled it, with this optimizer.

    Attributes:
        slots: the initial value of each variable of the optimizer, except its iterations and learning rate.
        schedule: the learning-rate schedule; None if there is none.
        is_flat: whether it works element by element, on the vector of all weights.
        clips: whether it clips gradients.
    """

    def __init__(self, model: keras.Model) -> None:
        optimizer, variables = model.optimizer, model.trainable_variables
        kind = type(optimizer)
        for name in _NOT_CALLED:
            if getattr(kind, name) is not getattr(keras.optimizers.Optimizer, name):
                raise UnfusableError(f"the optimizer {kind.__name__} has a {name} of its own")
        if optimizer.built:
            raise UnfusableError(
                f"the builder has built the optimizer {kind.__name__} already; leave its `build` to `fit`"
            )
        self.is_flat = kind in ELEMENTWISE
        self._variables = list(variables)
        size = sum(int(np.prod(v.shape)) for v in variables)
        built_on = [keras.Variable(np.zeros(size, "float32"))] if self.is_flat else self._variables
        try:
            self._optimizer = _built(optimizer, built_on)
            self._own = _slots_of(self._optimizer)
            self.slots = [variable.numpy() for variable in self._own]
            if not self.is_flat:
                self._check_start(optimizer)
        except Exception as error:
            if isinstance(error, UnfusableError):
                raise
            raise_ours(error)
            raise UnfusableError(f"the optimizer {kind.__name__} cannot be copied ({error})") from error
        schedule = rate_of(optimizer)
        is_schedule = isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule)
        self.schedule = schedule if is_schedule else None
        if optimizer.weight_decay:
            decayed_variables = [v for v, on in zip(variables, decayed(model), strict=True) if on]
            all_decay = len(decayed_variables) == len(variables)
            decay_only(self._optimizer, built_on if self.is_flat else decayed_variables)
            if self.is_flat and not all_decay:
                parts = zip(decayed(model), variables, strict=True)
                mask = np.concatenate([np.full(int(np.prod(v.shape)), on, "float32") for on, v in parts])
                decay_by(self._optimizer, lambda given: self._decay_some(given[0], mask))
        self.clips = clip_of(optimizer) is not None

    def apply(
        self,
        gradients: Sequence[Any],
        weights: tf.Tensor,
        slots: Sequence[tf.Tensor],
        iterations: tf.Tensor,
        numbers: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Return the weights and the slots after one step of one lane.

        Args:
            gradients: for each variable, a tensor or the `IndexedSlices` of an Embedding.
            weights: all weights, as one vector.
            slots: the slots' values, in the order of `self.slots`.
            iterations: number of steps before this one, int64.
            numbers: the lane's "learning_rate", and "optimizer.*" where lanes differ.

        Raises:
            UnfusableError: the optimizer cannot take these gradients.
        """
        optimizer = self._optimizer
        if any(isinstance(g, tf.IndexedSlices) for g in gradients) and (self.clips or not self.is_flat):
            raise UnfusableError(f"{type(optimizer).__name__} clips a sparse gradient, or is not elementwise")
        before = {name: getattr(optimizer, name) for name in OPTIMIZER_NUMBERS if hasattr(optimizer, name)}
        clip = clip_of(optimizer)
        used = [name for name in before if before[name] and (name not in CLIPS or name == clip)]
        lifted = [name for name in used if f"optimizer.{name}" in numbers]
        for name in lifted:
            key = f"optimizer.{name}"
            setattr(optimizer, name, Lifted(numbers[key], numbers.get(f"{key}{COMPLEMENT}")))
        own = dict(zip(map(id, self._own), slots, strict=True))
        values = [
            iterations
            if variable is optimizer.iterations
            else numbers[RATE]
            if variable is rate_of(optimizer)
            else own[id(variable)]
            for variable in optimizer.variables
        ]
        try:
            if self.is_flat:
                if self.clips:  # each variable's gradient, as without the vector
                    gradients = clipped(optimizer, gradients)
                with unclipped(optimizer):
                    [weights], values = stateless_step(
                        optimizer, values, [flat_gradient(gradients)], [weights]
                    )
                if any(v.constraint for v in self._variables):
                    pairs = zip(self._variables, split(weights, self._variables), strict=True)
                    weights = flat([v.constraint(part) if v.constraint else part for v, part in pairs])
            else:
                parts = split(weights, self._variables)
                parts, values = stateless_step(optimizer, values, list(gradients), parts)
                weights = flat(parts)
        finally:
            for name in lifted:
                setattr(optimizer, name, before[name])
        kept = {id(v): value for v, value in zip(optimizer.variables, values, strict=True)}
        return weights, [kept[id(variable)] for variable in self._own]

    def scheduled(self, steps: int) -> float:
        """Return the learning rate that the schedule gives after so many steps; Keras counts them in int64."""
        assert self.schedule is not None
        return float(self.schedule(tf.constant(steps, tf.int64)))

    def by_name(self, slots: Sequence[Any]) -> dict[str, np.ndarray]:
        """Return the values of the slots by the names of `slots_by_name`; `slots` is in the order of `self.slots`."""
        values = {id(v): np.asarray(value) for v, value in zip(self._own, slots, strict=True)}
        return slots_by_name(self._optimizer, values)

    def _check_start(self, optimizer: Any) -> None:
        """Raise if the slots start from anything but constants.

        Raises:
            UnfusableError: they start from the weights or from random numbers, or `build` assigns to them. In `fit`, the
                first step is traced before the optimizer is built, so that each step repeats such an assignment.
        """
        name = type(optimizer).__name__
        others = [keras.Variable(0.5 * v.numpy() + 0.25, name=v.name) for v in self._variables]
        slots = [v.numpy() for v in _slots_of(_built(optimizer, others))]
        if not all(map(np.array_equal, self.slots, slots)):
            raise UnfusableError(f"the optimizer {name} starts from the weights, or draws numbers")

        copy = copied(optimizer)
        kinds: list[str] = []

        def build() -> None:
            if not copy.built:  # TensorFlow traces again what has made variables
                copy.build(self._variables)
                kinds.extend(one.type for one in tf.compat.v1.get_default_graph().get_operations())

        tf.function(build, autograph=False).get_concrete_function()
        if any(kind.startswith("Assign") for kind in kinds):
            raise UnfusableError(
                f"the build of the optimizer {name} assigns to variables, which `fit` repeats in each step"
            )

    def _decay_some(self, vector: Any, mask: np.ndarray) -> None:
        optimizer = self._optimizer
        strength = keras.ops.cast(optimizer.weight_decay, "float32") * optimizer.learning_rate
        optimizer.assign(vector, vector - vector * strength * mask)


class Updates:
    """The updates of a program's optimizers, and which of the shared slots each of them uses.

    Each lane uses only one optimizer, so several optimizers can share slots of equal shape.

    Attributes:
        each: the updates, in the order of the optimizers.
        shapes: shape and dtype of each shared slot.
        positions: for each update, the positions of its slots among the shared slots.
    """

    def __init__(self, each: Sequence[Update]) -> None:
        self.each = each
        self.shapes: list[tuple[tuple[int, ...], str]] = []
        self.positions: list[list[int]] = []
        for update in each:
            taken: list[int] = []
            for slot in update.slots:
                wanted = (slot.shape, str(slot.dtype))
                free = [i for i, shape in enumerate(self.shapes) if shape == wanted and i not in taken]
                if not free:
                    self.shapes.append(wanted)
                    free = [len(self.shapes) - 1]
                taken.append(free[0])
            self.positions.append(taken)

    def initial(self, optimizer: np.ndarray) -> list[np.ndarray]:
        """Return the slots before training; `optimizer` is the number of each lane's optimizer, shape (lanes,)."""
        found = []
        for position, (shape, dtype) in enumerate(self.shapes):
            slot = np.zeros((len(optimizer), *shape), dtype)
            for number, (update, taken) in enumerate(zip(self.each, self.positions, strict=True)):
                if position in taken:
                    slot[optimizer == number] = update.slots[taken.index(position)]
            found.append(slot)
        return found

    def apply(
        self,
        optimizer: tf.Tensor,
        gradients: Sequence[Any],
        weights: tf.Tensor,
        slots: Sequence[tf.Tensor],
        iterations: tf.Tensor,
        numbers: Mapping[str, tf.Tensor],
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Do the same as `Update.apply`, with the optimizer whose number is the int32 scalar `optimizer`.

        All updates are computed and one is chosen. For small models this costs less than idle lanes, which there would
        be if all lanes of a chunk needed the same optimizer.
        """
        new_weights, new_slots = weights, list(slots)
        for number, (update, positions) in enumerate(zip(self.each, self.positions, strict=True)):
            chosen = tf.equal(optimizer, number) if number else tf.constant(True)
            updated, kept = update.apply(
                gradients, weights, [slots[position] for position in positions], iterations, numbers
            )
            new_weights = tf.where(chosen, updated, new_weights) if number else updated
            for position, slot in zip(positions, kept, strict=True):
                new_slots[position] = tf.where(chosen, slot, new_slots[position]) if number else slot
        return new_weights, new_slots


def slots_by_name(optimizer: Any, values: Mapping[int, np.ndarray] | None = None) -> dict[str, np.ndarray]:
    """Return the values of an optimizer's variables, except its iterations and learning rate.

    They are by the attributes that hold them; a list of variables gives one vector. So an optimizer on one vector of all
    weights and one on the weights themselves have the same result.

    Args:
        optimizer: a built optimizer.
        values: values to return instead of the current ones, by the identities of the variables.
    """
    known = values or {id(v): v.numpy() for v in _slots_of(optimizer)}
    found = {}
    for name, attribute in vars(optimizer).items():
        held = attribute if isinstance(attribute, list | tuple) else [attribute]
        parts = [known[id(variable)].ravel() for variable in held if id(variable) in known]
        if parts and name not in ("_variables", "_trainable_variables", "_non_trainable_variables"):
            found[name] = np.concatenate(parts)
    return found


def _built(optimizer: Any, variables: Sequence[Any]) -> Any:
    """Return a copy of an optimizer, built on `variables`."""
    copy = copied(optimizer)
    copy.build(list(variables))
    return copy


def _slots_of(optimizer: Any) -> list[Any]:
    others = (optimizer.iterations, rate_of(optimizer))
    return [v for v in optimizer.variables if all(v is not other for other in others)]


def flat(tensors: Sequence[tf.Tensor]) -> tf.Tensor:
    """Return all numbers of `tensors` as one vector."""
    return tf.concat([tf.reshape(tensor, [-1]) for tensor in tensors], 0)


def flat_gradient(gradients: Sequence[Any]) -> Any:
    """Return the gradients of all variables as the gradient of one vector.

    It is an `IndexedSlices` if one of the gradients is: Keras' optimizers treat such slices differently. For example,
    they square each slice before they add the slices of one row.
    """
    if not any(isinstance(gradient, tf.IndexedSlices) for gradient in gradients):
        return flat(gradients)
    values, indices, first = [], [], 0
    for gradient in gradients:
        shape = gradient.shape
        size = int(np.prod(shape))
        positions = tf.reshape(tf.range(first, first + size), shape)
        if isinstance(gradient, tf.IndexedSlices):
            gradient, positions = gradient.values, tf.gather(positions, gradient.indices)
        values.append(gradient)
        indices.append(positions)
        first += size
    return tf.IndexedSlices(flat(values), flat(indices), tf.constant([first]))


def split(vector: tf.Tensor, variables: Sequence[Any]) -> list[tf.Tensor]:
    """Return the parts of `vector`, each with the shape of its variable. This is the inverse of `flat`."""
    sizes = [int(np.prod(v.shape)) for v in variables]
    return [tf.reshape(part, v.shape) for part, v in zip(tf.split(vector, sizes), variables, strict=True)]
