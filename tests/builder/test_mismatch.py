"""Activations, losses and metrics that do not fit: where Keras says nothing and the numbers mean nothing, a note does."""

import keras
import numpy as np
import pytest
from keras import layers, losses, metrics

from trainables.builder.target import target_of
from trainables.table.data import Table

CHANCE = np.random.default_rng(2)
X = CHANCE.normal(size=(60, 3)).astype("float32")
BINARY = (X[:, 0] > 0).astype("float32")
THREE = np.digitize(X[:, 0], [-0.5, 0.5]).astype("float32")
SEVERAL = (X[:, :2] > 0).astype("float32")


def table(y):
    given = {"classes": ("a", "b", "c")[: int(y.max()) + 1], "task": "multiclass"}
    return Table(X[:50], y[:50], X[50:], y[50:], ("a", "b", "c"), "y", "0", **given)


def compiled(width, activation, loss, of=(), weighted=()):
    last = [layers.Dense(width, activation)] if isinstance(activation, str | None) else activation
    model = keras.Sequential([keras.Input((3,)), layers.Dense(4), *last])
    model.compile("sgd", loss, metrics=list(of), weighted_metrics=list(weighted))
    return model


@pytest.mark.parametrize(
    "given", ["categorical_accuracy", metrics.CategoricalAccuracy, metrics.categorical_accuracy]
)
@pytest.mark.parametrize("weighted", [False, True])
def test_a_metric_of_one_hot_targets_beside_a_loss_of_codes_is_told(given, weighted):
    """Keras' own fit gives it other values than the share of right rows, without a word."""
    made = [given() if isinstance(given, type) else given]
    kind = {"weighted" if weighted else "of": made}
    model = compiled(3, "softmax", "sparse_categorical_crossentropy", **kind)
    found = target_of(model, table(THREE))
    assert found.shapes == ("flat",)
    assert "the metric CategoricalAccuracy needs a one-hot target" in found.note
    assert found.note.endswith("Use accuracy or SparseCategoricalAccuracy")
    logs = model.evaluate(X, THREE, verbose=0, return_dict=True)
    right = np.mean(model.predict(X, verbose=0).argmax(1) == THREE)
    assert logs["categorical_accuracy"] != pytest.approx(right)


LINEAR = ["has no activation", "from_logits=True"]


@pytest.mark.parametrize(
    ("y", "model", "words"),
    [
        (BINARY, (1, "softmax", "binary_crossentropy"), ["a softmax of one output, which is 1 in every row", "sigmoid"]),
        (THREE, (3, "softmax", "binary_crossentropy"), ["each of the 3 outputs", "use categorical_crossentropy"]),
        (THREE, (3, "softmax", losses.BinaryFocalCrossentropy()), ["each of the 3 outputs"]),
        (SEVERAL, (2, "softmax", "binary_crossentropy"), ["each of the 2 outputs", "Use a sigmoid"]),
        (BINARY, (1, None, "binary_crossentropy"), [*LINEAR, 'activation="sigmoid"', "losses.BinaryCrossentropy"]),
        (THREE, (3, None, "sparse_categorical_crossentropy"), [*LINEAR, "losses.SparseCategoricalCrossentropy"]),
        (THREE, (3, None, losses.CategoricalCrossentropy()), [*LINEAR, 'activation="softmax"']),
        (THREE, (3, [layers.Dense(3), layers.Activation("linear")], "ce"), LINEAR),
        (BINARY, (1, "sigmoid", "binary_crossentropy", [metrics.CategoricalAccuracy()]),
         ["has one output", "BinaryAccuracy"]),
        (BINARY, (1, "sigmoid", "binary_crossentropy", ["sparse_categorical_accuracy"]), ["has one output"]),
        (BINARY, (1, "sigmoid", "binary_crossentropy", [metrics.Accuracy()]), ["the metric Accuracy asks", '["accuracy"]']),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_told(y, model, words):
    note = target_of(compiled(*model), table(y)).note
    for word in words:
        assert word in note, note
    assert not note.endswith(".")


def mine(y, p):
    return keras.ops.mean(keras.ops.square(keras.ops.reshape(y, (-1, 1)) - p), axis=-1)


@pytest.mark.parametrize(
    ("y", "model"),
    [
        (THREE, (3, "softmax", "sparse_categorical_crossentropy", ["accuracy", metrics.SparseCategoricalAccuracy()])),
        (THREE, (3, "softmax", "categorical_crossentropy", ["acc", metrics.CategoricalAccuracy()])),
        (THREE, (3, "sigmoid", "binary_crossentropy", [metrics.TopKCategoricalAccuracy(k=2)])),
        (THREE, (3, None, losses.SparseCategoricalCrossentropy(from_logits=True), ["accuracy"])),
        (BINARY, (1, None, losses.BinaryCrossentropy(from_logits=True), [metrics.BinaryAccuracy(threshold=0.0)])),
        (THREE, (3, [layers.Dense(3), layers.Softmax()], "sparse_categorical_crossentropy", ["accuracy"])),
        (THREE, (3, [layers.Dense(3), layers.Rescaling(0.1)], "sparse_categorical_crossentropy")),
        (BINARY, (1, None, "hinge", [mine, metrics.AUC(from_logits=True)])),
        (BINARY, (1, None, "mse", ["mae"])),
        (SEVERAL, (2, "sigmoid", "binary_crossentropy", ["accuracy"])),
    ],
)  # fmt: skip
def test_what_fits_or_may_fit_is_not_told(y, model):
    assert target_of(compiled(*model), table(y)).note == ""


def test_the_last_activation_of_a_functional_model_is_found():
    inputs = keras.Input((3,))
    logits = layers.Dense(1)(inputs)
    for outputs, fits in ((logits, False), (keras.ops.sigmoid(logits), True), (keras.ops.exp(logits), True)):
        model = keras.Model(inputs, outputs)
        model.compile("sgd", "binary_crossentropy")
        assert (target_of(model, table(BINARY)).note == "") == fits
    nested = keras.Sequential([keras.Input((3,)), keras.Model(inputs, logits)])
    nested.compile("sgd", "binary_crossentropy")
    assert "has no activation" in target_of(nested, table(BINARY)).note
