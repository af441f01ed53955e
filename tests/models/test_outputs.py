"""What outputs mean is found from the last activation and from the loss, in whatever form they are given."""

import functools

import keras
import numpy as np
import pytest

from sweep.models.outputs import (
    are_logits,
    as_probabilities,
    ends_in_probabilities,
    is_regression,
    link_of,
    loss_name,
)  # fmt: skip

LOGITS = keras.losses.BinaryCrossentropy(from_logits=True)


def made(last, loss, functional=False):
    inputs = keras.Input((2,))
    hidden = keras.layers.Dense(3)(inputs)
    model = (
        keras.Model(inputs, last(hidden))
        if functional
        else keras.Sequential([inputs, keras.layers.Dense(3), last])
    )
    model.compile(loss=loss, optimizer="sgd")
    return model


@pytest.mark.parametrize(
    ("last", "functional", "probable"),
    [
        (lambda: keras.layers.Dense(1, "sigmoid"), False, True),
        (lambda: keras.layers.Dense(3, keras.activations.softmax), True, True),
        (lambda: keras.layers.Activation("sigmoid"), False, True),
        (lambda: keras.layers.Softmax(), True, True),
        (lambda: keras.ops.softmax, True, True),
        (lambda: keras.ops.sigmoid, True, True),
        (lambda: keras.Sequential([keras.layers.Dense(1, "sigmoid")]), False, True),
        (lambda: keras.layers.Dense(1), False, False),
        (lambda: keras.layers.Dense(1, "relu"), True, False),
    ],
)
def test_the_last_activation_decides_before_the_loss(last, functional, probable):
    model = made(last(), LOGITS, functional)
    assert ends_in_probabilities(model) == probable and are_logits(model) != probable
    assert not are_logits(made(last(), "binary_crossentropy", functional))


@pytest.mark.parametrize(
    ("loss", "logits", "name"),
    [
        (LOGITS, True, "binary_crossentropy"),
        (
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            True,
            "sparse_categorical_crossentropy",
        ),
        (keras.losses.CategoricalFocalCrossentropy(from_logits=True), True, "categorical_focal_crossentropy"),
        (functools.partial(keras.losses.binary_crossentropy, from_logits=True), True, "binary_crossentropy"),
        ([LOGITS], True, "binary_crossentropy"),
        (keras.losses.BinaryCrossentropy(), False, "binary_crossentropy"),
        ("categorical_crossentropy", False, "categorical_crossentropy"),
        (keras.losses.binary_crossentropy, False, "binary_crossentropy"),
    ],
)
def test_the_loss_is_read_in_every_form(loss, logits, name):
    model = made(keras.layers.Dense(1), loss)
    assert are_logits(model) == logits and loss_name(model) == name


def test_logits_become_the_probabilities_of_keras():
    outputs = np.random.default_rng(0).normal(scale=30, size=(9, 3)).astype("float32")
    for link, function in (("sigmoid", keras.ops.sigmoid), ("softmax", keras.ops.softmax)):
        np.testing.assert_allclose(as_probabilities(outputs, link), np.asarray(function(outputs)), atol=1e-6)
        assert np.isfinite(as_probabilities(np.array([[1e5, 0], [-1e5, 0]]), link)).all()
    assert (as_probabilities(outputs, None) == outputs).all()


@pytest.mark.parametrize(
    ("loss", "task", "outputs", "link"),
    [
        (LOGITS, "binary", 1, "sigmoid"),
        (LOGITS, "multilabel", 3, "sigmoid"),
        (LOGITS, "multiclass", 3, "sigmoid"),  # each class against the others, as the loss compares them
        (keras.losses.SparseCategoricalCrossentropy(from_logits=True), "binary", 2, "softmax"),
        (keras.losses.CategoricalCrossentropy(from_logits=True), "multiclass", 3, "softmax"),
        (keras.losses.CategoricalCrossentropy(), "multiclass", 3, None),
    ],
)
def test_the_link_is_that_of_the_loss(loss, task, outputs, link):
    assert link_of(made(keras.layers.Dense(outputs), loss), task, outputs) == link
    assert link_of(made(keras.layers.Dense(outputs, "sigmoid"), loss), task, outputs) is None


@pytest.mark.parametrize(
    ("last", "loss", "classes", "expected"),
    [
        (keras.layers.Dense(1), "mse", (0, 1, 2, 3), True),
        (keras.layers.Dense(1), "poisson", (0, 1), True),
        (keras.layers.Dense(1, "sigmoid"), "mse", (0, 1), False),
        (keras.layers.Dense(1), LOGITS, (0, 1), False),
        (keras.layers.Dense(1), "hinge", (0, 1), False),
        (keras.layers.Dense(4), "mse", (0, 1, 2, 3), False),
        (keras.layers.Dense(1), "mse", ("no", "yes"), False),
        (keras.layers.Dense(1), "mse", (False, True), False),
        (keras.layers.Dense(1), "mse", (1, 2), False),
        (keras.layers.Dense(1), "mse", (), True),
    ],
)
def test_numbers_from_zero_are_amounts_if_the_model_says_so(last, loss, classes, expected):
    task = "regression" if not classes else "binary" if len(classes) == 2 else "multiclass"
    assert is_regression(made(type(last).from_config(last.get_config()), loss), task, classes) is expected
