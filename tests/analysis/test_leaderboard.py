import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.analysis.leaderboard import best_of_each, leaderboard, pareto, to_csv

POINTS = pd.DataFrame({"idx": [5, 3, 9, 1], "loss_te": [2.0, 1.0, None, 1.0], "MAE_te": [4.0, 3.0, 2.0, 1.0]})


def test_the_best_come_first_and_ties_by_idx():
    assert list(leaderboard(POINTS)["idx"]) == [1, 3, 5]
    assert list(leaderboard(POINTS, 2, "MAE_te", descending=True)["idx"]) == [5, 3]
    assert list(leaderboard(POINTS, by="MAE_te").index) == [0, 1, 2, 3]


def test_an_unknown_column_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match='Did you mean "loss_te"'):
        leaderboard(POINTS, by="los_te")


def test_the_best_of_each_value_best_first():
    points = pd.DataFrame(
        {"idx": range(5), "axis": ["a", None, "a", "b", None], "loss_te": [3.0, 5, 2, 4, 1]}
    )
    assert list(best_of_each(points, "axis")["idx"]) == [4, 2, 3]
    with pytest.raises(ValueError, match='no column "axes"'):
        best_of_each(points, "axes")


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30))
def test_no_point_of_the_front_is_beaten_and_every_other_is(pairs):
    points = pd.DataFrame(pairs, columns=["loss_te", "params"], dtype=float).assign(idx=range(len(pairs)))
    front = pareto(points)
    kept = set(front["idx"])

    def beats(a, b):
        return a[0] <= b[0] and a[1] <= b[1] and a != b

    for position, pair in enumerate(pairs):
        beaten = any(beats(other, pair) for other in pairs) or pair in pairs[:position]
        assert (position not in kept) == beaten
    assert front["params"].is_monotonic_increasing


def test_a_spreadsheet_finds_no_formula_in_the_csv():
    hostile = ["=1+1", "+cmd", "-2", "@sum", "\t=x", " =x", "fine", 'a"b,c', None]
    points = pd.DataFrame({"idx": range(9), "=axis": hostile, "loss": [-1.0, *[np.nan] * 8]})
    header, *rows = csv.reader(io.StringIO(to_csv(points)))
    assert header == ["idx", "'=axis", "loss"]
    assert [row[1] for row in rows] == [
        *("'" + text for text in hostile[:6]),
        *hostile[6:8],
        "",
    ]
    assert rows[0][2] == "-1.0"
