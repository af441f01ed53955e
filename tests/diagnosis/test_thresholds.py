"""Thresholds are the best on the rows that choose them, and their scores are those of the test rows."""

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_score,
    recall_score,
)

from results.diagnosis.probabilities import probabilities
from results.diagnosis.thresholds import chosen, thresholds
from tests.help.classes import made


def j_of(y, given):
    return recall_score(y, given) + recall_score(y, given, pos_label=0) - 1


@pytest.mark.parametrize("seed", range(5))
def test_no_other_threshold_is_better_on_the_rows_that_choose(seed):
    chance = np.random.default_rng(seed)
    p = chance.random(40).round(1 + seed % 2)  # with and without equal probabilities
    y = chance.random(40) < p
    by_f1, by_j = chosen(y, p)
    assert f1_score(y, p >= by_f1) == pytest.approx(max(f1_score(y, p >= at) for at in p))
    assert j_of(y, p >= by_j) == pytest.approx(max(j_of(y, p >= at) for at in p))


@pytest.mark.parametrize(
    ("y", "p"), [([0, 1, 1], [0.2, 0.2, 0.2]), ([0, 0, 1], [0.9, 0.8, 0.1]), ([0, 1], [0.0, 1.0])]
)
def test_a_threshold_is_always_found(y, p):
    assert all(np.isfinite(chosen(np.array(y) == 1, np.array(p))))


def test_scores_are_those_of_the_test_rows_at_thresholds_of_the_validation_rows():
    split, predict = made("binary")
    p = probabilities(predict, split.x_test, split)
    table = thresholds(predict, split, p).set_index("chosen_by")
    assert list(table["chosen_on"]) == ["", "validation rows", "validation rows"]
    known = probabilities(predict, split.x_validation, split)[:, 1]
    best = chosen(split.y_validation == 1, known)
    assert list(table["threshold"]) == [0.5, *best]
    y = split.y_test
    for given, row in zip(
        (p[:, 1] > 0.5, p[:, 1] >= best[0], p[:, 1] >= best[1]), table.to_dict("records"), strict=True
    ):
        assert row["accuracy"] == accuracy_score(y, given)
        assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, given))
        assert (row["precision"], row["recall"]) == (precision_score(y, given), recall_score(y, given))
        assert row["specificity"] == recall_score(y, given, pos_label=0)
        assert row["f1"] == f1_score(y, given) and row["youden_j"] == pytest.approx(j_of(y, given))


def test_the_fitted_rows_choose_where_the_validation_rows_cannot():
    split, predict = made("binary")
    p = probabilities(predict, split.x_test, split)
    best = chosen(split.y_fitted == 1, probabilities(predict, split.x_fitted, split)[:, 1])
    ones = split.y_validation == 1
    for changes in (
        {"x_validation": None, "y_validation": None},
        {"x_validation": split.x_validation[ones], "y_validation": split.y_validation[ones]},
    ):
        table = thresholds(predict, dataclasses.replace(split, **changes), p)
        assert list(table["chosen_on"][1:]) == ["fitted rows"] * 2 and list(table["threshold"][1:]) == list(
            best
        )


def test_the_test_rows_choose_nothing():
    split, predict = made("binary")
    other = dataclasses.replace(split, y_test=1 - split.y_test)
    one, changed = (
        thresholds(predict, data, probabilities(predict, split.x_test, split)) for data in (split, other)
    )
    assert list(one["threshold"]) == list(changed["threshold"]) and (one["recall"] != changed["recall"]).any()
