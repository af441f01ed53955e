"""Activations, losses and metrics that do not fit: where Keras says nothing and the numbers mean nothing, a note does."""

from dataclasses import replace

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
SIGNS = 2 * BINARY - 1
LOGITS = losses.BinaryCrossentropy(from_logits=True)


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
        (BINARY, (1, "sigmoid", "binary_crossentropy", ["f1_score"]), ["counts as a yes. Use F1Score(threshold=0.5)"]),
        (BINARY, (1, "sigmoid", "mse", [metrics.F1Score()]), ["F1Score(threshold=0.5)"]),
        (BINARY, (1, "sigmoid", "binary_crossentropy", [metrics.FBetaScore(beta=2.0)]), ["Use FBetaScore(threshold=0.5)"]),
        (BINARY, (1, None, LOGITS, [metrics.F1Score()]), ["Give the last layer a sigmoid, and use F1Score"]),
        (SEVERAL, (2, "sigmoid", "binary_crossentropy", [metrics.F1Score(average="macro")]), ["Give it threshold=0.5"]),
        (SIGNS, (1, None, "hinge", ["accuracy"]),
         ["a target of -1 counts as wrong", "task: binary under data, which the loss hinge", "BinaryAccuracy(threshold=0)"]),
        (SIGNS, (1, "tanh", "squared_hinge", [metrics.BinaryAccuracy(threshold=0.0)]), ["a target of -1 counts"]),
        (SIGNS, (1, "tanh", "mse", ["acc"]), ["the metric acc compares", "Use mae, or write task: binary"]),
        (BINARY, (1, None, "hinge", ["accuracy"]), ["above 0.5 for a yes", "loss hinge it is one above 0", "(threshold=0)"]),
        (BINARY, (1, None, LOGITS, [metrics.binary_accuracy]), ["above 0.5 for a yes", "(threshold=0)"]),
    ],
)  # fmt: skip
def test_parts_that_do_not_fit_are_told(y, model, words):
    note = target_of(compiled(*model), table(y)).note
    for word in words:
        assert word in note, note
    assert not note.endswith(".")


@pytest.mark.parametrize("of", ["accuracy", "acc", metrics.BinaryAccuracy, metrics.binary_accuracy])
@pytest.mark.parametrize("loss", ["mse", "mae", losses.Huber])
def test_an_accuracy_of_amounts_is_told(of, loss):
    """Keras calls each row wrong whose target is another number than 0 and 1."""
    model = compiled(
        1, None, loss() if isinstance(loss, type) else loss, [of() if isinstance(of, type) else of]
    )
    amounts = X[:, 0] * 10
    data = replace(table(THREE), y_train=amounts[:50], y_test=amounts[50:], classes=(), task="regression")
    note = target_of(model, data).note
    assert "compares the target with 0 and 1" in note and note.endswith("counts as wrong. Use mae")
    assert model.evaluate(X, amounts, verbose=0)[1] == 0
    assert "Use mae" in target_of(compiled(1, None, "mse", ["categorical_accuracy"]), data).note


@pytest.mark.parametrize(
    ("task", "instead"), [("regression", "an amount. Use mae"), ("multilabel", "Use BinaryAccuracy")]
)
def test_an_accuracy_of_several_columns_is_told(task, instead):
    y = SEVERAL if task == "multilabel" else X[:, :2]
    classes = ("p", "q") if task == "multilabel" else ()
    data = replace(
        table(BINARY), y_train=y[:50], y_test=y[50:], task=task, classes=classes, targets=("p", "q")
    )
    note = target_of(compiled(2, "sigmoid", "mse", ["accuracy"]), data).note
    assert "the metric accuracy asks which output of a row is the largest" in note and note.endswith(instead)


def test_many_whole_numbers_that_a_loss_takes_for_classes_are_told():
    y = np.resize(np.arange(12, dtype="float32"), 60)
    data = replace(table(BINARY), y_train=y[:50], y_test=y[50:], classes=(), task="regression")
    for loss in ("sparse_categorical_crossentropy", "categorical_crossentropy"):
        note = target_of(compiled(12, "softmax", loss), data).note
        assert "more than 10 whole numbers. Write task: multiclass under data" in note
    assert not target_of(compiled(1, None, "mse"), data).note
    named = replace(data, classes=tuple(range(12)), task="multiclass")
    assert not target_of(compiled(12, "softmax", "sparse_categorical_crossentropy"), named).note


@pytest.mark.parametrize(
    ("classes", "is_told"),
    [
        (("bird", "cat", "dog"), True),
        (("low", "high", "top"), False),
        ((0, 1, 2), False),
        (("no", "yes"), False),
    ],
)
def test_codes_of_texts_that_an_own_loss_may_take_for_amounts_are_told(classes, is_told):
    def own(y, p):
        return keras.ops.square(y[:, None] - p)

    y = THREE if len(classes) == 3 else BINARY
    note = target_of(compiled(1, None, own), replace(table(y), classes=classes, target_shape="flat")).note
    assert ("they mean nothing unless the loss own takes them for classes" in note) == is_told


def test_what_is_said_of_signs_is_what_keras_computes():
    """BinaryAccuracy(threshold=0) of -1 and 1 calls each -1 wrong; a hinge loss is the same for 0 and 1 as for -1 and 1."""
    p = X[:, :1]
    for threshold in (0.5, 0.0):
        right = metrics.binary_accuracy(SIGNS[:, None], p, threshold)
        assert not np.asarray(right)[SIGNS == -1].any()
    assert np.asarray(metrics.binary_accuracy(BINARY[:, None], p, 0.0)).all()
    for hinge in (losses.hinge, losses.squared_hinge):
        np.testing.assert_array_equal(hinge(SIGNS[:, None], p), hinge(BINARY[:, None], p))
    every = metrics.F1Score()
    every.update_state(BINARY[:, None], np.full((60, 1), 0.01, "float32"))
    assert float(every.result()[0]) == pytest.approx(2 * BINARY.mean() / (1 + BINARY.mean()))


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
        (BINARY, (1, None, "hinge", [mine, metrics.AUC(from_logits=True), metrics.BinaryAccuracy(threshold=0.0)])),
        (BINARY, (1, "sigmoid", "binary_crossentropy", ["accuracy", metrics.F1Score(threshold=0.5), "binary_accuracy"])),
        (BINARY, (1, "sigmoid", "mse", ["accuracy"])),
        (THREE, (3, "softmax", "categorical_crossentropy", [metrics.F1Score(average="macro")])),
        (SEVERAL, (2, "sigmoid", "binary_crossentropy", [metrics.F1Score("macro", 0.5), "binary_accuracy"])),
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
