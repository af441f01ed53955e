"""Trains one point by Keras' own `fit`, without Ray."""

from __future__ import annotations

import contextlib
import gc
import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from trainables.builder.find import Builder
from trainables.builder.maker import Maker
from trainables.settings import Training
from trainables.table import inputs
from trainables.table.data import Table
from trainables.table.weights import row_weights


class Point:
    """One point in training.

    Args:
        function: the user's builder. A `Maker` of it keeps the state of earlier calls away from this point.
        builder: the description of that function.
        config: the point's value of each axis.
        table: the data.
        training: budget and rules.
    """

    def __init__(
        self,
        function: Callable[..., Any] | Maker,
        builder: Builder,
        config: Mapping[str, Any],
        table: Table,
        training: Training,
    ) -> None:
        import keras
        import tensorflow as tf

        from trainables.builder import build, target
        from trainables.fused.model.parts import has_users_parts
        from trainables.single import rules
        from trainables.single.data_loss import DataLoss

        self.fit = build.fit_of(config, builder, training.fit)
        gc.collect()
        self.model = build.build(function, builder, config, table, training.seed)
        before = function.globals() if isinstance(function, Maker) else {}
        self.target = target.target_of(self.model, table)
        eager = self.model.run_eagerly or tf.config.functions_run_eagerly()
        changed = isinstance(function, Maker) and function.compare(before)
        if changed or eager or has_users_parts(self.model):
            # The loss was called to find out how it takes the target. It may count its calls, or keep what it has seen.
            self.model = build.build(function, builder, config, table, training.seed)
        # The builder may limit epochs and steps, for all calls of `fit` and `evaluate`.
        self.fit = replace(
            self.fit, epochs=min(self.fit.epochs, keras.config.max_epochs() or self.fit.epochs)
        )
        limit = keras.config.max_steps_per_epoch()
        rows = build.fitted_rows(self.fit, table)
        batch = self.fit.batch_size
        whole = math.ceil(rows / batch)
        steps = min(whole, limit or whole)
        order = tf.Variable(
            np.arange(rows) if steps == whole else np.zeros((steps, batch), int), trainable=False
        )
        weights = row_weights(self.fit, table, rows)
        x, y, of = table.x_train, table.y_train, self.target.of
        if self.target.columns and self.fit.class_weight is not None:
            raise ValueError("class_weight needs a model with one output, as in Keras. Remove class_weight.")
        first, last = inputs.taken(x, slice(rows)), inputs.taken(x, slice(rows, None))
        fitted = tf.nest.map_structure(tf.constant, _with(weights.fitted, first, of(y[:rows])))

        def gather(step: Any) -> Any:
            if steps == whole:
                taken = order[step * batch : tf.minimum((step + 1) * batch, rows)]
            else:
                taken = tf.boolean_mask(order[step], order[step] >= 0)
            return tf.nest.map_structure(lambda array: tf.gather(array, taken), fitted)

        # The data set is endless, because a new iterator over a mapped data set costs as much as an epoch. It must not
        # prefetch: the first batch of an epoch needs the row order of that epoch.
        options = tf.data.Options()
        options.autotune.enabled = False
        options.experimental_optimization.inject_prefetch = False
        self._steps = steps
        self._fitted = tf.data.Dataset.range(steps).map(gather).repeat().with_options(options)
        self._validation = _batches(_with(weights.validation, last, of(y[rows:])), batch)
        self._train = _batches(_with(weights.train, x, of(y)), batch)
        self._test = _batches(_with(weights.test, table.x_test, of(table.y_test)), batch)
        # One call of the training function runs a whole epoch: the same numbers in half the time. But under a limit of
        # steps, a call of several steps would go past it.
        if limit:
            self.model.steps_per_execution = 1
        elif not eager:
            self.model.steps_per_execution = steps
        self._data_loss = DataLoss(self.model, self._validation)
        self.recorder = rules.Recorder(training.objective, training.callbacks, self._data_loss)
        self._callbacks = [self.recorder, *rules.rules(training.callbacks, self.recorder)]
        if steps < whole:
            self._callbacks.append(
                rules.LimitedRows(order, rows, training.seed if self.fit.shuffle else None)
            )
        elif self.fit.shuffle:
            self._callbacks.append(rules.RowOrder(order, training.seed))
        self.epoch = 0
        self.stopped = False

    @property
    def finished(self) -> bool:
        """Whether no epoch is left: the budget is used, a rule stopped the point, or it diverged."""
        return self.stopped or self.epoch >= self.fit.epochs

    @property
    def status(self) -> str:
        """The status for the point's row, or "running"."""
        if self.recorder.diverged:
            return "diverged"
        if self.stopped:
            return "early_stopped"
        return "completed" if self.finished else "running"

    def advance(self, to_epoch: int) -> None:
        """Train up to `to_epoch` epochs in all, or until a rule stops the point."""
        import keras

        to_epoch = min(to_epoch, self.fit.epochs)
        with _unfinalized(self.model.optimizer):
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
        if self.finished and isinstance(self.model.optimizer, keras.optimizers.Optimizer):
            self.model.optimizer.finalize_variable_values(self.model.trainable_weights)

    def metrics(self) -> dict[str, float]:
        """Return loss and metrics of the best epoch's model as `loss_tr, loss_va, loss_te, ..., data_loss_va`.

        The result is empty before the first epoch with a finite objective. The model does not change.
        """
        from trainables.objective import DATA_LOSS, VAL_DATA_LOSS
        from trainables.single import rules
        from trainables.single.data_loss import unchanged

        best = self.recorder.best_epoch
        if best is None:
            return {}
        logs = self.recorder.curve[best - 1]
        with unchanged(self.model):
            self.model.set_weights(self.recorder.best_weights)
            train = self.model.evaluate(self._train, verbose=0, return_dict=True)
            test = self.model.evaluate(self._test, verbose=0, return_dict=True)
            data_loss = logs[VAL_DATA_LOSS] if VAL_DATA_LOSS in logs else self._data_loss.of(logs["val_loss"])
        found = {}
        for name in train:
            found[f"{name}_tr"] = rules.number(train[name])
            found[f"{name}_va"] = logs[f"val_{name}"]
            found[f"{name}_te"] = rules.number(test[name])
        return {**found, f"{DATA_LOSS}_va": data_loss}

    def layout(self) -> str:
        """Return the weights' layout in the order of `Model.get_weights`: JSON list of [path, dtype, shape]."""
        return json.dumps([[v.path, str(v.dtype), list(v.shape)] for v in self.model.weights])


@contextlib.contextmanager
def _unfinalized(optimizer: Any) -> Iterator[None]:
    """Keep `fit` from finalizing the weights at its end: a point is trained by several calls of `fit`.

    An optimizer that averages weights overwrites them by their average then.
    """
    if not hasattr(optimizer, "finalize_variable_values"):
        yield
        return
    optimizer.finalize_variable_values = lambda variables: None
    try:
        yield
    finally:
        del optimizer.finalize_variable_values  # the class's method is found again


def _with(weights: np.ndarray | None, x: Any, y: Any) -> tuple[Any, ...]:
    """Return features, target and, if there are any, weights, in the order in which Keras takes them."""
    return (x, y) if weights is None else (x, y, weights)


def _batches(rows: tuple[Any, ...], batch_size: int) -> Any:
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices(rows).batch(batch_size)
