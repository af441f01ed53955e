"""Builders of models with several inputs, and a table for them: ids for an Embedding, numbers, and small matrices."""

import keras
import numpy as np
from keras import layers

from trainables.table.data import Table


def table(rows=330, test=80):
    """A table of three inputs; 330 train rows leave a smaller last batch."""
    chance = np.random.default_rng(3)
    x = {
        "id": chance.integers(0, 12, rows + test).astype("float32"),
        "number": chance.normal(size=(rows + test, 3)).astype("float32"),
        "matrix": chance.normal(size=(rows + test, 2, 2)).astype("float32"),
    }
    y = np.sin(x["id"]) + x["number"][:, 0] - x["matrix"][:, 1, 0] * x["number"][:, 1]
    y = (y + 0.1 * chance.normal(size=rows + test)).astype("float32")
    first, last = ({name: array[part] for name, array in x.items()} for part in (np.s_[:rows], np.s_[rows:]))
    return Table(first, y[:rows], last, y[rows:], (), "y", "0")


def _inputs(shape):
    return {name: keras.Input(one, name=name) for name, one in shape.items()}


def embedded(kind, rate, units, *, input_shape, normalizer):
    """An Embedding beside numbers that are normalized, with dropout or batch normalization."""
    inputs = _inputs({**input_shape, "id": (1,)})
    row = layers.Flatten()(layers.Embedding(12, 3)(inputs["id"]))
    x = layers.Concatenate()(
        [row, normalizer["number"](inputs["number"]), layers.Flatten()(inputs["matrix"])]
    )
    x = layers.Dense(units, "relu")(x)
    x = layers.Dropout(rate)(x) if kind == "dropout" else layers.BatchNormalization()(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


class Two(keras.Model):
    """A class of its own, which takes its inputs from the dictionary."""

    def __init__(self, units):
        super().__init__()
        self.one, self.other, self.last = layers.Dense(units, "tanh"), layers.Dense(units), layers.Dense(1)

    def call(self, inputs, training=False):
        """Return the prediction."""
        matrix = keras.ops.reshape(inputs["matrix"], (-1, 4))
        return self.last(self.one(inputs["number"]) + self.other(matrix))


def subclassed(units, rate):
    """A model of a class of the user."""
    model = Two(units)
    model({name: array[:2] for name, array in table(2, 0).x_train.items()})
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


def one_of(name, units):
    """A model with one input, which it finds in the dictionary by its name."""
    inputs = keras.Input((3,), name="number") if name == "number" else keras.Input((2, 2), name="matrix")
    x = layers.Dense(units, "tanh")(layers.Flatten()(inputs))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def swapped(order, units):
    """Two inputs of one shape in a list, whose names say which is which."""
    first, second = (keras.Input((3,), name=name) for name in order)
    x = layers.Concatenate()([layers.Dense(units, "tanh")(first), 2 * second])
    model = keras.Model([first, second], layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(0.01), "mse", metrics=["mae"])
    return model


def equal_shapes():
    """A table of two inputs of one shape."""
    chance = np.random.default_rng(4)
    x = {name: chance.normal(size=(200, 3)).astype("float32") for name in ("left", "right")}
    y = x["left"][:, 0] - 2 * x["right"][:, 1]
    first, last = ({name: array[part] for name, array in x.items()} for part in (np.s_[:150], np.s_[150:]))
    return Table(first, y[:150], last, y[150:], (), "y", "0")
