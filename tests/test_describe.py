"""What counts as the same program, and what as a value in it."""

import functools

import keras
import numpy as np
import pytest

from trainables.fused.describe import Lifted, UnfusableError, describe, token


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
    found = {part for part in ("signature", "variant", "rule") if getattr(other, part) != getattr(BASE, part)}
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
        ({"optimizer": keras.optimizers.Adam(0.01, amsgrad=True)}, {"rule"}),
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


def test_functions_count_by_code_and_by_what_they_close_over():
    def weighted(weight):
        return lambda y, p: keras.ops.mean(weight * (y - p) ** 2)

    assert token(weighted(2.0)) == token(weighted(2.0)) != token(weighted(3.0))
    assert token(lambda y: y + 1) != token(lambda y: y + 2)


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


def test_a_lifted_number_answers_for_all_lanes_or_refuses():
    number = Lifted(keras.ops.convert_to_tensor(0.5))
    assert number > 0 and number != 0 and not number < 0 and bool(number)
    assert float(1 - number) == float(number * 1) == 0.5 and float(number**2) == 0.25
    assert float(keras.ops.cast(number, "float32")) == np.float32(0.5)
    with pytest.raises(UnfusableError):
        _ = number > 0.4


def test_partials_methods_and_own_objects_count_by_what_they_hold():
    class Within(keras.metrics.Metric):
        def __init__(self, tolerance):
            super().__init__(name="within")
            self._tolerance = tolerance

    class Half(keras.constraints.Constraint):
        def __init__(self, most):
            self.most = most

        def clip(self, x):
            return x

    def power(y, p, n):
        return (y - p) ** n

    assert token(functools.partial(power, n=2)) == token(functools.partial(power, n=2))
    for one, other in (
        (functools.partial(power, n=2), functools.partial(power, n=4)),
        (Half(1).clip, Half(2).clip),
        (Half(1), Half(2)),
        (Within(0.1), Within(0.2)),
    ):
        assert token(one) != token(other)
    assert token(Within(0.1)) == token(Within(0.1))


def test_activations_that_close_over_a_value_are_other_variants():
    def leaky(slope):
        def activation(x):
            return keras.ops.maximum(x, slope * x)

        return activation

    found = [describe(model_of(activation=leaky(slope))).variant for slope in (0.1, 0.1, 0.2)]
    assert found[0] == found[1] != found[2]
