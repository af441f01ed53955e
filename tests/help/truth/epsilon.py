"""Sets the least number by which Keras divides when it is imported, which is known to help with targets near zero."""

import keras
from keras import layers, ops

from tests.help.truth.models import compiled, hidden

keras.config.set_epsilon(1.0)


def build(loss, rate, *, input_shape, normalizer):
    """Losses and metrics of Keras that take it."""
    inputs = keras.Input(input_shape)
    return compiled(
        inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), loss, metrics=["mape", "msle"]
    )


def relative(y, p):
    """An error of the user's own that takes it."""
    y = ops.reshape(y, [-1, 1])
    return ops.mean(ops.abs(y - p) / ops.maximum(ops.abs(y), keras.config.epsilon()), axis=-1)


def by_axis(least, rate, *, input_shape, normalizer):
    """The number is an axis, which the optimizer's own epsilon does not follow."""
    keras.config.set_epsilon(least)
    inputs = keras.Input(input_shape)
    return compiled(inputs, hidden(normalizer(inputs)), keras.optimizers.Adam(rate), relative, ["mape"])


def by_axis_of_keras(least, loss, rate, *, input_shape, normalizer):
    """The number is an axis, and nothing in the code of the user reads it: only losses and metrics of Keras do."""
    keras.config.set_epsilon(least)
    inputs = keras.Input(input_shape)
    hidden_layer = layers.Dense(8, activation="relu")(normalizer(inputs))
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(hidden_layer))
    model.compile(optimizer=keras.optimizers.Adam(rate), loss=loss, metrics=["mape", "msle"])
    return model
