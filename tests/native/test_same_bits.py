"""A point's bits do not depend on the points beside it, on the kernel, or on how an epoch is cut into calls."""

import keras
import numpy as np
import pytest

from tests.help.kernels import HERE, opened
from tests.help.native import Group, Result
from tests.help.often import slow_but
from trainables.native import calls, library
from trainables.native.arrays import shares
from trainables.table.data import Table
from trainables.table.order import row_order

o = keras.optimizers
OPTIMIZERS = {
    "sgd": lambda rate: o.SGD(rate),
    "nesterov": lambda rate: o.SGD(rate, momentum=0.8, nesterov=True, weight_decay=0.1),
    "rmsprop": lambda rate: o.RMSprop(rate, centered=True, momentum=0.3, clipnorm=0.5),
    "adam": lambda rate: o.Adam(rate, global_clipnorm=0.4),
    "amsgrad": lambda rate: o.Adam(rate, amsgrad=True, beta_1=0.7 + rate),
    "nadam": lambda rate: o.Nadam(rate, clipvalue=0.1),
    "adamax": lambda rate: o.Adamax(o.schedules.ExponentialDecay(rate, 3, 0.7)),
    "adagrad": lambda rate: o.Adagrad(rate),
    "lion": lambda rate: o.Lion(rate / 10),
}


def numbers(optimizer, rate, activation):
    """Everything that the kernel has in one chain, with a linear output."""
    layers = keras.layers
    penalty = keras.regularizers.L1L2(rate / 10, rate / 5)
    inputs = keras.Input((5,))
    x = layers.Dense(7, activation=activation, kernel_regularizer=penalty)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.1 + rate)(x)
    x = layers.Dense(6, activity_regularizer=keras.regularizers.L1L2(0.01, 0.02))(x)
    x = layers.Softmax()(x)
    x = layers.GaussianNoise(0.1)(x)
    x = layers.PReLU(alpha_initializer=keras.initializers.Constant(0.2))(layers.Dense(5)(x))
    x = layers.Dense(3, activation="gelu", use_bias=False)(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(OPTIMIZERS[optimizer](rate), "mse", metrics=["mae", "mape"])
    return model


def branches(optimizer, rate, activation):
    """All joins, gradients that wait for each other, and rows that are normalized."""
    layers = keras.layers
    inputs = keras.Input((5,))
    x = layers.Dense(5, activation=activation, kernel_constraint=keras.constraints.MaxNorm(1.5))(inputs)
    for join in (layers.Add, layers.Subtract, layers.Maximum, layers.Minimum, layers.Average):
        x = join()([x, layers.Dense(5, activation=activation)(layers.LayerNormalization()(x))])
    x = layers.Concatenate()([x, layers.Multiply()([inputs, x, layers.Dense(5)(x)]), inputs])
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(OPTIMIZERS[optimizer](rate), "mse", metrics=["mae"])
    return model


def classes(optimizer, rate, activation):
    """A softmax output, its cross-entropy, and a metric that Keras computes from the outputs."""
    layers = keras.layers
    inputs = keras.Input((5,))
    x = layers.Dense(6, activation=activation)(inputs)
    x = layers.BatchNormalization(scale=False)(x)
    model = keras.Model(inputs, layers.Dense(3, activation="softmax")(x))
    metrics = ["accuracy", keras.metrics.SparseTopKCategoricalAccuracy(2, name="top")]
    model.compile(OPTIMIZERS[optimizer](rate), "sparse_categorical_crossentropy", metrics=metrics)
    return model


def areas(optimizer, rate, activation):
    """A sigmoid output, and areas under curves from what the kernel counts."""
    layers = keras.layers
    inputs = keras.Input((5,))
    x = layers.Dense(6, activation=activation)(inputs)
    model = keras.Model(inputs, layers.Dense(1, activation="sigmoid")(x))
    metrics = [keras.metrics.AUC(name="roc"), keras.metrics.AUC(20, curve="PR", name="pr")]
    model.compile(OPTIMIZERS[optimizer](rate), "binary_crossentropy", metrics=[*metrics, "accuracy"])
    return model


def table(kind):
    chance = np.random.default_rng(4)
    x = chance.normal(size=(410, 5)).astype("float32")
    score = x[:, 0] - x[:, 1] * x[:, 2]
    limits = {"classes": [-0.5, 0.5], "areas": [0.0]}
    y = (np.digitize(score, limits[kind]) if kind in limits else score).astype("float32")
    return Table(x[:400], y[:400], x[400:], y[400:], tuple("abcde"), "y", "0")


@pytest.fixture(
    scope="module", params=slow_but(["numbers", "branches"], ["numbers", "classes", "branches", "areas"])
)
def group(request):
    space = {"optimizer": list(OPTIMIZERS), "rate": [0.01, 0.03], "activation": ["tanh", "relu", "silu"]}
    return Group(f"{__file__}:{request.param}", space, table(request.param))


def assert_same_bits(found, wanted, rows):
    for name, array in wanted.arrays().items():
        ours, theirs = np.ascontiguousarray(found.arrays()[name]), np.ascontiguousarray(array[rows])
        assert ours.dtype == theirs.dtype == np.float32
        differs = np.flatnonzero((ours.view(np.int32) != theirs.view(np.int32)).reshape(len(rows), -1).any(1))
        assert not len(differs), f"{name} of the points {rows[differs]}"


def test_the_points_learn_and_differ(together):
    weights = together.stack.weights
    assert np.isfinite(weights).all() and len(np.unique(weights, axis=0)) == len(weights)


@pytest.mark.parametrize("name", ["one", "few", "reversed", "shuffled"])
def test_points_have_the_same_bits_in_any_company_and_order(group, together, name):
    count = len(group.stack.weights)
    chance = np.random.default_rng(1)
    rows = {
        "one": [[row] for row in (0, 17, count - 1)],
        "few": [chance.choice(count, size, replace=False) for size in (2, 5, 19)],
        "reversed": [range(count)[::-1]],
        "shuffled": [chance.permutation(count)],
    }[name]
    for some in map(np.array, rows):
        assert_same_bits(group.trained(stack=group.stack.take(some)), together, some)


def test_a_point_that_diverges_changes_nothing_for_the_others(group, together):
    stack = group.stack.take(np.arange(len(group.stack.weights)))
    bad = np.array([2, 20, 33])
    stack.weights[bad] = np.array([np.nan, np.inf, 1e30], np.float32)[:, None]
    found, good = group.trained(stack=stack), np.setdiff1d(np.arange(len(stack.weights)), bad)
    assert not np.isfinite(found.logs[bad, -1, 0]).any()
    for name, array in found.arrays().items():
        np.testing.assert_array_equal(array[good], together.arrays()[name][good])


@pytest.mark.parametrize("name", HERE)
def test_all_kernels_give_the_same_bits(group, together, name, monkeypatch):
    opened(name)
    monkeypatch.setenv(library.VARIABLE, name)
    made = group.program()
    assert [one.library.name for one in made._calls] == [name]
    assert_same_bits(group.trained(program=made), together, np.arange(len(group.stack.weights)))


@pytest.mark.parametrize("seconds", [1e-9, 1e-4, 1e9])
def test_an_epoch_has_the_same_bits_however_it_is_cut(group, together, seconds, monkeypatch):
    monkeypatch.setattr(calls, "CALL_S", seconds)
    assert_same_bits(group.trained(), together, np.arange(len(group.stack.weights)))


@pytest.mark.parametrize("points", range(41))
def test_a_narrow_chunk_has_the_points_that_are_left_over(points):
    wide, narrow = shares(points, [16, 8])
    assert wide + narrow == points and narrow <= 8
    assert (-(-wide // 16), -(-narrow // 8)) == (points // 16 + (points % 16 > 8), int(0 < points % 16 <= 8))
    assert shares(points, [8]) == [points]


def test_points_have_the_same_bits_while_they_go_from_one_kernel_to_another(group, monkeypatch):
    """In three epochs the lanes of each activation are 16 wide and 2 narrow ones, 12 wide ones, 5 narrow ones."""
    if len(HERE) < 2:
        pytest.skip("this machine has one kernel")
    for name in HERE:
        opened(name)
    count = len(group.stack.weights)
    monkeypatch.setenv(library.VARIABLE, HERE[0])
    wanted = group.trained(3)
    monkeypatch.delenv(library.VARIABLE)
    made, stack, rows = group.program(), group.stack, np.arange(count)
    kind, place = rows // 18, rows % 18  # the activation is the first axis by name
    for epoch, (most, shape) in enumerate([(18, [3, 3]), (12, [3, 0]), (5, [0, 3])]):
        goes_on = np.flatnonzero(place[rows] >= 18 - most)
        rows, stack = rows[goes_on], stack.take(goes_on)
        assert (np.bincount(kind[rows]) == most).all()
        if len(made._calls) > 1:  # one kernel trains models with a metric that Keras computes
            chunks = [len(part.lane) for part in made._models(stack).parts]
            assert [one.library.lanes for one in made._calls] != [16, 8] or chunks == shape
        stack, logs = made.epoch(stack, row_order(group.seed, epoch, len(group.fitted[0])))
        np.testing.assert_array_equal(logs.view(np.int32), wanted.logs[rows, epoch].view(np.int32))
    wanted = Result(wanted.stack, wanted.logs[:, 2:])
    assert_same_bits(Result(stack, logs[:, None]), wanted, rows)


def logistic(rate, end):
    """One model in three forms: a sigmoid, logits, and logits behind an activation that changes nothing."""
    inputs = keras.Input((5,))
    x = keras.layers.Dense(6, activation="tanh")(inputs)
    x = keras.layers.Dense(1, activation="sigmoid" if end == "sigmoid" else None)(x)
    x = keras.layers.Activation("linear")(x) if end == "linear" else x
    model = keras.Model(inputs, x)
    loss = keras.losses.BinaryCrossentropy(from_logits=end != "sigmoid", label_smoothing=0.1)
    model.compile(o.Adam(rate), loss)
    return model


def test_a_crossentropy_has_the_same_bits_by_a_sigmoid_and_by_logits():
    found = [
        Group(f"{__file__}:logistic", {"rate": [0.01, 0.1], "end": [end]}, table("areas")).trained()
        for end in ("sigmoid", "logits", "linear")
    ]
    for other in found[1:]:
        assert_same_bits(other, found[0], np.arange(2))


def penalized(l2):
    """Weights whose squares overflow."""
    inputs = keras.Input((5,))
    kernel = keras.initializers.Constant(1e20)
    outputs = keras.layers.Dense(1, kernel_initializer=kernel, kernel_regularizer=keras.regularizers.L2(l2))(
        inputs
    )
    model = keras.Model(inputs, outputs)
    model.compile(o.SGD(0.1), "mae")
    return model


def test_a_point_without_a_penalty_has_the_same_bits_beside_one_with_a_penalty():
    group = Group(f"{__file__}:penalized", {"l2": [0.0, 1e-3]}, table("numbers"))
    found, alone = group.trained(), group.trained(stack=group.stack.take(np.zeros(1, int)))
    assert np.isfinite(alone.logs).all() and np.isinf(found.logs[1, :, 0]).all()
    assert_same_bits(alone, found, np.zeros(1, int))
