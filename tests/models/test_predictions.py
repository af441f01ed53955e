"""Outputs become labels and probabilities, as Keras and SciPy understand the loss."""

import functools

import keras
import numpy as np
import pytest
from scipy.special import expit, softmax

from sweep.models.predictions import Outputs, to_frame
from sweep.models.preparation import Preparation

OUTPUTS = np.random.default_rng(5).normal(size=(40, 3)).astype("float32") * 3


def model_of(loss, activation=None, outputs=3):
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(outputs, activation=activation)])
    model.compile("sgd", loss)
    return model


def prepared(task, classes=(), targets=("y",)):
    return Preparation(task, tuple(classes), targets, (2,), None, (), ())


def frame_of(outputs, loss, task, classes=(), targets=("y",), activation=None):
    kind = Outputs.of(model_of(loss, activation, outputs.shape[1]), task, outputs.shape[1])
    return to_frame(outputs, kind, prepared(task, classes, targets))


def named_loss(y_true, y_pred):
    return keras.losses.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)


SPARSE = keras.losses.SparseCategoricalCrossentropy


@pytest.mark.parametrize(
    "loss",
    [
        SPARSE(from_logits=True),
        [SPARSE(from_logits=True)],
        keras.losses.CategoricalCrossentropy(from_logits=True),
        functools.partial(keras.losses.sparse_categorical_crossentropy, from_logits=True),
    ],
)
def test_logits_of_several_classes_go_through_softmax(loss):
    found, notes = frame_of(OUTPUTS, loss, "multiclass", ["low", "mid", "high"])
    assert list(found) == ["y", "p_low", "p_mid", "p_high"]
    np.testing.assert_allclose(found.iloc[:, 1:], softmax(OUTPUTS, axis=1), rtol=1e-6)
    assert found["y"].tolist() == np.array(["low", "mid", "high"])[OUTPUTS.argmax(1)].tolist()
    assert "softmax" in notes[0] and "from_logits" in notes[0]


def test_logits_of_two_classes_go_through_sigmoid():
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    found, notes = frame_of(OUTPUTS[:, :1], loss, "binary", ["no", "yes"])
    np.testing.assert_allclose(found["p_yes"], expit(OUTPUTS[:, 0]), rtol=1e-6)
    np.testing.assert_allclose(found["p_no"], expit(-OUTPUTS[:, 0]), rtol=1e-5)
    assert ((found["y"] == "yes") == (OUTPUTS[:, 0] > 0)).all() and "sigmoid" in notes[0]


@pytest.mark.parametrize(
    "loss", ["binary_crossentropy", "bce", keras.losses.BinaryFocalCrossentropy(), "mse"]
)
def test_probabilities_stay_as_they_are(loss):
    values = expit(OUTPUTS[:, :1])
    found, notes = frame_of(values, loss, "binary", [0, 1], activation="sigmoid")
    assert list(found) == ["y", "p_0", "p_1"] and not notes
    np.testing.assert_array_equal(found["p_1"], values[:, 0])
    assert found["y"].tolist() == (values[:, 0] > 0.5).astype(int).tolist()


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", "kl_divergence"])
def test_softmax_outputs_are_probabilities(loss):
    values = softmax(OUTPUTS, axis=1)
    found, notes = frame_of(values, loss, "multiclass", list("abc"))
    assert list(found) == ["y", "p_a", "p_b", "p_c"] and not notes


def test_what_is_no_probability_is_not_called_one():
    found, notes = frame_of(OUTPUTS, named_loss, "multiclass", list("abc"))  # the function hides from_logits
    assert list(found) == ["y", "score_a", "score_b", "score_c"] and "no probabilities" in notes[0]
    found, notes = frame_of(OUTPUTS[:, :1], "hinge", "binary", ["no", "yes"])
    assert list(found) == ["y", "score_yes"] and ((found["y"] == "yes") == (OUTPUTS[:, 0] > 0)).all()
    found, notes = frame_of(OUTPUTS[:, :1], "mse", "binary", ["no", "yes"])
    assert list(found) == ["y", "score_yes"] and ((found["y"] == "yes") == (OUTPUTS[:, 0] > 0.5)).all()


def test_several_labels_have_a_column_and_a_probability_each():
    values, targets = expit(OUTPUTS), ("a", "b", "c")
    found, _ = frame_of(values, "binary_crossentropy", "multilabel", targets, targets)
    assert list(found) == ["a", "b", "c", "p_a", "p_b", "p_c"]
    np.testing.assert_array_equal(found[["a", "b", "c"]], (values > 0.5).astype(int))
    logits = keras.losses.BinaryCrossentropy(from_logits=True)
    found, _ = frame_of(OUTPUTS, logits, "multilabel", targets, targets)
    np.testing.assert_allclose(found[["p_a", "p_b", "p_c"]], values, rtol=1e-6)


def test_numbers_have_the_targets_names():
    found, notes = frame_of(OUTPUTS, "mse", "regression", targets=("a", "b", "c"))
    np.testing.assert_array_equal(found[["a", "b", "c"]], OUTPUTS)
    assert not notes
    found, notes = frame_of(OUTPUTS, "mse", "regression")
    assert list(found) == ["output_0", "output_1", "output_2"] and "3 outputs for the target y" in notes[0]


def test_outputs_that_fit_no_class_are_numbered():
    found, notes = frame_of(OUTPUTS[:, :1], "mse", "multiclass", ["low", "mid", "high"])
    assert list(found) == ["output_0"] and "0 is low, 1 is mid" in notes[-1]


def test_extreme_logits_do_not_overflow():
    extreme = np.array([[-1000.0], [1000.0]], "float32")
    found, _ = frame_of(extreme, keras.losses.BinaryCrossentropy(from_logits=True), "binary", [0, 1])
    assert found["p_1"].tolist() == [0, 1]
    found, _ = frame_of(
        np.array([[-1e4, 0, 1e4]], "float32"), SPARSE(from_logits=True), "multiclass", list("abc")
    )
    assert found.iloc[0, 1:].tolist() == [0, 0, 1]


def test_a_probability_is_not_called_as_another_label():
    found, _ = frame_of(
        expit(OUTPUTS[:, :2]), "binary_crossentropy", "multilabel", targets=("p", "p_p"), activation="sigmoid"
    )
    assert list(found) == ["p", "p_p", "p__p", "p__p_p"]
