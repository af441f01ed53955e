"""Curves and bins are scikit-learn's on the same predictions."""

import dataclasses

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import (
    auc,
    average_precision_score,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from results.diagnosis import class_curves
from results.diagnosis.class_curves import confidence, precision_recall, reliability, roc
from results.diagnosis.probabilities import scored, truth
from tests.help.classes import judged

NAMES = ["binary", "multiclass", "digits", "multilabel"]


@pytest.mark.parametrize("name", NAMES)
def test_curves_are_scikit_learn_s(name, monkeypatch):
    monkeypatch.setattr(class_curves, "MOST_STEPS", 10**6)
    y, p, split = judged(name)
    true, first, second = truth(y, split), roc(y, p, split), precision_recall(y, p, split)
    assert list(first["class"].unique()) == [str(split.classes[code]) for code in scored(split)]
    for code in scored(split):
        part = first[first["class"] == str(split.classes[code])]
        expected = roc_curve(true[:, code], p[:, code])
        np.testing.assert_array_equal(
            part[["false_positive_rate", "true_positive_rate", "threshold"]].T, expected
        )
        assert part["area"].iloc[0] == roc_auc_score(true[:, code], p[:, code])
        assert auc(part["false_positive_rate"], part["true_positive_rate"]) == pytest.approx(
            part["area"].iloc[0]
        )
        part = second[second["class"] == str(split.classes[code])]
        precision, recall, _ = precision_recall_curve(true[:, code], p[:, code], drop_intermediate=True)
        np.testing.assert_array_equal(part[["precision", "recall"]].T, [precision, recall])
        assert part["area"].iloc[0] == average_precision_score(true[:, code], p[:, code])
        assert part["share"].iloc[0] == true[:, code].mean()


def test_long_curves_are_thinned_to_their_ends(monkeypatch):
    y, p, split = judged("binary")
    whole = roc(y, p, split)
    monkeypatch.setattr(class_curves, "MOST_STEPS", 5)
    few = roc(y, p, split)
    assert len(few) == 5 < len(whole) and few["area"].iloc[0] == whole["area"].iloc[0]
    rates = ["false_positive_rate", "true_positive_rate"]
    assert few[rates].iloc[0].tolist() == [0, 0] and few[rates].iloc[-1].tolist() == [1, 1]


@pytest.mark.parametrize("name", NAMES)
def test_bins_are_scikit_learn_s(name):
    y, p, split = judged(name)
    true, table = truth(y, split), reliability(y, p, split)
    for code in scored(split):
        part = table[table["class"] == str(split.classes[code])]
        share, predicted = calibration_curve(true[:, code], p[:, code], n_bins=10)
        np.testing.assert_array_equal(part[["true", "predicted"]].T, [share, predicted])
        assert part["count"].sum() == len(y)
        for row in part.to_dict("records"):
            rows = (p[:, code] > row["low"]) & (p[:, code] <= row["high"])
            assert rows.sum() == row["count"]
            expected = np.sqrt((p[rows, code] * (1 - p[rows, code])).sum()) / rows.sum()
            assert row["standard_error"] == pytest.approx(expected)
    sure = confidence(y, p, split)
    decisions = p.size if name == "multilabel" else len(y)
    assert sure["count"].sum() == decisions
    hits = (p > 0.5) == true if name == "multilabel" else p.argmax(1) == y
    assert np.average(sure["true"], weights=sure["count"]) == pytest.approx(hits.mean())


def test_a_class_without_test_rows_has_no_curve():
    y, p, split = judged("multiclass")
    rows = y != 1
    fewer = dataclasses.replace(split, x_test=split.x_test[rows], y_test=y[rows])
    assert set(roc(y[rows], p[rows], fewer)["class"]) == {split.classes[0], split.classes[2]}
    assert set(precision_recall(y[rows], p[rows], fewer)["class"]) == {split.classes[0], split.classes[2]}
    assert (reliability(y[rows], p[rows], fewer).query("`class` == @split.classes[1]")["true"] == 0).all()
