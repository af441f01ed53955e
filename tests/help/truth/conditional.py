"""Axes that act only together with others."""

from typing import Any

import keras
from keras import ops

from tests.help.truth.models import compiled, hidden


def momentum(optimizer, momentum, rate, *, input_shape, normalizer):
    """Adam has no momentum."""
    inputs = keras.Input(input_shape)
    chosen = keras.optimizers.SGD(rate, momentum) if optimizer == "sgd" else keras.optimizers.Adam(rate)
    return compiled(inputs, hidden(normalizer(inputs)), chosen)


def strength(kind, strength, rate, *, input_shape, normalizer):
    """Without a regularizer there is no strength."""
    inputs = keras.Input(input_shape)
    kinds: dict[str, Any] = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}
    regularizer = kinds[kind](strength) if kind in kinds else None
    return compiled(
        inputs, hidden(normalizer(inputs), kernel_regularizer=regularizer), keras.optimizers.Adam(rate)
    )


def unnormalized(batch, kind, rate, strength, *, input_shape, normalizer):
    """Only models without batch normalization are regularized."""
    inputs = keras.Input(input_shape)
    kinds: dict[str, Any] = {"l1": keras.regularizers.L1, "l2": keras.regularizers.L2}
    regularizer = kinds[kind](strength) if kind in kinds and not batch else None
    x = hidden(normalizer(inputs), kernel_regularizer=regularizer)
    return compiled(inputs, keras.layers.BatchNormalization()(x) if batch else x, keras.optimizers.Adam(rate))


def slope(activation, slope, rate, *, input_shape, normalizer):
    """Only the leaky one has a slope, which an object of the user holds."""
    inputs = keras.Input(input_shape)
    function = Leaky(slope) if activation == "leaky" else "relu"
    return compiled(inputs, hidden(normalizer(inputs), activation=function), keras.optimizers.Adam(rate))


class Leaky:
    """A leaky relu."""

    def __init__(self, slope):
        self._slope = slope

    def __call__(self, x):
        """Return the activation of `x`."""
        return ops.leaky_relu(x, negative_slope=self._slope)


def delta(loss, delta, rate, *, input_shape, normalizer):
    """Only Huber's loss has a delta."""
    inputs = keras.Input(input_shape)
    chosen = keras.losses.Huber(delta) if loss == "huber" else "mse"
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), loss=chosen)


def schedule(schedule, rate, units, *, input_shape, normalizer):
    """The schedule holds the rate."""
    inputs = keras.Input(input_shape)
    learning_rate = keras.optimizers.schedules.CosineDecay(rate, 40) if schedule == "cosine" else rate
    return compiled(inputs, hidden(normalizer(inputs), units), keras.optimizers.Adam(learning_rate))


def decay(optimizer, decay, rate, *, input_shape, normalizer):
    """Only AdamW decays."""
    inputs = keras.Input(input_shape)
    adamw = keras.optimizers.AdamW(rate, weight_decay=decay)
    return compiled(
        inputs, hidden(normalizer(inputs)), adamw if optimizer == "adamw" else keras.optimizers.Adam(rate)
    )


def three(a, b, c, *, input_shape, normalizer):
    """Three axes of two values each have an effect together only."""
    inputs = keras.Input(input_shape)
    rate = 0.02 if a and b and c else 0.005
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.SGD(rate))


def depth(layers, width_2, width_3, *, input_shape, normalizer):
    """A layer that is not there has no width."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs))
    for width in (width_2, width_3)[: layers - 1]:
        x = hidden(x, width)
    return compiled(inputs, x, keras.optimizers.Adam(0.02))
