"""Tune's loop in this process, step by step as a test wants it: real searcher, collector, store and checkpoints.

The trials are those of `NumpyEngine`. A worker can be killed while a result of its step is still on its way, and so can
the driver.
"""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from results.folder.run_folder import RunFolder
from results.store.store import Store
from sweep import Plan
from sweep.driver.collector import Collector
from sweep.driver.rungs import Rungs
from sweep.driver.searcher import PointSearcher
from sweep.process.tally import Tally
from tests.help.numpy_trial import NumpyEngine
from tests.help.trials import RungsHere
from trainables.engine import Work
from trainables.trials.checkpoints import LocalCheckpoints
from trainables.trials.engines import WAIT
from trainables.trials.trial import PAYLOAD


@dataclass(eq=False)
class Worker:
    """A worker and its trial.

    Attributes:
        result: what it has reported and the driver has not heard yet.
        heard: whether the driver has heard a report of the trial.
    """

    trial: Any
    engine: Any
    result: Any = None
    heard: bool = False

    @property
    def waits(self) -> bool:
        return self.trial.config["engine"] == WAIT


class TuneHere:
    """A sweep of one group on so many workers.

    Args:
        plan: of the sweep.
        folder: of the run.
        workers: how many trials may run at once.
    """

    def __init__(self, plan: Plan, folder: RunFolder, workers: int) -> None:
        self.plan, self.folder, self.number = plan, folder, workers
        self.trials = 0
        folder.create()
        self.start()

    def start(self) -> None:
        """Begin, or go on after the driver was killed: nothing is known but the folder."""
        plan = self.plan
        self.store = Store(self.folder, plan.space, plan.keep_weights)
        points = np.arange(len(plan.space))
        self.open = points[~self.store.has(points)]
        self.tally = Tally(asked=len(self.open))
        self.tally.workers = self.number
        self.searcher = PointSearcher(waiting=self.number - 1)
        if len(self.open):
            self.searcher.add_group(self.open, share=1.0)
        self.collector = Collector(plan, self.store, self.searcher, self.tally, lambda: None, lambda: False)
        self.workers: list[Worker] = []
        rungs = None
        if plan.training.milestones:
            rungs = RungsHere(Rungs(plan.asha, plan.epochs, plan.seed))
            for table in self.store.entered():
                rungs.rungs.restore({name: table[name].to_numpy() for name in table.column_names})
        kept = LocalCheckpoints(str(self.folder.checkpoints))
        self.work = Work(plan.space, None, None, plan.training, rungs, kept)  # type: ignore[arg-type]

    def fill(self) -> None:
        """Begin trials while there are workers and trials; a wait ends if there is work for its worker."""
        self.searcher.waiting = self.collector._giving.waits(self.number)
        while self.searcher.queued and len(self.workers) == self.number and self.searcher.ready:
            over = self.searcher.ready[next(iter(self.searcher.ready))]
            self.searcher.on_trial_complete(over.trial_id)
            self.workers = [worker for worker in self.workers if worker.trial is not over]
        while len(self.workers) < self.number:
            name = str(self.trials)
            config = self.searcher.suggest(name)
            if config is None:
                return
            self.trials += 1
            engine = NumpyEngine(self.work)
            actor = SimpleNamespace(give=SimpleNamespace(remote=engine.give))
            trial = SimpleNamespace(
                trial_id=name,
                config=config,
                error_file=None,
                temporary_state=SimpleNamespace(ray_actor=actor),
            )
            self.workers.append(Worker(trial, engine))
            if config["engine"] == WAIT:
                self.searcher.ready[name] = trial
            else:
                engine.begin(config["points"].copy())
            self.collector.on_trial_start(0, [], trial)

    def train(self, worker: Worker) -> None:
        """Let a worker do a step; the driver does not hear of it yet."""
        worker.result = worker.engine.step()

    def hear(self, worker: Worker) -> None:
        """Let the driver hear what a worker has reported."""
        report, worker.result, worker.heard = worker.result, None, True
        self.collector.on_trial_result(0, [], worker.trial, {"done": report.done, PAYLOAD: report})
        if report.done:
            self.searcher.on_trial_complete(worker.trial.trial_id)
            self.workers.remove(worker)

    def kill(self, worker: Worker) -> None:
        """End a worker; what it has reported and the driver has not heard is lost."""
        self.workers.remove(worker)
        self.searcher.on_trial_complete(worker.trial.trial_id, error=True)
        self.collector.on_trial_error(0, [], worker.trial)

    @property
    def training(self) -> list[Worker]:
        return [worker for worker in self.workers if not worker.waits]

    def check(self) -> None:
        """Check that each point is finished, in one trial, or in one group that waits."""
        held = [worker.trial.config["points"] for worker in self.training]
        held += [config["points"] for *_, config in self.searcher._groups]
        held = [self.collector._intake.still_open(points) for points in held]
        together = np.concatenate([*held, np.zeros(0, np.int64)])
        expected = self.collector._intake.still_open(self.open)
        np.testing.assert_array_equal(np.sort(together), np.sort(expected))
