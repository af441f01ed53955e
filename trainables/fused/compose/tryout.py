"""What is found out by trying a model on a few rows: what training changes in it, and its first loss."""

from __future__ import annotations

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.program.template import Stack, Template


def changed_by_training(model: keras.Model, x: np.ndarray) -> tuple[set[int], set[int]]:
    """Return the places of non-trainable variables that training assigns to, whatever the values, and of the trainable
    ones whose gradient is sparse but for a regularizer's.

    Args:
        model: of any values.
        x: a few rows of features, shape (rows, features).
    """
    x = tf.constant(x)
    trainable = [v.value for v in model.trainable_variables]
    before = [tf.convert_to_tensor(v.value) for v in model.non_trainable_variables]
    arguments = {"training": True} if model._call_has_training_arg else {}
    with tf.GradientTape() as tape:
        predicted, after = model.stateless_call(trainable, before, x, **arguments)
        total = tf.add_n([tf.reduce_sum(output) for output in tf.nest.flatten(predicted)])
    gradients = tape.gradient(total, trainable)
    assigned = {place for place, (old, new) in enumerate(zip(before, after, strict=True)) if new is not old}
    return assigned, {p for p, g in enumerate(gradients) if isinstance(g, tf.IndexedSlices)}


def loss_is_equal(
    model: keras.Model, template: Template, member: Stack, batch: tuple[np.ndarray, np.ndarray]
) -> bool:
    """Return whether a model that was built alone has the loss of a program's member on one batch, in training.

    Args:
        model: fresh from its builder.
        template: of the program.
        member: the one member.
        batch: features and target.
    """
    x, y = map(tf.constant, batch)
    alone = model._compute_loss(x=x, y=y, y_pred=model(x, training=True), sample_weight=None, training=True)
    numbers = dict(zip(template.keys, member.numbers[0].tolist(), strict=True))
    with template.lifted(numbers, int(member.variant[0])):
        values = template.merge(
            [tf.constant(a[0]) for a in member.state], list(map(tf.constant, template.shared))
        )
        loss, *_ = template.run(
            template.parts(member.weights[0]),
            values,
            list(map(tf.constant, template.metrics)),
            x,
            y,
            training=True,
        )
    # The same sums in the same order, but for the penalties' strengths, which are float32 here.
    return bool(np.allclose(alone, loss, rtol=1e-5, atol=1e-6, equal_nan=True))
