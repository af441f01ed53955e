"""The Tune trainable of the fused engine: a trial is a group of points, or one point for the Keras trial.

What a group's trial answers
    parts     the points are no group: other trials take these parts
    alone     no program can train them: each goes on by itself, by the Keras trial
    finished  columns of points that have finished, as `Cohort.report` gives them
    entered   what the rungs were told, and what they said

A step trains until ASHA's next milestone, or for a few seconds.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import ray

from trainables.builder.find import Builder
from trainables.fused.internals import xla
from trainables.limits import KILL_AFTER_S, cohort_memory_mb, explain, resident_mb, time_limit
from trainables.settings import Training
from trainables.table.data import Table
from trainables.trials.checkpoints import Checkpoints, RemoteCheckpoints, name_of
from trainables.trials.keras_trial import PAYLOAD, KerasTrial

STEP_S = 2.0
"""Seconds of training after which a step reports, though no milestone was reached."""

CHECKPOINT_EVERY_S = 20.0
"""Seconds of training between two checkpoints, at least."""

COMPILE_S = 300.0
"""Seconds, beside a point's own limit, after which an epoch that does not end takes its worker with it."""

LANES = 16
"""Points in a chunk: more are up to 3% faster an epoch, but leave more of them idle once some points have stopped."""


class FusedTrial(KerasTrial):
    """Trains the points of `config["points"]`, an int array; or the point `config["idx"]` as the Keras trial does."""

    def setup(  # type: ignore[override]  # Tune passes what with_parameters was given
        self,
        config: dict[str, Any],
        space: Sequence[Mapping[str, Any]],
        builder: Builder,
        table: Table,
        training: Training,
        rungs: Any = None,
        checkpoints: Checkpoints | RemoteCheckpoints | None = None,
        guard: Callable[[], None] | None = None,
    ) -> None:
        """As the Keras trial's.

        Args:
            config: `{"points": array}` or `{"idx": int}`.
            space, builder, table, training: see there.
            rungs: handle of the actor that holds ASHA's rungs; None without pruning.
            checkpoints: where the state of groups in training is kept; None keeps none.
            guard: called first; raises if no point may be trained here.
        """
        if guard is not None:
            guard()
        xla.set_up()
        self._rungs = rungs
        self._checkpoints = checkpoints or Checkpoints(None)
        self._composer: Any = None
        self._composed_s = 0.0
        super().setup(config, space, builder, table, training)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next group or point."""
        points = new_config.get("points")
        self._points = None if points is None else np.asarray(points, np.int64)
        # Points, members and fit of each cohort to come: one, or those that a checkpoint has and the others.
        self._waiting: list[tuple[np.ndarray, Any, Any]] | None = None
        self._cohort: Any = None
        self._kept_at = 0.0
        return super().reset_config({"idx": -1, **new_config})

    def step(self) -> dict[str, Any]:
        """Train on and report."""
        if self._points is None:
            return super().step()
        from trainables.fused.model.describe import UnfusableError

        try:
            started = time.perf_counter()
            answer = self._compose() if self._waiting is None else None
            self._composed_s += time.perf_counter() - started
            answer = answer or self._train()
        except UnfusableError as error:
            answer = self._leave(str(error))
        except Exception as error:
            if self._cohort is not None and self._cohort.epoch:
                raise
            # An operation that cannot be vectorized or compiled says so only now.
            answer = self._leave(f"it cannot be compiled ({explain(error).splitlines()[0][:200]})")
        return {"epoch": 0, "val_loss": float("nan"), "done": answer.pop("done"), PAYLOAD: answer}

    def _leave(self, why: str) -> dict[str, Any]:
        """Give up on fusing what has not been trained yet."""
        assert self._points is not None
        self._cohort = None
        left, self._waiting = self._points, None  # the collector knows which of them have finished
        return {"done": True, "alone": left, "why": why}

    def _compose(self) -> dict[str, Any] | None:
        import tensorflow as tf

        from trainables.builder import build
        from trainables.fused.compose.members import Composer, Refused, Split

        assert self._points is not None
        tf.get_logger().setLevel("ERROR")  # it warns of every program that is traced
        points, training = self._points, self._training
        configs = [self._space[int(idx)] for idx in points]
        if self._composer is None:
            self._build = self._build or self._builder.load()
            self._composer = Composer(
                self._build,
                self._builder,
                self._table,
                training.seed,
                training.timeout_s,
                cohort_memory_mb(training.memory_mb, training.gpu),
            )
        found = self._composer.compose(configs, training.fit)
        if isinstance(found, Refused):
            return {"done": True, "alone": points, "why": found.why}
        if isinstance(found, Split):
            parts = [points[part] for part in found.parts]
            return {"done": True, "parts": parts, "costs": list(found.costs), "why": found.why}
        self._waiting = [(points, found, build.fit_of(configs[0], self._builder, training.fit))]
        return None

    def _train(self) -> dict[str, Any]:
        if self._cohort is None:
            self._begin()
        cohort, training = self._cohort, self._training
        if cohort.epoch and time.monotonic() - self._kept_at > CHECKPOINT_EVERY_S:
            # At the start of a step: what the last one reported has arrived.
            self._checkpoints.save(name_of(cohort.idx), cohort.state())
            self._kept_at = time.monotonic()
        started, ended, entered = time.monotonic(), [], None
        while not cohort.finished:
            with time_limit(training.timeout_s + COMPILE_S - KILL_AFTER_S):
                trained = np.flatnonzero(cohort.alive)
                ended.append(cohort.train())
            if self._rungs is not None and cohort.epoch in training.milestones:
                entered, stopped = self._enter(trained)
                ended.append(stopped)
                break
            if time.monotonic() - started > STEP_S:
                break
        rows = np.concatenate(ended) if ended else np.array([], int)
        answer: dict[str, Any] = {"done": False, "open": int(cohort.alive.sum())}
        if len(rows):
            answer["finished"] = cohort.report(rows)
        answer["timing"] = {"compose": self._composed_s, **cohort.timing}
        self._composed_s, cohort.timing = 0.0, dict.fromkeys(cohort.timing, 0.0) | {"compile": 1e-9}
        if entered is not None:
            answer["entered"] = entered
        if cohort.finished:
            self._checkpoints.forget(name_of(cohort.idx))
            self._cohort = None
            gc.collect()
            self._first_mb = self._first_mb or resident_mb()
            answer["done"] = not self._waiting
        return answer

    def _begin(self) -> None:
        """Take up the next cohort, where a checkpoint left it if there is one."""
        from trainables.fused.training.cohort import Cohort

        assert self._waiting
        self._kept_at = time.monotonic()
        idx, members, fit = self._waiting.pop(0)
        for present, state in self._checkpoints.find(idx):
            is_present = np.isin(idx, present)
            rows, others = np.flatnonzero(is_present), np.flatnonzero(~is_present)
            cohort = Cohort(idx[rows], members.take(rows), fit, self._table, self._training, LANES)
            try:
                cohort.restore(state)
            except (ValueError, KeyError):  # of another version of this software
                continue
            if len(others):
                self._waiting.insert(0, (idx[others], members.take(others), fit))
            self._cohort = cohort
            return
        self._cohort = Cohort(idx, members, fit, self._table, self._training, LANES)

    def _enter(self, trained: np.ndarray) -> tuple[dict[str, Any], np.ndarray]:
        """Tell the rungs of a milestone; return what was told and heard, and the rows that ASHA stopped."""
        cohort = self._cohort
        idx, lowest = cohort.idx[trained], cohort.lowest[trained]
        passed = ray.get(self._rungs.enter.remote(cohort.epoch, idx, lowest))
        stopped = trained[~passed & cohort.alive[trained]]
        cohort.prune(stopped)
        milestone = np.full(len(idx), cohort.epoch, "int32")
        return {"milestone": milestone, "idx": idx, "value": lowest, "passed": passed}, stopped
