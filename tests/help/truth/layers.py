"""Layers that do more than to compute their outputs."""

from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops

from tests.help.truth.models import compiled, hidden


class Renormalized(layers.Layer):
    """Changes its trainable weight when it is called."""

    def __init__(self, units, activation):
        super().__init__()
        self.units, self.activation = units, keras.activations.get(activation)

    def build(self, shape):
        """Make the weight."""
        self.w = self.add_weight(shape=(shape[-1], self.units), name="w")

    def call(self, x, training=False):
        """Return the layer's output."""
        if training:
            self.w.assign(self.w / (1e-6 + ops.norm(self.w, axis=0, keepdims=True)))
        return self.activation(ops.matmul(x, self.w))


def renormalized(activation, rate, *, input_shape, normalizer):
    """Columns of unit length."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, Renormalized(6, activation)(normalizer(inputs)), keras.optimizers.Adam(rate))


class Watched(layers.Layer):
    """Logs the share of active units."""

    def __init__(self, activation):
        super().__init__()
        self.dense = layers.Dense(6, activation=activation)
        self.active = keras.metrics.Mean(name="active")

    def call(self, x):
        """Return the layer's output."""
        y = self.dense(x)
        self.active.update_state(ops.cast(y > 0, "float32"))
        return y


def watched(activation, rate, *, input_shape, normalizer):
    """A metric that a layer has."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, Watched(activation)(normalizer(inputs)), keras.optimizers.Adam(rate))


def normalizations(kind, rate, *, input_shape, normalizer):
    """Keras' normalizations besides the plain one; a bias before them would have a gradient of mere rounding."""
    kinds: dict[str, Any] = {
        "renorm": lambda: layers.BatchNormalization(renorm=True),
        "layer": layers.LayerNormalization,
        "rms": layers.RMSNormalization,
        "unit": layers.UnitNormalization,
        "plain": lambda: layers.BatchNormalization(scale=False, center=False),
    }
    inputs = keras.Input(input_shape)
    x = kinds[kind]()(hidden(normalizer(inputs), activation=None, use_bias=False))
    return compiled(inputs, layers.Activation("tanh")(x), keras.optimizers.Adam(rate))


class Counting(layers.Layer):
    """Keeps a moving average that validation changes too."""

    def build(self, shape):
        """Make the average."""
        self.average = self.add_weight(shape=(), name="average", initializer="zeros", trainable=False)

    def call(self, x):
        """Return the input less the average."""
        self.average.assign(0.9 * self.average + 0.1 * ops.mean(x))
        return x - self.average


def updated_in_validation(activation, rate, *, input_shape, normalizer):
    """A moving average over all rows that pass."""
    inputs = keras.Input(input_shape)
    return compiled(
        inputs, Counting()(hidden(normalizer(inputs), activation=activation)), keras.optimizers.Adam(rate)
    )


class AlwaysDropout(layers.Dropout):
    """Drops in validation too."""

    def call(self, inputs, training=None):
        """Drop units."""
        return super().call(inputs, training=True)


def always_dropping(share, rate, *, input_shape, normalizer):
    """Monte Carlo dropout."""
    inputs = keras.Input(input_shape)
    return compiled(inputs, AlwaysDropout(share)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))


def seeded(share, rate, *, input_shape, normalizer):
    """The builder sets the seeds by itself."""
    keras.utils.set_random_seed(7)
    inputs = keras.Input(input_shape)
    return compiled(inputs, layers.Dropout(share)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))


def replica(replica, rate, *, input_shape, normalizer):
    """A seed is an axis, to train each point several times."""
    keras.utils.set_random_seed(replica)
    inputs = keras.Input(input_shape)
    return compiled(inputs, layers.Dropout(0.2)(hidden(normalizer(inputs))), keras.optimizers.Adam(rate))


class Ranged(layers.Layer):
    """Divides by the largest number of a batch, and keeps a moving one for validation."""

    def build(self, shape):
        """Make the moving one."""
        self.peak = self.add_weight(shape=(), name="peak", initializer="ones", trainable=False)

    def call(self, x, training=False):
        """Return the layer's output."""
        if not training:
            return x / self.peak
        peak = ops.max(ops.abs(x))
        self.peak.assign(0.9 * self.peak + 0.1 * peak)
        return x / peak


def ranged(activation, rate, *, input_shape, normalizer):
    """A function of a batch that few rows decide."""
    inputs = keras.Input(input_shape)
    x = Ranged()(normalizer(inputs))
    return compiled(inputs, hidden(x, activation=activation), keras.optimizers.Adam(rate))


class Checked(layers.Layer):
    """Checks its outputs."""

    def __init__(self, most):
        super().__init__()
        self.most = most

    def call(self, x):
        """Return the inputs."""
        tf.debugging.assert_less(x, self.most)
        return x


def checked(most, rate, *, input_shape, normalizer):
    """A check that does not fail here; of a point that fails it, Keras raises an error."""
    inputs = keras.Input(input_shape)
    x = Checked(most)(hidden(normalizer(inputs), activation="relu"))
    return compiled(inputs, x, keras.optimizers.Adam(rate))
