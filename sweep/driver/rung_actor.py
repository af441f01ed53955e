"""ASHA for a sweep in Ray: one actor holds the rungs, and every trial's points are judged by it.

A group's trial asks the actor itself, for its points at once. For a trial of the Keras engine the scheduler asks. What
is asked and answered is stored with the rows, so that the rungs of a resumed sweep remember it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pyarrow as pa
import ray
from ray.tune.experiment import Trial
from ray.tune.schedulers import FIFOScheduler

from cluster.connect.nodes import beside_driver
from sweep.driver.rungs import COLUMNS, Rungs
from sweep.plan.plan import Plan


def start_rungs(plan: Plan, entered: Iterable[pa.Table]) -> Any:
    """Start the actor and return its handle; it is a `Rungs` that has seen what an earlier run `entered`."""
    rungs = beside_driver(Rungs, plan.asha, plan.epochs, plan.seed)
    for table in entered:
        rungs.restore.remote({name: table[name].to_numpy() for name in COLUMNS})
    return rungs


class RungScheduler(FIFOScheduler):
    """Stops a Keras trial that its rung does not let pass; points come one by one, as in Ray's own ASHA.

    Args:
        rungs: handle of the actor.
        milestones: epochs at which trials report.

    Attributes:
        entered: what the actor was asked and has answered since the list was last emptied, as columns.
    """

    def __init__(self, rungs: Any, milestones: Iterable[int]) -> None:
        super().__init__()
        self._rungs, self._milestones = rungs, frozenset(milestones)
        self._stopped: set[str] = set()  # trials that it stopped, until Tune says that they have ended
        self.entered: list[dict[str, Any]] = []

    def __getstate__(self) -> dict[str, Any]:
        return {}  # Tune pickles it, and nothing reads it back

    def on_trial_result(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> str:
        """Return STOP if the trial's point has reached a milestone and does not pass it."""
        if self._enter(trial, result):
            return FIFOScheduler.CONTINUE
        self._stopped.add(trial.trial_id)
        return FIFOScheduler.STOP

    def on_trial_complete(self, tune_controller: Any, trial: Trial, result: dict[str, Any]) -> None:
        """Let the rungs see a point that ended at a milestone of itself."""
        if trial.trial_id in self._stopped:  # it has just been told of this result
            self._stopped.remove(trial.trial_id)
        else:
            self._enter(trial, result)

    def _enter(self, trial: Trial, result: dict[str, Any]) -> bool:
        if "idx" not in trial.config or result["epoch"] not in self._milestones:
            return True
        idx, value = np.array([trial.config["idx"]]), np.array([result["val_loss"]])
        passed = ray.get(self._rungs.enter.remote(result["epoch"], idx, value, together=False))
        milestone = np.array([result["epoch"]], "int32")
        self.entered.append({"milestone": milestone, "idx": idx, "value": value, "passed": passed})
        return bool(passed[0])
