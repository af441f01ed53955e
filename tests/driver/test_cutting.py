"""A group is cut so that no trial takes longer than a quarter of what each worker has to do."""

import heapq

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sweep.driver.cutting import LEAST, PER_WORKER, most_points, shares

COSTS = st.lists(st.floats(0.1, 1000.0), min_size=1, max_size=30)


@given(st.integers(1, 10**6), st.floats(1e-6, 1.0), st.integers(1, 500))
def test_a_trial_is_at_most_a_quarter_of_a_worker_s_work(points, share, workers):
    most = most_points(points, share, workers)
    assert most >= LEAST
    if most > LEAST:
        one_fewer = share * (most - 1) / points
        assert one_fewer < 1 / (PER_WORKER * workers) * (1 + 1e-9)
    assert most >= points or share * most / points >= 1 / (PER_WORKER * workers) * (1 - 1e-9) or most == LEAST


@given(COSTS, st.floats(1e-3, 1.0))
def test_the_parts_share_what_the_group_had(costs, whole):
    parts = [np.arange(3) for _ in costs]
    found = shares(parts, costs, whole)
    np.testing.assert_allclose(found, whole * np.array(costs) / sum(costs))
    by_size = shares([np.arange(1), np.arange(3)], [], whole)
    np.testing.assert_allclose(by_size, [whole / 4, whole * 3 / 4])


@given(st.lists(st.integers(1, 40_000), min_size=1, max_size=24), st.integers(1, 64))
def test_workers_that_take_the_longest_trial_first_end_together(sizes, workers):
    """With trials of equal cost for each point, and enough points for all workers."""
    pieces, total = [], sum(sizes)
    for size in sizes:
        most = most_points(size, size / total, workers)
        pieces += [len(part) for part in np.array_split(np.empty(size), -(-size // most))]
    ends = [0] * workers
    for piece in sorted(pieces, reverse=True):
        heapq.heapreplace(ends, ends[0] + piece)
    fair = total / workers
    # The last trial of a worker starts before the others have ended, and is a quarter of its work at most.
    assert max(ends) <= fair + max(fair / PER_WORKER + 1, LEAST)
