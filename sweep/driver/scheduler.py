"""The scheduler for Ray Tune: it starts the oldest trial that has no worker yet, and ends idle trials when there is work.

Tune gives a worker that is free to the trial that the scheduler chooses, and ends the worker that is being started for it.
With Tune's own scheduler that is the oldest trial. So trials that are shorter than the start of a worker would keep all
workers but the first from ever starting.

A wait (see `sweep.driver.searcher`) reports once, when its worker is ready, and is then left alone: Tune asks for no further
step, so that a hundred waiting workers cost the driver nothing. It ends when there is work for its worker, which Tune then
gives to the work. One wait ends in a step of Tune, because Tune gives only one trial a worker that has become free in the
same step; other workers that are free then could be ended.
"""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from cluster.connect import ray_internals
from sweep.driver.searcher import PointSearcher, Unsaved
from trainables.trials.engines import WAIT


class WaitingFirst(Unsaved, FIFOScheduler):
    """Chooses the oldest work for which no worker is being started, or else the oldest such wait.

    Args:
        searcher: knows the waits.
    """

    def __init__(self, searcher: PointSearcher) -> None:
        super().__init__()
        self._searcher = searcher

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Leave a wait alone once its worker is ready."""
        if not result.get(WAIT):
            return str(super().on_trial_result(tune_controller, trial, result))
        self._searcher.ready[trial.trial_id] = trial
        return self.NOOP

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return the trial; None if there is none."""
        waiting = (
            trial
            for trial in tune_controller.get_trials()
            if trial.status == Trial.PENDING and not ray_internals.is_starting(tune_controller, trial)
        )
        wait = None
        for trial in waiting:
            if trial.config["engine"] != WAIT:
                self._end_a_wait(tune_controller)
                return trial
            wait = wait or trial
        if (
            self._searcher.queued
        ):  # Tune may ask for it only after a trial has ended, if it may not run more at once
            self._end_a_wait(tune_controller)
        return wait

    def _end_a_wait(self, tune_controller: Any) -> None:
        ready = self._searcher.ready
        if ready and not ray_internals.has_free_worker(tune_controller):
            tune_controller.stop_trial(ready.pop(next(iter(ready))))
