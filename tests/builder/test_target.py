"""The shape of the target against what Keras accepts, and the messages where it trains nonsense in silence."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers, losses, metrics, ops

from tests.help.batches import batches
from tests.help.often import slow_but
from trainables.builder.target import Target, shaped, target_of
from trainables.builder.target_range import TargetError
from trainables.table.data import Table

CHANCE = np.random.default_rng(2)
X = CHANCE.normal(size=(60, 3)).astype("float32")
NUMBERS = CHANCE.normal(size=60).astype("float32")
BINARY = (NUMBERS > 0.5).astype("float32")
THREE = CHANCE.integers(0, 3, 60).astype("float32")


def table(y, **changes):
    return Table(X[:50], y[:50], X[50:], y[50:], ("a", "b", "c"), "y", "0", **changes)


def compiled(width, activation=None, loss="mse", metrics=(), built=True):
    inputs = [keras.Input((3,))] if built else []
    model = keras.Sequential(
        [*inputs, layers.Dense(4, kernel_regularizer="l2"), layers.Dense(width, activation)]
    )
    model.compile("sgd", loss, metrics=list(metrics))
    return model


class OfPairs(losses.Loss):
    """Correct for a column; for flat targets, it compares every row with every other."""

    def call(self, y, p):
        return ops.mean(ops.square(y - p), axis=-1)


class PairError(metrics.Mean):
    def update_state(self, y, p, sample_weight=None):
        return super().update_state(ops.abs(ops.cast(y, "float32") - p))


@pytest.mark.parametrize(
    ("y", "width", "activation", "loss", "of", "shape"),
    [
        (NUMBERS, 1, None, "mse", ["mae", metrics.R2Score], "flat"),
        (BINARY, 1, "sigmoid", "binary_crossentropy", ["accuracy", metrics.AUC, metrics.Precision], "flat"),
        (BINARY, 1, "sigmoid", "binary_crossentropy", ["accuracy", lambda: metrics.F1Score(threshold=0.5)], "column"),
        (BINARY, 2, "softmax", "sparse_categorical_crossentropy", ["accuracy"], "flat"),
        (BINARY, 2, "softmax", "categorical_crossentropy", [metrics.AUC], "onehot"),
        (THREE, 3, "softmax", "sparse_categorical_crossentropy", ["accuracy"], "flat"),
        (THREE, 5, "softmax", "sparse_categorical_crossentropy", ["accuracy"], "flat"),
        (THREE, 3, "softmax", "categorical_crossentropy", [lambda: metrics.F1Score(average="macro")], "onehot"),
        (THREE, 3, "softmax", "categorical_crossentropy", [metrics.CategoricalAccuracy, "accuracy"], "onehot"),
        (THREE, 3, "softmax", "mse", ["mae"], "onehot"),
        (THREE, 7, "softmax", "mse", ["mae"], "onehot"),
        (THREE, 3, "sigmoid", "binary_crossentropy", [], "onehot"),
        (THREE, 3, "softmax", losses.CategoricalFocalCrossentropy(), ["accuracy"], "onehot"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("built", slow_but([True], [True, False]))
def test_the_first_shape_that_loss_and_metrics_take_is_taken(y, width, activation, loss, of, shape, built):
    made = [item if isinstance(item, str) else item() for item in of]
    model = compiled(width, activation, loss, made, built)
    before = [v.numpy() for v in model.variables]
    data = table(y)
    found = target_of(model, data)
    assert (found.shapes, found.note) == ((shape,), "")
    assert all(np.array_equal(old, new.numpy()) for old, new in zip(before, model.variables, strict=built))
    assert all((v.numpy() == 0).all() for v in model.metrics_variables)
    # Keras' own training takes it, and has the metrics of a model that was never tried.
    target = {
        "flat": lambda: y,
        "column": lambda: y[:, None],
        "onehot": lambda: np.eye(width, dtype="float32")[y.astype(int)],
    }[shape]()
    plain = compiled(width, activation, loss, [item if isinstance(item, str) else item() for item in of])
    model.build((None, 3))
    plain.set_weights(model.get_weights())
    model.run_eagerly = plain.run_eagerly = (
        True  # the same numbers; to trace a model takes longer than these few steps
    )
    given, of_keras = (batches((X[:50], y), 20) for y in (found.of(data.y_train), target[:50]))
    history = model.fit(given, epochs=2, verbose=0).history
    expected = plain.fit(of_keras, epochs=2, verbose=0).history
    assert len(history) == len(of) + 1
    for (_, values), (_, others) in zip(sorted(history.items()), sorted(expected.items()), strict=True):
        np.testing.assert_allclose(values, others, rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "of", "words"),
    [
        (OfPairs(), [], ["the loss OfPairs gives", "target_shape: column", "target_shape: flat"]),
        ("mse", [PairError], ["the metric pair_error gives"]),
        (OfPairs(), [PairError], ["the loss OfPairs and the metric pair_error give "]),
        (lambda y, p: ops.mean(ops.square(ops.reshape(y, (-1, 1)) - p), axis=-1), [], []),
    ],
)
def test_a_loss_that_compares_every_row_with_every_other_is_told(loss, of, words):
    def found(shape):
        made = [item(name="pair_error") for item in of]
        return target_of(compiled(1, loss=loss, metrics=made), table(NUMBERS, target_shape=shape))

    assert found("auto").shapes == ("flat",)
    assert bool(found("auto").note) == bool(words)
    for word in words:
        assert word in found("auto").note
    for shape in ("flat", "column"):
        assert (found(shape).shapes, found(shape).note) == ((shape,), "")


WORDS = {"classes": ("bird", "cat", "dog")}
LABELS = {"classes": ("low", "middle", "high", "top")}
FOUR = np.resize(np.arange(4, dtype="float32"), 60)


@pytest.mark.parametrize(
    ("y", "changes", "model", "words"),
    [
        (FOUR, LABELS, (3, "softmax", "sparse_categorical_crossentropy"),
         ["the model has 3 outputs, but the target has 4 classes: low, middle"]),
        (FOUR, LABELS, (3, "softmax", "categorical_crossentropy"), ["has 4 classes: low", "4 units"]),
        (THREE, WORDS, (1, None, "mse"),
         ["bird is 0, cat is 1, dog is 2", "1 output: mse takes them for amounts", "3 units with a softmax"]),
        (THREE, WORDS, (1, None, losses.Huber()), ["Huber takes them for amounts"]),
        (THREE, WORDS, (1, "sigmoid", "binary_crossentropy"), ["binary_crossentropy takes them for amounts"]),
        (FOUR, {}, (3, "softmax", "categorical_crossentropy"), ['target "y" has 3']),
        (FOUR, {}, (1, "sigmoid", "binary_crossentropy"), ["from 0 to 1", '"y" has 2']),
        (BINARY + 1, {}, (1, "sigmoid", losses.BinaryCrossentropy()), ['"y" has 2', "task: binary"]),
        (THREE + 2, {}, (1, "sigmoid", losses.BinaryCrossentropy()), ["0 and 1"]),
        (THREE + 1, {}, (3, "softmax", losses.sparse_categorical_crossentropy), ["0 to 2", '"y" has 3', "task: multiclass"]),
        (FOUR + 1, {}, (3, "softmax", "sparse_categorical_crossentropy"),
         ['"y" has 3', "task: multiclass", "its 4 values from 0", "outputs of a builder is 4"]),
        (FOUR + 3, {}, (1, "softmax", "sparse_categorical_crossentropy"), ["task: multiclass", "needs 4 units"]),
        (FOUR + 3, {}, (1, "softmax", "categorical_crossentropy"), ["1 output", "task: multiclass", "needs 4 units"]),
        (2 * BINARY - 1, {}, (1, None, "sparse_categorical_crossentropy"), ["task: binary", "2 units"]),
        (NUMBERS, {}, (1, None, "sparse_categorical_crossentropy"), ["number the classes from 0"]),
        (BINARY, LABELS, (1, "sigmoid", "categorical_crossentropy"), ["an output for each class"]),
        (BINARY, {}, (1, "softmax", "sparse_categorical_crossentropy"), ["1 output, but"]),
        (NUMBERS, {}, (3, None, "mse"), ["(rows,): ", "(rows, 3), one-hot: ", '"y" has 0.8']),
        (THREE, {}, (3, "softmax", "sparse_categorical_crossentropy", [metrics.F1Score()]), ["2D inputs", "one-hot"]),
        (THREE, {}, (3, "softmax", "categorical_crossentropy", [metrics.F1Score()]), ["f1_score gives 3 numbers", "macro"]),
        (np.stack([NUMBERS, BINARY], 1), {}, (1, None, "mse"), ["1 output", "2 target columns"]),
    ],
)  # fmt: skip
def test_a_target_that_the_model_cannot_learn_is_told(y, changes, model, words):
    with pytest.raises(TargetError) as error:
        target_of(compiled(*model), table(y, **changes))
    for word in words:
        assert word in str(error.value)


@pytest.mark.parametrize("loss", ["mse", losses.Huber()])
def test_ordered_classes_may_be_amounts(loss):
    model = compiled(1, loss=loss)
    found = target_of(model, table(THREE, classes=("A", "B", "C"), is_ordered=True))
    assert (found.shapes, found.note) == (("flat",), "")
    found = target_of(model, table(THREE, classes=("1 star", "2 stars", "10 stars"), is_ordered=True))
    assert found.note == ""


def test_classes_that_begin_with_ascending_numbers_are_told_to_be_taken_for_amounts():
    found = target_of(compiled(1), table(THREE, classes=("1 star", "2 stars", "3 stars")))
    assert (
        found.shapes == ("flat",)
        and 'takes the 3 classes of the target "y" for the amounts 0 to 2' in found.note
    )
    for classes in (
        ("1 star", "10 stars", "2 stars"),
        ("1 a", "1 b", "2 a"),
        ("1 star", "2 stars", "unknown"),
    ):
        with pytest.raises(TargetError, match="mse takes them for amounts"):
            target_of(compiled(1), table(THREE, classes=classes))


def test_a_loss_that_takes_whole_batches_only_is_left_to_keras():
    def loss(y, p):
        return ops.mean(ops.square(ops.reshape(y, (25,)) - ops.reshape(p, (25,))))

    model = compiled(1, loss=loss)
    found = target_of(model, table(NUMBERS))
    assert (found.shapes, found.note) == (("flat",), "")
    assert np.isfinite(
        model.fit(X[:50], found.of(NUMBERS[:50]), batch_size=25, verbose=0).history["loss"]
    ).all()


def test_soft_labels_and_other_losses_are_no_error():
    soft = np.clip(NUMBERS, 0, 1)
    assert target_of(compiled(1, "sigmoid", "binary_crossentropy"), table(soft)).shapes == ("flat",)
    assert target_of(compiled(1, None, "hinge"), table(2 * BINARY - 1)).shapes == ("flat",)


def test_several_columns_are_as_they_are():
    y = np.stack([NUMBERS, BINARY], 1)
    found = target_of(compiled(2, metrics=["mae"]), table(y, targets=("a", "b")))
    assert found.of(y) is y


class Heads(keras.Model):
    """A model whose call is the user's own."""

    def __init__(self):
        super().__init__()
        self.inner, self.last = layers.Dense(4), layers.Dense(3, "softmax")

    def call(self, x):
        return self.last(self.inner(x))


def test_a_model_of_a_class_of_its_own():
    model = Heads()
    model.compile("sgd", "categorical_crossentropy", metrics=["accuracy"])
    found = target_of(model, table(THREE))
    assert found.shapes == ("onehot",)
    history = model.fit(X, found.of(THREE), verbose=0).history
    assert set(history) == {"loss", "accuracy"}


@pytest.mark.parametrize("structure", ["list", "dictionary"])
@pytest.mark.parametrize("names", [("p", "q"), ("q", "p"), ("some", "other")])
def test_several_outputs_take_the_columns_of_their_names_or_in_order(structure, names):
    inputs = keras.Input((3,))
    p, q = layers.Dense(1, name="p")(inputs), layers.Dense(3, "softmax", name="q")(inputs)
    model = keras.Model(inputs, [p, q] if structure == "list" else {"p": p, "q": q})
    by_name = {"p": NUMBERS, "q": THREE}
    given = {"p": "mse", "q": "categorical_crossentropy"}
    model.compile("sgd", given if structure == "dictionary" else list(given.values()))
    y = np.stack([by_name.get(name, [NUMBERS, THREE][at]) for at, name in enumerate(names)], 1)
    found = target_of(model, table(y, targets=names))
    assert found.shapes == ("flat", "onehot")
    taken = found.of(y)
    first, second = (taken["p"], taken["q"]) if structure == "dictionary" else taken
    np.testing.assert_array_equal(first, NUMBERS)
    np.testing.assert_array_equal(second, shaped(THREE, "onehot", 3))
    assert np.isfinite(model.fit(X, taken, verbose=0).history["loss"]).all()


def test_outputs_without_a_column_are_told():
    inputs = keras.Input((3,))
    model = keras.Model(inputs, [layers.Dense(1)(inputs), layers.Dense(1)(inputs)])
    model.compile("sgd", "mse")
    with pytest.raises(TargetError, match="2 outputs, but there is 1 target"):
        target_of(model, table(NUMBERS))


def test_a_training_step_of_the_users_gets_the_target_as_it_is():
    class Own(keras.Model):
        def train_step(self, data):
            return {"loss": 0.0}

    inputs = keras.Input((3,))
    model = Own(inputs, layers.Dense(3)(inputs))
    model.compile("sgd", "mse")
    assert target_of(model, table(NUMBERS)).shapes == ("flat",)
    assert target_of(model, replace(table(THREE), target_shape="onehot")).of(THREE).shape == (60, 3)


def test_flat_is_the_default():
    assert Target().of(NUMBERS) is NUMBERS
