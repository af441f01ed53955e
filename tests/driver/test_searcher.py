"""What Tune asks the searcher for, and in which order it is answered."""

import math
import pickle

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from sweep.driver.searcher import PointSearcher

COSTS = st.lists(st.one_of(st.sampled_from([0.0, 1.0, math.inf]), st.floats(0, 1e9)), max_size=12)  # some tie
POINTS = st.lists(st.integers(0, 10**6), unique=True, max_size=12)


def asked(searcher, times):
    return [searcher.suggest(f"trial {number}") for number in range(times)]


def alone(config):
    """Return the single point that is handed out, or None for nothing."""
    if config is None:
        return None
    assert config["engine"] == "keras"
    [idx] = config["points"].tolist()
    return idx


def group_numbers(configs):
    assert all(config["engine"] == "fused" for config in configs)
    return [int(config["points"][0]) for config in configs]


@given(COSTS, POINTS)
def test_groups_come_first_the_costliest_first_then_single_points_in_their_order(costs, points):
    searcher = PointSearcher(points)
    for number, cost in enumerate(costs):
        searcher.add_group(np.array([number, number + 100]), cost)
    handed = asked(searcher, len(costs) + len(points))
    costliest_first = sorted(range(len(costs)), key=lambda number: -costs[number])  # ties as they were added
    assert group_numbers(handed[: len(costs)]) == costliest_first
    assert list(map(alone, handed[len(costs) :])) == points
    assert searcher.suggest("one more") is None


def test_workers_wait_after_the_first_group_until_something_comes():
    searcher = PointSearcher(waiting=3)
    searcher.add_group(np.array([1, 2]))
    handed = [searcher.suggest(name) for name in ("g", "x", "y")]
    assert [(config["engine"], len(config["points"])) for config in handed] == [
        ("fused", 2),
        ("wait", 0),
        ("wait", 0),
    ]
    assert searcher.suggest("a")["engine"] == "wait"
    assert searcher.suggest("b") is None  # three wait
    searcher.add_group(np.array([1]))
    assert searcher.suggest("c")["engine"] == "fused" and searcher.suggest("d") is None
    searcher.ready["a"] = object()
    searcher.on_trial_complete("a")
    assert not searcher.ready and searcher.suggest("e")["engine"] == "wait"  # there is room for another


def test_work_is_counted_until_a_worker_begins_with_it():
    searcher = PointSearcher([7])
    assert searcher.queued == searcher.unbegun == 0  # points that were not tried are not counted
    searcher.add_group(np.array([1, 2]))
    searcher.give_back(np.array([3, 4]))
    searcher.give_back(np.zeros(0, np.int64))
    searcher.add_check({"points": np.array([5]), "engine": "verify"})
    assert searcher.queued == searcher.unbegun == 4
    names = list("abcde")
    assert all(searcher.suggest(name) for name in names)
    assert (searcher.queued, searcher.unbegun) == (0, 5)
    searcher.begun("a")
    searcher.on_trial_complete("b", error=True)  # its worker ended before it began
    assert searcher.unbegun == 3


def test_a_group_is_handed_out_whole():
    searcher, points = PointSearcher(), np.array([3, 1, 2**40])
    searcher.add_group(points)
    config = searcher.suggest("a")
    assert config["engine"] == "fused"
    np.testing.assert_array_equal(config["points"], points)


@given(POINTS, st.lists(st.none() | st.lists(st.integers(10**7, 10**7 + 5), max_size=3), max_size=30))
def test_points_given_back_come_before_those_not_tried_yet(points, steps):
    searcher, back, untried = PointSearcher(points), [], list(points)
    for step in steps:
        if step is not None:
            searcher.give_back(np.array(step, np.int64))
            back += step
            continue
        source = back or untried
        expected = source.pop(0) if source else None  # not "finished": a point may come back
        assert alone(searcher.suggest("trial")) == expected


def test_a_group_that_is_added_later_still_comes_first():
    searcher = PointSearcher([7, 8])
    assert alone(searcher.suggest("a")) == 7
    searcher.give_back(np.array([7]))
    searcher.add_group(np.array([1, 2]), 5.0)
    searcher.add_group(np.array([3]), 6.0)
    assert group_numbers(asked(searcher, 2)) == [3, 1]
    assert list(map(alone, asked(searcher, 3))) == [7, 8, None]


def test_points_are_never_listed():
    drawn = []

    def points():
        for idx in (5, 2, 9):
            drawn.append(idx)
            yield idx

    searcher = PointSearcher(points())
    assert drawn == []
    assert alone(searcher.suggest("a")) == 5 and drawn == [5]
    searcher.give_back(np.array([5]))
    assert alone(searcher.suggest("b")) == 5 and drawn == [5]


def test_it_pickles_without_its_points():
    searcher = PointSearcher(idx for idx in range(3))  # a generator, which no pickle can hold
    assert vars(pickle.loads(pickle.dumps(searcher))) == {}
    assert alone(searcher.suggest("a")) == 0


def test_checks_come_when_no_point_is_left():
    searcher = PointSearcher([3])
    checks = [{"points": np.array([idx]), "engine": "verify"} for idx in (8, 9)]
    searcher.add_check(checks[0])
    assert searcher.suggest("trial")["engine"] == "keras"
    assert searcher.suggest("trial") is checks[0] and searcher.suggest("trial") is None
    searcher.add_check(checks[1])
    searcher.forget_checks()
    assert searcher.suggest("trial") is None
