"""Measurement of the inputs of `scaling`: the cost of each cohort of the default grid, and of the driver meanwhile.

`python -m tests.benchmarks.cohorts [POINTS]` trains so many points of each program (default: all 720) by the native kernel,
without pruning. It writes `scaling.json` beside this file. The costs are core seconds: the seconds that a process had a
core. With fewer points, only the shares of the cohorts are used, and the sums are those of the whole grid on a quiet
machine: neighbours of the same machine can double the core seconds, but change the shares less. No cohort gives points away
meanwhile.

Terminology, as in `scaling`
    cohort    the points of one program, trained side by side as one trial
    chunk     as many models as a vector has lanes, of the same activation functions
    split     a trial that only finds out that its points belong to several programs
    report    the message of a trial to the driver at the end of a step, every two seconds
    commit    the step that makes rows durable: it rewrites the last part of each data set
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from tests.benchmarks.shares import summary
from trainables.fused.engine import LANES
from trainables.trials.engines import WAIT
from trainables.trials.trial import PAYLOAD

FILE = Path(__file__).with_name("scaling.json")
PROGRAM_AXES = ("hidden", "use_batch", "dropout_rate", "batch_size")
"""The axes of the default plan that change the program; `sweep plan` shows the groups."""


def measuring(base: type) -> type:
    """Return a subclass of the trial `base` that also reports what each of its steps took.

    The class is local, so that it is pickled by value.
    """

    class Measured(base):
        def setup(self, config, **parts):
            super().setup(config, **parts)
            import tensorflow  # noqa: F401  # otherwise the import would count as a cost of the first points

            import trainables.fused.compose.members  # noqa: F401

            begun = psutil.Process().create_time()
            self._start = {"cpu_s": time.process_time(), "wall_s": time.time() - begun}
            self._left_at = self._told_of = None
            self._trained = 0

        def step(self):
            wall, cpu = time.perf_counter(), time.process_time()
            gap_s = wall - self._left_at if self._left_at else None
            answer = super().step()
            self._left_at = time.perf_counter()
            told = {"cpu_s": time.process_time() - cpu, "wall_s": self._left_at - wall, "gap_s": gap_s}
            if self._start:
                told["start"], self._start = self._start, None
            engine = self._engine
            trains = getattr(engine, "_cohort", None) is not None or answer[PAYLOAD].rows is not None
            if trains and self._told_of is not engine._points:
                self._told_of = engine._points
                from trainables.builder import build
                from trainables.fused.compose.split import point_bytes

                given = build.builder_axes(self.work.space[int(engine._points[0])], self.work.builder)
                first = engine._composer._builds.describe(given)
                told["point_bytes"] = int(point_bytes(first, self.work.training.fit))
                told["first"], self._trained = not self._trained, self._trained + 1
            answer["measured"] = told
            return answer

    return Measured


class Notes:
    """The measurements in the driver."""

    def __init__(self) -> None:
        self.trials: dict[str, dict[str, Any]] = {}
        self.starts: list[dict[str, float]] = []
        self.gaps_s: list[float] = []
        self.reports: list[tuple[int, float]] = []  # points, core seconds of the driver
        self.empty_s: list[float] = []
        self.commits: list[tuple[int, float, float]] = []  # points, core and wall seconds

    def take(self, trial: Any, result: dict[str, Any]) -> int:
        """Note a report of a trial; return how many points finished in it."""
        report, told = result[PAYLOAD], result.pop("measured")
        if trial.config["engine"] == WAIT:
            self.starts += [told["start"]] if "start" in told else []
            return 0
        if "start" in told:
            self.starts.append(told["start"])
        elif told["gap_s"] is not None:
            self.gaps_s.append(told["gap_s"])
        note = self.trials.setdefault(
            trial.trial_id,
            {
                "points": len(trial.config["points"]),
                "cpu_s": 0.0,
                "wall_s": 0.0,
                "finished": [],
                "epochs": [],
            },
        )
        note["cpu_s"] += told["cpu_s"]
        note["wall_s"] += told["wall_s"]
        for part, seconds in report.timing.items():
            note[part] = note.get(part, 0.0) + seconds
        if report.parts:
            note["parts"] = [len(part) for part in report.parts]
        if "point_bytes" in told:
            note |= {name: told[name] for name in ("point_bytes", "first")}
        finished = report.rows.points.num_rows if report.rows else 0
        note["epochs"] += report.rows.points["epochs"].to_pylist() if report.rows else []
        note.setdefault("idx", []).extend(report.rows.points["idx"].to_pylist() if report.rows else [])
        note["finished"].append(finished)
        return finished


def sample(space: Any, each: int) -> list[list[int]]:
    """Return, for each program of the default grid, `each` of its points drawn at random, or all if it has fewer.

    Args:
        space: the space of the default plan.
        each: the number of points of each program.
    """
    programs: dict[str, list[int]] = {}
    for idx in np.random.default_rng(0).permutation(len(space)).tolist():
        point = space[idx]
        programs.setdefault(repr([point[axis] for axis in PROGRAM_AXES]), []).append(idx)
    return [sorted(programs[key][:each]) for key in sorted(programs)]


def splitting(plan: Any) -> dict[str, float]:
    """Return the core seconds of finding the groups and making their programs, per point and per call."""
    from sweep.driver.estimate import _composer
    from trainables.fused.compose.points import Points
    from trainables.fused.internals import xla
    from trainables.trials.trial import set_up_tensorflow

    xla.set_up()
    set_up_tensorflow(1)
    composer, fit = _composer(plan), plan.training.fit
    everything = range(len(plan.space))
    halves = [idx for idx in everything if plan.space[idx]["batch_size"] == 32]
    program_idx = sample(plan.space, len(everything))[0]
    points, half, program, few_points = (
        Points.of(plan.space, idx) for idx in (everything, halves, program_idx, program_idx[:LANES])
    )

    def took(work: Any, *arguments: Any) -> float:
        began = time.process_time()
        work(*arguments)
        return time.process_time() - began

    first, again = (took(composer._study, points, fit) for _ in range(2))
    second, third = (took(composer._study, half, fit) for _ in range(2))
    took(composer.compose, program, fit)  # this builds the models that the next two calls use again
    few, all_of_it = took(composer.compose, few_points, fit), took(composer.compose, program, fit)
    return {
        "first_s": first - again,  # with the study of all axes
        "first_point_s": again / len(points),
        "second_s": second - third,
        "second_point_s": third / len(half),
        "compose_point_s": max(0.0, all_of_it - few) / (len(program) - LANES),
    }


def child(each: int, written: Path) -> None:
    """Sweep `each` points of each program through the real runner, and write the measurements into `written`."""
    from dataclasses import replace

    from sweep import Plan, run
    from sweep.driver import collector, giving, tuning

    notes = Notes()
    giving.LEAST_S = float("inf")
    tuning.Trial = measuring(tuning.Trial)

    class Noting(collector.Collector):
        _began_s, _finished = 0.0, -1

        def on_step_begin(self, iteration, trials, **info):
            self._began_s, self._finished = time.thread_time(), -1

        def on_trial_result(self, iteration, trials, trial, result, **info):
            self._finished = notes.take(trial, result)
            super().on_trial_result(iteration, trials, trial, result, **info)

        def on_step_end(self, iteration, trials, **info):
            took = time.thread_time() - self._began_s
            if self._finished < 0:
                notes.empty_s.append(took)
            else:
                notes.reports.append((self._finished, took))
            super().on_step_end(iteration, trials, **info)

        def commit(self):
            rows, began, cpu = self._intake.waiting, time.perf_counter(), time.thread_time()
            super().commit()
            if rows:
                notes.commits.append((rows, time.thread_time() - cpu, time.perf_counter() - began))

    collector.Collector = Noting
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as out:
        plan = replace(Plan.load(), scheduler="none", engine="native")
        began = time.perf_counter()
        idx = [one for program in sample(plan.space, each) for one in program]
        outcome = run(plan, out, idx=idx, show=False, verify=False)
        wall_s = time.perf_counter() - began
        loads = load, os.getloadavg()[0]
        found = {**vars(notes), "wall_s": wall_s, "load": loads, "tally": outcome.tally.to_dict()}
    for trial in notes.trials.values():  # the kernel fills a chunk with points of one activation
        trial["activations"] = [plan.space[one]["activation"] for one in trial.pop("idx")]
    written.write_text(json.dumps({**found, "splitting": splitting(plan)}))


def main(each: int = 720) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / "notes.json"
        command = [
            sys.executable,
            "-m",
            "tests.benchmarks.cohorts",
            "--child",
            str(each),
            str(written),
        ]
        subprocess.run(command, check=True, env={**os.environ, "XDG_CACHE_HOME": scratch})
        found = json.loads(written.read_text())
    FILE.write_text(json.dumps(summary(found, each), indent=1) + "\n")
    print(f"{FILE.name} is written.")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(*map(int, sys.argv[1:2]))
