"""The engine `keras`: what it reports of a point, and what becomes of one that goes wrong."""

import json
import signal
import time

import keras
import numpy as np
import pytest

from results.space import Space
from sweep.driver.rungs import Rungs
from sweep.plan.asha import Asha
from tests.help.trials import LostRungs, RungsHere, reports_of
from trainables.builder import find
from trainables.builder.configuration import Configuration
from trainables.engine import Work
from trainables.settings import Callbacks, Fit, ReduceLROnPlateau, Training
from trainables.single.engine import KerasEngine
from trainables.table.data import ABALONE, load
from trainables.table.order import row_order

TABLE = load(ABALONE)


def engine(config, folder, training, **work):
    """An engine for the one point `config`."""
    (folder / "model.py").write_text(SIMPLE)
    space = Space({name: [value] for name, value in config.items()})
    return KerasEngine(Work(space, find.find("model.py:build", folder), TABLE, training, **work))


def row_of(report):
    [row] = report.rows.points.to_pylist()
    return row


pytestmark = pytest.mark.long(30)

SIMPLE = """
import keras, time
def build(units, wrong=None, input_shape=None):
    if wrong == "sleep":
        try:
            time.sleep(100)
        except Exception:
            pass
    model = keras.Sequential([keras.Input(input_shape), keras.layers.Dense(units), keras.layers.Dense(1)])
    loss = (lambda y, p: keras.ops.mean(p - y) / 0.0) if wrong == "inf" else "mse"
    schedule = keras.optimizers.schedules.ExponentialDecay(0.01, 10, 0.9)
    model.compile(loss=loss, optimizer=keras.optimizers.Adam(schedule if wrong == "schedule" else 0.01))
    return model if wrong != "no model" else 5
"""


def test_a_point_is_reported_once_with_all_that_belongs_to_it(tmp_path):
    made = engine({"units": 2}, tmp_path, Training(Fit(epochs=5), Callbacks(), milestones=(1, 3), seed=7))
    reports = reports_of(made, [0])
    assert [(report.done, report.open, report.rows is None) for report in reports] == [
        (False, 1, True),
        (False, 1, True),
        (True, 0, False),
    ]
    row, rows = row_of(reports[-1]), reports[-1].rows
    assert (row["idx"], row["status"], row["epochs"], row["seed"], row["engine"]) == (
        0,
        "completed",
        5,
        7,
        "keras",
    )
    assert {"loss_tr", "loss_va", "loss_te"} <= set(row) and row["params"] == 25 and row["error"] is None
    assert rows.curves["epoch"].to_pylist() == [1, 2, 3, 4, 5] and set(rows.curves["idx"].to_pylist()) == {0}
    assert row["loss_va"] == rows.curves["val_loss"][row["best_epoch"] - 1].as_py()
    [weights] = rows.weights.to_pylist()
    numbers = sum(int(np.prod(shape)) for _, _, shape in json.loads(weights["layout"]))
    assert len(weights["values"]) == 4 * numbers == 4 * row["params"]
    again = row_of(reports_of(made, [0])[-1])
    assert again["loss_te"] == row["loss_te"]  # nothing is left over from the first time


def test_a_rung_stops_a_point_at_its_milestone(tmp_path):
    asha = Asha(grace_period=2, reduction_factor=2)
    rungs = RungsHere(Rungs(asha, 6, 0))
    rungs.enter(2, np.array([5, 6]), np.array([-1.0, -2.0]), together=True)  # better than any loss
    training = Training(Fit(epochs=6), Callbacks(), milestones=asha.milestones(6))
    [report] = reports_of(engine({"units": 2}, tmp_path, training, rungs=rungs), [0])
    assert (row_of(report)["status"], row_of(report)["epochs"], report.rows.curves.num_rows) == (
        "pruned",
        2,
        2,
    )
    assert "loss_te" in row_of(report)
    entered = report.rungs.to_pylist()[-1]
    lowest = min(report.rows.curves["val_loss"].to_pylist())
    assert entered == {"milestone": 2, "idx": 0, "value": lowest, "passed": False}


def test_a_point_that_no_rung_can_judge_has_no_row(tmp_path):
    training = Training(Fit(epochs=6), Callbacks(), milestones=(2,))
    [report] = reports_of(engine({"units": 2}, tmp_path, training, rungs=LostRungs()), [0])
    assert report.broken == "nobody can judge it" and report.rows is None


LIMITED = """
import keras, tensorflow as tf
class Counted(keras.losses.Loss):
    def __init__(self):
        super().__init__()
        self.calls = 0
    def call(self, y, p):
        self.calls += 1
        return self.calls + 0.0 * p
def build(units, limit, input_shape=None):
    if limit == "epochs":
        keras.config.set_max_epochs(2)
    elif limit == "steps":
        keras.config.set_max_steps_per_epoch(2)
    else:
        tf.config.run_functions_eagerly(True)
    model = keras.Sequential([keras.Input(input_shape), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile("sgd", Counted() if limit == "graphs" else "mse")
    return model
"""


@pytest.fixture
def limited(tmp_path, monkeypatch):
    """Make the row of a point whose builder limits epochs or steps, or runs no graphs, and the logs of each epoch."""
    monkeypatch.setitem(globals(), "SIMPLE", LIMITED)
    before = Configuration.now()

    def train(limit, epochs, **given):
        training = Training(Fit(epochs=epochs, batch_size=1000), Callbacks(), **given)
        report = reports_of(engine({"units": 2, "limit": limit}, tmp_path, training), [0])[-1]
        assert row_of(report)["status"] == "completed"
        return row_of(report), report.rows.curves.to_pydict()

    yield train
    before.restore()


@pytest.mark.parametrize("milestones", [pytest.param((), marks=pytest.mark.slow), (1, 3)])
def test_a_limit_of_epochs_ends_a_point(limited, milestones):
    row, curves = limited("epochs", 4, milestones=milestones)
    assert row["epochs"] == 2 and curves["epoch"] == [1, 2] and row["loss_te"] > 0


@pytest.mark.parametrize("milestones", [(), pytest.param((1, 2), marks=pytest.mark.slow)])
def test_a_limit_of_steps_gives_the_numbers_of_keras(limited, tmp_path, milestones):
    row, curves = limited("steps", 4, milestones=milestones)
    x, y, rows, batch = TABLE.x_train, TABLE.y_train, 2673, 1000

    def batches():
        for epoch in range(9):
            order = row_order(0, epoch, rows)
            yield from (
                (x[order[at : at + batch]], y[order[at : at + batch]]) for at in range(0, rows, batch)
            )

    keras.utils.set_random_seed(0)
    model = find.find("model.py:build", tmp_path).load()(2, "steps", (10,))
    validation = {"validation_data": (x[rows:], y[rows:]), "validation_batch_size": batch}
    plain = model.fit(batches(), steps_per_epoch=3, epochs=4, verbose=0, **validation).history
    for name, values in plain.items():
        np.testing.assert_allclose(curves[name], values, rtol=1e-5)
    assert row["epochs"] == 4 and row["loss_va"] == pytest.approx(min(plain["val_loss"]), rel=1e-5)


def test_what_runs_eagerly_is_called_as_often_as_by_keras(limited):
    _, curves = limited("graphs", 2)
    # Three batches of fitted rows, and then one of validation rows.
    assert curves["val_loss"] == [4.0, 8.0]


@pytest.mark.parametrize(
    ("wrong", "at", "epochs"), [("inf", 1, 1), pytest.param(None, 4, 4, marks=pytest.mark.slow)]
)
def test_a_point_enters_the_rung_of_its_last_epoch_too(tmp_path, wrong, at, epochs):
    rungs = RungsHere(Rungs(Asha(grace_period=1, reduction_factor=2), 8, 0))
    training = Training(Fit(epochs=epochs), Callbacks(), milestones=(1, 2, 4))
    report = reports_of(engine({"units": 2, "wrong": wrong}, tmp_path, training, rungs=rungs), [0])[-1]
    [entered] = [row for row in report.rungs.to_pylist() if row["milestone"] == at]
    assert np.isnan(entered["value"]) == (wrong == "inf") and entered["passed"]
    assert row_of(report)["status"] == ("diverged" if wrong else "completed")


@pytest.mark.parametrize(
    ("wrong", "status", "message"),
    [
        ("no model", "failed", "TypeError: The builder returned int"),
        ("inf", "diverged", None),
        ("sleep", "timeout", "longer than timeout_s=1"),
        ("schedule", "completed", None),
    ],
)
def test_what_goes_wrong_is_in_the_row(tmp_path, wrong, status, message):
    rules = Callbacks(reduce_lr_on_plateau=ReduceLROnPlateau(patience=1, min_delta=100.0))
    training = Training(Fit(epochs=4), rules, timeout_s=1.0 if wrong == "sleep" else 60.0)
    started = time.monotonic()
    [report] = reports_of(engine({"units": 2, "wrong": wrong}, tmp_path, training), [0])
    assert time.monotonic() - started < 50
    row = row_of(report)
    assert row["status"] == status
    assert (message or "") in (row["error"] or "")
    assert (report.rows.weights is None) == (status != "completed")
    if status == "diverged":
        assert row["epochs"] == 1 and row["best_epoch"] is None and "loss_te" not in row
    if status == "completed":  # its schedule was left to set the rate
        assert np.all(np.diff(report.rows.curves["learning_rate"].to_numpy()) < 0)
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0


def test_a_split_that_leaves_nothing_is_a_failed_point(tmp_path):
    config = {"units": 2, "validation_split": 0.9999}
    [report] = reports_of(engine(config, tmp_path, Training(Fit(epochs=1), Callbacks())), [0])
    assert "leaves 0 to fit" in row_of(report)["error"] and report.rows.curves.num_rows == 0


def test_axes_of_fit_go_to_fit(tmp_path):
    config = {"units": 2, "batch_size": 500, "validation_split": 0.5, "shuffle": False}
    made = engine(config, tmp_path, Training(Fit(epochs=2), Callbacks(), milestones=(1,)))
    made.begin(np.array([0]))
    made.step()
    assert made._point.fit == Fit(epochs=2, batch_size=500, validation_split=0.5, shuffle=False)
    assert made._point.model.steps_per_execution == 4  # 1,671 rows in batches of 500
