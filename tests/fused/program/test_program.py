"""The compiled epoch: chunks, random draws for all of them, and evaluation in parts."""

import keras
import numpy as np
import pytest

from results.space import Space
from tests.help.cohorts import ABALONE_TABLE, PLAN, Fused, assert_equal, small_table
from trainables.builder import find
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.program import program
from trainables.settings import Callbacks, Fit, Training
from trainables.table.data import Table

pytestmark = pytest.mark.long(45)


class BranchNoise(keras.layers.Layer):
    """Draws in a branch, where the engine cannot reach the draw from outside."""

    def call(self, x, training=False):
        if not training:
            return x
        noise = lambda: keras.random.uniform(keras.ops.shape(x), seed=5)  # noqa: E731
        return x + 0.1 * keras.ops.cond(keras.ops.size(x) > 0, noise, lambda: keras.ops.zeros_like(x))


def noisy(x):
    return x + 0.1 * keras.random.uniform(keras.ops.shape(x), seed=7)


def builder(layer="dropout", rate=0.2, activation="relu", learning_rate=0.01, *, input_shape, normalizer):
    given = {"noisy": noisy}.get(activation, activation)
    layers = [keras.layers.Dense(5, given), keras.layers.Dropout(rate)]
    if layer == "branch":
        layers.append(BranchNoise())
    model = keras.Sequential([keras.Input(input_shape), normalizer, *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse")
    return model


def largest(y, p):
    return keras.ops.max(keras.ops.abs(y - p))


def rooted(units=3, learning_rate=0.01, penalty=0.0, *, input_shape, normalizer):
    """A loss and a metric that are functions of a batch."""

    def root(y, p):
        return keras.ops.sqrt(keras.ops.mean(keras.ops.square(keras.ops.reshape(y, (-1, 1)) - p)))

    dense = keras.layers.Dense(units, "relu", activity_regularizer=keras.regularizers.L2(penalty))
    model = keras.Sequential([keras.Input(input_shape), normalizer, dense, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(learning_rate), loss=root, metrics=[largest])
    return model


def ignoring(learning_rate, *, input_shape, normalizer):
    layers = [keras.layers.Dense(5, "tanh"), keras.layers.Dense(3, "softmax")]
    model = keras.Sequential([keras.Input(input_shape), normalizer, *layers])
    loss = keras.losses.SparseCategoricalCrossentropy(ignore_class=2)
    model.compile(keras.optimizers.SGD(learning_rate), loss)
    return model


def seeded(replica=0, layer="dropout", init="he_normal", learning_rate=0.01, *, input_shape, normalizer):
    if replica:
        keras.utils.set_random_seed(replica)
    dense = keras.layers.Dense(5, "relu", kernel_initializer=init)
    layers = [dense, {"dropout": keras.layers.Dropout(0.3), "noise": keras.layers.GaussianNoise(0.3)}[layer]]
    model = keras.Sequential([keras.Input(input_shape), normalizer, *layers, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse")
    return model


class Centred(keras.layers.Layer):
    """Subtracts the mean of the batch, whatever a mask says."""

    supports_masking = True

    def call(self, x):
        return x - keras.ops.mean(x, axis=0)


def centred(learning_rate, *, input_shape, normalizer):
    layers = [Centred(), keras.layers.Dense(5, "tanh"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input(input_shape), normalizer, *layers])
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse")
    return model


def tied(depth, learning_rate, *, input_shape, normalizer):
    """The same layer several times."""
    layers = [keras.layers.Dense(5), *[keras.layers.Dense(5, "tanh")] * depth, keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input(input_shape), normalizer, *layers])
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse")
    return model


def dropped(rate, learning_rate, *, input_shape, normalizer):
    """The penalty gives the weights before the dropout a gradient, whatever it drops."""
    dense = keras.layers.Dense(5, "relu", use_bias=False, kernel_regularizer="l2")
    layers = [dense, keras.layers.Dropout(rate), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input(input_shape), normalizer, *layers])
    model.compile(keras.optimizers.SGD(learning_rate), loss="mse")
    return model


def engine_of(axes, epochs=3, lanes=2, function="builder"):
    training = Training(Fit(epochs=epochs, batch_size=32), Callbacks())
    found = find.find(f"{__file__}:{function}", PLAN.base)
    return Fused(found, Space(axes), small_table(), training, lanes)


@pytest.mark.parametrize("layer", ["dropout", pytest.param("branch", marks=pytest.mark.slow)])
def test_every_chunk_has_the_draws_of_keras(layer):
    axes = {"layer": [layer], "rate": [0.2, 0.4], "learning_rate": [0.001, 0.01, 0.02]}
    engine = engine_of(axes)
    [cohort] = engine.cohorts(range(6))
    assert cohort.program.chunks == 3
    fused = engine.train(range(6))
    for idx in (0, 5):
        assert_equal(fused[idx], engine.alone(idx), engine)


@pytest.mark.slow
@pytest.mark.parametrize(
    "axes",
    [
        {"replica": [1, 2, 3], "layer": ["noise"]},
        {
            "init": ["he_normal", "zeros"],
            "learning_rate": [0.01, 0.02],
        },  # zeros take no seed from the sequence
    ],
)
def test_lanes_with_other_seeds_have_the_draws_of_keras(axes):
    engine = engine_of(axes, function="seeded")
    points = range(len(engine.space))
    [cohort] = engine.cohorts(points)
    assert cohort._template.stacked
    fused = engine.train(points)
    for idx in points:
        assert_equal(fused[idx], engine.alone(idx), engine)
    assert len({fused[idx][0]["loss_tr"] for idx in points}) == len(points)


def test_an_activation_that_draws_is_no_lane_of_a_program():
    engine = engine_of({"activation": ["relu", "noisy"], "learning_rate": [0.001, 0.01]})
    [cohort] = engine.cohorts(range(4))
    with pytest.raises(UnfusableError, match="activation function draws"):
        cohort.train()


def test_fewer_rows_than_a_batch_are_trained_as_by_keras():
    """Of a batch of all rows, none is left by which to see that a layer does not heed a mask."""
    training = Training(Fit(epochs=3, batch_size=200), Callbacks())
    found = find.find(f"{__file__}:centred", PLAN.base)
    engine = Fused(found, Space({"learning_rate": [0.1, 0.2]}), small_table(), training)
    fused = engine.train(range(2))
    for idx in range(2):
        assert_equal(fused[idx], engine.alone(idx), engine)


@pytest.mark.slow
@pytest.mark.parametrize("programs", ["xla", "any"])
def test_repeated_layers_are_trained_as_by_keras(programs):
    engine = engine_of({"depth": [1, 2, 3], "learning_rate": [0.01, 0.02]}, function="tied")
    engine.programs = programs
    fused = engine.train(range(6))
    for idx in range(6):
        assert_equal(fused[idx], engine.alone(idx), engine)


@pytest.mark.slow
@pytest.mark.parametrize("programs", ["xla", "native"])
def test_a_dropout_of_everything_is_trained_as_by_keras(programs):
    engine = engine_of({"rate": [0.2, 1.0], "learning_rate": [0.01, 0.02]}, function="dropped")
    engine.programs = programs
    cohorts = list(engine.cohorts(range(4)))
    assert [len(cohort.idx) for cohort in cohorts] == [2, 2]
    fused = engine.train(range(4))
    for idx in range(4):
        assert np.isfinite(fused[idx][1]["loss"]).all()
        assert_equal(fused[idx], engine.alone(idx), engine)


def test_evaluation_in_parts_is_that_at_once(monkeypatch):
    engine = engine_of({"rate": [0.2, 0.4], "learning_rate": [0.001, 0.01, 0.02]}, epochs=1, lanes=6)
    whole = engine.train(range(6))
    monkeypatch.setattr(program, "ROWS_AT_ONCE", 100)  # less than the rows of a point
    [cohort] = engine.cohorts(range(6))
    assert (cohort.program.lanes, cohort.program.chunks) == (2, 3)
    parts = engine.train(range(6))
    for idx in range(6):
        assert whole[idx][0]["loss_tr"] == pytest.approx(parts[idx][0]["loss_tr"], rel=1e-5)
        np.testing.assert_allclose(whole[idx][1]["val_loss"], parts[idx][1]["val_loss"], rtol=1e-5)


def test_functions_of_a_batch_are_evaluated_batch_by_batch():
    engine = engine_of({"penalty": [0.1], "learning_rate": [0.001, 0.01, 0.02]}, lanes=2, function="rooted")
    [cohort] = engine.cohorts(range(3))
    assert cohort.program.chunks == 2
    fused = engine.train(range(3))
    for idx in (0, 2):
        assert_equal(fused[idx], engine.alone(idx), engine)
    x, y = cohort.program.fitted[0].numpy(), cohort.program.fitted[1].numpy()
    model = engine.composer.build(engine.space[0])
    for rows in (20, 64, 70):  # no whole batch; no rest; both
        logs = cohort.program.evaluate(cohort._stack.take(np.zeros(1, int)), x[:rows], y[:rows])[0]
        expected = model.evaluate(x[:rows], y[:rows], batch_size=32, verbose=0)
        np.testing.assert_allclose(logs, expected, rtol=1e-5)


def test_rows_of_an_ignored_class_that_no_sample_has_are_left_out_as_by_keras():
    chance = np.random.default_rng(3)
    x = chance.normal(size=(1500, 4)).astype("float32")
    y = (x[:, 0] > 0).astype("float32")
    y[-30:] = 2.0  # among the last validation rows
    table = Table(x, y, x[:20], y[:20], tuple("abcd"), "y", "0")
    training = Training(Fit(epochs=2, batch_size=64), Callbacks())
    found = find.find(f"{__file__}:ignoring", PLAN.base)
    engine = Fused(found, Space({"learning_rate": [0.01, 0.02]}), table, training)
    [cohort] = engine.cohorts(range(2))
    assert len(cohort.program.validation[0]) == 300 and cohort.program.engine == "fused"
    assert_equal(engine.train(range(2))[1], engine.alone(1), engine)


def test_a_point_is_evaluated_to_the_same_bits_in_any_company():
    space = Space(
        {"learning_rate": np.linspace(0.001, 0.1, 20).tolist(), "hidden": [[8, 4]], "activation": ["selu"]}
    )
    engine = Fused(
        PLAN.found_builder, space, ABALONE_TABLE, Training(Fit(epochs=1, batch_size=128), Callbacks())
    )
    [cohort] = engine.cohorts(range(20))
    cohort.train()
    for rows in (46, 101, 333):  # so that every number of points leaves another rest of a vector
        x, y = engine.table.x_train[:rows], engine.table.y_train[:rows]
        together = cohort.program.evaluate(cohort._best, x, y)
        for count in range(1, 20):
            some = cohort.program.evaluate(cohort._best.take(np.arange(count)), x, y)
            np.testing.assert_array_equal(some, together[:count])
