"""Decides which trials give half of their points away, and how many workers are kept ready for that.

When no work is left for a worker, the trial that would gain most by it is asked to give half of its open points away. It
does so at its next step: it saves their state as a checkpoint and names them in its report. They then are a group of their
own, and the worker that takes them finds the checkpoint. The giver owns the points until its
report arrives; then the new group owns them. So each point always belongs to one trial, even if a worker dies.

Terminology, beside that of `sweep.driver.searcher`
    giver    a trial that is asked to give points away
"""

from __future__ import annotations

import math

from ray.tune.experiment import Trial

from cluster.connect import ray_internals
from sweep.driver.searcher import PointSearcher
from trainables.trials.engines import GROUP

LEAST_S = 2.0
"""Seconds that must be saved, at least. The estimate of a trial counts what the other worker needs to begin."""


class Giving:
    """The trials in training, and what each of them would gain.

    Args:
        searcher: has the workers that are ready, and the work that waits.
    """

    def __init__(self, searcher: PointSearcher) -> None:
        self._searcher = searcher
        self._saves_s: dict[str, float] = {}  # of each trial that has begun; infinite if it has not said yet
        self._asked: set[str] = set()  # trials that have not answered

    def begin(self, trial: Trial) -> None:
        """Note that a trial has begun."""
        self._saves_s[trial.trial_id] = math.inf if trial.config["engine"] == GROUP else 0.0

    def hear(self, trial: Trial, saves_s: float) -> None:
        """Take what a trial's report says, and ask the trial to give points away if there is a worker for them.

        Args:
            trial: has just reported, and goes on.
            saves_s: see `Report.saves_s`.
        """
        name = trial.trial_id
        self._asked.discard(name)
        self._saves_s[name] = saves_s
        spare = len(self._searcher.ready) - self._searcher.unbegun - len(self._asked)
        if saves_s < LEAST_S or spare <= 0:
            return
        before = (
            other
            for other, seconds in self._saves_s.items()
            if other not in self._asked and saves_s < seconds < math.inf
        )
        if sum(1 for _ in before) < spare:
            self._asked.add(name)
            ray_internals.call_worker(trial, "give")

    def forget(self, trial: Trial) -> None:
        """Forget a trial that has ended."""
        self._saves_s.pop(trial.trial_id, None)
        self._asked.discard(trial.trial_id)

    def waits(self, workers: int) -> int:
        """Return how many workers should wait for points.

        Args:
            workers: trials that can run at once.
        """
        if all(seconds < LEAST_S for seconds in self._saves_s.values()):
            return 0
        return max(0, workers - len(self._saves_s) - self._searcher.unbegun)
