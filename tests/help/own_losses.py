"""Losses that a user may write, of the kinds that a row makes by itself: for tests of the native kernel's expressions."""

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from tests.help.native import small_table
from trainables.table.data import Table


class WeightedMSE(keras.losses.Loss):
    def __init__(self, weight):
        super().__init__()
        self.weight = weight

    def call(self, y, p):
        return ops.mean(ops.square(y - p) * (1.0 + self.weight * ops.cast(y > 1.0, "float32")), axis=-1)


class Quantile(keras.losses.Loss):
    def __init__(self, share, **more):
        super().__init__(**more)
        self.share = share

    def call(self, y, p):
        error = y - p
        return tf.reduce_mean(tf.maximum(self.share * error, (self.share - 1.0) * error), axis=-1)


def asymmetric(y, p):
    error = y - p
    return tf.where(error > 0, 2.0 * error**2, tf.abs(error))


def of_cosh(y, p):
    return tf.reduce_mean(tf.math.log(tf.cosh(p - y)), axis=-1)


def clipped(y, p):
    return ops.mean(ops.sqrt(ops.clip(ops.square(y - p), 1e-4, 2.0)) + 0.01 * ops.softplus(p), axis=-1)


def power(y, p):
    """Of the Tweedie kind, with an exponent that is no half."""
    mean = ops.exp(ops.clip(p, -3.0, 3.0))
    return ops.mean(mean**1.7 / 1.7 - ops.abs(y) * mean**0.7 / 0.7, axis=-1)


def whole(y, p):
    """A mean over all rows at once, as many write it."""
    return 0.5 * tf.reduce_mean(tf.math.squared_difference(y, p)) + 0.1 * tf.reduce_mean(tf.abs(y - p))


@tf.function
def decorated(y, p):
    return ops.mean(ops.log1p(ops.abs(y - p)), axis=-1)


def reshaped(y, p):
    y, p = tf.reshape(y, [-1]), tf.squeeze(p, -1)
    return tf.math.sigmoid(tf.abs(y - p)) + tf.tanh(y) * p


def quantiles(y, p):
    """Two quantiles of one target: the second output is the larger one."""
    parts = [tf.maximum(q * e, (q - 1) * e) for q, e in ((0.1, y[:, 0] - p[:, 0]), (0.9, y[:, 0] - p[:, 1]))]
    return tf.add_n(parts) + 0.1 * tf.nn.relu(p[:, 0] - p[:, -1])


def normal(y, p):
    """The negative logarithm of a likelihood whose mean and variance are outputs."""
    mean, raw = tf.split(p, 2, axis=-1)
    variance = tf.nn.softplus(raw) + 0.1
    return tf.squeeze(0.5 * (tf.math.log(variance) + (y - mean) ** 2 / variance), -1)


def focal(y, p):
    p = ops.clip(p, 1e-7, 1 - 1e-7)
    return -ops.mean(y * (1 - p) ** 2.0 * ops.log(p) + 0.5 * (1 - y) * p**2.0 * ops.log(1 - p), axis=-1)


def weighted_bce(y, p):
    """Takes the logits from Keras, behind the user's back."""
    return keras.losses.binary_crossentropy(y, p) * (1.0 + 3.0 * ops.mean(y, axis=-1))


IMPORTANCE = tf.constant([1.0, 2.0, 5.0])


def weighted_classes(y, p):
    return keras.losses.categorical_crossentropy(y, p) * tf.reduce_sum(IMPORTANCE * y, axis=-1)


def sparse_focal(y, p):
    hot = tf.one_hot(tf.cast(tf.squeeze(y, -1), tf.int32), 3)
    share = ops.sum(hot * p, axis=-1)
    return (1.0 - share) ** 1.5 * keras.losses.sparse_categorical_crossentropy(y, p)


def earth_mover(y, p):
    return ops.mean(ops.square(ops.cumsum(y, axis=-1) - ops.cumsum(p, axis=-1)), axis=-1)


K = keras.losses
OF_NUMBERS = {  # losses of one output that is a number
    "weighted": lambda: WeightedMSE(2.0),
    "quantile": lambda: Quantile(0.9),
    "asymmetric": lambda: asymmetric,
    "of_cosh": lambda: of_cosh,
    "clipped": lambda: clipped,
    "power": lambda: power,
    "whole": lambda: whole,
    "decorated": lambda: decorated,
    "reshaped": lambda: reshaped,
    "hinge": lambda: "hinge",
    "squared_hinge": lambda: K.SquaredHinge(),
}
OF_TWO = {"quantiles": lambda: quantiles, "normal": lambda: normal}  # of two outputs for one target
OF_SHARES = {  # of a sigmoid
    "focal": lambda: focal,
    "weighted_bce": lambda: weighted_bce,
    "keras_focal": lambda: K.BinaryFocalCrossentropy(apply_class_balancing=True, label_smoothing=0.1),
}
OF_CLASSES = {  # of a softmax of three classes, whose target has a column for each
    "weighted_classes": lambda: weighted_classes,
    "kl": lambda: "kl_divergence",
    "cosine": lambda: K.CosineSimilarity(),
    "categorical_hinge": lambda: K.CategoricalHinge(),
    "categorical_focal": lambda: K.CategoricalFocalCrossentropy(),
    "earth_mover": lambda: earth_mover,
}
OF_LABELS = {"sparse_focal": lambda: sparse_focal}  # of a softmax of three classes, whose target is a label
LOSSES = OF_NUMBERS | OF_TWO | OF_SHARES | OF_CLASSES | OF_LABELS


def kind_of(loss: str) -> tuple[int, str]:
    """Return the outputs of a model with a loss, and its last activation."""
    if loss in OF_NUMBERS:
        return 1, "linear"
    if loss in OF_TWO:
        return 2, "linear"
    return (1, "sigmoid") if loss in OF_SHARES else (3, "softmax")


def table_of(loss: str) -> Table:
    """Return a table with the target that a loss takes, of which each row is an array."""
    found = small_table(classes=loss in OF_SHARES or "hinge" in loss)

    def target(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        label = np.digitize(x[:, 0], [-0.5, 0.5])
        of_classes = np.eye(3)[label] if loss in OF_CLASSES else label[:, None]
        return (of_classes if loss in OF_CLASSES or loss in OF_LABELS else y[:, None]).astype("float32")

    train, test = target(found.x_train, found.y_train), target(found.x_test, found.y_test)
    return Table(found.x_train, train, found.x_test, test, found.features, "y", "0")
