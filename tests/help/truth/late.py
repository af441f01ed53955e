"""Code that does something else after more steps than a proof has: in a branch, in evaluation, or on what falls."""

import keras
from keras import layers, ops

from tests.help.truth.models import compiled, hidden


class Warm(keras.optimizers.SGD):
    """Averages the squares of the gradients until some step, and not after it."""

    def __init__(self, learning_rate=0.01, delay=10):
        super().__init__(learning_rate)
        self.delay = delay

    def build(self, variables):
        """Make the average."""
        super().build(variables)
        self.average = self.add_variable((), name="average")

    def update_step(self, gradient, variable, learning_rate):
        """Step by less where gradients are large."""
        new = 0.9 * self.average + 0.1 * ops.mean(ops.square(gradient))

        def keep():
            self.assign(self.average, new)

        ops.cond(self.iterations < self.delay, keep, lambda: None)
        super().update_step(gradient, variable, learning_rate / (1 + ops.sqrt(self.average)))


def in_a_branch(delay, rate, *, input_shape, normalizer):
    """An assignment in a branch that all steps of a proof take."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), Warm(rate, delay))


class Whitened(layers.Layer):
    """Subtracts the mean of a batch after some steps, in training and in evaluation."""

    def __init__(self, delay):
        super().__init__()
        self.delay = delay

    def build(self, shape):
        """Make the count."""
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        """Return the layer's output."""
        if training:
            self.count.assign_add(1.0)
        return ops.where(self.count > self.delay, x - ops.mean(x, axis=0), x)


def whitened(delay, rate, *, input_shape, normalizer):
    """A function of a batch in evaluation that begins late."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, Whitened(delay)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))


class Falling(layers.Layer):
    """Subtracts the mean of a batch once a number has fallen far enough."""

    def __init__(self, least):
        super().__init__()
        self.least = least

    def build(self, shape):
        """Make the number."""
        self.share = self.add_weight(shape=(), initializer="ones", trainable=False)

    def call(self, x, training=False):
        """Return the layer's output."""
        if training:
            self.share.assign(0.95 * self.share)
        return ops.where(self.share < self.least, x - ops.mean(x, axis=0), x)


def falling(least, rate, *, input_shape, normalizer):
    """A function of a batch that begins when a number has fallen."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, Falling(least)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))


class Between(Whitened):
    """Subtracts the mean of a batch for some steps only."""

    def call(self, x, training=False):
        """Return the layer's output."""
        if training:
            self.count.assign_add(1.0)
        is_time = ops.logical_and(self.count > self.delay, self.count < 10 * self.delay)
        return ops.where(is_time, x - ops.mean(x, axis=0), x)


def between(delay, rate, *, input_shape, normalizer):
    """A function of a batch that begins late and ends later."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, Between(delay)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))
