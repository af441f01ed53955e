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


def test_each_answer_has_thresholds_of_its_own():
    split, predict = made("multilabel")
    p, known = (probabilities(predict, x, split) for x in (split.x_test, split.x_validation))
    table = thresholds(predict, split, p)
    assert list(table["class"]) == [label for label in split.classes for _ in range(3)]
    for code, label in enumerate(split.classes):
        rows = table[table["class"] == label].to_dict("records")
        best = chosen(split.y_validation[:, code] == 1, known[:, code])
        assert [row["threshold"] for row in rows] == [0.5, *best]
        y, p_one = split.y_test[:, code], p[:, code]
        for given, row in zip((p_one > 0.5, p_one >= best[0], p_one >= best[1]), rows, strict=True):
            assert row["accuracy"] == accuracy_score(y, given)
            assert row["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(y, given))
            precision = precision_score(y, given, zero_division=np.nan)
            assert row["precision"] == pytest.approx(precision, nan_ok=True)
            assert row["recall"] == recall_score(y, given)
            assert row["f1"] == f1_score(y, given) and row["youden_j"] == pytest.approx(j_of(y, given))


def test_an_answer_that_is_the_same_in_all_rows_has_what_can_be_known():
    """The first is never yes in rows that choose, the second never in the validation rows, the third in no test row."""
    split, predict = made("multilabel")
    fitted, validation, test = (y.copy() for y in (split.y_fitted, split.y_validation, split.y_test))
    fitted[:, 0], validation[:, :2], test[:, 2] = 0, 0, 0
    fewer = dataclasses.replace(split, y_fitted=fitted, y_validation=validation, y_test=test)
    table = thresholds(predict, fewer, probabilities(predict, split.x_test, split))
    first, second, third = (table[table["class"] == label] for label in split.classes)
    assert list(first["chosen_by"]) == ["default"]
    assert list(second["chosen_on"]) == ["", "fitted rows", "fitted rows"]
    assert third[["recall", "balanced_accuracy", "f1", "youden_j"]].isna().all(axis=None)
    assert third["specificity"].notna().all() and third["accuracy"].notna().all()
