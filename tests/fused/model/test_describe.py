"""What counts as the same program, and what as a value in it."""

import keras
import numpy as np
import pytest

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.model.describe import describe


def model_of(
    units=4,
    activation="relu",
    rate=0.2,
    init="he_normal",
    l2=0.1,
    optimizer=None,
    loss="mse",
    metrics=("mae",),
    dense=1,
):
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    inputs = keras.Input((3,))
    x = inputs
    for _ in range(dense):
        x = keras.layers.Dense(
            units,
            activation=activation,
            kernel_initializer=init,
            kernel_regularizer=keras.regularizers.L2(l2),
        )(x)
    x = keras.layers.Dropout(rate)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(loss=loss, metrics=list(metrics), optimizer=optimizer or keras.optimizers.Adam(0.01))
    return model


BASE = describe(model_of())


def differences(**changes):
    other = describe(model_of(**changes))
    found = {
        part for part in ("signature", "variant", "optimizer") if getattr(other, part) != getattr(BASE, part)
    }
    if [a.tobytes() for a in other.initial] != [a.tobytes() for a in BASE.initial]:
        found.add("initial")
    keys = {*other.numbers, *BASE.numbers}
    return found | {key for key in keys if other.numbers.get(key) != BASE.numbers.get(key)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, set()),
        ({"activation": "tanh"}, {"variant"}),
        ({"rate": 0.3}, {"layer.2.rate"} - {"layer.2.rate"} | {"layer.3.rate"}),
        ({"init": "glorot_uniform"}, {"initial"}),
        ({"l2": 0.2}, {"penalty.0.l2"}),
        ({"optimizer": keras.optimizers.Adam(0.02)}, {"learning_rate"}),
        ({"optimizer": keras.optimizers.Adam(0.01, beta_1=0.8)}, {"optimizer.beta_1"}),
        ({"optimizer": keras.optimizers.Adam(0.01, amsgrad=True)}, {"optimizer"}),
        ({"loss": "mae"}, {"signature"}),
        ({"metrics": ("mae", "mse")}, {"signature"}),
    ],
)
def test_each_change_is_seen_where_it_belongs(changes, expected):
    assert differences(**changes) == expected


def test_shapes_depth_and_a_rate_of_zero_change_the_program():
    assert "signature" in differences(units=5)
    assert "signature" in differences(dense=2)
    assert "signature" in differences(rate=0.0)  # Keras leaves the draw out


def test_null_and_other_norms_are_one_program():
    def penalty(regularizer):
        keras.utils.clear_session(free_memory=False)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1, kernel_regularizer=regularizer)])
        model.compile(loss="mse", optimizer="sgd")
        return describe(model)

    found = [penalty(one) for one in (None, "l1", "l2", keras.regularizers.L1L2(0.1, 0.2))]
    assert len({one.signature for one in found}) == 1
    norms = [(one.numbers["penalty.0.l1"], one.numbers["penalty.0.l2"]) for one in found]
    np.testing.assert_allclose(norms, [(0.0, 0.0), (0.01, 0.0), (0.0, 0.01), (0.1, 0.2)], rtol=1e-6)
    assert penalty(keras.regularizers.OrthogonalRegularizer()).signature != found[0].signature


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda m: m.compile(loss="mse", optimizer="sgd", run_eagerly=True), "run_eagerly"),
        (
            lambda m: m.compile(loss="mse", optimizer=keras.optimizers.SGD(0.1, use_ema=True)),
            "averages weights",
        ),
        (
            lambda m: m.compile(
                loss="mse", optimizer=keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
            ),
            "accumulates",
        ),
        (
            lambda m: m.compile(loss="mse", optimizer=keras.optimizers.SGD(lambda: 0.1)),
            "learning rate is a function",
        ),
        (lambda m: setattr(m, "trainable", False), "nothing to train"),
    ],
)
def test_what_cannot_be_a_lane_says_why(change, why):
    model = model_of()
    change(model)
    with pytest.raises(UnfusableError, match=why):
        describe(model)


def test_activations_that_close_over_a_value_are_other_variants():
    def leaky(slope):
        def activation(x):
            return keras.ops.maximum(x, slope * x)

        return activation

    found = [describe(model_of(activation=leaky(slope))).variant for slope in (0.1, 0.1, 0.2)]
    assert found[0] == found[1] != found[2]
