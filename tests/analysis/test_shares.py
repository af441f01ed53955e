"""Of a grid that is too large, cells are drawn at random; that invents no interactions."""

import numpy as np
import pytest

from results.analysis import shares
from results.analysis.forests import _about_pairs
from results.analysis.shares import decomposed, shares_table
from results.figures import interactions_figure


def drawn(*sizes):
    chance = np.random.default_rng(0)
    return np.stack([chance.integers(0, size, 200_000) for size in sizes], 1)


def test_an_interaction_of_which_few_cells_are_drawn_is_not_told():
    codes = drawn(500, 500)
    found, _ = decomposed(codes, (500, 500), codes.sum(1) * 1.0)
    assert found.get((0, 1), 0) < 0.02 and found[0,] == pytest.approx(0.5, abs=0.01)
    assert _about_pairs(["a", "b"], found) == [
        "Too many combinations of values to tell the interaction: a x b."
    ]
    # Without interactions, all of it is from drawing.
    codes = drawn(60, 60, 80)
    found, _ = decomposed(codes, (60, 60, 80), codes.sum(1) * 1.0)
    assert found[0, 1] < 0.02 and (0, 2) not in found and (1, 2) not in found


def test_a_whole_grid_tells_all_interactions(monkeypatch):
    monkeypatch.setattr(shares, "MIN_SAMPLES", 10**9)
    codes = np.stack(np.unravel_index(np.arange(6), (2, 3)), 1)
    found, _ = decomposed(codes, (2, 3), codes.prod(1) * 1.0)
    assert set(found) == {(0,), (1,), (0, 1)} and _about_pairs(["a", "b"], found) == []


def test_a_pair_without_a_share_is_blank_in_the_figure():
    table = shares_table(["a", "b", "c"], {(0,): 0.5, (1,): 0.2, (2,): 0.1, (0, 1): 0.1}, {})
    cells = interactions_figure(table).data[0]
    assert [list(row).count("") for row in cells.text] == [1, 1, 2] and np.isnan(cells.z).sum() == 4
