"""Tries a model on a few rows, to find out what training changes in it and to compare its first step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.internals import kernels
from trainables.fused.internals.keras import loss_of, training_argument
from trainables.fused.program.template import ZERO, Stack, Template


def changed_by_training(model: keras.Model, x: np.ndarray) -> tuple[set[int], set[int]]:
    """Return the positions of the non-trainable variables that training assigns to, and of the trainable variables
    whose gradient is sparse if no regularizer adds to it.

    Args:
        model: a model with any values.
        x: a few rows of features, shape (rows, features).
    """
    x = tf.constant(x)
    trainable = [v.value for v in model.trainable_variables]
    before = [tf.convert_to_tensor(v.value) for v in model.non_trainable_variables]
    with tf.GradientTape() as tape:
        predicted, after = model.stateless_call(trainable, before, x, **training_argument(model, True))
        total = tf.add_n([tf.reduce_sum(output) for output in tf.nest.flatten(predicted)])
    gradients = tape.gradient(total, trainable)
    assigned = {
        position for position, (old, new) in enumerate(zip(before, after, strict=True)) if new is not old
    }
    return assigned, {p for p, g in enumerate(gradients) if isinstance(g, tf.IndexedSlices)}


def trains_alike(
    model: keras.Model, template: Template, member: Stack, batch: tuple[np.ndarray, np.ndarray], step: bool
) -> bool:
    """Return whether one batch trains a model that was built by itself in the same way as a program's member.

    The member runs in the kernels that train it later, with its numbers as tensors, as in training. The model runs in
    Keras' own kernels, and must not be used afterwards.

    Args:
        model: a model as its builder returned it.
        template: the program's template.
        member: the one member, before training.
        batch: features and target.
        step: whether to compare the gradient and the optimizer's update too, which triples the work.
    """
    x, y = map(tf.constant, batch)
    variables = model.trainable_variables
    with tf.GradientTape() as tape:
        loss = loss_of(model, x, y, model(x, training=True), training=True)
    gradients = tape.gradient(loss, [v.value for v in variables]) if step else []
    numbers = template.by_key(tf.constant(member.numbers[0]))
    weights = tf.constant(member.weights[0])
    state, slots = ([tf.constant(a[0]) for a in arrays] for arrays in (member.state, member.slots))
    metrics, shared = (list(map(tf.constant, arrays)) for arrays in (template.metrics, template.shared))
    with template.lifted(numbers, int(member.variant[0])), kernels.fast():
        with tf.GradientTape() as tape:
            parts = template.parts(weights)
            tape.watch(parts)
            member_loss, *_ = template.run(parts, template.merge(state, shared), metrics, x, y, training=True)
        is_close = _is_close(loss, member_loss, 1e-5, 1e-6)
        if not is_close or not step:
            return is_close
        member_gradients = tape.gradient(member_loss, parts, unconnected_gradients=ZERO)
        if not _is_close(_dense(gradients, variables), _dense(member_gradients, variables), 1e-4):
            return False
        # Take the model's gradient for both: an optimizer that divides by its size would amplify rounding errors.
        filled = [tf.zeros(v.shape) if g is None else g for g, v in zip(gradients, variables, strict=True)]
        updated, _ = template.updates.apply(
            tf.constant(member.optimizer[0]), filled, weights, slots, tf.constant(0, tf.int64), numbers
        )
    before = _dense([v.value for v in variables], variables)
    model.optimizer.apply_gradients(zip(gradients, variables, strict=True))
    change = _dense([v.value for v in variables], variables) - before
    # A weight is rounded after its update, by one part in 2**24.
    return _is_close(change, updated - weights, 1e-4, 2**-21 * np.abs(before).max())


def _dense(tensors: Sequence[Any], variables: Sequence[Any]) -> np.ndarray:
    """Return the gradients or values of all variables as one vector, with zeros for None."""
    found = [
        np.zeros(v.shape, np.float32) if a is None else tf.convert_to_tensor(a).numpy()
        for a, v in zip(tensors, variables, strict=True)
    ]
    return np.concatenate([a.ravel() for a in found])


def _is_close(one: Any, other: Any, rtol: float, atol: float = 0.0) -> bool:
    """Compare arrays with a tolerance for the rounding of float32 sums in another order.

    The tolerance is `atol`, plus `rtol` of each number, plus a tenth of `rtol` of the largest number, because a sum of
    large numbers may be small.
    """
    one, other = np.asarray(one), np.asarray(other)
    largest = np.abs(one[np.isfinite(one)]).max(initial=0.0)
    return bool(np.allclose(one, other, rtol=rtol, atol=atol + rtol / 10 * largest, equal_nan=True))
