"""Targets in the shape that a model needs: both engines give the numbers of plain Keras, or the same words."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from results.space import Space
from tests.help import classifiers
from tests.help.classifiers import by_keras, table
from tests.help.cohorts import by_point
from tests.help.engines import train
from trainables.builder import build, find
from trainables.engine import Work
from trainables.fused.engine import ProgramEngine
from trainables.settings import Callbacks, Fit, Training
from trainables.single.engine import KerasEngine


def work_of(kind, data):
    builder = find.find(f"{classifiers.__file__}:shapes", Path.cwd())
    fit = Fit(epochs=3, batch_size=48, shuffle=False)
    return Work(Space({"units": [3], "kind": [kind]}), builder, data, Training(fit, Callbacks()))


def reports_of(engine, points):
    engine.begin(np.array(points))
    reports = [engine.step()]
    while not reports[-1].done:
        reports.append(engine.step())
    return reports


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("kind", "classes", "as_given"),
    [
        pytest.param("f1", 2, lambda y: y[:, None], marks=pytest.mark.slow),
        ("one-hot", 3, lambda y: np.eye(3, dtype="float32")[y.astype(int)]),
        pytest.param("pairs", 2, lambda y: y[:, None], marks=pytest.mark.slow),
    ],
)
def test_both_engines_give_the_numbers_of_keras(kind, classes, as_given):
    data = table(classes, target_shape="column" if kind == "pairs" else "auto")
    work = work_of(kind, data)
    found, reasons = train(work, [0])
    assert not reasons
    [alone] = by_point(reports_of(KerasEngine(work), [0])[-1].rows).values()
    model = build.build(work.builder.load(), work.builder, work.space[0], data, 0)
    given = replace(data, y_train=as_given(data.y_train), y_test=as_given(data.y_test))
    history, metrics = by_keras(model, given, work.training.fit)
    for row, curve, _ in (found[0], alone):
        assert row["error"] is None and row["best_epoch"] == 3
        for name, values in history.items():
            np.testing.assert_allclose(curve[name], np.ravel(values), rtol=1e-3, err_msg=name)
        for name, value in metrics.items():
            np.testing.assert_allclose(row[name], value, rtol=1e-3, err_msg=name)


def test_a_target_that_the_model_cannot_learn_fails_each_point_with_the_same_words():
    work = work_of("too few", table(3))
    rows = [
        reports_of(engine(work), [0])[-1].rows.points.to_pylist()[0]
        for engine in (ProgramEngine, KerasEngine)
    ]
    for row in rows:
        assert row["status"] == "failed"
        assert "the model has 2 outputs, but the target has 3 classes: low, middle, high" in row["error"]
    assert rows[0]["error"] == rows[1]["error"]


def test_a_loss_that_compares_every_row_with_every_other_is_told_by_both_engines():
    work = work_of("pairs", table(2))
    engines = [reports_of(engine(work), [0]) for engine in (ProgramEngine, KerasEngine)]
    told = [
        {note for report in reports for note in report.notes if "XLA, and not" not in note}
        for reports in engines
    ]
    for [note] in told:
        assert "the loss Pairs gives other numbers" in note and "target_shape: column" in note
    assert told[0] == told[1]
    # XLA computes such a loss batch by batch, as Keras does.
    [(row, curve, _)], [(_, expected, _)] = (by_point(reports[-1].rows).values() for reports in engines)
    assert row["engine"] == "fused"
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose(curve[name], expected[name], rtol=1e-4)
