"""Trains a model on a few rows to see which variables training changes."""

from __future__ import annotations

import keras
import tensorflow as tf

from trainables.fused.internals.keras import training_argument
from trainables.table.inputs import Features


def changed_by_training(model: keras.Model, x: Features) -> tuple[set[int], set[int]]:
    """Return the positions of the non-trainable variables that training assigns to, and of the trainable variables
    whose gradient is sparse if no regularizer adds to it.

    Args:
        model: a model with any values.
        x: a few rows of features.
    """
    x = tf.nest.map_structure(tf.constant, x)
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
