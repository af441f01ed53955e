"""One point per trial, trained by Keras' own `fit`: the reference for every other engine, and the fallback.

`Point` trains one point and knows nothing of Ray; `KerasTrial` is the Tune trainable around it. A trial
reports at ASHA's milestones and at its end. Each report is complete - the row as it would be committed if
ASHA stopped the point now - because a trial that ASHA stops is not asked again.
"""

from __future__ import annotations

import gc
import json
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
from trainables.table.data import Table

PAYLOAD = "payload"
"""Key of a Tune result under which a trial's report travels."""


class Point:
    """One point in training.

    Args:
        build: the user's builder.
        builder: what is known of it.
        config: the point's value of each axis.
        table: the data.
        training: budget and rules.
    """

    def __init__(
        self,
        build: Callable[..., Any],
        builder: Builder,
        config: Mapping[str, Any],
        table: Table,
        training: Training,
    ) -> None:
        import tensorflow as tf

        from trainables.builder import build as models
        from trainables.single import rules

        self.fit = models.fit_of(config, builder, training.fit)
        gc.collect()
        self.model = models.build(build, builder, config, table, training.seed)
        rows = models.fitted_rows(self.fit, table)
        order = tf.Variable(np.arange(rows), trainable=False)
        batch = self.fit.batch_size
        steps = math.ceil(rows / batch)
        x, y = tf.constant(table.x_train[:rows]), tf.constant(table.y_train[:rows])

        def gather(step: Any) -> tuple[Any, Any]:
            taken = order[step * batch : tf.minimum((step + 1) * batch, rows)]
            return tf.gather(x, taken), tf.gather(y, taken)

        # Endless, since a new iterator over a mapped data set costs as much as an epoch. Nothing may be fetched
        # ahead: the next epoch's first batch waits for that epoch's order.
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.inject_prefetch = False
        self._steps = steps
        self._fitted = tf.data.Dataset.range(steps).map(gather).repeat().with_options(options)
        self._validation = _batches(table.x_train[rows:], table.y_train[rows:], batch)
        self._train = _batches(table.x_train, table.y_train, batch)
        self._test = _batches(table.x_test, table.y_test, batch)
        # A whole epoch in one call of the training function: the same numbers, half the time.
        if not self.model.run_eagerly:
            self.model.steps_per_execution = steps
        self.recorder = rules.Recorder()
        self._callbacks = [self.recorder, *rules.rules(training.callbacks, self.model)]
        if self.fit.shuffle:
            self._callbacks.append(rules.RowOrder(order, training.seed))
        self.epoch = 0
        self.stopped = False

    @property
    def finished(self) -> bool:
        """Whether no epoch is left: the budget is used, a rule stopped the point, or it diverged."""
        return self.stopped or self.epoch >= self.fit.epochs

    @property
    def status(self) -> str:
        """The point's status as a row would say it, or "running"."""
        if self.recorder.diverged:
            return "diverged"
        if self.stopped:
            return "early_stopped"
        return "completed" if self.finished else "running"

    def advance(self, to_epoch: int) -> None:
        """Train up to `to_epoch` epochs in all, or until a rule stops the point."""
        to_epoch = min(to_epoch, self.fit.epochs)
        self.model.fit(
            self._fitted,
            steps_per_epoch=self._steps,
            initial_epoch=self.epoch,
            epochs=to_epoch,
            validation_data=self._validation,
            callbacks=self._callbacks,
            shuffle=False,  # RowOrder shuffles
            verbose=0,
        )
        self.epoch = len(self.recorder.curve)
        # A rule that fires in the very last epoch changes nothing: the budget is used.
        self.stopped = bool(self.model.stop_training) and self.epoch < self.fit.epochs

    def metrics(self) -> dict[str, float]:
        """Return loss and metrics of the best epoch's model as `loss_tr, loss_va, loss_te, ...`.

        Empty before the first epoch with a finite validation loss. The model is left as it was.
        """
        best = self.recorder.best_epoch
        if best is None:
            return {}
        current = self.model.get_weights()
        self.model.set_weights(self.recorder.best_weights)
        train = self.model.evaluate(self._train, verbose=0, return_dict=True)
        test = self.model.evaluate(self._test, verbose=0, return_dict=True)
        self.model.set_weights(current)
        found = {}
        for name in train:
            found[f"{name}_tr"] = float(train[name])
            found[f"{name}_va"] = self.recorder.curve[best - 1][f"val_{name}"]
            found[f"{name}_te"] = float(test[name])
        return found

    def weights(self) -> dict[str, Any] | None:
        """Return the best epoch's weights as one byte string and its layout, or None before there are any."""
        if self.recorder.best_weights is None:
            return None
        layout = [
            [variable.path, str(value.dtype), list(value.shape)]
            for variable, value in zip(self.model.weights, self.recorder.best_weights, strict=True)
        ]
        values = b"".join(np.ascontiguousarray(value).tobytes() for value in self.recorder.best_weights)
        return {"values": values, "layout": json.dumps(layout)}


def _batches(x: np.ndarray, y: np.ndarray, batch_size: int) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).batch(batch_size)


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
