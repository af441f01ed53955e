"""Scaling: the simulation of the benchmark gives what can be worked out by hand."""

from dataclasses import replace

import pytest

from tests.benchmarks.scaling import Cohort, Costs, cut_for, simulate

FREE = Costs(start_s=10, gap_s=0, report_s=0, report_point_s=0, commit_s=0, commit_point_s=0, splits=[3, 2])
COHORTS = [Cohort(100, begin_s=5, train_s=15, at_end=0.5)] * 6


@pytest.mark.parametrize(
    ("cores", "wall_s", "limit"),
    [
        (1, 15 + 6 * 20, "cores"),
        (2, 15 + 10 + 3 * 20, "cores"),  # the second core starts once there is a cohort for it
        (100, 15 + 10 + 20, "programs"),
    ],
)
def test_without_a_driver_it_is_list_scheduling(cores, wall_s, limit):
    found = simulate(COHORTS, cores, FREE)
    assert found.wall_s == pytest.approx(wall_s) and found.limit == limit


def test_a_long_cohort_is_waited_for():
    found = simulate([*COHORTS, Cohort(100, 5, 500, 0.5)], 4, FREE)
    assert found.limit == "longest cohort" and found.wall_s == pytest.approx(15 + 505)


def test_a_driver_is_one_thread():
    hears = simulate(COHORTS, 100, replace(FREE, report_point_s=0.5))
    assert hears.limit == "driver" and hears.heard_s == pytest.approx(600 * 0.5)
    assert hears.wall_s >= 15 + 300
    stores = simulate(COHORTS, 100, replace(FREE, commit_point_s=0.5))
    assert stores.limit == "store" and stores.stored_s == pytest.approx(600 * 0.5)


def test_cutting_helps_where_there_are_more_cores_than_cohorts():
    assert cut_for(COHORTS, 1, FREE).wall_s == simulate(COHORTS, 1, FREE).wall_s
    assert cut_for(COHORTS, 60, FREE).wall_s == pytest.approx(15 + 10 + 5 + 15 / 10)
