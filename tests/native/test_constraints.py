"""The constraints of the native kernel against Keras' `fit`: the same weights and logs after two epochs."""

import math

import keras
import numpy as np
import pytest

from tests.help.native import Group, small_table
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


def build(constrained=True, bias="none", optimizer="adam"):
    """Each constraint is that of the kernel of a layer; the layers stand side by side."""
    layers = keras.layers
    of_bias = OF_BIAS[bias]
    inputs = keras.Input((3,))
    beside = [
        layers.Dense(4, "tanh", kernel_constraint=one if constrained else None, name=name)(inputs)
        for name, one in CONSTRAINTS.items()
    ]
    x = layers.Dense(5, "tanh", bias_initializer="random_normal", bias_constraint=of_bias)(inputs)
    x = layers.BatchNormalization(gamma_constraint=of_bias, beta_constraint=of_bias)(x)
    x = layers.PReLU(alpha_initializer="random_normal", alpha_constraint=of_bias)(layers.Dense(4)(x))
    frozen = layers.Dense(3, "elu", kernel_constraint=c.UnitNorm(), trainable=False)
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()([frozen(x), *beside])))
    made = {
        "adam": keras.optimizers.Adam(0.02, clipnorm=0.5, weight_decay=0.1),
        "sgd": keras.optimizers.SGD(0.05, momentum=0.5, nesterov=True),
    }
    model.compile(made[optimizer], "mse", metrics=["mae"])
    return model


def group_of(**axes):
    return Group(f"{__file__}:build", {name: list(values) for name, values in axes.items()}, small_table())


def trained_as_by_keras(group):
    """Return the models of all points after Keras' `fit`, which must be those of the kernel."""
    result, models = group.trained(), []
    for row in range(len(group.space)):
        model, logs = group.by_keras(row)
        parts = np.split(
            result.stack.weights[row], np.cumsum([math.prod(v.shape) for v in model.trainable_variables])
        )
        for found, variable in zip(parts, model.trainable_variables, strict=False):
            np.testing.assert_allclose(
                found, variable.numpy().ravel(), rtol=1e-4, atol=1e-6, err_msg=variable.path
            )
        np.testing.assert_allclose(result.logs[row], logs, rtol=1e-4, atol=1e-6)
        models.append(model)
    return models


def test_every_constraint_of_the_kernel_is_among_them():
    assert {type(one) for one in CONSTRAINTS.values() if one is not None} == set(_KINDS)


def test_constrained_kernels_train_as_by_keras():
    """Two optimizers, side by side in one chunk."""
    trained_as_by_keras(group_of(optimizer=["adam", "sgd"]))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["max_norm", "non_negative", "unit_norm"])
def test_constrained_vectors_train_as_by_keras(name):
    trained_as_by_keras(group_of(constrained=[False], bias=[name]))


def test_each_constraint_would_change_what_is_trained_without_it():
    [free] = trained_as_by_keras(group_of(constrained=[False]))
    for name, constraint in CONSTRAINTS.items():
        kernel = free.get_layer(name).kernel.value
        is_idle = constraint is None or np.allclose(constraint(kernel), kernel, rtol=1e-4, atol=1e-5)
        assert (name in ("none", "max_norm_idle")) == is_idle, name


def test_weights_that_are_no_numbers_stay_so():
    group = group_of(optimizer=["adam", "sgd"])
    stack = group.stack.take(np.arange(2))
    stack.weights[0] = np.nan
    result = group.trained(1, stack=stack)
    assert np.isnan(result.stack.weights[0]).all() and np.isfinite(result.stack.weights[1]).all()
    assert np.isnan(result.logs[0]).all()
