"""The collector: a callback of Ray Tune that turns the trials' reports into committed rows and keeps the tally."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from ray.exceptions import RayError
from ray.tune import Callback
from ray.tune.experiment import Trial

from cluster.connect import ray_internals
from cluster.errors import ClusterError
from results.folder.errors import FolderError
from results.schema import Status
from results.store.store import Store
from sweep.driver.cutting import most_points, shares
from sweep.driver.deaths import Deaths, Fault, cause_of, fault_of
from sweep.driver.giving import Giving
from sweep.driver.intake import Intake
from sweep.driver.searcher import PointSearcher, Unsaved
from sweep.driver.verifier import STOPPED, Verifier
from sweep.plan.plan import Plan
from sweep.process.signals import StopRequested
from sweep.process.tally import Tally
from trainables.engine import Report, without_training
from trainables.trials.engines import GROUP, SINGLE, VERIFY, WAIT
from trainables.trials.trial import PAYLOAD

COMMIT_EVERY_S = 0.5
COMMIT_AT_POINTS = 512
START_TIMEOUT_S = 180.0
"""Seconds within which the first worker must start; otherwise the sweep stops with an error."""
JOIN_TIMEOUT_S = 1800.0
"""The same on a cluster, which may have to start a machine first."""
CHECK_NODES_EVERY_S = 2.0
"""Seconds between two checks of the nodes that have joined a cluster."""

ray_internals.check_trial()


class Collector(Unsaved, Callback):
    """Turns the trials' reports into committed rows, and keeps the tally of the sweep.

    Rows are committed in batches: once `COMMIT_AT_POINTS` points wait, or `COMMIT_EVERY_S` (or the store's longer pause)
    after the last commit. A stop also takes effect here, since no work is half done between two steps of Tune.

    Args:
        plan: the plan.
        store: commits the rows.
        searcher: takes back the points whose worker died.
        tally: the numbers that a person watches.
        on_step: called after each step of Tune, about ten times a second.
        should_stop: returns whether a stop was asked for.
        start_timeout_s: seconds within which the first worker must start.
        check_nodes: called every `CHECK_NODES_EVERY_S`; raises `ClusterError` if a node has joined that must not. None if
            no node can join.
        verifier: verifies some points once all are in; None to verify none.
        on_verify: called when it begins.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        searcher: PointSearcher,
        tally: Tally,
        on_step: Callable[[], None],
        should_stop: Callable[[], bool],
        start_timeout_s: float = START_TIMEOUT_S,
        check_nodes: Callable[[], None] | None = None,
        verifier: Verifier | None = None,
        on_verify: Callable[[], None] | None = None,
    ) -> None:
        self._plan, self._store, self._tally = plan, store, tally
        self.searcher = searcher
        self._deaths = Deaths(plan.retries)
        self._start_timeout_s = start_timeout_s
        self._check_nodes, self._checked_at = check_nodes, time.monotonic()
        self._on_step, self._should_stop = on_step, should_stop
        self._verifier, self._on_verify = verifier, on_verify
        self._intake = Intake(plan, store, tally)
        self._giving = Giving(searcher)
        self._in_training: dict[str, int] = {}  # points of each running trial
        self._started_at: dict[str, float] = {}
        self._first_ended: Trial | None = None
        self._begun_at = time.monotonic()
        self._any_started = False
        self._false_start = ""  # what ended the last worker that did not start

    @property
    def workers(self) -> int:
        """Trials that can run at once."""
        return self._tally.workers

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note when a trial began, on a new or a reused actor."""
        self._any_started = True
        self.searcher.begun(trial.trial_id)
        if trial.config["engine"] != WAIT:
            self._giving.begin(trial)
        self._started_at[trial.trial_id] = time.monotonic()
        self._count(trial, len(trial.config["points"]))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Take the report out of a result: turn finished points into rows, and hand out again those that it gives back."""
        report: Report = result.pop(PAYLOAD)
        for what, seconds in report.timing.items():
            self._tally.spend(what, seconds)
        if trial.config["engine"] == WAIT:
            return
        if trial.config["engine"] == VERIFY:
            self._take_check(trial, report)
            return
        self._intake.take(report)
        if report.known is not None:
            self.searcher.learn(report.known)
        parts = shares(report.parts, report.costs, trial.config.get("share", 1.0))
        for part, share in zip(report.parts, parts, strict=True):
            self._hand_out(part, share, share)
        if report.refused is not None:
            self._train_one_by_one(report.refused, report.why)
        if report.given is not None:
            self._give(trial, report.given)
        if report.done:
            self._forget(trial)
        else:
            self._count(trial, report.open)
            self._giving.hear(trial, report.saves_s)
        self._intake.end_if_unusable(report)

    def _give(self, trial: Trial, given: np.ndarray) -> None:
        """Hand out what a trial does not train any more. If its worker dies, it gives back only the other points."""
        points, share = trial.config["points"], trial.config.get("share", 1.0)
        is_given = np.isin(points, given)
        part = share * len(given) / len(points)
        trial.config |= {"points": points[~is_given], "share": share - part}
        # Whatever else waits: these points would have been in training now. A part of them is not worth another trial.
        self.searcher.add_group(given, math.inf, self._plan.repeat_of(given), part)

    def _hand_out(self, points: np.ndarray, cost: float, share: float) -> None:
        most = most_points(len(points), share, self.workers) if share else None
        self.searcher.add_group(points, cost, self._plan.repeat_of(points), share, most)

    def _train_one_by_one(self, points: np.ndarray, why: str) -> None:
        """Hand out one by one the points that no program can train; with `engine: fused` they fail instead."""
        if len(left := self._intake.one_by_one(points, why)):
            self.searcher.give_back(left)

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Give back the points of a worker that ended, or store a row for a point that hung or ended too many workers."""
        points = trial.config["points"]
        if not self._any_started:
            self._false_start = cause_of(trial)
        if trial.config["engine"] == WAIT:
            self._forget(trial)
            return
        if trial.config["engine"] == VERIFY:
            self._forget(trial)
            if self._verifier is not None:
                self._verifier.lose(trial)
            return
        key = (int(points[0]), len(points))
        # A worker may end between two trials, for example after it has grown too large.
        if trial.trial_id not in self._started_at and self._deaths.false_start(key):
            self._give_back(trial)
            return
        seconds, fault = self._seconds(trial), fault_of(trial)
        again = self._deaths.may_try_again(key, fault)
        self._forget(trial)
        is_group = trial.config["engine"] == GROUP
        if again and (is_group or fault is Fault.CLUSTER or seconds <= self._plan.timeout_s):
            self._tally.retried += 1
            self._give_back(trial)
            return
        times = self._deaths.of(key)
        if is_group:
            self._train_one_by_one(points, f"their worker died {times} times")
            return
        status = Status.FAILED
        error = f"WorkerDied: the point's worker died {times} times; see sweep.log."
        if seconds > self._plan.timeout_s:
            status = Status.TIMEOUT
            error = f"The point took longer than timeout_s={self._plan.timeout_s:g} and did not answer."
        self._intake.add(without_training(points, status, error, SINGLE, self._plan.seeds(points), seconds))

    def _give_back(self, trial: Trial) -> None:
        still_open = self._intake.still_open(trial.config["points"])
        if trial.config["engine"] == SINGLE:
            self.searcher.give_back(still_open)
        elif len(still_open):
            self._hand_out(still_open, math.inf, trial.config.get("share", 1.0))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Free the memory of the finished trial."""
        self._first_ended = self._first_ended or trial
        ray_internals.free_trial(trial, self._first_ended)

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Commit the pending rows when they are due, and end Tune's loop when all points are in or a stop was asked for.

        Without this end, Tune would write a snapshot of every trial and look for the log files of each, and nothing reads
        these.
        """
        due = time.monotonic() - self._intake.committed_at > max(COMMIT_EVERY_S, self._store.pause_s)
        if (waiting := self._intake.waiting) and (due or waiting >= COMMIT_AT_POINTS):
            self.commit()
        try:
            self._on_step()
        except FolderError as error:  # Tune's own handling of an error takes longer
            raise StopRequested(error) from error
        self._look_at_nodes()
        self.searcher.waiting = self._giving.waits(self.workers)
        if not self._any_started and time.monotonic() - self._begun_at > self._start_timeout_s:
            message = f"No worker has started within {self._start_timeout_s:g} s. sweep.log in the folder tells more."
            cause = f" The last one ended with: {self._false_start}" if self._false_start else ""
            raise StopRequested(RuntimeError(message + cause))
        if self._should_stop():
            self.commit()
            self._verify(stop=True)
            raise StopRequested
        if not self._tally.open and not self._verify():
            raise StopRequested

    def commit(self) -> None:
        """Commit the pending rows.

        Raises:
            StopRequested: the folder cannot be written; the rows stay pending.
        """
        self._intake.commit()

    def _verify(self, stop: bool = False) -> bool:
        """Commit, and go on verifying; return whether the sweep has to wait for it."""
        try:
            if self._intake.waiting:
                self.commit()
            verifier = self._verifier
            if verifier is None or (stop and not verifier.begun):
                return False
            if not verifier.begun and verifier.begin() and self._on_verify is not None:
                self._on_verify()
            if not stop and verifier.go_on():
                return True
            verifier.keep(STOPPED if stop else "")
        except FolderError as error:
            raise StopRequested(error) from error
        return False

    def _take_check(self, trial: Trial, report: Report) -> None:
        self._forget(trial) if report.done else self._count(trial, 1)
        try:
            if self._verifier is not None:
                self._verifier.take(trial, report)
        except FolderError as error:
            raise StopRequested(error) from error

    def _look_at_nodes(self) -> None:
        if self._check_nodes is None or time.monotonic() - self._checked_at < CHECK_NODES_EVERY_S:
            return
        self._checked_at = time.monotonic()
        try:
            self._check_nodes()
        except ClusterError as error:
            self.commit()  # the workers compare versions, too, so none of these rows is from such a node
            raise StopRequested(error) from error
        except (RuntimeError, RayError):
            pass  # the head does not answer now; the supervisor reports it if it is lost

    def _seconds(self, trial: Trial) -> float:
        return time.monotonic() - self._started_at.get(trial.trial_id, time.monotonic())

    def _count(self, trial: Trial, points: int) -> None:
        self._in_training[trial.trial_id] = points
        self._tally.running = sum(self._in_training.values())

    def _forget(self, trial: Trial) -> None:
        self._started_at.pop(trial.trial_id, None)
        self._in_training.pop(trial.trial_id, None)
        self._giving.forget(trial)
        self._tally.running = sum(self._in_training.values())
