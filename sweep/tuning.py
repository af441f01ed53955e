"""What Ray Tune calls: the searcher that hands it points, the scheduler, and the collector of its results."""

from __future__ import annotations

import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from ray import tune
from ray.tune import Callback, CheckpointConfig, FailureConfig, RunConfig, TuneConfig, Tuner
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler
from ray.tune.search import Searcher

from results.folder import FolderError
from results.schema import Status
from results.store import Finished, Store
from sweep.plan import Plan
from sweep.progress import Tally
from sweep.stopping import StopRequested
from trainables.keras_trial import PAYLOAD, KerasTrial

COMMIT_EVERY_S = 0.5
COMMIT_AT_POINTS = 512
FALSE_STARTS = 5
"""Times that a point may meet a worker that ends before it has begun with it."""
START_TIMEOUT_S = 180.0
"""Seconds within which the first worker must have started, or the sweep says so and stops."""

_TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # five files a trial
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # signals are ours
    "TUNE_GLOBAL_CHECKPOINT_S": "86400",  # snapshots of Tune's state, which are never read back
    "RAY_CHDIR_TO_TRIAL_DIR": "0",  # a builder may open files beside where the sweep was started
    "RAY_AIR_NEW_OUTPUT": "0",
}


class _Unsaved:
    """Pickles as an empty object: Tune pickles all that it is given, and nothing reads it back."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class PointSearcher(_Unsaved, Searcher):
    """Hand Tune the open points one by one, in the order of `open_points`, which is never listed.

    Tune's own grid search materialises the grid and follows its order; this does neither. It never says that it
    has finished, since a point may come back: the collector knows when all are in.
    """

    def __init__(self, open_points: Iterable[int]) -> None:
        super().__init__(metric="val_loss", mode="min")
        self._open: Iterator[int] = iter(open_points)
        self._again: deque[int] = deque()

    def suggest(self, trial_id: str) -> dict[str, int] | None:
        """Return the next point as a trial's configuration, or None while there is none."""
        idx = self._again.popleft() if self._again else next(self._open, None)
        return None if idx is None else {"idx": idx}

    def give_back(self, idx: int) -> None:
        """Hand out `idx` again, before the points that have not been tried."""
        self._again.append(idx)

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Learn nothing: the order is fixed."""

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the open points follow from the plan and the rows."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: see `save`."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Save nothing: see `save`."""


class _Asha(ASHAScheduler):
    """Ray's ASHA, but for a point whose worker died: it comes again as another trial and must not count twice."""

    def on_trial_error(self, tune_controller: Any, trial: Trial) -> None:
        for bracket in self._brackets:
            for _, recorded in bracket._rungs:
                recorded.pop(trial.trial_id, None)
        self._trial_info.pop(trial.trial_id, None)


def scheduler(plan: Plan, store: Store) -> TrialScheduler:
    """Return Ray's ASHA, its rungs filled with what the committed points reached, or a scheduler that never stops.

    ASHA compares the lowest `val_loss` a point has had by a milestone, since the best epoch's model is what
    a point is judged by.
    """
    if not plan.training.milestones:  # no pruning was asked for, or the budget ends within the grace period
        return FIFOScheduler()
    asha = _Asha(
        time_attr="epoch",
        metric="val_loss",
        mode="min",
        max_t=plan.epochs,
        grace_period=plan.asha.grace_period,
        reduction_factor=plan.asha.reduction_factor,
        brackets=plan.asha.brackets,
    )
    if len(store):
        _fill_rungs(asha, store.curves())
    return asha


def _fill_rungs(asha: ASHAScheduler, curves: Iterable[pa.Table]) -> None:
    """Enter the points of an earlier run into the rungs, so that a resumed sweep prunes as it did before.

    A rung is `(milestone, {trial_id: -val_loss})` in Ray 2.60. Which bracket an earlier point was dealt is not
    known any more; it counts in each.
    """
    lowest: dict[int, np.ndarray] = {}
    for table in curves:
        columns = table.select(["idx", "val_loss"]).to_pandas()
        for idx, values in columns.groupby("idx", sort=False)["val_loss"]:
            curve = values.to_numpy("float64")
            # A point that diverged counts as NaN, which the rung's percentile leaves out. (In its own run it had
            # its finite loss in the rungs that it passed before.)
            lowest[int(idx)] = np.minimum.accumulate(curve) if np.isfinite(curve[-1]) else curve * np.nan
    for bracket in asha._brackets:
        for milestone, recorded in bracket._rungs:
            epochs = math.ceil(milestone)
            for idx, curve in lowest.items():
                if len(curve) >= epochs:
                    recorded[f"committed-{idx}"] = -float(curve[epochs - 1])


class Collector(_Unsaved, Callback):
    """Turn the trials' reports into committed rows, and keep the tally of the sweep.

    Rows are committed together, at most `COMMIT_EVERY_S` after they came. The collector is also where a stop
    takes effect, since between two steps of Tune nothing is half done.

    Args:
        plan: the plan.
        store: where rows go.
        searcher: takes back the points whose worker died.
        tally: the numbers a person watches.
        engine: name of the engine, for the rows.
        on_step: called after each step of Tune, some ten times a second.
        should_stop: whether a stop was asked for.
    """

    def __init__(
        self,
        plan: Plan,
        store: Store,
        searcher: PointSearcher,
        tally: Tally,
        engine: str,
        on_step: Callable[[], None],
        should_stop: Callable[[], bool],
    ) -> None:
        self._plan, self._store, self._tally, self._engine = plan, store, tally, engine
        self.searcher = searcher
        self._deaths: Counter[int] = Counter()
        self._false_starts: Counter[int] = Counter()
        self._on_step, self._should_stop = on_step, should_stop
        self._pending: list[Finished] = []
        self._committed_at = time.monotonic()
        self._started_at: dict[str, float] = {}
        self._ended: Trial | None = None
        self._begun_at = time.monotonic()
        self._any_started = False

    @property
    def workers(self) -> int:
        """Trials that can run at once."""
        return self._tally.workers

    def on_trial_start(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Note when a trial began, on this or on a reused actor."""
        self._any_started = True
        self._started_at[trial.trial_id] = time.monotonic()
        self._tally.running = len(self._started_at)

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """Take the report out of a result; if it is the trial's last, it becomes a row."""
        report = result.pop(PAYLOAD)
        if not result["done"]:
            return
        row = {**report["row"], "idx": report["idx"], "seed": self._plan.seed, "engine": self._engine}
        if row["status"] == "running":  # the trial would have gone on, so it was ASHA that stopped it
            row["status"] = Status.PRUNED
        self._finish(
            trial, Finished(row, self._plan.space[report["idx"]], report["curve"], report["weights"])
        )

    def on_trial_error(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Give a point back whose worker died, or make a row of it if that was once too often, or it hung."""
        idx = trial.config["idx"]
        if trial.trial_id not in self._started_at:  # the worker ended between two points, as it does at times
            self._false_starts[idx] += 1
            if self._false_starts[idx] <= FALSE_STARTS:
                self.searcher.give_back(idx)
                return
        seconds = self._seconds(trial)
        self._deaths[idx] += 1
        status = Status.FAILED
        error = f"WorkerDied: the point's worker died {self._deaths[idx]} times; see sweep.log."
        if seconds > self._plan.timeout_s:
            status = Status.TIMEOUT
            error = f"The point took longer than timeout_s={self._plan.timeout_s:g} and did not answer."
        elif self._deaths[idx] <= self._plan.retries:
            self._started_at.pop(trial.trial_id, None)
            self._tally.running = len(self._started_at)
            self._tally.retried += 1
            self.searcher.give_back(idx)
            return
        row = {
            "idx": idx,
            "status": status,
            "epochs": 0,
            "seed": self._plan.seed,
            "seconds": seconds,
            "engine": self._engine,
            "error": error,
        }
        self._finish(trial, Finished(row, self._plan.space[idx], {}, None))

    def on_trial_complete(self, iteration: int, trials: list[Trial], trial: Trial, **info: Any) -> None:
        """Forget what Tune would keep of a finished trial to the end of the sweep: most of 30 kB a point.

        A finished trial is only counted from now on, so all of them can share the parts of one.
        """
        if self._ended is None:
            trial.run_metadata.last_result = {}
            trial.run_metadata.metric_analysis = {}
            trial.run_metadata.metric_n_steps = {}
            self._ended = trial
        for part in ("run_metadata", "storage", "placement_group_factory", "config", "evaluated_params"):
            setattr(trial, part, getattr(self._ended, part))

    def on_step_end(self, iteration: int, trials: list[Trial], **info: Any) -> None:
        """Commit what has come, and end the loop when it is time to.

        The loop is also ended here when all points are in: left to itself, Tune would then write a snapshot of
        every trial and look for the log files of each, which nobody reads.
        """
        due = time.monotonic() - self._committed_at > COMMIT_EVERY_S
        if self._pending and (due or len(self._pending) >= COMMIT_AT_POINTS):
            self.commit()
        try:
            self._on_step()
        except FolderError as error:  # Tune would make an end of its own to it, which takes longer
            raise StopRequested(error) from error
        if not self._any_started and time.monotonic() - self._begun_at > START_TIMEOUT_S:
            message = (
                f"No worker has started within {START_TIMEOUT_S:g} s. sweep.log in the folder tells more."
            )
            raise StopRequested(RuntimeError(message))
        if self._should_stop() or not self._tally.open:
            self.commit()
            raise StopRequested

    def commit(self) -> None:
        """Commit what is pending.

        Raises:
            StopRequested: the folder cannot be written; what was pending stays so.
        """
        self._committed_at = time.monotonic()
        try:
            self._store.commit(self._pending)
        except (FolderError, ValueError) as error:
            raise StopRequested(error) from error
        self._pending.clear()

    def _seconds(self, trial: Trial) -> float:
        return time.monotonic() - self._started_at.get(trial.trial_id, time.monotonic())

    def _finish(self, trial: Trial, finished: Finished) -> None:
        self._started_at.pop(trial.trial_id, None)
        self._pending.append(finished)
        self._tally.add(finished.row, finished.config)
        self._tally.running = len(self._started_at)


def tuner(plan: Plan, store: Store, collector: Collector, scratch: str) -> Tuner:
    """Return the Tuner that trains the points of the collector's searcher.

    Args:
        plan: the plan.
        store: the committed points.
        collector: takes the results, and has the searcher.
        scratch: a folder for what Tune insists on writing; nothing in it is ever read back.
    """
    os.environ.update(_TUNE_ENVIRONMENT)
    # One waiting trial for each worker, so that all of them start, and go on, at once.
    os.environ["TUNE_MAX_PENDING_TRIALS_PG"] = str(max(1, collector.workers))
    trainable = tune.with_resources(
        tune.with_parameters(
            KerasTrial, space=plan.space, builder=plan.found_builder, table=plan.table, training=plan.training
        ),
        {"cpu": plan.resources.cpu, "gpu": plan.resources.gpu},
    )
    return Tuner(
        trainable,
        tune_config=TuneConfig(
            search_alg=collector.searcher,
            scheduler=scheduler(plan, store),
            num_samples=-1,  # until the collector ends it
            reuse_actors=True,
        ),
        run_config=RunConfig(
            name="sweep",
            storage_path=scratch,
            callbacks=[collector],
            failure_config=FailureConfig(max_failures=0),
            checkpoint_config=CheckpointConfig(checkpoint_frequency=0, checkpoint_at_end=False),
            verbose=0,
        ),
    )
