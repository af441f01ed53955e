"""Builders of models with several outputs, and a table for them: a number, a truth value, and one of three groups."""

import keras
import numpy as np
from keras import layers, ops

from trainables.table.data import Table

TARGETS = ("size", "kind", "group")


def table(targets=TARGETS, rows=330, test=80):
    """A table of some targets; its fitted rows leave a smaller last batch of 48."""
    chance = np.random.default_rng(7)
    x = chance.normal(size=(rows + test, 5)).astype("float32")
    size = x[:, 0] - 2 * x[:, 1] * x[:, 2] + 0.1 * chance.normal(size=rows + test)
    found = {"size": size, "kind": x[:, 3] > 0.3, "group": np.digitize(x[:, 4], [-0.5, 0.5])}
    y = np.stack([found[name] for name in targets], 1).astype("float32")
    weights = chance.uniform(0, 3, rows + test).astype("float32")
    return Table(
        x[:rows], y[:rows], x[rows:], y[rows:], tuple("abcde"), ", ".join(targets), "0", targets=targets,
        weights={"w": (weights[:rows], weights[rows:])},
    )  # fmt: skip


def with_inputs(targets=("size", "kind")):
    """The same rows with two inputs."""
    given = table(targets)
    first, last = ({"left": x[:, :2], "right": x[:, 2:, None]} for x in (given.x_train, given.x_test))
    return Table(first, given.y_train, last, given.y_test, (), given.target, "0", targets=given.targets)


def _body(x, kind, units):
    x = layers.Dense(units, "relu")(x)
    return layers.Dropout(0.2)(x) if kind == "dropout" else layers.BatchNormalization()(x)


def listed(kind, weight, units, *, input_shape):
    """A list of outputs with other losses and weights of them, and metrics of one."""
    inputs = keras.Input(input_shape)
    x = _body(inputs, kind, units)
    size, kind = layers.Dense(1, name="size")(x), layers.Dense(1, "sigmoid", name="kind")(x)
    model = keras.Model(inputs, [size, kind])
    model.compile(
        keras.optimizers.Adam(0.02),
        ["mse", "binary_crossentropy"],
        loss_weights=[1.0, weight],
        metrics={"kind": ["accuracy"]},
    )
    return model


def named(kind, rate, *, input_shape):
    """A dictionary of three outputs in another order than the targets; a one-hot target, and metrics of all."""
    inputs = keras.Input(input_shape)
    x = _body(inputs, kind, 6)
    size, group = layers.Dense(1)(x), layers.Dense(3, "softmax")(x)
    model = keras.Model(inputs, {"size": size, "group": group, "kind": layers.Dense(1, "sigmoid")(x)})
    model.compile(
        keras.optimizers.Adam(rate),
        {"size": "mae", "group": "categorical_crossentropy", "kind": "binary_crossentropy"},
        loss_weights={"size": 0.5, "group": 1.0, "kind": 2.0},
        metrics={"group": ["categorical_accuracy"], "kind": ["accuracy"], "size": ["mse"]},
        weighted_metrics={"size": ["mae"]},
    )
    return model


def largest(y_true, y_pred):
    """A function of a batch, and no mean over rows."""
    return ops.max(ops.square(y_pred - y_true[:, None]))


def own(units, kind, *, input_shape):
    """A loss of the user for one of the outputs."""
    inputs = keras.Input(input_shape)
    x = _body(inputs, kind, units)
    model = keras.Model(inputs, [layers.Dense(1, name="size")(x), layers.Dense(1, "sigmoid", name="kind")(x)])
    model.compile(keras.optimizers.Adam(0.02), [largest, "binary_crossentropy"], metrics=[["mae"], []])
    return model


def both(kind, weight, *, input_shape):
    """Two inputs and two outputs."""
    inputs = {name: keras.Input(shape, name=name) for name, shape in input_shape.items()}
    x = _body(layers.Concatenate()([inputs["left"], layers.Flatten()(inputs["right"])]), kind, 5)
    outputs = {"size": layers.Dense(1, name="size")(x), "kind": layers.Dense(1, "sigmoid", name="kind")(x)}
    model = keras.Model(inputs, outputs)
    model.compile(
        keras.optimizers.Adam(0.02),
        {"size": "mse", "kind": "binary_crossentropy"},
        loss_weights={"size": weight, "kind": 1.0},
        metrics={"kind": ["accuracy", keras.metrics.AUC(name="auc", num_thresholds=20)]},
    )
    return model


def pair(loss=("mse", "mae"), weights=None, order=("one", "two"), metrics=None):
    """Two heads of one shape, which differ in what the arguments say only."""
    inputs = keras.Input((3,))
    x = layers.Dense(4, "tanh", name="body")(inputs)
    heads = {name: layers.Dense(1, name=name)(x) for name in ("one", "two")}
    model = keras.Model(inputs, [heads[name] for name in order])
    loss = dict(loss) if isinstance(loss, dict) else list(loss)
    model.compile("sgd", loss, loss_weights=weights, metrics=metrics)
    return model
