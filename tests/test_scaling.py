"""Scaling: the simulation of the benchmark gives what can be worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest

from tests.benchmarks.simulation import Costs, Grid, Program, Simulation

FREE = Costs(
    start_s=10, gap_s=0, report_s=0, report_point_s=0, commit_s=0, commit_point_s=0, splits_s=(3.0, 2.0)
)
PROGRAM = Program(begin_s=1.0, first_begin_s=5.0, begin_point_s=0.0, chunk_s=0.5, evaluate_s=0.0)


def grid(*epochs, programs=2):
    """Points of so many programs, and one activation."""
    return Grid([PROGRAM] * programs, np.array(epochs), np.zeros(len(epochs), int))


def test_one_core_does_one_thing_after_another():
    """Two programs of 64 points: four chunks of 16, for 10 and for 6 epochs."""
    found = Simulation(grid(*[10] * 64, *[6] * 64), 1, FREE).run()
    trained = (10 + 6) * 4 * 0.5
    assert found.spent_s["train"] == pytest.approx(trained) and found.trials == 2 and not found.moved
    assert found.wall_s == pytest.approx(10 + 3 + 5 + 1 + trained)  # the halves are programs already


def test_two_cores_train_two_programs():
    found = Simulation(grid(*[10] * 64, *[6] * 64), 2, FREE, moving=False).run()
    assert found.wall_s == pytest.approx(10 + 3 + 5 + 10 * 4 * 0.5)
    shares = found.shares(2)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["idle"] * 2 * found.wall_s == pytest.approx(3 + 4 * 4 * 0.5)


def test_a_core_that_is_idle_takes_half_of_the_longest_cohort():
    long = grid(*[100] * 64, *[1] * 64)
    still, moved = (Simulation(long, 2, FREE, moving=moving).run() for moving in (False, True))
    assert still.moved == 0 and moved.moved >= 1
    assert still.wall_s == pytest.approx(10 + 3 + 5 + 100 * 4 * 0.5)
    # 200 s of training, shared from the fifth second on but for the ends of the steps.
    assert moved.wall_s == pytest.approx(10 + 3 + 5 + 100, rel=0.1)
    assert moved.spent_s["train"] == pytest.approx(still.spent_s["train"])


def test_a_cohort_of_one_chunk_is_not_shared():
    found = Simulation(grid(*[200] * 16, *[1] * 16), 2, FREE).run()
    assert found.moved == 0


def test_a_driver_is_one_thread():
    points = grid(*[10] * 64, *[10] * 64)
    hears = Simulation(points, 50, replace(FREE, report_point_s=1.0)).run()
    assert hears.driver_s == pytest.approx(128) and hears.wall_s >= 128
    stores = Simulation(points, 50, replace(FREE, commit_point_s=1.0)).run()
    assert stores.wall_s >= 64


def test_every_point_is_finished_once():
    chance = np.random.default_rng(1)
    points = grid(*chance.integers(1, 200, 500), programs=4)
    for cores in (1, 3, 40):
        simulation = Simulation(points, cores, FREE)
        found = simulation.run()
        np.testing.assert_array_equal(simulation.at, points.epochs)
        assert found.trials >= 4
