"""Simulation of the default grid, and of a grid of 10^6 points, on 1 to 1,000 cores, from measured costs.

`python -m tests.benchmarks scaling` reads `scaling.json`, which `cohorts` has measured, prints tables and draws
`scaling.svg`. The simulated cores are as fast as the measured ones. A trial has one core, the native kernel trains, and
nothing is pruned. `simulation` tells the model.
"""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import numpy as np

from tests.benchmarks.cohorts import FILE
from tests.benchmarks.drawing import draw
from tests.benchmarks.simulation import Costs, Grid, Program, Simulated, Simulation

CORES = (1, 2, 10, 50, 100, 200, 500, 1000)
GRID, LARGE = 17280, 10**6
NAMED = {GRID: 100, LARGE: 200}
"""For each number of points, the cores whose use is told in full."""
ACTIVATIONS = 5
QUIET_DRIVER = {"report_point_s": 0.5e-6, "commit_point_s": 55e-6}
"""The driver's core seconds for a point as `driver` printed them on a quiet machine. `cohorts` has only small commits."""


def measured(found: dict[str, Any], points: int) -> tuple[Costs, Grid]:
    """Return the costs, and a grid that has as many programs as the measured one.

    Args:
        found: the measurements.
        points: points of the grid; a larger grid has more values of an axis such as the learning rate.
    """
    cohorts, splitting = found["cohorts"], found["splitting"]
    point_s = splitting["compose_point_s"]

    def begin_s(some: list[dict[str, Any]]) -> float:
        return float(np.mean([max(0.0, one["compose_s"] - point_s * one["points"]) for one in some]))

    first_s = begin_s([one for one in cohorts if one["first"]])
    later_s = begin_s([one for one in cohorts if not one["first"]])
    programs = [
        Program(
            later_s,
            first_s,
            point_s,
            (one["compile_s"] + one["train_s"]) / one["chunk_epochs"],
            one["evaluate_s"] / one["points"],
            one["point_bytes"],
        )
        for one in cohorts
    ]
    number = (np.arange(points) // (points / len(programs))).astype(int)
    epochs, activations = np.zeros(points, np.int64), np.zeros(points, np.int64)
    chance = np.random.default_rng(0)
    for program, one in enumerate(cohorts):
        rows = np.flatnonzero(number == program)
        of_points = np.asarray(one["epochs_of_points"])
        spread = np.linspace(0, len(of_points) - 1, len(rows)).round().astype(int)
        epochs[rows] = chance.permutation(of_points[spread])
        activations[rows] = np.arange(len(rows)) * ACTIVATIONS // len(rows)  # neighbours are alike
    splits = (
        splitting["first_s"] + splitting["first_point_s"] * points,
        splitting["second_s"] + splitting["second_point_s"] * points / 2,
    )
    report, commit = found["report"], found["commit"]
    costs = Costs(
        found["start"]["cpu_s"], found["gap_s"], report["fixed_s"], report["point_s"], commit["fixed_s"],
        commit["point_s"], splits,
    )  # fmt: skip
    return costs, Grid(programs, epochs, activations)


def clock(seconds: float) -> str:
    """Return seconds as h:mm:ss or m:ss."""
    hours, rest = divmod(round(seconds), 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}" if hours else f"{rest // 60}:{rest % 60:02}"


def main() -> None:
    found = json.loads(FILE.read_text())
    low, high = found["load"]
    print(f"fed by {found['made_by']}, {found['machine']}, load {low} to {high}; simulated from here on")
    curves: dict[str, list[tuple[int, float]]] = {}
    for name, points in ((f"{GRID:,} points", GRID), ("10^6 points", LARGE)):
        costs, grid = measured(found, points)
        alone = Simulation(grid, 1, costs).run()
        useful_s = alone.spent_s["train"]
        print(
            f"\n{name}: {useful_s:,.0f} core seconds of training and evaluating; {alone.trials} cohorts on one core"
        )
        print("| cores | simulated | efficiency | points do not move | trials, moved | most of the rest |")
        print("|---|---|---|---|---|---|")
        for cores in CORES:
            moving = Simulation(grid, cores, costs).run()
            still = Simulation(grid, cores, costs, moving=False).run()
            rest = [f"{what} {share:.0%}" for what, share in moving.shares(cores).items() if what != "train"]
            print(
                f"| {cores:,} | {clock(moving.wall_s)} | {useful_s / moving.wall_s / cores:.0%} | "
                f"{clock(still.wall_s)} | {moving.trials:,}, {moving.moved} | {', '.join(rest[:2])} |"
            )
            curves.setdefault(name, []).append((cores, moving.wall_s))
            curves.setdefault(f"{name}, they do not move", []).append((cores, still.wall_s))
            if cores == NAMED[points]:
                told = explained(moving, cores, costs)
                quiet = Simulation(grid, cores, replace(costs, **QUIET_DRIVER)).run()
                told += f"\nWith a driver on a quiet machine: {clock(quiet.wall_s)}. {explained(quiet, cores, costs)}"
        print(told)
    picture = FILE.with_suffix(".svg")
    picture.write_text(draw(curves))
    print(f"{os.path.relpath(picture)} is drawn.")


def explained(found: Simulated, cores: int, costs: Costs) -> str:
    """Return what the cores of a simulated sweep did, and how much of the training they did at once."""
    shares = found.shares(cores)
    begun_s = costs.start_s + sum(costs.splits_s)
    of_training = found.spent_s["train"] / cores / (found.wall_s - begun_s)
    listed = ", ".join(f"{what} {share:.0%}" for what, share in shares.items())
    return (
        f"On {cores} cores: {listed}. The driver is busy for {found.driver_s / found.wall_s:.0%} of the time. From the "
        f"moment when all programs are known, after {begun_s:.0f} s, {of_training:.0%} of the core seconds train."
    )


if __name__ == "__main__":
    main()
