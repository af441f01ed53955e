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
