"""Trains points by the engines in this process, and hands them on from engine to engine as a sweep does."""

import inspect
from pathlib import Path

import numpy as np

from results.space import Space
from tests.help.cohorts import by_point
from trainables.builder import find
from trainables.engine import Work
from trainables.fused.engine import ProgramEngine
from trainables.settings import Callbacks, Fit, ReduceLROnPlateau, Training
from trainables.single.engine import KerasEngine

RTOL = 1e-3
"""As in the README: float32 sums in another order, over a few epochs."""


def train(work, points):
    """Return row, curve and weights of each point by its idx, and the reasons of those that left the fused engine.

    Args:
        work: what the engines are run with.
        points: the points' numbers in the grid.
    """
    found, reasons, known = {}, {}, None
    fused, keras = ProgramEngine(work), KerasEngine(work)
    waiting = [(fused, np.asarray(points))]
    while waiting:
        engine, part = waiting.pop()
        engine.begin(part, known)
        done = False
        while not done:
            report = engine.step()
            assert not report.broken, report.broken
            done, known = report.done, known or report.known
            if report.rows is not None:
                found |= by_point(report.rows)
            waiting += [(fused, np.asarray(group)) for group in report.parts]
            if report.refused is not None:
                left = [idx for idx in report.refused.tolist() if idx not in found]
                reasons |= dict.fromkeys(left, report.why)
                waiting += [(keras, np.array([idx])) for idx in left]
    return found, reasons


def work_of(function, space, table, **fit):
    """Return what the engines are run with for a builder of a file of helpers; batches of 48 rows, and a plateau rule."""
    builder = find.find(f"{inspect.getfile(function)}:{function.__name__}", Path.cwd())
    rules = Callbacks(reduce_lr_on_plateau=ReduceLROnPlateau(factor=0.3, patience=1, min_lr=1e-5))
    return Work(Space(space), builder, table, Training(Fit(**{"epochs": 3, "batch_size": 48, **fit}), rules))


def by_keras(work, idx):
    """Return row, curve and weights of a point by the engine `keras`."""
    engine, found, done = KerasEngine(work), {}, False
    engine.begin(np.array([idx]))
    while not done:
        report = engine.step()
        done = report.done
        found |= by_point(report.rows) if report.rows is not None else {}
    return found[idx]


def assert_as_by_keras(work, points=None):
    """Train all points by programs of XLA, compare all or some with the engine `keras`, and return the rows."""
    found, reasons = train(work, range(len(work.space)))
    assert not reasons, reasons
    for idx in range(len(work.space)) if points is None else points:
        (row, curve, weights), (expected, of_keras, its) = found[idx], by_keras(work, idx)
        assert (row["engine"], expected["engine"]) == ("fused", "keras")
        assert row["status"] == expected["status"] == "completed", expected["error"]
        assert {*curve} == {*of_keras} and {*row} == {*expected} - {"note"}
        for name, values in of_keras.items():
            np.testing.assert_allclose(curve[name], values, RTOL, 1e-5, err_msg=name)
        for name, value in expected.items():
            if isinstance(value, float) and name != "seconds":
                np.testing.assert_allclose(row[name], value, RTOL, 1e-5, err_msg=name)
        np.testing.assert_allclose(weights, its, RTOL, 1e-4)
    return [found[idx][0] for idx in range(len(work.space))]
