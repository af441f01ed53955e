"""A sweep on a cluster, simulated from what its parts cost. For terminology, see `cohorts`.

The model
    core      All workers start at once and wait. A core takes one trial after the other, in the order of the sweep's own
              searcher. A trial groups its points. It then gives it back in parts, if it is several programs or if
              the sweep's own `cutting` says so, or else trains it. It reports every two seconds.
    moving    The sweep's own `Giving` asks trials for points, by what the engine's own `Pace` expects.
    epoch     An epoch of a cohort costs its chunks: points of one activation function, a vector's lanes each.
    driver    One thread processes one report after the other. A report takes a fixed time, and a time for each finished
              point. The driver commits if the last commit is half a second ago or 512 points wait, and processes no
              report meanwhile.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections import Counter
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

from sweep.driver.collector import COMMIT_AT_POINTS, COMMIT_EVERY_S
from sweep.driver.cutting import most_points
from sweep.driver.giving import Giving
from sweep.driver.searcher import PointSearcher
from tests.benchmarks.shares import chunks_of
from trainables.fused.engine import LANES, STEP_S
from trainables.fused.training.pace import Pace

EPOCHS = 200
"""The most epochs of a point."""
MEMORY_BYTES = 256 * 2**20
"""The default plan's resources.memory_mb."""


@dataclass(frozen=True)
class Program:
    """What the points of one program cost, in core seconds.

    Attributes:
        begin_s, first_begin_s: grouping and proving a trial's points, and the same for a worker's first trial.
        begin_point_s: on top of that for each point.
        chunk_s: an epoch of a chunk.
        evaluate_s: of a point that has finished.
        point_bytes: memory of a point.
    """

    begin_s: float
    first_begin_s: float
    begin_point_s: float
    chunk_s: float
    evaluate_s: float
    point_bytes: int = 1


@dataclass(frozen=True)
class Costs:
    """Measured seconds.

    Attributes:
        start_s: from the start of a worker to its first trial.
        gap_s: between a report and the next step, if the driver has nothing else to do.
        report_s, report_point_s: of the driver, for a report and for each point in it.
        commit_s, commit_point_s: of the driver, for a commit and for each point in it.
        splits_s: of the trial that finds the halves, and of one that finds the programs of a half.
    """

    start_s: float
    gap_s: float
    report_s: float
    report_point_s: float
    commit_s: float
    commit_point_s: float
    splits_s: tuple[float, float]


@dataclass(frozen=True)
class Grid:
    """Points, by program: those of the first program come first.

    Attributes:
        programs: the programs; each half of them is found by one split.
        epochs: how many epochs each point trains, int64, shape (points,).
        activations: of each point, int64, shape (points,).
    """

    programs: list[Program]
    epochs: np.ndarray
    activations: np.ndarray

    @property
    def each(self) -> float:
        return len(self.epochs) / len(self.programs)

    def number(self, points: np.ndarray) -> np.ndarray:
        """Return the number of the program of each point."""
        return (points // self.each).astype(int)


@dataclass
class Simulated:
    """The result of a simulated sweep.

    Attributes:
        wall_s: seconds from the start of the workers to the last commit.
        spent_s: core seconds by what they were used for.
        driver_s: seconds that the driver was busy.
        moved: how often a trial gave points away.
        trials: how many trials trained.
    """

    wall_s: float = 0.0
    spent_s: Counter[str] = field(default_factory=Counter)
    driver_s: float = 0.0
    moved: int = 0
    trials: int = 0

    def shares(self, cores: int) -> dict[str, float]:
        """Return the share of all core seconds by use, the largest first; "idle" is what is left."""
        total = self.wall_s * cores
        found = {what: seconds / total for what, seconds in self.spent_s.items()}
        found["idle"] = 1 - sum(found.values())
        return dict(sorted(found.items(), key=lambda pair: -pair[1]))


class _Trial:
    """A trial on a core: what Tune and the engine keep of it."""

    def __init__(self, name: str, core: int, config: dict[str, Any]) -> None:
        self.trial_id, self.core, self.config = name, core, config
        self.points: np.ndarray = config["points"]
        self.asked, self.pace, self.epoch, self.trains = False, Pace(), 0, False
        self.chunks = np.zeros(0, np.int64)
        call = SimpleNamespace(remote=self.give)
        self.temporary_state = SimpleNamespace(ray_actor=SimpleNamespace(give=call))

    def give(self) -> None:
        self.asked = True


class Simulation:
    """A sweep of `grid` on so many `cores`.

    Args:
        grid: the points.
        cores: one for each worker.
        costs: of the workers and the driver.
        moving: whether points move.
    """

    def __init__(self, grid: Grid, cores: int, costs: Costs, moving: bool = True) -> None:
        self.grid, self.cores, self.costs, self.moving = grid, cores, costs, moving
        self.found = Simulated()
        self.searcher = PointSearcher()
        self.giving = Giving(self.searcher)
        self.at = np.zeros(len(grid.epochs), np.int64)  # epochs that each point has been trained
        self.names = itertools.count()
        self.fresh = set(range(cores))  # cores whose worker has not grouped any points yet
        self.events: list[tuple[float, int, _Trial, dict[str, Any]]] = []

    def run(self) -> Simulated:
        """Return what becomes of the sweep."""
        costs, found = self.costs, self.found
        points = np.arange(len(self.grid.epochs))
        self.searcher.add_group(points, share=1.0, most=most_points(len(points), 1.0, self.cores))
        found.spent_s["start"] = costs.start_s * self.cores
        self.idle = list(range(self.cores))
        free = committed = costs.start_s
        pending = 0
        self.fill(free)
        while self.events:
            sent, _, trial, report = heapq.heappop(self.events)
            began = max(sent, free)
            took = costs.report_s + costs.report_point_s * report["finished"]
            free, pending = began + took, pending + report["finished"]
            told = free
            if pending and (free - committed > COMMIT_EVERY_S or pending >= COMMIT_AT_POINTS):
                took += costs.commit_s + costs.commit_point_s * pending
                free, pending = began + took, 0
                committed = free
            found.driver_s += took
            found.spent_s["driver"] += told - sent + costs.gap_s
            self.hear(trial, report, told + costs.gap_s)
            self.fill(told + costs.gap_s)
        if pending:
            free += costs.commit_s + costs.commit_point_s * pending
        found.wall_s = free
        return found

    def fill(self, now: float) -> None:
        """Begin trials on the cores without one; those that get none wait."""
        while self.idle and self.searcher.queued:
            name, core = str(next(self.names)), self.idle.pop(0)
            self.searcher.ready.pop(f"core {core}", None)
            config = self.searcher.suggest(name)
            assert config is not None
            trial = _Trial(name, core, {**config, "engine": "fused"})
            self.searcher.begun(name)
            self.giving.begin(trial)
            self.compose(trial, now)
        for core in self.idle if self.moving else ():
            self.searcher.ready.setdefault(f"core {core}", core)

    def send(self, trial: _Trial, when: float, **report: Any) -> None:
        report = {"finished": 0, "parts": [], "given": None, "done": False, "saves_s": 0.0, **report}
        heapq.heappush(self.events, (when, next(self.names), trial, report))

    def compose(self, trial: _Trial, now: float) -> None:
        points, grid, most = trial.points, self.grid, trial.config["given"]["most"]
        programs = np.unique(grid.number(points))
        half = len(grid.programs) // 2
        if len(programs) > 1:
            both = programs[0] < half <= programs[-1]
            took = self.costs.splits_s[0 if both else 1]
            self.found.spent_s["split"] += took
            numbers = grid.number(points)
            parts = [points[numbers // half == n] for n in (0, 1)] if both else self.blocks(points, numbers)
            self.send(trial, now + took, parts=parts, done=True)
            return
        program = grid.programs[programs[0]]
        first = trial.core in self.fresh
        self.fresh.discard(trial.core)
        took = program.first_begin_s if first else program.begin_s
        took += program.begin_point_s * len(points)
        self.found.spent_s["begin"] += took
        if most is not None and len(points) > most:
            self.send(
                trial, now + took, parts=np.array_split(points, math.ceil(len(points) / most)), done=True
            )
            return
        trial.pace.begun(took)
        self.found.trials += 1
        self.train(trial, now + took)

    def blocks(self, points: np.ndarray, numbers: np.ndarray) -> list[np.ndarray]:
        """Return the points of each program, in blocks that fit into the memory."""
        found = []
        for number in np.unique(numbers):
            own, bytes_each = points[numbers == number], self.grid.programs[number].point_bytes
            found += np.array_split(own, math.ceil(len(own) * bytes_each / MEMORY_BYTES))
        return found

    def train(self, trial: _Trial, now: float) -> None:
        """Do a step of a trial, or give points away."""
        grid, points = self.grid, trial.points
        program = grid.programs[grid.number(points[:1])[0]]
        ends = grid.epochs[points]
        epoch = int(self.at[points].max())
        if trial.asked:
            trial.asked = False
            rows = np.flatnonzero(ends > epoch)
            kept = math.ceil(math.ceil(len(rows) / LANES) / 2) * LANES
            if len(rows) > LANES and trial.pace.saves_s(len(rows), EPOCHS - epoch):
                given = points[rows[kept:]]
                trial.points = points[np.isin(points, given, invert=True)]
                self.found.moved += 1
                self.send(trial, now, given=given)
                return
        begin = epoch
        chunks = chunks_of(ends - epoch, grid.activations[points], EPOCHS - epoch)
        took = 0.0
        while epoch < ends.max() and took < STEP_S:
            seconds = float(chunks[epoch - begin]) * program.chunk_s
            before = int((ends > epoch).sum())
            epoch, took = epoch + 1, took + seconds
            trial.pace.trained(before, int((ends > epoch).sum()), seconds)
        self.at[points] = np.minimum(ends, epoch)
        finished = int(((ends > begin) & (ends <= epoch)).sum())
        evaluates = finished * program.evaluate_s
        self.found.spent_s["train"] += took + evaluates
        left = int((ends > epoch).sum())
        saves_s = trial.pace.saves_s(left, EPOCHS - epoch) if left > LANES else 0.0
        self.send(trial, now + took + evaluates, finished=finished, done=not left, saves_s=saves_s)

    def hear(self, trial: _Trial, report: dict[str, Any], now: float) -> None:
        """Do what the collector does with a report."""
        parts, share = report["parts"], trial.config["share"]
        for part in parts:
            own = share * len(part) / len(trial.points)
            # The parts of a group that was cut are as small as they should be.
            self.searcher.add_group(part, own, 0, own, most_points(len(part), own, self.cores))
        if report["given"] is not None:
            self.searcher.add_group(report["given"], math.inf, 0, share / 2)
            trial.config["share"] = share / 2
        if report["done"]:
            self.giving.forget(trial)
            self.idle.append(trial.core)
            return
        if self.moving:
            self.giving.hear(trial, report["saves_s"])
        self.train(trial, now)
