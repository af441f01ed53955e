"""Losses and metrics of the user's own by the native kernel, against Keras' `fit`."""

import warnings

import keras
import numpy as np
import pytest
from keras import ops

from tests.help.kernels import HERE, opened
from tests.help.native import Group, weights_of
from tests.help.often import slow_but
from tests.help.own_losses import LOSSES, WeightedMSE, kind_of, table_of
from trainables.fused.internals.measures import computed_loss
from trainables.native.measures import UnsupportedError
from trainables.native.program import NativeProgram
from trainables.native.structures import Measure
from trainables.table.order import row_order

pytestmark = pytest.mark.long(60)


def own_metric(y, p):
    return ops.mean(ops.abs(y - p), axis=-1) ** 0.5


def build(loss, activation="tanh"):
    outputs, last = kind_of(loss)
    inputs = keras.Input((3,))
    x = keras.layers.Dense(5, activation)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(outputs, last)(x))
    metrics = [own_metric] if outputs == 1 else []
    model.compile(keras.optimizers.Adam(0.01), LOSSES[loss](), metrics=metrics)
    return model


def group_of(loss, **axes):
    return Group(f"{__file__}:build", {"loss": [loss], **axes}, table_of(loss))


@pytest.mark.parametrize("loss", slow_but(["weighted", "decorated", "quantiles", "sparse_focal"], LOSSES))
def test_a_loss_of_the_users_own_trains_as_by_keras(loss):
    group = group_of(loss)
    program = group.program()
    assert [one.measure for one in program.chain.measures] == [Measure.EXPRESSION] * len(program.chain.logs)
    assert program.chain.logs == list(
        range(len(group.members.template.logs))
    )  # the metric is the kernel's, too
    result = group.trained(program=program)
    model, logs = group.by_keras(0)
    np.testing.assert_allclose(result.stack.weights[0], weights_of(model), rtol=1e-4, atol=2e-6)
    np.testing.assert_allclose(result.logs[0], logs, rtol=1e-4, atol=1e-6)


WEIGHTED = ("weighted", "quantile", "quantiles", "weighted_bce", "weighted_classes")


@pytest.mark.parametrize("loss", slow_but(["weighted", "weighted_classes"], WEIGHTED))
def test_rows_are_weighted_as_by_keras(loss):
    group = group_of(loss)
    chance = np.random.default_rng(4)
    weights = [chance.uniform(0, 3, len(x)).astype("float32") for x, _ in (group.fitted, group.validation)]
    rows = [(*some, weight) for some, weight in zip((group.fitted, group.validation), weights, strict=True)]
    program = NativeProgram(group.members.template, 16, *rows, group.stack)
    result = group.trained(program=program)
    model, order = group.composer.build(group.space[0]), row_order(3, 0, len(weights[0]))
    model.run_eagerly = True
    for epoch, logs in enumerate(result.logs[0]):
        order = row_order(group.seed, epoch, len(weights[0]))
        x, y, weight = (array[order] for array in rows[0])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fitted = model.fit(
                x, y, 16, sample_weight=weight, shuffle=False, verbose=0, validation_data=rows[1]
            )
        np.testing.assert_allclose(logs, [value[0] for value in fitted.history.values()], rtol=1e-4)
    np.testing.assert_allclose(result.stack.weights[0], weights_of(model), rtol=1e-4, atol=2e-6)


@pytest.mark.parametrize("loss", ["whole", "asymmetric"])
def test_rows_are_not_weighted_where_the_loss_makes_no_number_for_each(loss):
    group = group_of(loss)
    rows = [(*some, np.ones(len(some[0]), "float32")) for some in (group.fitted, group.validation)]
    if loss == "asymmetric":  # one column, so Keras can weight it
        NativeProgram(group.members.template, 16, *rows, group.stack)
        return
    with pytest.raises(
        UnsupportedError, match="rows are weighted, but the loss does not make one number for"
    ):
        NativeProgram(group.members.template, 16, *rows, group.stack)


def test_labels_that_a_hinge_loss_may_take_in_two_ways_are_refused():
    group = group_of("hinge")
    target = group.fitted[1].copy()
    target[:2] = 2.0
    with pytest.raises(
        UnsupportedError, match="the target of a hinge loss has 0 beside other numbers than 1"
    ):
        NativeProgram(group.members.template, 16, (group.fitted[0], target), group.validation, group.stack)
    for labels in (target + 1.0, 2.0 * group.fitted[1] - 1.0):  # without 0
        NativeProgram(group.members.template, 16, (group.fitted[0], labels), group.validation, group.stack)


@pytest.mark.parametrize(
    "loss", slow_but(["weighted", "keras_focal"], ["weighted", "quantiles", "keras_focal", "earth_mover"])
)
def test_a_point_has_the_same_bits_on_all_kernels_and_in_any_company(loss, monkeypatch):
    group = group_of(loss, activation=["tanh", "relu", "elu"])
    whole = group.trained()
    found = [group.trained(stack=group.stack.take(np.array([row]))) for row in range(3)]
    for name in HERE:
        opened(name)
        monkeypatch.setenv("SWEEP_KERNEL", name)
        other = group.trained()
        for key, array in whole.arrays().items():
            np.testing.assert_array_equal(other.arrays()[key], array)
    for key, array in whole.arrays().items():
        for row, one in enumerate(found):
            np.testing.assert_array_equal(one.arrays()[key][0], array[row])


def test_a_loss_that_weights_rows_in_its_own_way_is_refused():
    class Own(WeightedMSE):
        def __call__(self, y, p, sample_weight=None):
            return super().__call__(y, p)

    model = build("weighted")
    model.compile("sgd", Own(2.0))
    model.train_on_batch(np.ones((2, 3), "float32"), np.ones((2, 1), "float32"))
    assert computed_loss(model).rows is None
