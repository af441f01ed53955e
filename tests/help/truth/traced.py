"""Losses that TensorFlow traces once and keeps, with what they read then."""

import os
import types

import keras
import tensorflow as tf
from keras import ops

from tests.help.truth.models import compiled, hidden


def squared(y, p):
    """Return the error of each row."""
    return ops.mean(ops.square(ops.reshape(y, (-1, 1)) - p), axis=-1)


def model_of(rate, input_shape, normalizer, loss):
    """Return a small compiled model."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), loss)


@tf.function
def from_environment(y, p):
    """Return a loss that reads the environment when it is traced."""
    return squared(y, p) + float(os.environ["TRACED_ALPHA"]) * ops.mean(ops.abs(p), axis=-1)


def environment(alpha, rate, *, input_shape, normalizer):
    """Set the variable of the environment."""
    os.environ["TRACED_ALPHA"] = str(alpha)
    return model_of(rate, input_shape, normalizer, from_environment)


SETTINGS = types.SimpleNamespace(alpha=0.0)


@tf.function
def from_namespace(y, p):
    """Return a loss that reads an attribute when it is traced."""
    return squared(y, p) + SETTINGS.alpha * ops.mean(ops.abs(p), axis=-1)


def namespace(alpha, rate, *, input_shape, normalizer):
    """Set the attribute."""
    SETTINGS.alpha = alpha
    return model_of(rate, input_shape, normalizer, from_namespace)


class Skewed(keras.losses.Loss):
    """A loss with a method that is traced for each object."""

    @tf.function
    def call(self, y, p):
        """Return the loss of each row."""
        return squared(y, p) + float(os.environ["TRACED_ALPHA"]) * ops.mean(ops.abs(p), axis=-1)


SKEWED = Skewed()


def method(alpha, rate, *, input_shape, normalizer):
    """Set the variable of the environment that a method of an object reads."""
    os.environ["TRACED_ALPHA"] = str(alpha)
    return model_of(rate, input_shape, normalizer, SKEWED)


@tf.function
def of_arguments(y, p):
    """Return a loss of nothing but its arguments."""
    return squared(y, p) + 0.1 * ops.mean(ops.abs(p), axis=-1)


def pure(units, rate, *, input_shape, normalizer):
    """A trace that is never old."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs), units), keras.optimizers.Adam(rate), of_arguments)
