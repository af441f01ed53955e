"""Random numbers from elsewhere than the seeds of Keras' layers."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from tests.help.truth.models import compiled, hidden

CHANCE = np.random.default_rng(0)


class RandomFeatures(layers.Layer):
    """Multiplies by random numbers, which are no variable."""

    def __init__(self, count, scale):
        super().__init__()
        self.count, self.scale = count, scale

    def build(self, shape):
        """Draw the numbers."""
        self.w = CHANCE.normal(0, self.scale, (shape[-1], self.count)).astype("float32")

    def call(self, x):
        """Return the layer's output."""
        return ops.cos(ops.matmul(x, self.w))


def features(scale, rate, *, input_shape, normalizer):
    """A generator at the top of the file."""
    inputs = keras.Input(input_shape)
    x = RandomFeatures(16, scale)(normalizer(inputs))
    return compiled(inputs, x, keras.optimizers.Adam(rate))


class Dropped(layers.Layer):
    """Leaves out a layer now and then; the draws have no seed.

    Args:
        draw: returns a number from 0 to 1.
        rate: how often it is left out.
    """

    def __init__(self, draw, rate):
        super().__init__()
        self.draw, self.rate, self.dense = draw, rate, layers.Dense(6, activation="tanh")

    def build(self, shape):
        """Make the weights."""
        self.dense.build(shape)

    def call(self, x, training=False):
        """Return the layer's output."""
        if not training:
            return x + self.dense(x)
        is_kept = ops.cast(self.draw() >= self.rate, "float32")
        return x + is_kept * self.dense(x)


def dropped(share, rate, *, input_shape, normalizer):
    """Layer drop by Keras' global generator."""
    inputs = keras.Input(input_shape)
    x = Dropped(lambda: keras.random.uniform(()), share)(hidden(normalizer(inputs)))
    return compiled(inputs, x, keras.optimizers.Adam(rate))


def dropped_by_tensorflow(share, rate, *, input_shape, normalizer):
    """Layer drop by an operation of TensorFlow that has a state."""
    inputs = keras.Input(input_shape)
    x = Dropped(lambda: tf.random.uniform(()), share)(hidden(normalizer(inputs)))
    return compiled(inputs, x, keras.optimizers.Adam(rate))


class Shaken(keras.optimizers.SGD):
    """Adds noise to the weights."""

    def update_step(self, gradient, variable, learning_rate):
        """Move the variable."""
        super().update_step(gradient, variable, learning_rate)
        noise = keras.random.normal(variable.shape)
        self.assign_add(variable, 1e-3 * noise * ops.cast(learning_rate, "float32"))


def shaken(momentum, rate, *, input_shape, normalizer):
    """An optimizer that draws."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), Shaken(rate, momentum))
