"""Learning curves: what happened in each epoch, and bands of which every epoch is of the same points."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.analysis.curves import annotated, bands, summary
from tests.help.curves import CURVES, POINTS, curve


def test_cuts_best_epochs_and_ends_are_marked():
    table = annotated(CURVES, POINTS)
    marks = {
        idx: (
            list(part.loc[part["is_cut"], "epoch"]),
            list(part.loc[part["is_best"], "epoch"]),
            list(part["ended"]),
        )
        for idx, part in table.groupby("idx")
    }
    assert marks[7] == ([3], [2], ["", "", "", "completed"])
    assert marks[2] == ([2], [2], ["", "pruned"])
    assert marks[4] == (
        [],
        [1],
        ["", "diverged"],
    )  # and point 7 is not cut where it begins below the end of 4


def test_the_summary_has_a_row_for_each_point():
    table = summary(CURVES, POINTS).set_index("idx")
    assert list(table.index) == [7, 2, 4]
    assert table.loc[7, ["epochs", "best_epoch", "cuts", "ended"]].tolist() == [4, 2, "3", "completed"]
    assert table.loc[7, ["first", "best", "last"]].tolist() == pytest.approx([3, 2, 2.4])


def test_a_stopped_point_holds_its_last_value():
    table = bands(CURVES, POINTS[POINTS["idx"] != 4], "units", quantiles=(0, 0.5, 1))
    of_b = table[table["value"] == "b"]
    assert list(of_b["middle"]) == [5, 4, 4, 4] and list(of_b["training"]) == [1, 1, 0, 0]
    assert (table["points"] == 1).all()


@pytest.mark.heavy  # takes seconds
@given(
    lengths=st.lists(st.tuples(st.integers(1, 6), st.sampled_from("ab")), min_size=1, max_size=12),
    seed=st.integers(0, 2**31),
)
def test_bands_are_the_quantiles_of_numpy(lengths, seed):
    chance = np.random.default_rng(seed)
    losses = [chance.random(length) for length, _ in lengths]
    curves = pd.concat([curve(idx, values) for idx, values in enumerate(losses)]).sample(
        frac=1, random_state=1
    )
    points = pd.DataFrame({"idx": range(len(lengths)), "units": [unit for _, unit in lengths]})
    table = bands(curves, points, "units")
    longest = max(length for length, _ in lengths)
    for unit, part in table.groupby("value"):
        own = [values for values, (_, other) in zip(losses, lengths, strict=True) if other == unit]
        held = np.array([[*values, *[values[-1]] * (longest - len(values))] for values in own])
        expected = np.quantile(held, (0.1, 0.5, 0.9), axis=0)
        np.testing.assert_allclose(part[["low", "middle", "high"]].T, expected, rtol=1e-5)
        assert list(part["training"]) == [sum(len(v) > e for v in own) for e in range(longest)]


def test_what_is_not_finite_is_in_no_band():
    table = bands(CURVES, POINTS, "units", quantiles=(0, 0.5, 1))
    of_b = table[table["value"] == "b"]
    assert list(of_b["low"]) == [1, 4, 4, 4] and list(of_b["high"]) == [5, 4, 4, 4]
    alone = bands(CURVES, POINTS[POINTS["idx"] == 4], "units")
    assert alone["middle"].isna().tolist() == [False, True]


def test_a_missing_value_is_a_band_of_its_own_and_unknown_columns_are_said():
    points = POINTS.assign(units=["a", None, None])
    assert bands(CURVES, points, "units")["value"].isna().sum() == 4
    with pytest.raises(ValueError, match='Did you mean "units"'):
        bands(CURVES, POINTS, "unit")
    with pytest.raises(ValueError, match='Did you mean "val_loss"'):
        bands(CURVES, POINTS, "units", "val_los")
    assert bands(CURVES, POINTS.head(0), "units").empty
