"""Has a loss that reads a global of the module, which the builder sets."""

import sys

import keras
from keras import ops

from tests.help.truth.models import compiled, hidden

LOW = 1.0
ALPHA = 0.0


def skewed(y, p):
    """Return a loss that weighs errors below by the global."""
    error = ops.reshape(y, [-1]) - ops.reshape(p, [-1])
    return ops.square(error) * ops.where(error > 0, LOW, 1.0)


def build(low, rate, *, input_shape, normalizer):
    """Set the global."""
    global LOW
    LOW = low
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), loss=skewed)


SETTINGS = {"alpha": 1.0}


def scaled(y, p):
    """Return a loss that is scaled by an entry of a dictionary of the module."""
    return SETTINGS["alpha"] * ops.square(ops.reshape(y, [-1]) - ops.reshape(p, [-1]))


def from_dictionary(alpha, units, *, input_shape, normalizer):
    """Set the entry."""
    SETTINGS["alpha"] = alpha
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs), units), keras.optimizers.SGD(0.02), loss=scaled)


def of_module(alpha, rate, *, input_shape, normalizer):
    """A global that the builder sets and the loss reads through `sys.modules`."""
    sys.modules[__name__].ALPHA = alpha

    def loss(y_true, y_pred):
        error = ops.square(ops.reshape(y_true, [-1]) - ops.reshape(y_pred, [-1]))
        return error + sys.modules[__name__].ALPHA * ops.mean(ops.abs(y_pred), axis=-1)

    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), loss)
