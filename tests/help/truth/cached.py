"""Keeps models, settings and numbers in caches of functions."""

import functools

import keras
from keras import ops

from tests.help.truth.models import compiled, hidden


@functools.cache
def build(units, rate, *, input_shape):
    """Return a model from the cache."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(inputs, units), keras.optimizers.Adam(rate))


@functools.lru_cache
def settings():
    """Return the settings, which the builder changes and the loss reads."""
    return {"alpha": 0.0}


def from_settings(y, p):
    """Return a loss that reads an entry of a kept dictionary."""
    error = ops.reshape(y, [-1]) - ops.reshape(p, [-1])
    return ops.square(error) + settings()["alpha"] * ops.abs(error)


def of_settings(alpha, rate, *, input_shape, normalizer):
    """Set the entry."""
    settings()["alpha"] = alpha
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), loss=from_settings)


ALPHA = 0.0


@functools.cache
def alpha_of_first_call():
    """Return the global as it was at the first call."""
    return ALPHA


def from_first_call(y, p):
    """Return a loss that keeps a number when it is traced."""
    error = ops.reshape(y, [-1]) - ops.reshape(p, [-1])
    return ops.square(error) + alpha_of_first_call() * ops.abs(error)


def of_loss(alpha, rate, *, input_shape, normalizer):
    """Set the global before the loss reads it for the first time."""
    global ALPHA
    ALPHA = alpha
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), loss=from_first_call)
