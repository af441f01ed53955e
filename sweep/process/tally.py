"""The tally: the numbers of a sweep that a person watches, and how to read them from the run's folder."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any, TypeGuard

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from results.directions import Directions
from results.folder.run_folder import RunFolder
from results.schema import FINISHED_WELL, NOT_WELL, Status, column_of, metric_and_split, on_split

_NUMBERS = ("asked", "outside", "points_per_minute", "training_s", "workers", "memory_mb")
"""The numbers of a tally that `sweep status` needs."""

_SHOWN = 3
"""How many of the points that were trained one by one are named, for each reason."""

_HUGE = 1e12
"""A bound above the counts, times and memory of a sweep, in seconds still small enough for a `timedelta`."""


@dataclass
class Tally:
    """The numbers of a sweep that a person watches.

    Attributes:
        asked: points that the run was asked for.
        counts: finished points among them, by status.
        before: how many of them were finished when the run began.
        outside: finished points in the folder that the run was not asked for.
        selection: the options that chose the points, such as `--points 60`; empty for all.
        options: the other options of the command that a resumed run needs, such as `--cpus 2`; empty for none.
        running: points in training now.
        retried: how often the trial of a worker that died was begun again.
        workers: trials that can run at once.
        versions, machine: of the packages and the machine that compute, as in `sweep.process.provenance`.
        spent_s: core seconds, by what took them: compose, compile, train, evaluate of the fused engine, keras of the points
            that Keras trained, verify.
        by_keras: how many points Keras has trained in this run.
        guess_s: core seconds that Keras may take for one point, before any is known.
        verified: how far the verification is, in words; empty before it begins.
        one_by_one: by reason, the points that are trained one by one, because the fused engine cannot train them: how many,
            and the first few idx.
        notes: what the user must know about the builder, each once.
        incomparable: why the points cannot be compared by the objective; empty if they can.
        best: the best point so far: `by` (the objective's column), the value of that column and of the one on the test rows
            under their names, `idx` and `config`; None before there is one.
        directions: the objective, and whether a lower or a higher value is better.
        seconds: seconds since the run began.
        training_s: seconds since the training began.
        memory_mb: resident memory of the driver and its workers, in MiB.
        stage: what the run does now, in a word.
    """

    asked: int
    counts: dict[str, int] = field(default_factory=dict)
    before: int = 0
    outside: int = 0
    selection: str = ""
    options: str = ""
    running: int = 0
    retried: int = 0
    workers: int = 0
    spent_s: dict[str, float] = field(default_factory=dict)
    by_keras: int = 0
    guess_s: float = 0.0
    verified: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    machine: str = ""
    one_by_one: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    incomparable: str = ""
    best: dict[str, Any] | None = None
    directions: Directions = field(default_factory=Directions)
    seconds: float = 0.0
    training_s: float = 0.0
    memory_mb: float = 0.0
    stage: str = "starting"

    def add(self, points: pa.RecordBatch, config_of: Callable[[int], dict[str, Any]]) -> None:
        """Count finished points.

        Args:
            points: one row a point, with columns of `points`.
            config_of: takes an idx and returns the point's value of each axis.
        """
        for count in pc.value_counts(points["status"]).to_pylist():
            self.counts[count["values"]] = self.counts.get(count["values"], 0) + count["counts"]
        by, mode = self.directions.by, self.directions.mode
        if by not in points.schema.names:
            return
        well = pc.is_in(points["status"], value_set=pa.array(map(str, FINISHED_WELL)))
        values = points[by].cast(pa.float64())
        values = pc.if_else(pc.and_(well, pc.is_finite(values)), values, None)
        value = (pc.min if mode == "min" else pc.max)(values).as_py()
        if value is None:
            return
        before = self.best[by] if self.best else None
        if before is None or (value < before if mode == "min" else value > before):
            row = points.slice(pc.index(values, value).as_py(), 1).to_pylist()[0]
            self.best = best_of(row, by, config_of(row["idx"]))

    def spend(self, what: str, seconds: float) -> None:
        """Count core seconds that `what` took."""
        self.spent_s[what] = self.spent_s.get(what, 0.0) + seconds

    def note_one_by_one(self, points: np.ndarray, why: str) -> None:
        """Note that these points are trained one by one, because the fused engine cannot train them, and why."""
        noted = self.one_by_one.setdefault(why, {"points": 0, "idx": []})
        noted["points"] += len(points)
        noted["idx"] = (noted["idx"] + points[:_SHOWN].tolist())[:_SHOWN]

    def note(self, notes: Iterable[str]) -> None:
        """Note what the user must know about the builder."""
        self.notes += [note for note in notes if note not in self.notes]

    @property
    def done(self) -> int:
        """Points that have a row."""
        return sum(self.counts.values())

    @property
    def open(self) -> int:
        """Points without a row."""
        return max(0, self.asked - self.done)

    @property
    def not_well(self) -> int:
        """Points that failed or ran out of time."""
        return sum(self.counts.get(status, 0) for status in NOT_WELL)

    @property
    def points_per_minute(self) -> float:
        """Points that this run has finished, per minute of training; 0 before the training begins."""
        return (self.done - self.before) / self.training_s * 60 if self.training_s > 0 else 0.0

    @property
    def eta_s(self) -> float | None:
        """Seconds to the end at the present rate, or None before a rate is known."""
        return self.open / self.points_per_minute * 60 if self.points_per_minute else None

    def to_dict(self) -> dict[str, Any]:
        """Return the tally as plain data, with the derived numbers."""
        plain = {name: value for name, value in asdict(self).items() if name != "directions"}
        derived = {name: getattr(self, name) for name in ("done", "open", "points_per_minute", "eta_s")}
        return {**plain, **derived}


def best_of(row: Mapping[str, Any], by: str, config: dict[str, Any]) -> dict[str, Any]:
    """Return `Tally.best` of a point's row."""
    test = on_split(by, "te")
    numbers = {name: float(row[name]) for name in (by, test) if row.get(name) is not None}
    return {"by": by, **numbers, "idx": int(row["idx"]), "config": config}


def best_text(best: Mapping[str, Any]) -> str:
    """Return the best value and what the same point has on the test rows, such as `val auc 0.9100, test auc 0.9000`."""
    by = best["by"]
    metric, split = metric_and_split(by) or (by, "va")
    words = [f"{'test' if split == 'te' else 'val'} {metric} {metric_text(best[by])}"]
    if split == "va" and (test := best.get(column_of(metric, "te"))) is not None:
        words.append(f"test {metric} {metric_text(test)}")
    return ", ".join(words)


def metric_text(value: float) -> str:
    """Return the value of a metric with four decimals, or with four digits if it is small: 1.2346, 0.001235."""
    return f"{value:.4f}" if abs(value) >= 0.1 or value == 0 else f"{value:.4g}"


def counts_text(counts: Mapping[str, int]) -> str:
    """Return the counts by status in words, such as `12 completed, 3 pruned`."""
    return ", ".join(f"{counts[status]:,} {status}" for status in Status if counts.get(status)) or "none yet"


def sentence(note: str) -> str:
    """Return a note with one point at its end: those of a table have one, those of a builder have none."""
    return note if note.endswith((".", "?", "!")) else f"{note}."


def duration(seconds: float | None) -> str:
    """Return a duration as text, such as `0:12:05`; `?` for None."""
    most_s = 8e13  # a `timedelta` holds hardly more
    return "?" if seconds is None else str(timedelta(seconds=round(min(seconds, most_s))))


def read_progress(folder: RunFolder) -> dict[str, Any]:
    """Return the last tally that the driver wrote into the folder; empty if there is none or the file is malformed."""
    try:
        found = json.loads(folder.progress.read_text())
    except (OSError, ValueError, RecursionError):
        return {}
    if not isinstance(found, dict):
        return {}
    best = found.get("best")
    if isinstance(best, dict):
        best.setdefault("by", "loss_te")  # as earlier versions ranked
    if not isinstance(found.setdefault("incomparable", ""), str):
        return {}
    return found if _is_tally(found) else {}


def _is_tally(found: Mapping[str, Any]) -> bool:
    """Return whether this looks like `Tally.to_dict`. The folder may come from a stranger, so its content is checked."""
    numbers = [found.get(name) for name in _NUMBERS]
    if (eta_s := found.get("eta_s")) is not None:
        numbers.append(eta_s)
    if (best := found.get("best")) is not None:
        if not isinstance(best, dict) or not {"idx", "config"} <= set(best):
            return False
        by = best.get("by")
        if not isinstance(by, str):
            return False
        if not all(map(_is_finite, (best.get(by), best["idx"], best.get(on_split(by, "te"), 0.0)))):
            return False
    # The selection becomes a part of the command to resume, which the user pastes into a shell.
    selects = re.fullmatch(r"(--points \d+|--idx [\d,]+)?", str(found.get("selection", "")))
    return bool(selects) and all(_is_finite(number) and abs(number) < _HUGE for number in numbers)


def _is_finite(value: Any) -> TypeGuard[int | float]:
    """Return whether this is a number that can be written with decimals, which an int beyond all floats cannot."""
    return isinstance(value, int | float) and abs(value) <= sys.float_info.max
