"""What outputs mean is found from the last activation and from the loss, in whatever form they are given."""

import functools

import keras
import numpy as np
import pytest

from sweep.models.outputs import are_logits, as_probabilities, ends_in_probabilities, loss_name

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
    cases = [("multiclass", outputs, keras.ops.softmax), ("multilabel", outputs, keras.ops.sigmoid)]
    cases += [("binary", outputs[:, :1], keras.ops.sigmoid), ("binary", outputs[:, :2], keras.ops.softmax)]
    for task, given, expected in cases:
        found = as_probabilities(given, True, task)
        np.testing.assert_allclose(found, np.asarray(expected(given)), atol=1e-6)
        assert (as_probabilities(given, False, task) == given).all()
    assert np.isfinite(as_probabilities(np.array([[1e5], [-1e5]]), True, "binary")).all()
