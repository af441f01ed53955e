"""The engine `verify` finds what is not as Keras trains it, with real Keras."""

import dataclasses

import numpy as np
import pytest

from results.space import Space
from tests.help.trials import reports_of
from trainables.builder import find
from trainables.engine import Work
from trainables.settings import Callbacks, EarlyStopping, Fit, Training
from trainables.single import verify
from trainables.single.engine import KerasEngine
from trainables.single.point import Point
from trainables.single.verify import VerifyEngine, trained
from trainables.table.data import Table

BUILDER = """
import keras

def build(units, raises=False, input_shape=None):
    if raises:
        raise RuntimeError("no model today")
    layers = [keras.Input(input_shape), keras.layers.Dense(units, activation="relu"), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    model.compile(loss="mse", metrics=["mae"], optimizer=keras.optimizers.Adam(0.01))
    return model
"""
EPOCHS = 14


def small_table():
    chance = np.random.default_rng(3)
    x = chance.normal(size=(90, 3)).astype("float32")
    y = (x @ [1, -2, 0.5]).astype("float32")
    return Table(x[:70], y[:70], x[70:], y[70:], ("a", "b", "c"), "y", "0")


class Setting:
    """One point trained by Keras, and an engine that verifies it."""

    def __init__(self, folder, source=BUILDER):
        (folder / "model.py").write_text(source)
        training = Training(Fit(epochs=EPOCHS), Callbacks(EarlyStopping(patience=5)))
        space = Space({"units": [3], "raises": [False, True]})
        self.work = Work(space, find.find("model.py:build", folder), small_table(), training)
        self.fine = next(idx for idx in range(2) if not space[idx]["raises"])
        self.found = self.keras(EPOCHS)

    def keras(self, epochs):
        work = self.work
        point = Point(work.builder.load(), work.builder, work.space[self.fine], work.table, work.training)
        point.advance(epochs)
        return trained(point)

    def checks(self, found, idx=None):
        engine = VerifyEngine(self.work)
        engine.begin(np.array([self.fine if idx is None else idx]), found)
        reports = [engine.step()]
        while not reports[-1].done:
            reports.append(engine.step())
        assert all(report.rows is None and report.timing["verify"] > 0 for report in reports)
        return [report.check for report in reports]


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    return Setting(tmp_path_factory.mktemp("verified"))


def changed(found, log, by, since):
    values = np.array(found.curve[log])
    values[since:] *= by
    return dataclasses.replace(found, curve={**found.curve, log: values})


def test_what_keras_trains_agrees_as_a_whole(setting):
    *first, last = setting.checks(setting.found)
    assert [check.epochs for check in first][:1] == [10] and not any(check.whole for check in first)
    assert (last.epochs, last.of, last.whole, last.differences, last.note) == (EPOCHS, EPOCHS, True, (), "")


def test_a_difference_is_found_with_both_values(setting):
    """The point is trained a second time, from nudged weights, and is not chaotic."""
    last = setting.checks(changed(setting.found, "val_mae", 1.01, 4))[-1]
    [difference] = last.differences
    assert (difference.column, difference.epoch) == ("val_mae", 5)
    assert difference.found == pytest.approx(1.01 * setting.found.curve["val_mae"][4])
    assert difference.keras == pytest.approx(setting.found.curve["val_mae"][4])
    other = dataclasses.replace(setting.found, metrics={**setting.found.metrics, "loss_te": 9.0})
    [difference] = setting.checks(other)[-1].differences
    assert (difference.column, difference.found) == ("loss_te", 9.0)


@pytest.mark.slow
def test_a_chaotic_point_is_allowed_to_differ(setting, monkeypatch):
    """A large nudge stands for chaos: Keras departs from itself as far as the point does from Keras."""
    changed_a_little = changed(setting.found, "val_mae", 1.003, 0)

    def push(model, seed):
        for variable in model.trainable_variables:
            variable.assign(variable.numpy() * 1.002)

    assert setting.checks(changed_a_little)[-1].differences
    monkeypatch.setattr(verify, "nudge", push)
    assert setting.checks(changed_a_little)[-1].differences == ()


def test_a_model_that_is_built_otherwise_excuses_no_difference(setting, monkeypatch):
    """Only a nudge does, and so the other models of the point must be those that the builder made first."""
    new, made = VerifyEngine._new, []

    def otherwise(engine):
        made.append(new(engine))
        if len(made) > 1:
            for variable in made[-1].model.trainable_variables:
                variable.assign(variable.numpy() * 1.002)
        return made[-1]

    monkeypatch.setattr(VerifyEngine, "_new", otherwise)
    assert setting.checks(changed(setting.found, "val_mae", 1.003, 0))[-1].differences
    assert len(made) == 2


def test_a_builder_that_keeps_state_is_examined_first(tmp_path):
    drawn = "units, activation='relu', kernel_initializer=keras.initializers.Constant(CHANCE.random())"
    source = BUILDER.replace('units, activation="relu"', drawn)
    setting = Setting(
        tmp_path, source.replace("import keras\n", "import keras, random\nCHANCE = random.Random(3)\n")
    )
    for _ in range(2):  # points of one worker
        assert setting.checks(setting.found)[-1].differences == ()
    assert setting.work.maker.anew


@pytest.mark.slow
def test_the_points_of_a_builder_by_chance_cannot_be_checked(tmp_path):
    drawn = "units, activation='relu', kernel_initializer=keras.initializers.Constant(os.urandom(1)[0] / 256)"
    source = BUILDER.replace('units, activation="relu"', drawn).replace(
        "import keras\n", "import keras, os\n"
    )
    [check] = (setting := Setting(tmp_path, source)).checks(setting.found)
    assert check.note == setting.work.maker.chance != "" and not check.whole and check.differences == ()


@pytest.mark.slow
def test_a_pruned_point_is_trained_as_far_as_its_row(setting):
    pruned = dataclasses.replace(setting.keras(6), status="pruned")
    [check] = setting.checks(pruned)
    assert (check.epochs, check.of, check.whole, check.differences) == (6, 6, True, ())
    # A point of which it is said that it stopped early at that epoch is not what Keras trains.
    stopped = dataclasses.replace(pruned, status="early_stopped")
    status, epochs = setting.checks(stopped)[-1].differences[:2]
    assert (status.column, status.found, status.keras) == ("status", "early_stopped", "still in training")
    assert (epochs.column, epochs.found, epochs.keras) == ("epochs", 6, 7)


def test_a_builder_that_raises_is_a_difference(setting):
    [check] = setting.checks(setting.found, 1 - setting.fine)
    [difference] = check.differences
    assert (difference.column, difference.found) == ("status", "completed")
    assert "no model today" in difference.keras


def test_a_nudge_moves_every_weight_by_one_unit_in_the_last_place(setting):
    work = setting.work
    point = Point(work.builder.load(), work.builder, work.space[setting.fine], work.table, work.training)
    before = [value.copy() for value in point.model.get_weights()]
    verify.nudge(point.model, 0)
    for old, new in zip(before, point.model.get_weights(), strict=True):
        moved = np.abs(new - old)
        assert (moved[old != 0] > 0).all() and (moved <= np.spacing(np.abs(old)) + 1e-40).all()


def test_rows_of_the_engine_keras_agree(setting):
    """What that engine reports goes through the same conversion as what a folder has."""
    reports = reports_of(KerasEngine(setting.work), [setting.fine])
    rows = reports[-1].rows
    [row] = rows.points.to_pylist()
    curve = {
        name: rows.curves[name].to_numpy()
        for name in rows.curves.schema.names
        if name not in ("idx", "epoch")
    }
    metrics = {name: row[name] for name in row if name.endswith(("_tr", "_va", "_te"))}
    found = verify.Trained(row["status"], row["epochs"], row["best_epoch"], curve, metrics, row["params"])
    assert setting.checks(found)[-1].differences == ()


def test_a_check_begins_with_a_new_import(tmp_path):
    """State that no comparison of globals finds does not excuse a point that was trained with it."""
    deep = "RATE = [[[[[[[[0.01]]]]]]]]\n"
    setting = Setting(tmp_path, deep + BUILDER.replace("Adam(0.01)", "Adam(RATE[0][0][0][0][0][0][0][0])"))
    maker = setting.work.maker
    maker.function().__globals__["RATE"][0][0][0][0][0][0][0][0] = 0.1  # as an earlier point might
    maker.examined = True
    assert setting.checks(setting.found)[-1].differences == ()
