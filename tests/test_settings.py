"""The arguments of `fit` in a plan are those of Keras, and weights that Keras would not take are refused."""

import inspect

import pytest

from trainables.settings import FIT_AXES, FIT_PARAMETERS, Fit


def test_the_arguments_of_fit_are_keras_own():
    import keras

    parameters = [name for name in inspect.signature(keras.Model.fit).parameters if name != "self"]
    assert list(FIT_PARAMETERS) == parameters
    assert set(FIT_AXES) - {"weight"} < set(FIT_PARAMETERS)  # weight names the column of sample_weight


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class_weight", "balance"),
        ("class_weight", {}),
        ("class_weight", {0: -1}),
        ("class_weight", {0: True}),
        ("class_weight", {0: float("inf")}),
        ("class_weight", [1, 2]),
        ("weight", ""),
        ("weight", 0.5),
    ],
)
def test_a_weight_that_cannot_be_one_is_refused(name, value):
    with pytest.raises(ValueError, match=f"^{name} got"):
        Fit(**{name: value})


def test_keras_takes_weights_of_classes_or_of_rows():
    assert Fit(class_weight={0: 1, 1: 2.5}) != Fit(class_weight="balanced")
    assert len({Fit(class_weight={0: 1}), Fit(class_weight={0: 1}), Fit(weight="w"), Fit()}) == 3
    with pytest.raises(ValueError, match="one of the two"):
        Fit(class_weight="balanced", weight="w")
