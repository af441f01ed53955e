"""Models with several outputs: a program gives the numbers of Keras' own `fit`."""

import itertools

import pytest

from tests.help import heads
from tests.help.engines import assert_as_by_keras, train, work_of
from trainables.fused.model.describe import describe, kind_of

TWO = ("size", "kind")


def test_other_losses_and_weights_of_them():
    space = {"kind": ["dropout", "batch"], "weight": [0.1, 3.0], "units": [5]}
    rows = assert_as_by_keras(work_of(heads.listed, space, heads.table(TWO)), [0, 3])
    assert {"loss_te", "size_loss_va", "kind_loss_tr", "kind_accuracy_te"} <= {*rows[0]}


@pytest.mark.slow
def test_a_dictionary_of_three_outputs():
    space = {"kind": ["dropout", "batch"], "rate": [0.02, 0.01]}
    assert_as_by_keras(work_of(heads.named, space, heads.table()), [0, 3])


@pytest.mark.slow
def test_weights_of_rows():
    work = work_of(heads.named, {"kind": ["batch"], "rate": [0.02, 0.01]}, heads.table(), weight="w")
    assert_as_by_keras(work, [1])


@pytest.mark.slow
def test_a_loss_of_the_user_that_is_no_mean_over_rows():
    space = {"units": [4], "kind": ["batch", "dropout"]}
    assert_as_by_keras(work_of(heads.own, space, heads.table(TWO)))


def test_several_inputs_and_outputs():
    space = {"kind": ["dropout", "batch"], "weight": [0.5, 2.0]}
    assert_as_by_keras(work_of(heads.both, space, heads.with_inputs()), [1, 2])


def test_class_weights_are_left_to_keras_which_refuses_them():
    space = {"kind": ["batch"], "weight": [1.0], "units": [4]}
    found, reasons = train(work_of(heads.listed, space, heads.table(TWO), class_weight={0: 2.0}), [0])
    assert "Keras raises an error, too" in reasons[0]
    assert found[0][0]["status"] == "failed" and "class_weight" in found[0][0]["error"]


def test_what_an_output_is_tells_models_apart():
    made = {
        "as it is": heads.pair(),
        "losses the other way round": heads.pair(("mae", "mse")),
        "weights": heads.pair(weights=[1.0, 2.0]),
        "weights the other way round": heads.pair(weights=[2.0, 1.0]),
        "outputs the other way round": heads.pair(order=("two", "one")),
        "a metric of the first": heads.pair(metrics=[["mae"], []]),
        "a metric of the second": heads.pair(metrics=[[], ["mae"]]),
        "losses by name": heads.pair({"one": "mse", "two": "mae"}),
        "losses by the other name": heads.pair({"one": "mae", "two": "mse"}),
    }
    for one, other in itertools.combinations(made, 2):
        assert describe(made[one]).signature != describe(made[other]).signature, (one, other)
        assert kind_of(made[one]) != kind_of(made[other]), (one, other)
