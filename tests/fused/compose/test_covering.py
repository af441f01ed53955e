"""Few points have every pair of values of every two axes."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainables.fused.compose.covering import covering


def combinations(codes, strength):
    axes = range(codes.shape[1])
    return {
        (some, tuple(row[list(some)].tolist()))
        for some in itertools.combinations(axes, strength)
        for row in codes
    }


@pytest.mark.heavy  # takes long
@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 3), st.floats(0.1, 1.0))
def test_every_pair_that_occurs_is_covered_by_few_rows(sizes, seed, share):
    grid = np.array(list(itertools.product(*map(range, sizes))))
    chance = np.random.default_rng(seed)
    codes = grid[np.sort(chance.permutation(len(grid))[: max(1, int(share * len(grid)))])]
    found = covering(codes, 10**6, seed)
    assert len(set(found.rows.tolist())) == len(found.rows) <= len(codes)
    strength = min(2, len(sizes))
    assert combinations(codes[found.rows], strength) == combinations(codes, strength)
    assert found.pairs == 1.0
    have, all_triples = combinations(codes[found.rows], 3), combinations(codes, 3)
    assert found.triples == (len(have) / len(all_triples) if all_triples else 1.0)


def test_the_number_of_rows_is_near_the_least_possible():
    codes = np.array(list(itertools.product(range(5), range(2), range(3), range(6), range(4))))
    assert 30 <= len(covering(codes, 400).rows) <= 40


def test_all_triples_are_covered_if_that_takes_at_most_twice_the_rows():
    cheap = covering(np.array(list(itertools.product(range(3), range(2), range(2)))), 400)
    assert (len(cheap.rows), cheap.triples) == (12, 1.0)
    dear = covering(np.array(list(itertools.product(range(3), range(3), range(3)))), 400)
    assert len(dear.rows) < 18 and dear.triples == len(dear.rows) / 27


def test_a_limit_on_the_rows_is_kept_and_told():
    codes = np.array(list(itertools.product(range(20), range(20))))
    found = covering(codes, 50)
    assert len(found.rows) == 50
    assert found.pairs == 50 / 400


def test_axes_of_many_values_take_memory_for_the_points_only():
    codes = np.random.default_rng(0).integers(0, 10**5, (500, 4))
    found = covering(codes, 20)
    assert len(found.rows) == 20 and 0 < found.pairs < 1
