"""One point per trial, trained by Keras' own `fit`: the reference for every other engine, and the fallback.

`Point` trains one point and knows nothing of Ray; `KerasTrial` is the Tune trainable around it. A trial
reports at ASHA's milestones and at its end. Each report is complete - the row as it would be committed if
ASHA stopped the point now - because a trial that ASHA stops is not asked again.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import ray
from ray import tune

from trainables.builder.find import Builder
from trainables.limits import RETIRE_AFTER_MB, TimeUpError, explain, resident_mb, time_limit
from trainables.settings import Training
from trainables.single.point import Point
from trainables.table.data import Table

PAYLOAD = "payload"
"""Key of a Tune result under which a trial's report travels."""


def set_up_tensorflow(threads: int) -> None:
    """Give TensorFlow `threads` threads, and memory growth on every GPU it sees; once a process."""
    import tensorflow as tf

    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
        for gpu in tf.config.list_physical_devices("GPU"):
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError:  # TensorFlow has started already, in a process that was not ours alone
        pass


class KerasTrial(tune.Trainable):
    """The Tune trainable: one point, reported at ASHA's milestones and at its end.

    A result holds `epoch` and `val_loss` (the lowest so far) for the scheduler, `done`, and under `payload` the
    report: `idx`, `row` (columns of a finished point), `curve` (columns, one entry an epoch) and `weights`.
    """

    _first_mb: float | None = None  # resident memory of this worker after its first point

    def setup(  # type: ignore[override]  # Tune passes what with_parameters was given
        self,
        config: dict[str, Any],
        space: Sequence[Mapping[str, Any]],
        builder: Builder,
        table: Table,
        training: Training,
    ) -> None:
        """Import TensorFlow and take the first point.

        Args:
            config: `{"idx": int}`, as Tune passes it.
            space: the points' configurations by idx.
            builder: the user's builder.
            table: the data, out of Ray's object store.
            training: budget and rules.
        """
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
        set_up_tensorflow(training.threads)
        self._space, self._builder = space, builder.arrived()
        self._table, self._training = table, training
        self._build: Callable[..., Any] | None = None
        self.reset_config(config)

    def reset_config(self, new_config: dict[str, Any]) -> bool:
        """Take the next point, in a worker that has TensorFlow loaded already; or retire, and leave it to another."""
        if self._first_mb is not None and resident_mb() - self._first_mb > RETIRE_AFTER_MB:
            ray.actor.exit_actor()
        self._idx = int(new_config["idx"])
        self._point: Point | None = None
        self._seconds = 0.0
        return True

    def step(self) -> dict[str, Any]:
        """Train up to the next milestone and report."""
        started = time.perf_counter()
        left_s = self._training.timeout_s - self._seconds
        failure: tuple[str, str] | None = None
        row: dict[str, Any] = {}
        try:
            with time_limit(left_s):
                row = self._advance()
        except TimeUpError:
            failure = ("timeout", f"The point took longer than timeout_s={self._training.timeout_s:g}.")
        except (Exception, SystemExit) as error:
            failure = ("failed", explain(error))
        self._seconds += time.perf_counter() - started
        return self._report(row, failure)

    def _advance(self) -> dict[str, Any]:
        if self._point is None:
            self._build = self._build or self._builder.load()
            config = self._space[self._idx]
            self._point = Point(self._build, self._builder, config, self._table, self._training)
        point = self._point
        later = [milestone for milestone in self._training.milestones if milestone > point.epoch]
        point.advance(later[0] if later else point.fit.epochs)
        return point.metrics()

    def _report(self, row: dict[str, Any], failure: tuple[str, str] | None) -> dict[str, Any]:
        point = self._point
        status, error = failure or (point.status if point else "failed", None)
        curve: list[dict[str, float]] = point.recorder.curve if point else []
        best_epoch = point.recorder.best_epoch if point else None
        row = {
            **row,
            "status": status,
            "epochs": len(curve),
            "best_epoch": best_epoch,
            "params": point.model.count_params() if point and point.model.built else None,
            "seconds": self._seconds,
            "error": error,
        }
        done = status != "running"
        payload = {
            "idx": self._idx,
            "row": row,
            "curve": {name: np.array([entry[name] for entry in curve], "float32") for name in curve[0]}
            if curve
            else {},
            "weights": point.weights() if point and self._training.keep_weights else None,
        }
        # A point without a finite loss enters its rung as NaN, which ASHA's percentile leaves out.
        finite = best_epoch is not None and status != "diverged"
        val_loss = point.recorder.best_val_loss if point and finite else math.nan
        if done:
            self._point = None  # frees the model while the worker waits for its next point
            self._first_mb = self._first_mb or resident_mb()
        return {"epoch": len(curve), "val_loss": float(val_loss), "done": done, PAYLOAD: payload}
