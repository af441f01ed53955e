"""Weights of classes and of rows: both engines give the curves and metrics of plain Keras."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from results.space import Space
from tests.help import classifiers
from tests.help.classifiers import by_keras, table
from tests.help.cohorts import by_point
from tests.help.engines import train
from trainables.builder import build, find
from trainables.engine import Work
from trainables.settings import Callbacks, Fit, Training
from trainables.single.compare import Trained
from trainables.single.engine import KerasEngine
from trainables.single.verify import VerifyEngine

pytestmark = pytest.mark.slow  # tests/test_cases.py has the kinds of weights for every run

RTOL = 1e-3  # of whole curves, as elsewhere: sums in another order
FITTED = 128  # of 160 train rows


def work_of(classes, batch_size=32, shuffle=False, data=None, **axes):
    builder = find.find(f"{classifiers.__file__}:build", Path.cwd())
    kind = "binary" if classes == 2 else "several"
    space = Space({"units": [3, 5], "kind": [kind], **axes})
    fit = Fit(epochs=4, batch_size=batch_size, shuffle=shuffle)
    return Work(space, builder, data or table(classes), Training(fit, Callbacks()))


def expected(work, idx):
    """What plain Keras gives: weights of classes by code, and weights of rows as arrays."""
    config, data = work.space[idx], work.table
    given = {}
    if (by_class := config.get("class_weight")) == "balanced":
        fitted = data.y_train[:FITTED]
        balanced = compute_class_weight("balanced", classes=np.unique(fitted), y=fitted)
        given["class_weight"] = dict(enumerate(balanced.tolist()))
    elif by_class:
        given["class_weight"] = {list(data.classes).index(label): one for label, one in by_class.items()}
    if column := config.get("weight"):
        given["sample_weight"] = dict(zip(("tr", "te"), data.weights[column], strict=True))
    fit = build.fit_of(config, work.builder, work.training.fit)
    model = build.build(work.builder.load(), work.builder, config, data, work.training.seed)
    return by_keras(model, data, fit, **given)


def by_engine_keras(work, idx):
    engine, done = KerasEngine(work), False
    engine.begin(np.array([idx]))
    while not done:
        report = engine.step()
        done = report.done
    [found] = by_point(report.rows).values()
    return found


def assert_equal(found, expected):
    (row, curve, _), (history, metrics) = found, expected
    assert row["error"] is None
    assert set(curve) - {"learning_rate"} == set(history)
    for name, values in history.items():
        np.testing.assert_allclose(curve[name], values, rtol=RTOL, atol=1e-5, err_msg=name)
    if row["best_epoch"] == 4:  # then the model that was evaluated is Keras' last one
        for name, value in metrics.items():
            np.testing.assert_allclose(row[name], value, rtol=RTOL, atol=1e-5, err_msg=name)
    return row["best_epoch"] == 4


CASES = {
    "balanced": (2, 48, {"class_weight": ["balanced"]}),
    "mapping": (2, 50, {"class_weight": [{"yes": 7.5, "no": 0.25}], "dropout": [0.3]}),
    "three balanced": (3, 48, {"class_weight": ["balanced"], "batch_norm": [True]}),
    "three mapping": (3, 32, {"class_weight": [{"high": 5}]}),
    "rows": (2, 48, {"weight": ["w"], "batch_norm": [True], "dropout": [0.2]}),
    "rows of three": (3, 50, {"weight": ["w"]}),
}


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", CASES)
def test_both_engines_give_the_numbers_of_keras(name):
    classes, batch_size, axes = CASES[name]
    work = work_of(classes, batch_size, **axes)
    found, reasons = train(work, range(len(work.space)))
    assert not reasons
    evaluated = []
    for idx in range(len(work.space)):
        plain = expected(work, idx)
        evaluated.append(assert_equal(found[idx], plain))
        assert_equal(by_engine_keras(work, idx), plain)
    assert any(evaluated)
    # The weights matter: without them, the first loss is another.
    history, _ = by_keras(
        build.build(work.builder.load(), work.builder, work.space[0], work.table, 0), work.table, Fit(
            epochs=1, batch_size=batch_size
        )
    )  # fmt: skip
    assert abs(history["loss"][0] / found[0][1]["loss"][0] - 1) > 0.02


@pytest.mark.timeout(300)
def test_points_of_other_weights_are_in_other_groups_and_ones_change_nothing():
    work = work_of(2, 48, weight=[None, "ones", "w"])
    found, reasons = train(work, range(6))
    assert not reasons
    by_config = {(work.space[idx]["units"], work.space[idx]["weight"]): found[idx] for idx in found}
    for units in (3, 5):
        (row, curve, _), (other, same, _), (_, weighted, _) = (
            by_config[units, name] for name in (None, "ones", "w")
        )
        for log in curve:
            np.testing.assert_allclose(curve[log], same[log], rtol=1e-5)
        assert row["loss_te"] == pytest.approx(other["loss_te"], rel=1e-5)
        assert not np.allclose(weighted["val_loss"], curve["val_loss"], rtol=0.01)
        assert not np.allclose(weighted["val_error"], curve["val_error"], rtol=0.01)


@pytest.mark.timeout(300)
def test_weights_of_classes_are_for_the_fitted_rows_only():
    work = work_of(
        2, 160, class_weight=[None, {"yes": 50}], rate=[1e-12]
    )  # a rate at which nothing is learned
    found, reasons = train(work, range(4))
    assert not reasons
    for (_, plain, _), (_, weighted, _) in itertools.pairwise(found[idx] for idx in sorted(found)[::2]):
        np.testing.assert_allclose(weighted["val_loss"], plain["val_loss"], rtol=1e-5)
        assert (weighted["loss"] > 2 * plain["loss"]).all()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("axes", [{"class_weight": ["balanced"]}, {"weight": ["w"]}])
def test_a_verification_uses_the_same_weights(axes):
    work = work_of(2, 48, shuffle=True, **axes)
    found, reasons = train(work, [0])
    assert not reasons
    row, curve, _ = found[0]
    metrics = {name: value for name, value in row.items() if name.endswith(("_tr", "_va", "_te"))}
    stored = Trained(row["status"], row["epochs"], row["best_epoch"], curve, metrics, row["params"])
    engine, done = VerifyEngine(work), False
    engine.begin(np.array([0]), stored)
    while not done:
        report = engine.step()
        done = report.done
    assert report.check.whole and not report.check.differences
