"""Trains the open points of a run in this process, one trial after another, without Ray: for small sweeps of a notebook.

It does what the collector and Tune's loop do, with the same engines, so the rows are the same. Nothing is retried: an error
of an engine ends the run, and a point that ends the process ends the user's process.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from results.folder.errors import FolderError
from results.schema import RUNGS, Status, to_arrow
from results.store.store import Finished
from sweep.driver.comparable import OF_LOSSES, different_losses
from sweep.driver.rungs import Rungs
from sweep.driver.train import Task
from sweep.plan.plan import PlanError
from sweep.process.signals import Stopper, StopRequested
from sweep.process.tally import Tally
from sweep.process.view import View
from trainables import engine, limits
from trainables.engine import Engine, Report, Work, without_training
from trainables.settings import Mode

COMMIT_EVERY_S = 2.0


def train_here(task: Task, tally: Tally, view: View, stopper: Stopper) -> str | None:
    """Train the open points; return the error that stopped it, or None if it ended or a person stopped it.

    The state of this process is restored at the end, as far as Python, NumPy and `keras.config` have one.

    Args:
        task: what to train.
        tally: the numbers of the sweep.
        view: shows the tally.
        stopper: handles the signals.
    """
    view.begin("training")
    tally.workers = 1
    trainer = _Trainer(task, tally, view)
    with process_as_before():
        try:
            trainer.train()
        except StopRequested as stop:
            with contextlib.suppress(StopRequested), stopper.deferred():
                trainer.commit()
            return str(stop.error) if stop.error else None
    return None


class RungsHere(engine.Rungs):
    """ASHA's rungs in this process.

    Args:
        rungs: of the sweep.
    """

    def __init__(self, rungs: Rungs) -> None:
        self._rungs = rungs
        self._entered: list[pa.RecordBatch] = []

    def enter(
        self, epoch: int, idx: np.ndarray, best: np.ndarray, together: bool, mode: Mode = "min"
    ) -> np.ndarray:
        """See `trainables.engine.Rungs.enter`."""
        passed = self._rungs.enter(epoch, idx, best, together, mode)
        columns = [np.full(len(idx), epoch, np.int32), idx, best, passed]
        self._entered.append(pa.record_batch(list(map(pa.array, columns)), schema=to_arrow(RUNGS)))
        return passed

    def entered(self) -> pa.RecordBatch | None:
        """See `trainables.engine.Rungs.entered`."""
        if not self._entered:
            return None
        table = pa.Table.from_batches(self._entered).combine_chunks()
        self._entered = []
        return table.to_batches()[0]


class _Trainer:
    def __init__(self, task: Task, tally: Tally, view: View) -> None:
        self._task, self._plan, self._tally, self._view = task, task.plan, tally, view
        self._pending: list[Finished] = []
        self._entered: list[pa.RecordBatch] = []
        self._committed_at = time.monotonic()
        # A heap: minus the cost, a counter, the points.
        self._groups: list[tuple[float, int, np.ndarray]] = []
        self._counter = itertools.count()
        self._singles: deque[int] = deque()
        self._known: Any = None
        self._engines: dict[str, Engine] = {}
        self._modes: dict[str, str | None] = {}
        self._losses: dict[str, Sequence[str]] = {}

    def train(self) -> None:
        plan, task = self._plan, self._task
        rungs = None
        if plan.training.milestones:
            rungs = Rungs(plan.asha, plan.epochs, plan.seed)
            for table in task.store.entered():
                rungs.restore({name: table[name].to_numpy() for name in table.column_names})
        self._work = Work(
            plan.space, plan.found_builder, plan.table, plan.training, RungsHere(rungs) if rungs else None
        )
        chosen = task.selection.to_array()
        chosen = chosen[~task.store.has(chosen)]
        if plan.engine == "keras":
            self._singles.extend(chosen.tolist())
        else:
            self._add(chosen, 0.0)
        while self._groups or self._singles:
            if self._groups:
                *_, points = heapq.heappop(self._groups)
                self._run("fused", points)
            else:
                self._run("keras", np.array([self._singles.popleft()]))
        self.commit()

    def _add(self, points: np.ndarray, cost: float) -> None:
        if len(points):
            heapq.heappush(self._groups, (-cost, next(self._counter), points))

    def _run(self, name: str, points: np.ndarray) -> None:
        """Train the points of one trial."""
        if name not in self._engines:
            self._engines[name] = _engine(name, self._work)
        trains = self._engines[name]
        trains.begin(points.astype(np.int64), *([self._known] if name == "fused" else []))
        self._tally.running = len(points)
        report = Report()
        while not report.done:
            report = trains.step()
            self._take(report)
            due = time.monotonic() - self._committed_at > COMMIT_EVERY_S
            if due and (self._pending or self._entered):
                self.commit()
            self._view.update()
        self._tally.running = 0

    def _take(self, report: Report) -> None:
        for what, seconds in report.timing.items():
            self._tally.spend(what, seconds)
        if new := {name: mode for name, mode in report.modes.items() if name not in self._modes}:
            self._modes |= new
            try:
                self._tally.directions = self._task.store.learn(new)
            except FolderError as error:
                raise StopRequested(error) from error
        self._losses |= report.losses
        if (metric := self._plan.objective.metric) in OF_LOSSES and len(self._losses) > 1:
            raise StopRequested(PlanError(different_losses(metric, self._losses)))
        if report.rungs is not None:
            self._entered.append(report.rungs)
        if report.rows is not None:
            self._finish(report.rows)
        if report.known is not None:
            self._known = report.known if self._known is None else self._known.joined(report.known)
        for part, cost in zip(report.parts, report.costs or [0.0] * len(report.parts), strict=True):
            self._add(part, cost)
        if report.refused is not None:
            self._one_by_one(report.refused, report.why)
        self._tally.note((*report.notes, *self._work.maker.notes))
        self._tally.running = report.open
        if report.unusable:
            raise StopRequested(PlanError(report.unusable))
        if report.broken:
            raise StopRequested(RuntimeError(report.broken))

    def _one_by_one(self, points: np.ndarray, why: str) -> None:
        finished = self._task.store.has(points)
        for pending in self._pending:
            finished |= np.isin(points, pending.points["idx"].to_numpy())
        points = points[~finished]
        if not len(points):
            return
        if self._plan.engine == "fused":
            error = f"UnfusableError: {why}."
            self._finish(without_training(points, Status.FAILED, error, "fused", self._plan.seed))
            return
        self._tally.note_one_by_one(points, why)
        self._singles.extend(points.tolist())

    def _finish(self, rows: engine.Rows) -> None:
        self._pending.append(Finished(rows.points, rows.curves, rows.weights))
        self._tally.add(rows.points, self._plan.space.shown)
        by_keras = rows.points.filter(pc.equal(rows.points["engine"], "keras"))
        if by_keras.num_rows:
            self._tally.by_keras += by_keras.num_rows
            self._tally.spend("keras", pc.sum(by_keras["seconds"]).as_py() or 0.0)

    def commit(self) -> None:
        """Commit the pending rows.

        Raises:
            StopRequested: the folder cannot be written.
        """
        self._committed_at = time.monotonic()
        try:
            self._task.store.commit(self._pending, self._entered)
        except (FolderError, ValueError) as error:
            raise StopRequested(error) from error
        self._pending.clear()
        self._entered.clear()


def _engine(name: str, work: Work) -> Engine:
    if name == "fused":
        from trainables.fused.engine import FusedEngine

        return FusedEngine(work)
    from trainables.single.engine import KerasEngine

    return KerasEngine(work)


@contextlib.contextmanager
def process_as_before() -> Iterator[None]:
    """Restore, at the end of a `with` block, what the training of points changes in this process."""
    from trainables.fused.internals import xla

    xla.set_up()  # this counts only if TensorFlow is not loaded yet
    import keras

    from trainables.builder import configuration

    configuration.at_start.cache_clear()  # the user may have changed settings since the last sweep in this process
    before = configuration.at_start()
    python, numpy, imported = random.getstate(), np.random.get_state(), dict(sys.modules)
    try:
        with limits.gentle():
            yield
    finally:
        keras.utils.clear_session(free_memory=False)
        before.restore()
        random.setstate(python)
        np.random.set_state(numpy)
        # The module of a builder that keeps state was imported anew for each model.
        sys.modules.update(imported)
