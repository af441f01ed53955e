"""Rankings put the best points first, and CSV of them holds no formula that a spreadsheet would run."""

import csv
import io

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.analysis.leaderboard import best_of_each, leaderboard, pareto, to_csv
from results.grammar import ConditionError

POINTS = pd.DataFrame({"idx": [5, 3, 9, 1], "loss_va": [2.0, 1.0, None, 1.0], "MAE_te": [4.0, 3.0, 2.0, 1.0]})


def test_the_best_come_first_and_ties_by_idx():
    assert list(leaderboard(POINTS)["idx"]) == [1, 3, 5]
    assert list(leaderboard(POINTS, 2, "MAE_te", "max")["idx"]) == [5, 3]
    assert list(leaderboard(POINTS, by="MAE_te").index) == [0, 1, 2, 3]


def test_an_unknown_column_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match='Did you mean "loss_va"'):
        leaderboard(POINTS, by="los_va")


def test_the_best_of_each_value_best_first():
    points = pd.DataFrame(
        {"idx": range(5), "axis": ["a", None, "a", "b", None], "loss_va": [3.0, 5, 2, 4, 1]}
    )
    assert list(best_of_each(points, "axis")["idx"]) == [4, 2, 3]
    with pytest.raises(ValueError, match='no column "axes"'):
        best_of_each(points, "axes")


def test_points_that_did_not_finish_well_come_after_all_others():
    statuses = ["completed", "diverged", "pruned", "early_stopped", "timeout"]
    points = pd.DataFrame({"idx": range(5), "status": statuses, "loss_va": [3.0, 1, 5, 4, 0], "params": 1})
    assert list(leaderboard(points)["idx"]) == [0, 3, 2, 4, 1]
    assert list(leaderboard(points, mode="max")["idx"]) == [2, 3, 0, 1, 4]
    assert list(best_of_each(points, "params")["idx"]) == [0]
    assert list(pareto(points)["idx"]) == [0]
    broken = points[points["status"].isin(["diverged", "timeout"])]
    assert list(leaderboard(broken)["idx"]) == [4, 1] and list(pareto(broken)["idx"]) == [4]


MODES = st.sampled_from(["min", "max"])


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=30), MODES, MODES)
def test_no_point_of_the_front_is_beaten_and_every_other_is(pairs, mode, against_mode):
    points = pd.DataFrame(pairs, columns=["loss_va", "params"], dtype=float).assign(idx=range(len(pairs)))
    front = pareto(points, "loss_va", "params", mode, against_mode)
    kept = set(front["idx"])
    signs = [1 if one == "min" else -1 for one in (mode, against_mode)]

    def beats(a, b):
        return (
            all(sign * one <= sign * other for sign, one, other in zip(signs, a, b, strict=True)) and a != b
        )

    for position, pair in enumerate(pairs):
        beaten = any(beats(other, pair) for other in pairs) or pair in pairs[:position]
        assert (position not in kept) == beaten
    params = front["params"]
    assert params.is_monotonic_increasing if against_mode == "min" else params.is_monotonic_decreasing


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


@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_front_is_of_numbers(mode):
    points = pd.DataFrame({"idx": [0, 1], "status": ["completed", "pruned"], "params": [1, 2]})
    with pytest.raises(ConditionError, match='"status" holds no numbers'):
        pareto(points, "status", mode=mode)
