"""What can be diagnosed and what is refused: shapes, groups of columns, predictions."""

import numpy as np
import pytest

from results.diagnosis.split import drawn, predictions
from tests.help.diagnoses import split


def test_every_column_is_in_one_group():
    assert split().every_group == {"a": [0], "k": [1, 2, 3], "b": [4]}
    assert list(split(groups={}).every_group) == ["a", "k_x", "k_y", "k_z", "b"]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"groups": {"k": (1, 2, 3), "other": (3,)}}, "each in one group at most"),
        ({"groups": {"k": (1, 2, 5)}}, "columns from 0 to 4"),
        ({"groups": {"k": (1, 2)}}, 'group "k" are no indicators'),
        ({"groups": {"place": (0, 4)}}, 'group "place" are no indicators'),
        ({"groups": {"a": (1, 2, 3)}}, 'called "a"'),
        ({"features": ("a", "k_x", "k_y", "k_z")}, "5 targets and 4 names"),
        ({"y_test": np.zeros(3)}, "3 targets and 5 names"),
        (
            {"y_fitted": np.array([1, 2, 3, np.nan, np.inf])},
            "target of the fitted rows is not finite in 2 of 5",
        ),
        ({"y_test": np.array(list("abcd"))}, "needs one number for each"),
        ({"y_test": np.zeros((4, 2))}, "needs one number for each"),
    ],
)
def test_rows_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(ValueError, match=said):
        split(**changes)


CODES = {"y_fitted": np.array([0, 1, 2, 1, 0]), "y_test": np.array([2, 1, 0, 0])}
CLASSES = {"task": "multiclass", "classes": ("a", "b", "c"), **CODES}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "ranking"}, "task got 'ranking', but needs one of regression, binary"),
        ({"classes": ()}, "task is multiclass, but classes has 0 labels"),
        ({"task": "binary"}, "task is binary, but classes has 3 labels"),
        (
            {"classes": ("a", "b")},
            "test rows is 2 somewhere.*from 0 to 1|fitted rows is 2 somewhere.*from 0 to 1",
        ),
        ({"y_test": np.array([0, 1, 0.5, 1])}, "is 0.5 somewhere"),
        ({"y_test": np.array([0, 1, np.nan, 1])}, "is nan somewhere"),
        ({"y_test": np.array(list("abca"))}, "numbers of the shape \\(4,\\)"),
        ({"y_test": np.zeros((4, 3))}, "numbers of the shape \\(4,\\)"),
        ({"y_test": np.ones(4)}, "All 4 test rows are of the class b"),
        ({"y_fitted": np.zeros(5)}, "All 5 fitted rows are of the class a"),
        ({"task": "multilabel"}, "numbers of the shape \\(5, 3\\)"),
        (
            {"x_validation": np.zeros((2, 5)), "y_validation": np.array([0, 7])},
            "validation rows is 7 somewhere",
        ),
        ({"x_validation": np.zeros((2, 5)), "y_validation": np.array([0, 1, 2])}, "3 targets and 5 names"),
    ],
)
def test_targets_that_are_no_codes_are_refused(changes, said):
    split(**CLASSES)
    with pytest.raises(ValueError, match=said):
        split(**{**CLASSES, **changes})


def test_predictions_are_one_number_for_each_row():
    x = np.arange(6.0).reshape(3, 2)
    for predict in (lambda x: x[:, 1], lambda x: x[:, 1:], lambda x: x[:, 1:].astype("float32")):
        found = predictions(predict, x)
        assert found.dtype == "float64" and list(found) == [1, 3, 5]


@pytest.mark.parametrize(
    ("predict", "said"),
    [
        (lambda x: x, r"an array of shape \(3, 2\) for 3 rows, but a regression needs one number"),
        (lambda x: x[:2, 0], r"shape \(2,\)"),
        (lambda x: [x[:, 0], x[:, 1]], r"several outputs \(list\)"),
        (lambda x: {"one": x[:, 0]}, r"several outputs \(dict\)"),
        (lambda x: np.array(["a", "b", "c"]), "needs one number for each"),
        (lambda x: x[:, 0] / np.array([1, 0, 0]), "not finite in 2 of 3 rows"),
    ],
)
@pytest.mark.filterwarnings("ignore:divide by zero")
def test_other_predictions_are_refused(predict, said):
    with pytest.raises(ValueError, match=said):
        predictions(predict, np.arange(1.0, 7).reshape(3, 2))


def test_rows_are_drawn_only_where_there_are_too_many():
    assert list(drawn(5, 5, 0)) == [0, 1, 2, 3, 4]
    some = drawn(100, 7, 1)
    assert len(set(some)) == 7 and list(some) == sorted(some) and set(some) <= set(range(100))
    assert list(some) == list(drawn(100, 7, 1)) != list(drawn(100, 7, 2))
