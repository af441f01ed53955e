"""Simulation of the default grid, and of a grid of 10^6 points, on 1 to 1,000 cores, from measured costs.

`python -m tests.benchmarks scaling` reads `scaling.json`, which `cohorts` has measured, prints tables and draws
`scaling.svg`. The simulated cores are as fast as the measured ones. A trial has one core, and nothing is pruned.

The model
    core      A core trains one cohort after the other, the costliest first, in the searcher's order. Its worker starts
              when there is a cohort for it; the start takes as long as importing TensorFlow. The core sends a report
              every two seconds of work, and goes on when the driver has processed it.
    driver    One thread processes one report after the other. A report takes a fixed time, and a time for each finished
              point. The driver commits if the last commit is half a second ago or 512 points wait, and processes no
              report meanwhile.
    splits    Splits come first: one trial for all points, then one for each part that is not one program yet. The
              cohorts are the parts that remain.

Terminology: `cohorts`.
"""

from __future__ import annotations

import heapq
import json
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sweep.driver.collector import COMMIT_AT_POINTS, COMMIT_EVERY_S
from tests.benchmarks.cohorts import FILE
from tests.benchmarks.drawing import draw
from trainables.fused.engine import STEP_S

CORES = (1, 2, 5, 10, 20, 24, 50, 100, 200, 500, 1000)
GRID, LARGE = 17280, 10**6
MEMORY_BYTES = 512 * 2**20
"""The default plan's resources.memory_mb when scaling.json was measured; it is 256 MiB now, and a point counts twice."""


@dataclass(frozen=True)
class Cohort:
    """Points of one program.

    Attributes:
        points: the number of points.
        begin_s: seconds of composing, tracing and compiling.
        train_s: seconds of training and evaluating all points.
        at_end: the share of the points that finish in the last report; the others finish evenly before it.
    """

    points: int
    begin_s: float
    train_s: float
    at_end: float

    def cut(self, parts: int) -> list[Cohort]:
        """Return the cohort cut into `parts` cohorts; each of them composes and compiles its own program."""
        each = self.points / parts
        return [Cohort(round(each), self.begin_s, self.train_s / parts, self.at_end)] * parts


@dataclass(frozen=True)
class Costs:
    """Measured seconds.

    Attributes:
        start_s: from the start of a worker to its first trial.
        gap_s: between a report and the next step, if the driver has nothing else to do.
        report_s, report_point_s: of the driver, for a report and for each point in it.
        commit_s, commit_point_s: of the driver, for a commit and for each point in it.
        splits: the longest split of each round.
    """

    start_s: float
    gap_s: float
    report_s: float
    report_point_s: float
    commit_s: float
    commit_point_s: float
    splits: Sequence[float]


@dataclass(frozen=True)
class Simulated:
    """The result of a simulated sweep.

    Attributes:
        wall_s: seconds from the first worker's start to the last commit.
        heard_s, stored_s: seconds that the driver processed reports, and that it committed.
        limit: the name of the bottleneck.
    """

    wall_s: float
    heard_s: float
    stored_s: float
    limit: str


def simulate(cohorts: Sequence[Cohort], cores: int, costs: Costs) -> Simulated:
    """Simulate a sweep of these cohorts on so many cores."""
    waiting = sorted(cohorts, key=lambda one: -(one.begin_s + one.train_s))
    first_s = costs.start_s + sum(costs.splits)  # by then the first core is ready, and the others start
    events: list[tuple[float, int, Cohort, int, int]] = []  # when a report is sent, core, cohort, step, steps
    position = 0

    def begin(core: int, now: float) -> None:
        nonlocal position
        if position < len(waiting):
            cohort, position = waiting[position], position + 1
            steps = max(1, round(cohort.train_s / STEP_S))
            heapq.heappush(events, (now + cohort.begin_s + cohort.train_s / steps, core, cohort, 1, steps))

    for core in range(min(cores, len(waiting))):
        begin(core, first_s + (costs.start_s if core else 0.0))
    free, committed, pending, heard, stored = first_s, first_s, 0.0, 0.0, 0.0
    while events:
        sent, core, cohort, step, steps = heapq.heappop(events)
        finished = cohort.points * (
            cohort.at_end if step == steps else (1 - cohort.at_end) / max(1, steps - 1)
        )
        took = costs.report_s + costs.report_point_s * finished
        free = max(sent, free) + took
        heard, pending, told = heard + took, pending + finished, free
        if pending and (free - committed > COMMIT_EVERY_S or pending >= COMMIT_AT_POINTS):
            took = costs.commit_s + costs.commit_point_s * pending
            free, stored, pending = free + took, stored + took, 0.0
            committed = free
        if step == steps:
            begin(core, told + costs.gap_s)
        else:
            next_s = told + costs.gap_s + cohort.train_s / steps
            heapq.heappush(events, (next_s, core, cohort, step + 1, steps))
    if pending:
        took = costs.commit_s + costs.commit_point_s * pending
        free, stored = free + took, stored + took
    return Simulated(free, heard, stored, _limit(waiting, cores, first_s, costs, heard, stored))


def _limit(
    cohorts: Sequence[Cohort], cores: int, first_s: float, costs: Costs, heard: float, stored: float
) -> str:
    """Return the name of the bottleneck: the largest of the lower bounds that hold for every schedule."""
    each = [one.begin_s + one.train_s for one in cohorts]
    least = {
        "cores": first_s + sum(each) / min(cores, len(each)) if cores <= len(each) else 0.0,
        "longest cohort": first_s + max(each),
        "driver": first_s + heard + stored,
    }
    limit = max(least, key=lambda name: least[name])
    if limit == "driver" and stored > heard:
        return "store"
    return "programs" if limit == "longest cohort" and cores > len(each) else limit


def measured(found: dict[str, Any], points: int) -> tuple[Costs, list[Cohort]]:
    """Return the costs, and the cohorts of a grid that has as many programs as the measured one.

    Args:
        found: the measurements.
        points: points of the grid; a larger grid has more values of an axis such as the learning rate. Cohorts that are too
            large for the default plan's resources.memory_mb are cut, as the engine does.
    """
    programs, splitting = len(found["cohorts"]) * found["stands_for"], found["splitting"]
    each = points / programs
    cohorts, most = [], 1
    for one in found["cohorts"]:
        parts = math.ceil(each / (MEMORY_BYTES // one["point_bytes"]))
        most = max(most, parts)
        # This is what the chunks of 720 such points took; with more points, chunks are full in nearly all epochs.
        train_s = one["train_s"] * one["chunk_epochs_of_720"] / one["chunk_epochs"] * each / 720
        train_s += (one["evaluate_s"] / one["points"] + splitting["compose_point_s"]) * each
        train_s -= splitting["compose_point_s"] * one["points"]  # these are part of compose_s
        begin_s = one["compose_s"] + one["compile_s"]
        whole = Cohort(round(each), begin_s, train_s, one["at_end"] / one["points"])
        cohorts += whole.cut(parts) * found["stands_for"]
    second_s = splitting["second_s"] + splitting["second_point_s"] * points / 2
    rounds = [splitting["first_point_s"] * points, second_s]
    if most > 1:
        rounds.append(second_s * 2 / programs)
    report, commit = found["report"], found["commit"]
    costs = Costs(
        found["start"]["cpu_s"], found["gap_s"], report["fixed_s"], report["point_s"], commit["fixed_s"],
        commit["point_s"], rounds,
    )  # fmt: skip
    return costs, cohorts


def as_measured(found: dict[str, Any]) -> Simulated:
    """Return a simulation of the measured run itself, from its wall seconds; these include other load on the machine."""
    splits = sorted((split["points"], split["wall_s"]) for split in found["splits"])
    rounds = [splits[-1][1], max(seconds for _, seconds in splits[:-1])]
    report, commit = found["report"], found["commit_wall"]
    costs = Costs(
        found["start"]["wall_s"], found["gap_s"], report["fixed_s"], report["point_s"], commit["fixed_s"],
        commit["point_s"], rounds,
    )  # fmt: skip
    cohorts = []
    for one in found["sample"]:
        begin_s = (one["compose_s"] + one["compile_s"]) * one["wall_s"] / one["cpu_s"]
        at_end = one["at_end"] / one["points"]
        cohorts.append(Cohort(one["points"], begin_s, max(0.01, one["wall_s"] - begin_s), at_end))
    return simulate(cohorts, found["workers"], costs)


def cut_for(cohorts: Sequence[Cohort], cores: int, costs: Costs) -> Simulated:
    """Return the fastest sweep if cohorts could be cut, over several numbers of parts per cohort."""
    counts = sorted({1, *(max(1, math.ceil(cores * times / len(cohorts))) for times in (0.5, 1, 2, 4))})
    sweeps = (simulate([part for one in cohorts for part in one.cut(n)], cores, costs) for n in counts)
    return min(sweeps, key=lambda one: one.wall_s)


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
        costs, cohorts = measured(found, points)
        each = [one.begin_s + one.train_s for one in cohorts]
        fixed_s = sum(one.begin_s for one in cohorts)
        print(
            f"\n{name}: {len(each)} cohorts, {sum(each):,.0f} core seconds, {fixed_s:,.0f} of them before a first epoch; "
            f"the longest {max(each):,.0f} s; splits {sum(costs.splits):.1f} s"
        )
        print(
            "| cores | simulated | limit | speed-up | cohorts cut (not built) | limit |\n|---|---|---|---|---|---|"
        )
        alone = simulate(cohorts, 1, costs).wall_s
        for cores in CORES:
            plain, cut = simulate(cohorts, cores, costs), cut_for(cohorts, cores, costs)
            print(
                f"| {cores:,} | {clock(plain.wall_s)} | {plain.limit} | {alone / plain.wall_s:.1f} | "
                f"{clock(cut.wall_s)} | {cut.limit} |"
            )
            curves.setdefault(name, []).append((cores, plain.wall_s))
            curves.setdefault(f"{name}, cohorts cut (not built)", []).append((cores, cut.wall_s))
        last = simulate(cohorts, CORES[-1], costs)
        print(f"the driver hears reports for {last.heard_s:,.1f} s and commits for {last.stored_s:,.1f} s")
    print(
        f"\nThe run that this was measured in, from its own wall seconds: simulated {as_measured(found).wall_s:.0f} s, "
        f"measured {found['training_s']:.0f} s"
    )
    picture = FILE.with_suffix(".svg")
    picture.write_text(draw(curves))
    print(f"{os.path.relpath(picture)} is drawn.")


if __name__ == "__main__":
    main()
