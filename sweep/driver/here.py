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
from collections.abc import Iterator
from typing import Any

import numpy as np

from results.folder.errors import FolderError
from sweep.driver.intake import Intake
from sweep.driver.rungs import RecordedRungs, Rungs
from sweep.driver.train import Task
from sweep.plan.form import PlanError
from sweep.process.signals import Stopper, StopRequested
from sweep.process.tally import Tally
from sweep.process.view import View
from trainables import limits
from trainables.engine import Engine, Report, Work
from trainables.settings import Mode
from trainables.trials.engines import GROUP, SINGLE, engine_of

COMMIT_EVERY_S = 2.0


def train_here(task: Task, tally: Tally, view: View, stopper: Stopper) -> str | None:
    """Train the open points; return the error that stopped it, or None if it ended or a person stopped it.

    The state of this process is restored at the end, as far as Python, NumPy and `keras.config` have one.

    Args:
        task: what to train.
        tally: the numbers of the sweep.
        view: shows the tally.
        stopper: handles the signals.

    Raises:
        PlanError: the models contradict the plan, which is known once one is built.
    """
    view.begin("training")
    tally.workers = 1
    trainer = _Trainer(task, tally, view, stopper)
    with process_as_before():
        try:
            trainer.train()
        except StopRequested as stop:
            with contextlib.suppress(StopRequested):
                trainer.commit()
            if isinstance(stop.error, PlanError):
                raise stop.error from None
            return str(stop.error) if stop.error else None
    return None


class RungsHere(RecordedRungs):
    """ASHA's rungs in this process.

    Args:
        rungs: of the sweep.
    """

    def __init__(self, rungs: Rungs) -> None:
        super().__init__()
        self._rungs = rungs

    def judge(self, epoch: int, idx: np.ndarray, best: np.ndarray, together: bool, mode: Mode) -> np.ndarray:
        """See `RecordedRungs.judge`."""
        return self._rungs.enter(epoch, idx, best, together, mode)


class _Trainer:
    def __init__(self, task: Task, tally: Tally, view: View, stopper: Stopper) -> None:
        self._task, self._plan, self._tally = task, task.plan, tally
        self._view, self._stopper = view, stopper
        self._intake = Intake(task.plan, task.store, tally)
        # A heap: the repeat, minus the cost, a counter, the points.
        self._groups: list[tuple[int, float, int, np.ndarray]] = []
        self._counter = itertools.count()
        self._singles: deque[int] = deque()
        self._known: Any = None
        self._engines: dict[str, Engine] = {}

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
        for points in task.open_by_repeat():
            if plan.engine == "keras":
                self._singles.extend(points.tolist())
            else:
                self._add(points, 0.0)
        while self._groups or self._singles:
            if self._groups:
                *_, points = heapq.heappop(self._groups)
                self._run(GROUP, points)
            else:
                self._run(SINGLE, np.array([self._singles.popleft()]))
        self.commit()

    def _add(self, points: np.ndarray, cost: float) -> None:
        if len(points):
            repeat = self._plan.repeat_of(points)
            heapq.heappush(self._groups, (repeat, -cost, next(self._counter), points))

    def _run(self, name: str, points: np.ndarray) -> None:
        """Train the points of one trial."""
        work = self._work.of_seed(self._plan.seed + self._plan.repeat_of(points))
        if work is not self._work:  # the builder is imported anew
            self._work, self._engines = work, {}
        if name not in self._engines:
            self._engines[name] = engine_of(name, self._work)
        trains = self._engines[name]
        trains.begin(points.astype(np.int64), self._known)
        self._tally.running = len(points)
        report = Report()
        while not report.done:
            report = trains.step()
            # Else a stop could find a row half taken, or written and not noted.
            with self._stopper.deferred():
                self._take(report)
                if self._intake.waiting and time.monotonic() - self._intake.committed_at > COMMIT_EVERY_S:
                    self.commit()
            self._show()
            if self._stopper.is_set():  # the user's code may have caught the request: `except:`
                raise StopRequested
        self._tally.running = 0

    def _show(self) -> None:
        try:
            self._view.update()
        except FolderError as error:
            raise StopRequested(error) from error

    def _take(self, report: Report) -> None:
        for what, seconds in report.timing.items():
            self._tally.spend(what, seconds)
        self._intake.take(report)
        if report.known is not None:
            self._known = report.known if self._known is None else self._known.joined(report.known)
        for part, cost in zip(report.parts, report.costs or [0.0] * len(report.parts), strict=True):
            self._add(part, cost)
        if report.refused is not None:
            self._singles.extend(self._intake.one_by_one(report.refused, report.why).tolist())
        self._tally.note(self._work.maker.notes)
        self._tally.running = report.open
        self._intake.end_if_unusable(report)

    def commit(self) -> None:
        """See `Intake.commit`."""
        with self._stopper.deferred():
            self._intake.commit()


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
