"""Analyses of conditional axes against the same analyses of the whole grid, on which each equal point is trained."""

import numpy as np
import pandas as pd
import pytest

from results.analysis.acting import importance, paired, where_acting
from results.analysis.importance import exact
from results.analysis.importance import paired as paired_in_grid
from results.space import Space

AXES = {"layers": [1, 2, 3], "rate": [0.1, 0.2], "width_2": [4, 8], "width_3": [2, 4]}
ONLY = {"width_2": "layers >= 2", "width_3": "layers >= 3"}
SPACE = Space(AXES, ONLY)
GRID = np.arange(len(SPACE))


def loss_of(idx):
    """A loss that depends on all axes that act, and differs from point to point."""
    point = SPACE.shown(idx)
    depth = point.get("width_2", 0) * 0.3 + point.get("width_3", 0) * point["rate"]
    return point["layers"] ** 2 + depth + np.random.default_rng(idx).normal()


def rows_of(idx, space=SPACE):
    """The rows of a run: null where an axis does not act."""
    table = pd.DataFrame([space.shown(one) for one in idx], columns=list(space.names))
    return table.assign(idx=idx, loss=[loss_of(SPACE.standing_for(np.array([one]))[0]) for one in idx])


TRAINED = rows_of(np.sort(SPACE.nth(np.arange(SPACE.different))))
WHOLE = rows_of(GRID, Space(AXES))
"""The same, if each point of the grid were trained."""


def test_a_configuration_may_be_known_by_any_of_its_repeats():
    later = TRAINED.assign(idx=TRAINED["idx"] + len(SPACE) * (np.arange(len(TRAINED)) % 3))
    space = Space(AXES, ONLY, repeats=3)
    found, expected = importance(later, space, "loss"), importance(TRAINED, SPACE, "loss")
    pd.testing.assert_frame_equal(found.shares, expected.shares)
    for axis in AXES:
        pd.testing.assert_frame_equal(
            paired(later, space, axis, "loss"), paired(TRAINED, SPACE, axis, "loss")
        )


def test_shares_are_those_of_the_whole_grid():
    found, expected = importance(TRAINED, SPACE, "loss"), exact(WHOLE, list(AXES), "loss")
    assert (
        found.exact
        and found.rows == len(TRAINED) == 14
        and found.variance == pytest.approx(expected.variance)
    )
    columns = ["axis", "other"]
    pd.testing.assert_frame_equal(
        found.shares.set_index(columns).sort_index(), expected.shares.set_index(columns).sort_index()
    )


def test_shares_of_some_points_are_those_of_their_part_of_the_grid():
    some, part = (rows[rows["layers"] > 1] for rows in (TRAINED, WHOLE))
    found, expected = importance(some, SPACE, "loss"), exact(part, list(AXES), "loss")
    assert found.exact and set(found.shares["axis"]) == set(AXES)
    assert found.shares["share"].to_numpy() == pytest.approx(expected.shares["share"].to_numpy())


def test_an_axis_has_no_share_where_it_does_not_act():
    flat = TRAINED.assign(loss=TRAINED["layers"] ** 2.0)
    shares = importance(flat, SPACE, "loss").shares.set_index(["axis", "other"])["share"]
    assert shares["layers", ""] == pytest.approx(1) and shares.drop(("layers", "")).abs().max() < 1e-12


@pytest.mark.heavy  # takes long
def test_an_estimate_finds_what_acts():
    space = Space({**AXES, "seed_": range(9)}, ONLY)
    idx = np.sort(space.nth(np.arange(space.different)))
    rows = pd.DataFrame([space.shown(one) for one in idx], columns=list(space.names)).assign(idx=idx)
    rows = rows.assign(loss=rows["layers"] + rows["width_2"].fillna(0) / 8)
    found = importance(rows.sample(frac=0.7, random_state=0), space, "loss")
    exactly = importance(rows, space, "loss").shares.set_index(["axis", "other"])["share"]
    shares = found.shares.set_index(["axis", "other"])["share"]
    assert not found.exact and found.fit > 0.9
    assert shares["width_2", ""] == pytest.approx(exactly["width_2", ""], abs=0.05)
    assert shares["width_3", ""] < 0.02 and shares["seed_", ""] < 0.02
    with pytest.raises(ValueError, match="at least 20"):
        importance(rows.sample(9, random_state=0), space, "loss")


@pytest.mark.parametrize("axis", list(AXES))
def test_pairs_are_those_of_the_whole_grid_each_once(axis):
    found = paired(TRAINED, SPACE, axis, "loss").set_index(["value", "other"])
    acts = SPACE.acting(GRID)[:, SPACE.names.index(axis)]
    table = WHOLE[acts].assign(point=SPACE.standing_for(GRID)[acts])
    for (value, other), row in found.iterrows():
        sides = [
            table[table[axis] == one].set_index([name for name in AXES if name != axis])
            for one in (value, other)
        ]
        both = sides[0].merge(sides[1], left_index=True, right_index=True, suffixes=("_value", "_other"))
        both = both.drop_duplicates(["point_value", "point_other"])
        difference = both["loss_other"] - both["loss_value"]
        assert row["pairs"] == len(difference)
        assert row["mean"] == pytest.approx(difference.mean()) and row["median"] == pytest.approx(
            difference.median()
        )
        assert row["lower"] == pytest.approx((difference < 0).mean())
    assert len(found) == len(AXES[axis]) * (len(AXES[axis]) - 1) / 2


def test_without_conditions_pairs_are_the_plain_ones():
    for axis in AXES:
        found = paired(WHOLE, Space(AXES), axis, "loss")
        pd.testing.assert_frame_equal(
            found, paired_in_grid(WHOLE, list(AXES), axis, "loss"), check_dtype=False
        )


def test_rows_of_points_where_an_axis_does_not_act_are_left_out():
    rows, note = where_acting(TRAINED, "width_3", SPACE)
    assert set(rows["layers"]) == {3}
    assert note == "6 points are left out, because width_3 acts only where layers >= 3."
    for axis, space in (("layers", SPACE), ("status", SPACE), ("width_3", None)):
        assert len(where_acting(TRAINED, axis, space)[0]) == len(TRAINED)
