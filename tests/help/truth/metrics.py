"""Metrics and losses that are no means over rows, or keep a state."""

import keras
from keras import ops

from tests.help.truth.models import compiled, hidden

RARE = {"activation": "sigmoid", "bias_initializer": keras.initializers.Constant(-2.0)}
"""A head that starts with the share of a rare class."""


def f1(y, p):
    """The F1 of a batch."""
    y, p = ops.reshape(ops.cast(y, "float32"), [-1]), ops.reshape(ops.round(p), [-1])
    both = ops.sum(y * p)
    return 2 * both / (ops.sum(y) + ops.sum(p) + 1e-7)


def f1_of_a_batch(activation, rate, *, input_shape, normalizer):
    """With no positives predicted at first, its value is 0 on any rows."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs), activation=activation)
    return compiled(inputs, x, keras.optimizers.Adam(rate), "binary_crossentropy", [f1], **RARE)


def precision(activation, rate, *, input_shape, normalizer):
    """Counts of rows, of which those that only fill the last batch must not count."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs), activation=activation)
    metrics = [keras.metrics.Precision(name="precision")]
    return compiled(inputs, x, keras.optimizers.Adam(rate), "binary_crossentropy", metrics, **RARE)


def together(y, p):
    """The correlation within a batch."""
    y, p = ops.reshape(y, [-1]), ops.reshape(p, [-1])
    y, p = y - ops.mean(y), p - ops.mean(p)
    return ops.sum(y * p) / (ops.sqrt(ops.sum(y * y) * ops.sum(p * p)) + 1e-7)


def correlation(activation, rate, *, input_shape, normalizer):
    """With a zero head, it is 0 at first on any rows."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs), activation=activation)
    return compiled(
        inputs, x, keras.optimizers.Adam(rate), metrics=["mae", together], kernel_initializer="zeros"
    )


def pinball(quantile):
    """Return the loss of a quantile."""

    def lost(y, p):
        error = ops.reshape(y, [-1]) - ops.reshape(p, [-1])
        return ops.maximum(quantile * error, (quantile - 1) * error)

    return lost


def of_a_closure(quantile, rate, *, input_shape, normalizer):
    """The metric's function has the axis in its closure."""
    inputs = keras.Input(input_shape)
    metric = keras.metrics.MeanMetricWrapper(pinball(quantile), name="pinball")
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), metrics=[metric])


def names(name, rate, *, input_shape, normalizer):
    """The axis is the name of a metric."""
    inputs = keras.Input(input_shape)
    metric = keras.metrics.MeanAbsoluteError(name=name)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), metrics=[metric])


class Total(keras.metrics.Metric):
    """Adds up; nothing resets it."""

    def __init__(self, **given):
        super().__init__(**given)
        self.total = self.add_weight(name="total", initializer="zeros")

    def update_state(self, y, p, sample_weight=None):
        """Add the predictions."""
        self.total.assign_add(ops.sum(ops.abs(p)))

    def result(self):
        """Return the sum."""
        return self.total

    def reset_state(self):
        """Do nothing."""


def never_reset(activation, rate, *, input_shape, normalizer):
    """A metric that goes on over epochs, and from train to validation rows."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs), activation=activation)
    return compiled(inputs, x, keras.optimizers.Adam(rate), metrics=[Total(name="total")])


def with_state(activation, rate, *, input_shape, normalizer):
    """Keras' metrics that count."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs), activation=activation)
    metrics = [
        "accuracy",
        keras.metrics.AUC(name="auc"),
        keras.metrics.Recall(name="recall"),
        keras.metrics.BinaryIoU(name="iou"),
    ]
    return compiled(
        inputs, x, keras.optimizers.Adam(rate), "binary_crossentropy", metrics, activation="sigmoid"
    )


class Sliding(keras.losses.Loss):
    """Weighs a batch by a variable that each batch changes."""

    def __init__(self):
        super().__init__()
        self.weight = keras.Variable(1.0, trainable=False)

    def call(self, y, p):
        """Return the loss of a batch."""
        self.weight.assign(self.weight * 0.9)
        return self.weight * ops.square(ops.reshape(y, [-1]) - ops.reshape(p, [-1]))


def loss_with_state(activation, rate, *, input_shape, normalizer):
    """A loss with a state."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs), activation=activation)
    return compiled(inputs, x, keras.optimizers.Adam(rate), loss=Sliding())


def error_of_large(y, p):
    """The mean error of a few rows of a batch, of which the table's validation rows have none; without any it is 0."""
    y, p = ops.reshape(y, [-1]), ops.reshape(p, [-1])
    is_large = ops.cast(y > 4.9, "float32")
    return ops.sum(is_large * ops.abs(y - p)) / (ops.sum(is_large) + 1e-7)


def of_few_rows(activation, rate, *, input_shape, normalizer):
    """A metric that is 0 on most batches, and so on samples, too."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs), activation=activation)
    return compiled(inputs, x, keras.optimizers.Adam(rate), metrics=["mae", error_of_large])


def flooded(level, rate, *, input_shape, normalizer):
    """A loss that is the mean over rows as long as that is above a level, and another function of a batch below."""
    inputs = keras.Input(input_shape)

    def flooding(y, p):
        return ops.abs(ops.mean(ops.square(ops.reshape(y, [-1, 1]) - p)) - level) + level

    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), flooding)


def mean_of_all(y, p):
    """The mean over all numbers of a batch, as many write it."""
    return ops.mean(ops.square(ops.reshape(y, [-1, 1]) - p))


def whole(activation, rate, *, input_shape, normalizer):
    """A loss of a batch that is a mean over rows by its operations."""
    inputs = keras.Input(input_shape)
    x = hidden(normalizer(inputs), activation=activation)
    return compiled(inputs, x, keras.optimizers.Adam(rate), mean_of_all)
