"""A point that is trained in parts, up to one milestone of ASHA after another, has the numbers of the uncut point."""

import keras
import numpy as np
import pytest

from trainables.builder.find import find
from trainables.settings import Callbacks, EarlyStopping, Fit, ReduceLROnPlateau, Training
from trainables.single.point import Point
from trainables.table.data import Table

CHANCE = np.random.default_rng(2)
X = CHANCE.normal(size=(90, 3)).astype("float32")
TABLE = Table(X, X[:, 0] - X[:, 1], X[:20], X[:20, 0], ("a", "b", "c"), "y", "0")
RULES = Callbacks(EarlyStopping(patience=6), ReduceLROnPlateau(factor=0.3, patience=1, min_lr=1e-5))

SOURCE = """
import keras
from keras import layers, optimizers


class Draws(layers.Layer):
    def __init__(self):
        super().__init__()
        self.chance = keras.random.SeedGenerator(3)

    def call(self, x):
        return x + keras.random.normal(keras.ops.shape(x), stddev=0.1, seed=self.chance)


class Counts(layers.Layer):
    def build(self, shape):
        self.calls = self.add_weight(shape=(), initializer="zeros", trainable=False)

    def call(self, x):
        self.calls.assign_add(1.0)
        return x * (1 + self.calls / 1000)


class Never(keras.metrics.Mean):
    def update_state(self, y, p, sample_weight=None):
        super().update_state(keras.ops.abs(y - keras.ops.reshape(p, [-1])))

    def reset_state(self):
        pass


class Switches(optimizers.SGD):
    finished = 0

    def finalize_variable_values(self, var_list):
        self.finished += 1
        for variable in var_list:
            variable.assign(variable * 0)


def selected(variable):
    return optimizers.Adam(0.05) if "kernel" in variable.path else optimizers.SGD(0.05)


def scheduled():
    return optimizers.schedules.ExponentialDecay(0.05, 5, 0.9)


OPTIMIZERS = {
    "sgd": lambda: optimizers.SGD(0.3),  # fast enough for a plateau
    "sgd average": lambda: optimizers.SGD(0.1, momentum=0.5, use_ema=True, ema_momentum=0.8),
    "adam average": lambda: optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9),
    "adam overwritten": lambda: optimizers.Adam(0.05, use_ema=True, ema_overwrite_frequency=3),
    "schedule": lambda: optimizers.Adam(scheduled()),
    "accumulation": lambda: optimizers.Adam(0.05, gradient_accumulation_steps=3),
    "loss scale": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(scheduled()), dynamic_growth_steps=4),
    "loss scale average": lambda: optimizers.LossScaleOptimizer(optimizers.Adam(0.05, use_ema=True)),
    "several": lambda: optimizers.MultiOptimizer(selected),
    "own": lambda: Switches(0.05),
}
LAYERS = {"draws": Draws, "counts": Counts, "statistics": layers.BatchNormalization}


def build(optimizer="sgd", layer=None, metric=None, policy=None):
    if policy:
        keras.config.set_dtype_policy(policy)
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4, "tanh"), layers.Dropout(0.2)])
    if layer:
        model.add(LAYERS[layer]())
    model.add(layers.Dense(1, dtype="float32"))
    model.compile(OPTIMIZERS[optimizer](), "mse", metrics=[Never()] if metric else ["mae"])
    return model
"""


@pytest.fixture(scope="module")
def builder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cuts")
    (folder / "model.py").write_text(SOURCE)
    return find("model.py:build", folder)


@pytest.fixture(autouse=True)
def policy():
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def trained(builder, config, cuts, evaluated=False):
    point = Point(
        builder.load(), builder, config, TABLE, Training(Fit(epochs=9, batch_size=16), RULES, seed=1)
    )
    for epoch in (*cuts, 9):
        if not point.finished:
            point.advance(epoch)
            if evaluated:
                point.metrics()
    return point


CONFIGS = [
    *({"optimizer": name} for name in ("sgd average", "adam average", "adam overwritten", "schedule")),
    *({"optimizer": name} for name in ("accumulation", "loss scale", "loss scale average", "several", "own")),
    *({"layer": name} for name in ("draws", "counts", "statistics")),
    {"metric": True},
    {"policy": "mixed_float16", "optimizer": "schedule"},
]
QUICK = ("adam overwritten",)


def unless_quick(configs):
    marks = [pytest.mark.slow]
    return [one if {*one.values()} & {*QUICK} else pytest.param(one, marks=marks) for one in configs]


@pytest.mark.parametrize(
    "config", unless_quick(CONFIGS), ids=lambda config: " ".join(map(str, config.values()))
)
def test_cut_equals_uncut_to_the_last_bit(builder, config):
    whole, cut = trained(builder, config, ()), trained(builder, config, (1, 2, 5), evaluated=True)
    assert cut.recorder.curve == whole.recorder.curve or "optimizer" in config  # NaN is no equal of itself
    for one, other in zip(cut.recorder.curve, whole.recorder.curve, strict=True):
        np.testing.assert_array_equal(list(one.values()), list(other.values()))
    assert (cut.status, cut.recorder.best_epoch) == (whole.status, whole.recorder.best_epoch)
    for one, other in zip(cut.recorder.best_weights, whole.recorder.best_weights, strict=True):
        np.testing.assert_array_equal(one, other)
    for one, other in zip(cut.model.variables, whole.model.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    for one, other in zip(cut.model.optimizer.variables, whole.model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    assert cut.metrics() == whole.metrics()


def test_the_weights_are_finalized_once_at_the_end(builder):
    point = trained(builder, {"optimizer": "own"}, (1, 2))
    assert point.model.optimizer.finished == 1
    assert not np.any(point.model.trainable_weights[0].numpy())


def test_a_plateau_lowers_the_rates_of_all_inner_optimizers_but_no_schedules(builder):
    rules = Callbacks(reduce_lr_on_plateau=ReduceLROnPlateau(factor=0.5, patience=1, min_delta=100.0))
    training = Training(Fit(epochs=4, batch_size=16), rules)
    several, scheduled = (
        Point(builder.load(), builder, {"optimizer": name}, TABLE, training)
        for name in ("several", "loss scale")
    )
    several.advance(4)
    rates = [float(one.learning_rate.numpy()) for one in several.model.optimizer.optimizers]
    np.testing.assert_allclose(rates, 0.05 / 8, rtol=1e-6)
    assert all(np.isnan(entry["learning_rate"]) for entry in several.recorder.curve)
    scheduled.advance(4)
    rates = [entry["learning_rate"] for entry in scheduled.recorder.curve]
    steps = np.array([5, 10, 15, 20])
    np.testing.assert_allclose(rates, 0.05 * 0.9 ** (steps / 5), rtol=1e-5)
