"""Models with branches by the native kernel against Keras' `fit`: the same weights and logs after two epochs."""

import functools

import keras
import numpy as np
import pytest

from tests.help.native import Group, small_table, weights_of
from tests.help.often import slow_but
from trainables.native.layers import _JOINS

layers, ops = keras.layers, keras.ops


def dense(x, units=5, activation="tanh", **more):
    return layers.Dense(units, activation, bias_initializer="random_normal", **more)(x)


def residual(x):
    """Two residual blocks; the first block's output is taken three times."""
    x = dense(x)
    for _ in range(2):
        y = layers.BatchNormalization()(dense(x, activation="relu"))
        x = layers.Add()([x, layers.Dropout(0.2)(dense(y, activation="gelu"))])
    return x


def wide_and_deep(x):
    deep = dense(dense(x, 7, "relu"), 4, "elu")
    return layers.Concatenate()([x, deep, dense(x, 2)])


def inception(x):
    """Branches of different depths, whose layers Keras lists in turn."""
    a, b = dense(dense(dense(x, 3), 4, "silu"), 2), dense(x, 6, "sigmoid")
    return layers.Concatenate(axis=1)([b, a, layers.Activation("softplus")(b)])


def gated(x):
    return layers.Multiply()([dense(x), dense(x, activation="sigmoid"), layers.GaussianNoise(0.1)(dense(x))])


def extremes(x):
    a, b, c = dense(x, activation="relu"), dense(x, activation="relu"), dense(x)
    return layers.Subtract()([layers.Maximum()([a, b, c]), layers.Minimum()([a, c, c])])


def averaged(x):
    """The table itself is a part, and the penalty is that of the join."""
    return layers.Average(activity_regularizer=keras.regularizers.L1L2(0.01, 0.02))([dense(x, 3), x, x])


def operations(x):
    a, b = dense(x), dense(x, activation="relu")
    joined = ops.concatenate([a + b, a - b, a * b], axis=-1)
    return ops.maximum(joined, layers.Identity()(joined)) + dense(joined, 15)


def nested(x):
    inside = keras.Input((5,))
    block = keras.Model(inside, layers.Add()([inside, dense(dense(inside, 4))]))
    return block(keras.Sequential([layers.Dense(5, "tanh"), layers.PReLU()])(x))


def doubled(x):
    y = dense(x, kernel_regularizer="l2", activity_regularizer="l1")
    return layers.Add()([y, y])


def tied(x):
    """In the first step both are equal, and the first of them has the gradient."""
    x = dense(x)
    y = layers.Dense(5, use_bias=False, kernel_initializer="identity")(x)
    z = layers.Dense(5, use_bias=False, kernel_initializer="identity")(x)
    return layers.Add()([layers.Maximum()([y, x]), layers.Minimum()([x, z])])


def frozen(x):
    y = dense(x, activation="relu", trainable=False)
    return layers.Add()([dense(y), layers.BatchNormalization(trainable=False)(y), layers.Softmax()(y)])


MODELS = {
    one.__name__: one
    for one in (
        residual,
        wide_and_deep,
        inception,
        gated,
        extremes,
        averaged,
        operations,
        nested,
        doubled,
        tied,
        frozen,
    )
}
LAST = {
    "mse": lambda x: dense(x, 1, None),
    "binary_crossentropy": lambda x: dense(x, 1, "sigmoid"),
    "sum": lambda x: layers.Add()([dense(x, 1, None), dense(x, 1)]),
    "logits": lambda x: layers.Activation("sigmoid")(dense(x, 1, None) + dense(x, 1)),
}
LOSSES = {"sum": "mae", "logits": "binary_crossentropy"}


def build(model, last="mse", optimizer="adam"):
    inputs = keras.Input((3,))
    x = MODELS[model](layers.Rescaling(0.5, 0.1)(inputs))
    made = keras.Model(inputs, LAST[last](x))
    optimizers = {"adam": keras.optimizers.Adam(0.01), "sgd": keras.optimizers.SGD(0.02, momentum=0.5)}
    made.compile(optimizers[optimizer], LOSSES.get(last, last), metrics=["mae"])
    return made


@functools.cache
def group_of(model, last="mse"):
    optimizers = ["adam", "sgd"] if (model, last) == ("residual", "mse") else ["adam"]
    space = {"model": [model], "last": [last], "optimizer": optimizers}
    return Group(f"{__file__}:build", space, small_table(classes=True))


def assert_trained_as_by_keras(group):
    result = group.trained()
    for row in range(len(group.space)):
        model, logs = group.by_keras(row)
        np.testing.assert_allclose(result.stack.weights[row], weights_of(model), rtol=1e-4, atol=2e-6)
        np.testing.assert_allclose(result.logs[row], logs, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("model", slow_but(["residual", "inception", "operations", "tied"], MODELS))
def test_a_model_with_branches_trains_as_by_keras(model):
    assert_trained_as_by_keras(group_of(model))


@pytest.mark.parametrize("last", slow_but(["logits"], [last for last in LAST if last != "mse"]))
def test_outputs_behind_branches_train_as_by_keras(last):
    assert_trained_as_by_keras(group_of("residual", last))


def test_every_join_of_the_kernel_is_among_them():
    found = set()
    for name in MODELS:
        found |= {layer.kind for layer in group_of(name).program().chain.layers}
    assert found >= set(_JOINS.values())


def test_a_layer_comes_right_after_one_that_it_takes():
    """So that a gradient need not wait, in whatever order Keras lists the layers."""
    for layer, place in ((layer, k) for k, layer in enumerate(group_of("inception").program().chain.layers)):
        assert place - 1 in layer.sources or -1 in layer.sources or layer.inputs == 6
