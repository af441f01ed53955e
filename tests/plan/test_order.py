"""The order of points is a permutation that the seed decides, and its first points are known at once."""

import itertools
import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from results.space import Space
from sweep.plan.order import Permutation, Selection

SEEDS = st.integers(0, 2**32 - 1)


@given(st.integers(1, 200), SEEDS)
def test_every_element_comes_once(n, seed):
    permutation = Permutation(n, seed)
    order = [permutation[position] for position in range(n)]
    assert sorted(order) == list(range(n))
    assert [permutation.position(element) for element in order] == list(range(n))


def test_the_order_is_the_seeds():
    def order(seed: int) -> list[int]:
        return list(Selection(1000, seed))

    assert order(1) == order(1) != order(2)
    # Written down, because a resumed sample must be the same on every machine and in every version.
    assert list(Selection(17280, 0, points=4)) == [2737, 13585, 14418, 5655]


def test_the_order_does_not_follow_the_grid():
    # Ranks of a random permutation: |r| has a standard deviation of 1 / sqrt(n) = 0.01; five of them.
    positions = np.array(list(Selection(10_000, 3)))
    assert abs(np.corrcoef(positions, np.arange(10_000))[0, 1]) < 0.05
    # Neither do neighbours stay together: the mean step of a random permutation is n / 3.
    assert abs(np.abs(np.diff(positions)).mean() / 10_000 - 1 / 3) < 0.02


def test_the_first_of_ten_million_come_at_once():
    tracemalloc.start()
    first = list(itertools.islice(Selection(10**7, 0), 100))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(set(first)) == 100
    assert peak < 2**20


@pytest.mark.heavy  # takes long
@given(st.integers(1, 60), SEEDS, st.integers(1, 80))
def test_more_points_extend_the_same_sample(n, seed, points):
    chosen = Selection(n, seed, points=points)
    assert list(chosen) == list(Selection(n, seed))[:points]
    assert len(chosen) == min(points, n)
    assert [idx in chosen for idx in range(n)] == [idx in set(chosen) for idx in range(n)]


def test_given_points_keep_the_order():
    everything = list(Selection(50, 9))
    chosen = Selection(50, 9, idx=[3, 40, 3, 7])
    assert list(chosen) == [idx for idx in everything if idx in (3, 7, 40)]
    assert 40 in chosen and 4 not in chosen and len(chosen) == 3


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"points": 0}, "at least 1"),
        ({"idx": [10]}, "--idx got 10, but the space has the points 0 to 9"),
        ({"idx": [-1]}, "--idx got -1"),
        ({"idx": []}, "no point"),
        ({"points": 1, "idx": [1]}, "both given"),
    ],
)
def test_a_wrong_choice_is_refused(chosen, message):
    with pytest.raises(ValueError, match=message):
        Selection(10, 0, **chosen)


LAYERS = Space(
    {"layers": [1, 2, 3], "width_2": [4, 8], "width_3": [2, 4]},
    {"width_2": "layers >= 2", "width_3": "layers >= 3"},
)


@pytest.mark.heavy  # takes long
@given(SEEDS, st.integers(1, 9))
def test_only_different_points_are_chosen(seed, points):
    everything = list(Selection.of(LAYERS, seed))
    assert sorted(everything) == [0, 4, 6, 8, 9, 10, 11] == Selection.of(LAYERS, seed).to_array().tolist()
    chosen = Selection.of(LAYERS, seed, points=points)
    assert len(chosen) == min(points, 7) and list(chosen) == everything[:points]
    assert chosen.to_array().tolist() == sorted(everything[:points])
    assert [idx for idx in range(12) if idx in chosen] == sorted(chosen)
    assert chosen.has(np.arange(12)).tolist() == [idx in chosen for idx in range(12)]
    some = Selection.of(LAYERS, seed, idx=[8, 0])
    assert list(some) == [idx for idx in everything if idx in (0, 8)] and 4 not in some


@pytest.mark.parametrize(
    ("idx", "words"),
    [
        (
            [5],
            "--idx got 5, which is not trained: width_3 does not act there, so point 4 stands for it. Write --idx 4.",
        ),
        ([0, 3, 2, 11], "got 2.*width_2 and width_3 do not act.*true of 1 more. Write --idx 0,11."),
    ],
)
def test_a_point_that_is_not_trained_is_answered_with_the_one_that_is(idx, words):
    with pytest.raises(ValueError, match=words):
        Selection.of(LAYERS, 0, idx=idx)


def test_a_sample_of_an_immense_space_of_conditional_axes_comes_at_once():
    space = Space(
        {"kind": [0, 1], **{f"p{n}": range(1000) for n in range(6)}},
        {f"p{n}": f"kind == {n % 2}" for n in range(6)},
    )
    chosen = list(Selection.of(space, 0, points=1000))
    assert len(space) == 2 * 10**18 and space.different == 2 * 10**9
    assert len(set(chosen)) == 1000 and (space.numbers(np.array(chosen)) >= 0).all()
