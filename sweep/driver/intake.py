"""Takes what the engines report: rows and ASHA's records wait here until they are committed, and the tally counts them.

Both ways of training use it: Tune's trials (the collector) and one process alone (`here`). They differ in who trains the
points that a report gives back.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from results.folder.errors import FolderError
from results.schema import OF_LOSSES, Status
from results.store.store import Finished, Store
from sweep.driver.comparable import (
    different_losses,
    different_weights,
    note_on_weights,
    weights_of,
)
from sweep.plan.plan import Plan, PlanError
from sweep.process.signals import StopRequested
from sweep.process.tally import Tally
from trainables.engine import Report, Rows, without_training
from trainables.objective import Loss


class Intake:
    """What was reported and is not committed yet.

    Args:
        plan: the plan.
        store: commits the rows.
        tally: the numbers that a person watches.

    Attributes:
        committed_at: when the last commit began, by `time.monotonic`.
    """

    def __init__(self, plan: Plan, store: Store, tally: Tally) -> None:
        self._plan, self._store, self._tally = plan, store, tally
        self._rows: list[Finished] = []
        self._entered: list[pa.RecordBatch] = []
        self._modes: dict[str, str | None] = {}  # of the metrics that were seen
        self._losses: dict[Loss, Sequence[str]] = {}  # of the models that were built, with their metrics
        self._weights = weights_of(plan)
        tally.note(filter(None, [note_on_weights(plan)]))
        self.committed_at = time.monotonic()

    @property
    def waiting(self) -> int:
        """How many rows and records wait for a commit."""
        return sum(part.points.num_rows for part in self._rows) + len(self._entered)

    def take(self, report: Report) -> None:
        """Take the rows and records of a report, and what it says about metrics and losses.

        Raises:
            StopRequested: the folder cannot be written, or the points cannot be compared, because their losses differ.
        """
        # The modes of the metrics come first, so that no row is stored before they are.
        if new := {name: mode for name, mode in report.modes.items() if name not in self._modes}:
            self._modes |= new
            try:
                self._tally.directions = self._store.learn(new)
            except FolderError as error:
                raise StopRequested(error) from error
        self._losses |= report.losses
        metric = self._plan.objective.metric
        if report.losses and metric in OF_LOSSES and len(self._losses) > 1:
            self._refuse_to_compare(metric)
        if self._weights and metric in report.weighted:
            self._tally.note([different_weights(metric, self._weights)])
        if report.rungs is not None:
            self._entered.append(report.rungs)
        if report.rows is not None:
            self.add(report.rows)
        self._tally.note(report.notes)

    def _refuse_to_compare(self, metric: str) -> None:
        """End the sweep, or only say that its points cannot be ranked if none is pruned: then each row is right by itself.

        Raises:
            StopRequested: ASHA would prune points by losses that mean different things.
        """
        said = different_losses(metric, self._losses)
        if self._plan.training.milestones:
            self.commit()
            raise StopRequested(PlanError(said))
        said = " ".join(said.split())  # a note is one line
        if not self._tally.incomparable:
            self._tally.note([said])
        self._tally.incomparable = said

    def add(self, rows: Rows) -> None:
        """Take the rows of finished points."""
        self._rows.append(Finished(rows.points, rows.curves, rows.weights))
        self._tally.add(rows.points, self._plan.space.shown)
        by_keras = rows.points.filter(pc.equal(rows.points["engine"], "keras"))
        if by_keras.num_rows:
            self._tally.by_keras += by_keras.num_rows
            self._tally.spend("keras", pc.sum(by_keras["seconds"]).as_py() or 0.0)

    def still_open(self, points: np.ndarray) -> np.ndarray:
        """Return the points that have not finished."""
        finished = self._store.has(points)
        for part in self._rows:
            finished |= np.isin(points, part.points["idx"].to_numpy())
        return points[~finished]

    def one_by_one(self, points: np.ndarray, why: str) -> np.ndarray:
        """Return those points that Keras has to train, of some that no program can train; with `engine: fused` or
        `native` there are none, since they fail."""
        points = self.still_open(points)
        if not len(points):
            return points
        if (engine := self._plan.engine) in ("fused", "native"):
            error = f"UnfusableError: {why}."
            self.add(without_training(points, Status.FAILED, error, engine, self._plan.seeds(points)))
            return points[:0]
        self._tally.note_one_by_one(points, why)
        return points

    def end_if_unusable(self, report: Report) -> None:
        """End the sweep if the plan or the engine cannot be used at all.

        Raises:
            StopRequested: it cannot.
        """
        if report.unusable or report.broken:
            self.commit()
            raise StopRequested(
                PlanError(report.unusable) if report.unusable else RuntimeError(report.broken)
            )

    def commit(self) -> None:
        """Commit what waits.

        Raises:
            StopRequested: the folder cannot be written; the rows stay here.
        """
        self.committed_at = time.monotonic()
        try:
            self._store.commit(self._rows, self._entered)
        except (FolderError, ValueError) as error:
            raise StopRequested(error) from error
        self._rows.clear()
        self._entered.clear()
