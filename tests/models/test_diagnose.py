"""The diagnosis is of the model that was trained, and by the task of its table."""

import shutil
from dataclasses import replace
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import results
from results import fingerprint
from results.diagnosis.classification import Classification
from results.diagnosis.verdicts import verdicts
from sweep import Plan
from sweep.models import preparation, save
from sweep.models.diagnose import chosen_target, diagnosed
from tests.help.outputs import model_of
from trainables.table.data import Table


def test_a_model_that_is_not_what_was_trained_is_refused(small_run, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(small_run, copy)
    run = results.open(copy)
    run.points.loc[run.points["idx"] == 1, "MAE_te"] += 0.1
    with pytest.raises(ValueError, match=r"has MAE .* on the test rows, but the sweep stored"):
        diagnosed(run, 1)


def table(y, **changes):
    """Forty train rows, of which the last eight validate, and twenty test rows."""
    x = np.random.default_rng(3).normal(size=(60, 3)).astype("float32")
    y = np.asarray(y(x), "float32")
    return Table(x[:40], y[:40], x[40:], y[40:], ("a", "b", "c"), "y", "", **changes)


def stand_in(monkeypatch, small_run, model, data):
    """A run whose point 1 has this model of this table; that its metrics are the stored ones is not checked."""
    run = results.open(small_run)
    monkeypatch.setattr(run, "model", lambda idx, trust: model)
    monkeypatch.setattr(save, "evaluated", lambda run, idx, model, plan: {})
    monkeypatch.setattr(preparation, "kept", lambda folder: None)  # it is that of another table
    ran = fingerprint.read(run.folder).table_sha256
    monkeypatch.setattr(Plan, "table", replace(data, sha256=ran))
    return run


@pytest.mark.parametrize("loss", ["binary_crossentropy", keras.losses.hinge])
def test_a_loss_for_classes_needs_classes(small_run, monkeypatch, loss):
    run = stand_in(monkeypatch, small_run, model_of(loss), table(lambda x: x[:, 0]))
    with pytest.raises(ValueError, match=r"a loss for classification, .*so it cannot be diagnosed as one"):
        diagnosed(run, 1)


@pytest.mark.long(30)
@pytest.mark.parametrize(
    ("task", "classes", "model", "y"),
    [
        ("binary", ("no", "yes"), model_of("binary_crossentropy", 1, "sigmoid"), lambda x: x[:, 0] > 0),
        (
            "multiclass",
            ("low", "middle", "high"),
            model_of(keras.losses.SparseCategoricalCrossentropy(from_logits=True), 3),
            lambda x: np.digitize(x[:, 0], [-0.5, 0.5]),
        ),
        ("multilabel", ("one", "two"), model_of("binary_crossentropy", 2, "sigmoid"), lambda x: x[:, :2] > 0),
    ],
)
def test_a_classification_is_diagnosed_by_its_probabilities(small_run, monkeypatch, task, classes, model, y):
    targets = classes if task == "multilabel" else ("y",)
    data = table(y, task=task, classes=() if task == "multilabel" else classes, targets=targets)
    found = diagnosed(stand_in(monkeypatch, small_run, model, data), 1)
    assert isinstance(found, Classification) and found.task == task and found.notes == ()
    given = model.predict(data.x_test, verbose=0).astype(float)
    if task == "multiclass":
        given = np.exp(given) / np.exp(given).sum(1, keepdims=True)
        right = np.mean(given.argmax(1) == data.y_test)
    else:
        right = np.mean((given > 0.5) == data.y_test.reshape(given.shape))
    assert found.scores.set_index("score").loc["accuracy", "value"] == pytest.approx(right)
    assert list(found.per_class["class"]) == list(classes)
    assert set(found.baselines["fitted"]) == {32}
    if task == "binary":
        assert found.thresholds["chosen_on"].iloc[1] == "validation rows"
        with pytest.raises(ValueError, match='--target got "z", but the table has one target, y'):
            diagnosed(stand_in(monkeypatch, small_run, model, data), 1, target="z")


@pytest.mark.long(30)
def test_one_of_several_targets_is_diagnosed_and_named(small_run, monkeypatch):
    data = table(lambda x: x[:, :2] + [[0, 5]], targets=("first", "second"))
    model = model_of("mse", 2)
    run = stand_in(monkeypatch, small_run, model, data)
    given = model.predict(data.x_test, verbose=0)
    for name, column in ((None, 0), ("second", 1)):
        found = diagnosed(run, 1, target=name)
        mse = np.mean((given[:, column] - data.y_test[:, column]) ** 2)
        assert found.baselines["value"].iloc[0] == pytest.approx(mse, rel=1e-4)
        [note] = found.notes
        assert f"This is about the target {data.targets[column]}, one of 2" in note
    with pytest.raises(ValueError, match='--target got "third", but the targets are first, second'):
        chosen_target(data, "regression", "third")
    narrow = stand_in(monkeypatch, small_run, model_of("mse", 1), data)
    with pytest.raises(ValueError, match=r"shape \(20, 1\) for 20 rows, but needs a column for each target"):
        diagnosed(narrow, 1, target="second")


def test_a_table_of_one_target_needs_no_choice():
    one = SimpleNamespace(targets=(), target="y", y_test=np.zeros(3))
    assert chosen_target(one, "regression", None) == chosen_target(one, "regression", "y") == (None, ())
    several = SimpleNamespace(targets=("a", "b"), target="a,b", y_test=np.zeros((3, 2)))
    assert chosen_target(several, "multilabel", None) == (None, ())
    with pytest.raises(ValueError, match="diagnosed together"):
        chosen_target(several, "multilabel", "a")


@pytest.mark.long(30)
def test_codes_that_the_table_calls_numbers_are_diagnosed_with_a_note(small_run, monkeypatch):
    data = table(lambda x: x[:, 0] > 0)
    model = model_of(keras.losses.BinaryCrossentropy(from_logits=True))
    found = diagnosed(stand_in(monkeypatch, small_run, model, data), 1)
    assert found.task == "binary" and list(found.per_class["class"]) == ["0", "1"]
    assert (
        'The table says that the target "y" is a number, but the model is trained by binary_crossentropy'
        in found.notes[0]
    )
    assert "threshold" in verdicts(found)
