"""The optimizers of the native kernel against Keras' `fit`: the same weights and logs after two epochs."""

import functools

import keras
import numpy as np
import pytest

from tests.help.native import Group, small_table, weights_of
from tests.help.often import slow_but
from trainables.native.optimizers import _SLOTS

schedules = keras.optimizers.schedules
o = keras.optimizers


def but_biases(optimizer):
    optimizer.exclude_from_weight_decay(var_names=["bias"])
    return optimizer


OPTIMIZERS = {
    "sgd": lambda: o.SGD(0.07),
    "sgd_decay": lambda: o.SGD(0.07, weight_decay=0.3),
    "momentum": lambda: o.SGD(0.03, momentum=0.7),
    "momentum_decay": lambda: o.SGD(0.03, momentum=0.7, weight_decay=0.2),
    "nesterov": lambda: o.SGD(0.03, momentum=0.6, nesterov=True),
    "nesterov_schedule": lambda: o.SGD(
        schedules.PiecewiseConstantDecay([3], [0.05, 0.01]), momentum=0.6, nesterov=True
    ),
    "rmsprop": lambda: o.RMSprop(0.02, rho=0.8, epsilon=1e-4),
    "rmsprop_momentum": lambda: o.RMSprop(0.01, rho=0.85, momentum=0.4, epsilon=1e-5),
    "rmsprop_centered": lambda: o.RMSprop(0.02, rho=0.75, centered=True, epsilon=1e-3),
    "rmsprop_both": lambda: o.RMSprop(0.01, rho=0.75, momentum=0.3, centered=True, epsilon=1e-3),
    "rmsprop_decay": lambda: o.RMSprop(0.02, rho=0.8, weight_decay=0.1),
    "adam": lambda: o.Adam(0.03, beta_1=0.8, beta_2=0.95, epsilon=1e-4),
    "adam_no_beta_1": lambda: o.Adam(0.03, beta_1=0.0, beta_2=0.95),
    "adam_decay": lambda: o.Adam(0.03, weight_decay=0.2),
    "adam_decay_but_biases": lambda: but_biases(o.Adam(0.03, weight_decay=0.4)),
    "adam_schedule": lambda: o.Adam(schedules.ExponentialDecay(0.05, 2, 0.6)),
    "adam_cosine": lambda: o.Adam(schedules.CosineDecay(0.05, 6, warmup_target=0.08, warmup_steps=2)),
    "amsgrad": lambda: o.Adam(0.03, beta_1=0.7, beta_2=0.6, amsgrad=True),
    "adamw": lambda: o.AdamW(0.03, weight_decay=0.3, beta_1=0.85),
    "adamw_amsgrad": lambda: o.AdamW(0.03, weight_decay=0.3, beta_2=0.7, amsgrad=True),
    "adamw_but_biases": lambda: but_biases(o.AdamW(0.03, weight_decay=0.5)),
    "nadam": lambda: o.Nadam(0.03, beta_1=0.85, beta_2=0.97, epsilon=1e-5),
    "nadam_decay": lambda: o.Nadam(0.03, weight_decay=0.2),
    "nadam_schedule": lambda: o.Nadam(schedules.InverseTimeDecay(0.05, 3, 0.7)),
    "adamax": lambda: o.Adamax(0.03, beta_1=0.8, beta_2=0.9, epsilon=1e-4),
    "adamax_decay": lambda: o.Adamax(0.03, weight_decay=0.2),
    "adagrad": lambda: o.Adagrad(0.1, initial_accumulator_value=0.3, epsilon=1e-4),
    "adagrad_zero": lambda: o.Adagrad(0.1, initial_accumulator_value=0.0),
    "adagrad_decay": lambda: o.Adagrad(0.1, weight_decay=0.2),
    "lion": lambda: o.Lion(0.01, beta_1=0.8, beta_2=0.9),
    "lion_decay": lambda: o.Lion(0.01, weight_decay=0.3),
    "lion_schedule": lambda: o.Lion(schedules.PolynomialDecay(0.02, 5)),
    "sgd_clipnorm": lambda: o.SGD(0.1, clipnorm=0.3),
    "sgd_clipnorm_idle": lambda: o.SGD(0.1, clipnorm=1e6),
    "sgd_clipvalue": lambda: o.SGD(0.1, clipvalue=0.05),
    "sgd_global_clipnorm": lambda: o.SGD(0.1, global_clipnorm=0.4),
    "sgd_global_clipnorm_idle": lambda: o.SGD(0.1, global_clipnorm=1e6),
    "momentum_clipnorm": lambda: o.SGD(0.1, momentum=0.5, clipnorm=0.2),
    "adam_clipvalue_decay": lambda: o.Adam(0.03, clipvalue=0.02, weight_decay=0.1),
    "adagrad_global_clipnorm": lambda: o.Adagrad(0.1, global_clipnorm=0.3),
    "nadam_clipnorm": lambda: o.Nadam(0.03, clipnorm=0.3),
    "rmsprop_schedule_clipvalue": lambda: o.RMSprop(schedules.ExponentialDecay(0.03, 2, 0.5), clipvalue=0.1),
}
OFTEN = (
    "nesterov_schedule", "rmsprop_both", "adam_decay_but_biases", "amsgrad", "adamw", "nadam", "adamax_decay",
    "adagrad", "lion_decay", "momentum_clipnorm", "sgd_global_clipnorm", "adam_clipvalue_decay",
)  # fmt: skip
"""One of each class, and each argument that several classes have."""


def build(optimizer):
    inputs = keras.Input((3,))
    x = keras.layers.Dense(5, activation="tanh", bias_initializer="random_normal")(inputs)
    x = keras.layers.Dense(3, activation="elu", bias_initializer="random_normal")(x)
    model = keras.Model(inputs, keras.layers.Dense(1, bias_initializer="random_normal")(x))
    model.compile(OPTIMIZERS[optimizer](), "mse", metrics=["mae"])
    return model


def group_of(names):
    return Group(f"{__file__}:build", {"optimizer": list(names)}, small_table())


@pytest.fixture(scope="module")
def group():
    return group_of(OPTIMIZERS)


@pytest.fixture(scope="module")
def by_keras(group):
    """Each optimizer's model after Keras' `fit`, trained once."""
    return functools.cache(lambda name: group.by_keras(list(OPTIMIZERS).index(name)))


def assert_trained_as_by_keras(result, row, model, logs):
    # Both round each float32 operation. Sums have another order: in two epochs that grows to some 1e-5.
    np.testing.assert_allclose(result.stack.weights[row], weights_of(model), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(result.logs[row], logs, rtol=1e-4, atol=1e-6)


def test_every_optimizer_of_the_kernel_is_among_them():
    assert {type(make()) for make in OPTIMIZERS.values()} == set(_SLOTS)


@pytest.mark.parametrize("name", slow_but(OFTEN, OPTIMIZERS))
def test_an_optimizer_among_all_others_trains_as_by_keras(name, together, by_keras):
    assert_trained_as_by_keras(together, list(OPTIMIZERS).index(name), *by_keras(name))


@pytest.mark.parametrize("name", slow_but(OFTEN, OPTIMIZERS))
def test_an_optimizer_alone_trains_as_by_keras(name, by_keras):
    """Its numbers are constants of the program then, and the kernel updates without a mask."""
    assert_trained_as_by_keras(group_of([name]).trained(), 0, *by_keras(name))


def with_infinity(rate):
    """A unit of relu is 0 at a feature that is infinite: its weight's gradient is no number, and the others are some."""
    inputs = keras.Input((3,))
    x = keras.layers.Dense(2, "relu", kernel_initializer=keras.initializers.Constant(-0.5))(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(o.SGD(rate, clipnorm=0.3), "mse")
    return model


def test_a_variable_whose_gradient_has_no_norm_is_clipped_as_by_keras():
    table = small_table()
    table.x_train[4, 0] = np.inf
    group = Group(f"{__file__}:with_infinity", {"rate": [0.1]}, table, batch_size=56)
    found, wanted = group.trained(1).stack.weights[0], weights_of(group.by_keras(0, 1)[0])
    assert np.isnan(wanted[:6]).all() and np.isfinite(wanted[6:]).all()
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


class Quadratic(schedules.LearningRateSchedule):
    """Counts in whole numbers, of which the square of a late step is larger than int32 can tell."""

    def __init__(self, rate):
        self.rate = rate

    def __call__(self, step):
        return self.rate / (1.0 + keras.ops.cast(step * step, "float32"))

    def get_config(self):
        return {"rate": self.rate}


def quadratic(rate):
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, "relu"), keras.layers.Dense(1)])
    model.compile(o.SGD(Quadratic(rate)), "mse")
    return model


def test_a_schedule_counts_steps_in_int64_as_that_of_keras():
    group = Group(f"{__file__}:quadratic", {"rate": [0.1]}, small_table())
    program, model = group.program(), group.composer.build(group.space[0])
    program.iterations = 50_000
    model.optimizer.iterations.assign(program.iterations)
    [rates] = program._schedules(1)
    assert rates == np.float32(model.optimizer.learning_rate) > 0
    assert program.template.updates.each[0].scheduled(program.iterations) == rates
