"""Pace: what the rest of a cohort takes, and what another worker would save."""

import pytest

from trainables.fused.training.pace import Pace


def paced(epochs, begin_s=1.0):
    """A pace of these epochs, each as points, points left and seconds."""
    pace = Pace()
    pace.begun(begin_s)
    for epoch in epochs:
        pace.trained(*epoch)
    return pace


def test_a_cohort_that_loses_no_point_takes_as_long_as_so_far():
    pace = paced([(10, 10, 3.0), (10, 10, 1.0), (10, 10, 1.0)])
    assert pace.begin_s == 4.0  # with the first epoch, which compiles
    assert pace.rest_s(10, 50) == pytest.approx(50.0) and pace.rest_s(5, 50) == pytest.approx(25.0)
    assert pace.saves_s(10, 50) == pytest.approx(25.0 - 4.0)


def test_as_many_points_are_expected_to_stop_as_so_far():
    pace = paced([(8, 4, 3.0), (4, 2, 1.0)])  # half of them in each epoch
    assert pace.rest_s(2, 3) == pytest.approx(0.25 * (1 + 0.5 + 0.25))


def test_nothing_is_saved_where_the_begin_takes_longer_than_half_of_the_rest():
    pace = paced([(10, 10, 3.0), (10, 10, 1.0)], begin_s=20.0)
    assert pace.saves_s(10, 40) == 0.0 and pace.saves_s(10, 50) == pytest.approx(2.0)


def test_after_the_first_epoch_nothing_is_known():
    pace = paced([(10, 10, 3.0)])
    assert pace.rest_s(10, 100) == pace.saves_s(10, 100) == 0.0
    assert paced([(2, 0, 1.0), (1, 0, 1.0)]).rest_s(1, 10) == 0.0
