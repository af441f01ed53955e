"""Has a loss that reads a global of the module, which the builder sets."""

import keras
from keras import ops

from tests.help.truth.models import compiled, hidden

LOW = 1.0


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
