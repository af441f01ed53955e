"""The scheduler of Ray Tune: the next trial is the oldest for which no worker is being started.

Tune gives a worker that is free to the trial that the scheduler chooses, and ends the worker that is being started for it.
With Tune's own scheduler that is the oldest trial. So trials that are shorter than the start of a worker would keep all
workers but the first from ever starting.
"""

from __future__ import annotations

from typing import Any

from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from cluster.connect import ray_internals


class WaitingFirst(FIFOScheduler):
    """Chooses the oldest pending trial for which no worker is being started."""

    def choose_trial_to_run(self, tune_controller: Any) -> Trial | None:
        """Return the trial; None if there is none."""
        for trial in tune_controller.get_trials():
            if trial.status == Trial.PENDING and not ray_internals.is_starting(tune_controller, trial):
                return trial
        return None
