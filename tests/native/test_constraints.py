"""The constraints of the native kernel against Keras' `fit`: the same weights and logs after two epochs."""

import functools

import keras
import numpy as np
import pytest

from tests.help.native import Group, small_table, weights_of
from trainables.native.constraints import _KINDS

c = keras.constraints
CONSTRAINTS = {
    "none": None,
    "non_negative": c.NonNeg(),
    "max_norm": c.MaxNorm(0.8),
    "max_norm_rows": c.MaxNorm(0.7, axis=1),
    "max_norm_idle": c.MaxNorm(100.0),
    "max_norm_whole": c.MaxNorm(1.0, axis=[0, 1]),
    "max_norm_below_zero": c.MaxNorm(-1.0),
    "unit_norm": c.UnitNorm(),
    "unit_norm_last": c.UnitNorm(axis=-1),
    "unit_norm_none": c.UnitNorm(axis=None),
    "unit_norm_each": c.UnitNorm(axis=()),
    "min_max": c.MinMaxNorm(0.4, 0.6),
    "min_max_rate": c.MinMaxNorm(0.7, 0.9, rate=0.3, axis=-2),
    "min_max_crossed": c.MinMaxNorm(0.9, 0.5),
}
OF_BIAS = {"none": None, "non_negative": c.NonNeg(), "max_norm": c.MaxNorm(0.02), "unit_norm": c.UnitNorm(-1)}


def build(constraint, bias="none", optimizer="adam"):
    layers = keras.layers
    chosen, of_bias = CONSTRAINTS[constraint], OF_BIAS[bias]
    inputs = keras.Input((3,))
    x = layers.Dense(
        5, "tanh", bias_initializer="random_normal", kernel_constraint=chosen, bias_constraint=of_bias
    )(inputs)
    x = layers.BatchNormalization(gamma_constraint=of_bias, beta_constraint=of_bias)(x)
    x = layers.PReLU(alpha_initializer="random_normal", alpha_constraint=of_bias)(layers.Dense(4)(x))
    frozen = layers.Dense(3, "elu", kernel_constraint=c.UnitNorm(), trainable=False)
    model = keras.Model(inputs, layers.Dense(1, kernel_constraint=chosen)(frozen(x)))
    made = {
        "adam": keras.optimizers.Adam(0.02, clipnorm=0.5, weight_decay=0.1),
        "sgd": keras.optimizers.SGD(0.05, momentum=0.5, nesterov=True),
    }
    model.compile(made[optimizer], "mse", metrics=["mae"])
    return model


@functools.cache
def group_of(constraint, bias):
    """Two optimizers, side by side in one chunk."""
    space = {"constraint": [constraint], "bias": [bias], "optimizer": ["adam", "sgd"]}
    return Group(f"{__file__}:build", space, small_table())


def assert_trained_as_by_keras(group):
    result = group.trained()
    for row in range(2):
        model, logs = group.by_keras(row)
        np.testing.assert_allclose(result.stack.weights[row], weights_of(model), rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(result.logs[row], logs, rtol=1e-4, atol=1e-6)


def test_every_constraint_of_the_kernel_is_among_them():
    assert {type(one) for one in CONSTRAINTS.values() if one is not None} == set(_KINDS)


@pytest.mark.parametrize("name", [name for name in CONSTRAINTS if name != "none"])
def test_constrained_kernels_train_as_by_keras(name):
    assert_trained_as_by_keras(group_of(name, "none"))


@pytest.mark.parametrize("name", [name for name in OF_BIAS if name != "none"])
def test_constrained_vectors_train_as_by_keras(name):
    assert_trained_as_by_keras(group_of("none", name))


def test_a_constraint_changes_what_is_trained():
    free = group_of("none", "none").trained().stack.weights
    for name in CONSTRAINTS:
        found = group_of(name, "none").trained().stack.weights
        assert (name in ("none", "max_norm_idle")) == np.allclose(found, free, rtol=1e-4, atol=1e-5), name
