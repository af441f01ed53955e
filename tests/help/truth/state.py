"""State that training changes, or that the builder sets, outside of what Keras tracks."""

import os

import keras
import tensorflow as tf
from keras import layers, ops

from tests.help.truth.models import compiled, hidden

ALPHA = 0.0
CALLS = {"loss": 0}


def squared(y_true, y_pred):
    """Return the error of each row."""
    return ops.mean(ops.square(ops.reshape(y_true, (-1, 1)) - y_pred), axis=-1)


def steps(delay, rate, *, input_shape, normalizer):
    """A loss with a part that begins after some steps of the optimizer."""
    inputs = keras.Input(input_shape)
    optimizer = keras.optimizers.Adam(rate)

    def loss(y_true, y_pred):
        is_late = ops.cast(optimizer.iterations >= delay, "float32")
        return squared(y_true, y_pred) + 0.5 * is_late * ops.mean(ops.abs(y_pred), axis=-1)

    return compiled(inputs, hidden(normalizer(inputs)), optimizer, loss)


class Late(keras.losses.Loss):
    """A loss that counts its calls in a variable of its own."""

    def __init__(self, delay):
        super().__init__(name="late")
        self.delay, self.step = delay, keras.Variable(0.0, trainable=False)

    def call(self, y_true, y_pred):
        """Return the loss of each row."""
        self.step.assign_add(1.0)
        is_late = ops.cast(self.step > self.delay, "float32")
        return squared(y_true, y_pred) + is_late * ops.mean(ops.abs(y_pred), axis=-1)


def late(delay, rate, *, input_shape, normalizer):
    """A loss with a count of its own."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), Late(delay))


class Summed(keras.losses.Loss):
    """A loss that counts its calls in a metric of Keras, which is none of the model's."""

    def __init__(self, delay):
        super().__init__(name="summed")
        self.delay, self.seen = delay, keras.metrics.Sum()

    def call(self, y_true, y_pred):
        """Return the loss of each row."""
        self.seen.update_state(1.0)
        is_late = ops.cast(self.seen.result() > self.delay, "float32")
        return squared(y_true, y_pred) + is_late * ops.mean(ops.abs(y_pred), axis=-1)


def summed(delay, rate, *, input_shape, normalizer):
    """A loss with a count that a method of Keras changes."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), Summed(delay))


class Untracked(layers.Layer):
    """Counts its calls in a variable of TensorFlow, which Keras does not track."""

    def __init__(self, delay):
        super().__init__()
        self.delay = delay

    def build(self, shape):
        """Make the variable."""
        self.count = tf.Variable(0.0, trainable=False)

    def call(self, x, training=False):
        """Return the layer's output."""
        if training:
            self.count.assign_add(1.0)
        return x * tf.where(self.count > self.delay, 0.5, 1.0)


def untracked(delay, rate, *, input_shape, normalizer):
    """A layer with a count that Keras does not track."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, Untracked(delay)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))


class Centered(layers.Layer):
    """Subtracts a mean over batches that begins after some steps, so that the size of the last batch counts late."""

    def __init__(self, delay):
        super().__init__()
        self.delay = delay

    def build(self, shape):
        """Make the variables."""
        self.count = self.add_weight(shape=(), initializer="zeros", trainable=False)
        self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        """Return the layer's output."""
        if training:
            self.count.assign_add(1.0)
            moved = 0.9 * self.mean + 0.1 * ops.mean(x, axis=0)
            self.mean.assign(ops.where(self.count > self.delay, moved, self.mean))
        return x - self.mean


def centered(delay, rate, *, input_shape, normalizer):
    """A mean over the rows of a batch that begins late."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, Centered(delay)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))


class CenteredByInteger(Centered):
    """Counts in an integer."""

    def build(self, shape):
        """Make the variables."""
        self.count = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)
        self.mean = self.add_weight(shape=(shape[-1],), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        """Return the layer's output."""
        if training:
            self.count.assign_add(1)
            moved = 0.9 * self.mean + 0.1 * ops.mean(x, axis=0)
            self.mean.assign(ops.where(self.count > int(self.delay), moved, self.mean))
        return x - self.mean


def centered_by_integer(delay, rate, *, input_shape, normalizer):
    """As `centered`."""
    inputs = keras.Input(input_shape)
    x = CenteredByInteger(delay)(hidden(normalizer(inputs)))
    return compiled(inputs, x, keras.optimizers.Adam(rate))


class Halved(layers.Layer):
    """Subtracts a mean over the rows of a batch after some steps, which it counts in an array of one number."""

    def __init__(self, delay):
        super().__init__()
        self.delay = delay

    def build(self, shape):
        """Make the variable."""
        self.count = self.add_weight(shape=(1,), initializer="zeros", trainable=False)

    def call(self, x, training=False):
        """Return the layer's output."""
        if not training:
            return x
        self.count.assign_add(ops.ones((1,)))
        return x - 0.5 * ops.cast(self.count > self.delay, "float32") * ops.mean(x, axis=0)


def halved(delay, rate, *, input_shape, normalizer):
    """A mean over the rows of a batch that begins late, and no state of its own beside the count."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, Halved(delay)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))


def environment(alpha, rate, *, input_shape, normalizer):
    """A variable of the environment that the builder sets and the loss reads."""
    os.environ["TRUTH_ALPHA"] = str(alpha)

    def loss(y_true, y_pred):
        return squared(y_true, y_pred) + float(os.environ["TRUTH_ALPHA"]) * ops.mean(ops.abs(y_pred), axis=-1)

    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), loss)


def counted(y_true, y_pred):
    """A loss that counts its calls in a global."""
    CALLS["loss"] += 1
    return squared(y_true, y_pred) * (1.0 + 0.01 * CALLS["loss"])


def calls(units, rate, *, input_shape, normalizer):
    """A count of calls, which run eagerly, in a global."""
    inputs = keras.Input(input_shape)
    model = compiled(inputs, hidden(normalizer(inputs), units), keras.optimizers.Adam(rate), counted)
    model.compile(model.optimizer, counted, metrics=["mae"], run_eagerly=True)
    return model


def popped(blocks, rate, *, input_shape, normalizer):
    """The builder takes its lists apart."""
    inputs = keras.Input(input_shape)
    x = normalizer(inputs)
    while blocks:
        block = blocks.pop(0)
        while block:
            x = hidden(x, block.pop(0))
    return compiled(inputs, x, keras.optimizers.Adam(rate))
