"""The engine `keras` trains one point per trial by Keras' own `fit`. It is the reference for every other engine."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from trainables.builder.losses import note_loss, weighted_logs
from trainables.engine import Engine, Report, Rows, RungsLostError, Work, as_bytes, curves_of, weights_of
from trainables.error_text import explain
from trainables.fused.internals.models import check_objects
from trainables.limits import TimeUpError, time_limit
from trainables.objective import Loss, ObjectiveError
from trainables.single.point import Point


class KerasEngine(Engine):
    """In each step, trains one point up to the next milestone of ASHA, or to its end.

    Raises:
        InternalsError: this version of Keras lacks a part that every engine needs.
    """

    def __init__(self, work: Work) -> None:
        super().__init__(work)
        check_objects()
        self._examined = False
        self._losses: dict[Loss, list[str]] = {}
        self._weighted: frozenset[str] = frozenset()
        self._earlier: dict[str, Any] | None = None  # the configuration of a point that this worker has built

    def begin(self, points: np.ndarray, known: Any = None, most: int | None = None) -> None:
        """Take the one point of the next trial."""
        [self._idx] = points.tolist()
        self._point: Point | None = None
        self._seconds = 0.0

    def step(self) -> Report:
        """Train up to the next milestone and report. The point has finished if the rung stops it there."""
        if self._point is None and not self._examined:
            self._examine()
        started, training = time.perf_counter(), self.work.training
        status, error, metrics = "", None, {}
        try:
            with time_limit(training.timeout_s - self._seconds):
                point = self._advance()
            if (status := self._status(point)) != "running":
                with time_limit(training.timeout_s - self._seconds):
                    metrics = point.metrics()
        except RungsLostError as lost:
            return Report(done=True, broken=str(lost))
        except ObjectiveError as unusable:
            return Report(done=True, unusable=str(unusable))
        except TimeUpError:
            status, error = "timeout", f"The point took longer than timeout_s={training.timeout_s:g}."
        except (Exception, SystemExit) as raised:
            status, error = "failed", explain(raised)
        self._seconds += time.perf_counter() - started
        entered = self.work.rungs.entered() if self.work.rungs else None
        note = self._point.target.note if self._point else ""
        notes = (f"builder: {note}",) if note else ()
        found = Report(
            rungs=entered,
            notes=notes,
            modes=self._modes(),
            losses=dict(self._losses),
            weighted=self._weighted,
        )
        if status == "running":
            return replace(found, open=1)
        found = replace(found, done=True, rows=self._rows(status, error, metrics))
        self._point = None  # frees the model while the worker waits for its next point
        return found

    def _examine(self) -> None:
        """Find out whether the builder keeps state, with the worker's own points only: another one may end the worker.

        So the first point is built twice in a row, and the second point before and after the first one.
        """
        from trainables.builder.examine import examine

        work, config = self.work, self.work.space[self._idx]
        others = [] if self._earlier is None else [self._earlier]
        done = examine(work.maker, work.table, work.training.seed, work.training.timeout_s, config, others)
        self._examined = done or work.maker.anew
        self._earlier = self._earlier or config

    def _advance(self) -> Point:
        work = self.work
        if self._point is None:
            config = work.space[self._idx]
            self._point = Point(work.maker, work.builder, config, work.table, work.training)
            note_loss(self._losses, self._point.model)
            self._weighted |= weighted_logs(self._point.model)
        point = self._point
        later = [milestone for milestone in work.training.milestones if milestone > point.epoch]
        point.advance(later[0] if later else point.fit.epochs)
        return point

    def _status(self, point: Point) -> str:
        """Return the point's status. Enter the point into a rung if its epoch, even its last one, is a milestone."""
        rungs = self.work.rungs
        if rungs is None or point.epoch not in self.work.training.milestones:
            return point.status
        # A point without a finite objective enters its rung as NaN, which does not change the cutoff.
        recorder = point.recorder
        usable = math.isfinite(recorder.best_value) and not recorder.diverged
        best = np.array([recorder.best_value if usable else math.nan])
        mode = recorder.watched.objective.mode
        [passed] = rungs.enter(point.epoch, np.array([self._idx]), best, together=False, mode=mode)
        return "pruned" if point.status == "running" and not passed else point.status

    def _modes(self) -> dict[str, Any]:
        return self._point.recorder.modes if self._point else {}

    def _rows(self, status: str, error: str | None, metrics: dict[str, float]) -> Rows:
        point, training = self._point, self.work.training
        curve: list[dict[str, float]] = point.recorder.curve if point else []
        row = {
            "idx": self._idx,
            **metrics,
            "status": status,
            "epochs": len(curve),
            "best_epoch": point.recorder.best_epoch if point else None,
            "params": point.model.count_params() if point and point.model.built else None,
            "seed": training.seed,
            "seconds": self._seconds,
            "engine": "keras",
            "error": error,
            "note": self.work.maker.chance or None,
        }
        idx = np.array([self._idx])
        names = list(curve[0]) if curve else []
        logs = {name: np.array([entry[name] for entry in curve], "float32") for name in names}
        weights = None
        if point and training.keep_weights and point.recorder.best_weights is not None:
            values = as_bytes([np.asarray(value)[None] for value in point.recorder.best_weights])
            weights = weights_of(idx, values, point.layout())
        return Rows(pa.RecordBatch.from_pylist([row]), curves_of(idx, np.array([len(curve)]), logs), weights)
