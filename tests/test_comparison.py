"""Comparisons of an axis' values with a constant, and what is refused."""

import ast

import pytest

from results.comparison import compared, equal
from results.grammar import ConditionError


def found(values, comparison, constant):
    return compared("a ?", "a", values, comparison, constant).tolist()


@pytest.mark.parametrize(
    ("values", "comparison", "constant", "expected"),
    [
        ([1, 2.0, 3], ast.Eq(), 2, [False, True, False]),
        ([1, True, "1", [1], None], ast.Eq(), 1, [True, False, False, False, False]),
        ([1, True], ast.NotEq(), True, [True, False]),
        ([[8], [8, 4], [True]], ast.Eq(), [8, 4.0], [False, True, False]),
        ([None, 5], ast.Is(), None, [True, False]),
        ([None, 5], ast.Lt(), 9, [False, True]),
        (["a", "b"], ast.GtE(), "b", [False, True]),
        (range(2, 5), ast.In(), [2, 4], [True, False, True]),
        ([1, 2], ast.NotIn(), [], [True, True]),
    ],
)
def test_values_are_compared_strictly(values, comparison, constant, expected):
    assert found(values, comparison, constant) == expected


@pytest.mark.parametrize(
    ("values", "comparison", "constant"),
    [
        ([1, 2], ast.Eq(), "1"),
        ([1, 2], ast.In(), [1, "2"]),
        ([1, "a"], ast.Lt(), 2),
        ([[1], [2]], ast.Lt(), [2]),
        ([True, False], ast.Gt(), False),
        ([1], ast.Gt(), None),
    ],
)
def test_what_cannot_be_compared_is_refused(values, comparison, constant):
    with pytest.raises(ConditionError, match=r"a \?"):
        found(values, comparison, constant)


def test_true_is_no_number():
    assert not equal(True, 1) and equal(1, 1.0) and not equal([True], [1])
