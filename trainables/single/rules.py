"""The rules applied to a point after each epoch: plateau, early stopping, best epoch, divergence.

They are Keras' own callbacks where Keras has them. A point is trained by several calls of `fit`, one up to each
ASHA milestone. So a rule must keep its state between calls: `_StartsOnce` does that.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.internals.directions import modes_of
from trainables.objective import VAL_DATA_LOSS, Watched, needs_data_loss, watched
from trainables.settings import Callbacks, Objective
from trainables.single.data_loss import DataLoss
from trainables.table.order import row_order


def number(value: Any) -> float:
    """Return a log of Keras as a number: a metric by class, such as `F1Score`, gives an array, here of one class."""
    return float(np.asarray(value).reshape(()))


class _StartsOnce:
    """Resets a Keras callback before the first `fit` of a point, but not before the later ones."""

    _started = False

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        if not self._started:
            self._started = True
            super().on_train_begin(logs)  # type: ignore[misc]  # the Keras class is the next base


class _EarlyStopping(_StartsOnce, keras.callbacks.EarlyStopping):
    """Watches what the recorder has found out in the first epoch, and is called after it."""

    recorder: Recorder

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        watch = self.recorder.watched.early_stopping
        self.monitor, self.mode = watch.log, watch.mode
        super().on_epoch_end(epoch, logs)


class _ReduceLROnPlateau(_StartsOnce, keras.callbacks.ReduceLROnPlateau):
    """Leaves out models with a schedule. Some optimizers have one only after they were built, so it is looked for late.

    What it watches it gets like `_EarlyStopping`.
    """

    recorder: Recorder

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        watch = self.recorder.watched.reduce_lr_on_plateau
        self.monitor, self.mode = watch.log, watch.mode
        if not _has_schedule(self.model.optimizer):
            super().on_epoch_end(epoch, logs)


class Recorder(keras.callbacks.Callback):
    """Keeps the learning curve and the weights of the epoch with the best objective; stops at NaN or Inf.

    Args:
        objective: of the plan.
        settings: the rules of the plan.
        data_loss: of the model. It is needed if the objective or a rule watches the data loss, which is then put into the
            logs, where the other callbacks find it.

    Attributes:
        curve: one entry for each epoch: the logs of Keras, and the epoch's learning rate, NaN if there is not just one.
        watched: the logs that the rules watch; known after the first epoch.
        modes: whether a lower or a higher value of each metric is better; empty before the end of the first epoch.
        best_epoch: number of the best epoch, 1-based; None before the first finite objective.
        best_value: the objective in that epoch; Inf (-Inf in mode "max") before the first finite one.
        best_weights: the best epoch's weights, as `Model.get_weights` returns them.
        diverged: whether `loss` or `val_loss` has become NaN or infinite.
    """

    def __init__(
        self,
        objective: Objective = Objective(),  # noqa: B008
        settings: Callbacks = Callbacks(),  # noqa: B008
        data_loss: DataLoss | None = None,
    ) -> None:
        super().__init__()
        self._objective, self._settings = objective, settings
        self._data_loss = data_loss if needs_data_loss(objective, settings) else None
        self.watched = Watched()
        self.modes: dict[str, Any] = {}
        self.curve: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self.best_value = np.inf
        self.best_weights: list[np.ndarray] | None = None
        self.diverged = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Record `epoch` (0-based, as Keras counts).

        Raises:
            ObjectiveError: the plan names a log that the model does not have, or whose direction only the user knows.
        """
        if self._data_loss is not None and logs is not None and VAL_DATA_LOSS not in logs:
            logs[VAL_DATA_LOSS] = self._data_loss.of(number(logs["val_loss"]))
        if not self.modes:  # Keras makes the metrics with the first batch
            modes = modes_of(self.model)
            self.watched = watched(self._objective, self._settings, list(logs or {}), modes)
            self.best_value = self.watched.objective.worst
            self.modes = {name: modes.get(name) for name in logs or {} if not name.startswith("val_")}
        rate = getattr(self.model.optimizer, "learning_rate", None)  # an optimizer of optimizers has several
        rate = np.nan if rate is None else float(keras.ops.convert_to_numpy(rate))
        entry = {name: number(value) for name, value in (logs or {}).items()}
        entry["learning_rate"] = rate
        self.curve.append(entry)
        if not (np.isfinite(entry["loss"]) and np.isfinite(entry["val_loss"])):
            self.diverged = True
            self.model.stop_training = True
        elif self._is_best(entry[self.watched.objective.log]):
            self.best_value = entry[self.watched.objective.log]
            self.best_epoch = epoch + 1
            self.best_weights = self.model.get_weights()

    def _is_best(self, value: float) -> bool:
        """Return whether a value is the best so far, as in `keras.callbacks.ModelCheckpoint(save_best_only=True)`."""
        if not np.isfinite(value):
            return False
        return value < self.best_value if self.watched.objective.mode == "min" else value > self.best_value


class RowOrder(keras.callbacks.Callback):
    """Writes the row order of the next epoch into the variable that the input pipeline reads.

    Args:
        order: an int64 variable of shape (rows,).
        seed: the plan's seed.
    """

    def __init__(self, order: tf.Variable, seed: int) -> None:
        super().__init__()
        self._order = order
        self._seed = seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the order of `epoch` (0-based)."""
        self._order.assign(row_order(self._seed, epoch, self._order.shape[0]))


class LimitedRows(keras.callbacks.Callback):
    """Writes the rows of the next epoch into the variable that the input pipeline reads, if an epoch does not take all.

    An epoch begins with the batch after the last one of the epoch before, as `fit` does with an endless generator of
    batches. So it may take rows of two row orders.

    Args:
        taken: an int64 variable of shape (steps, rows of a batch): the rows of each batch, -1 where it has fewer.
        rows: the number of fitted rows.
        seed: the plan's seed; None if the rows are not shuffled.
    """

    def __init__(self, taken: tf.Variable, rows: int, seed: int | None) -> None:
        super().__init__()
        self._taken, self._rows, self._seed = taken, rows, seed

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Set the rows of `epoch` (0-based)."""
        steps, batch = self._taken.shape
        of_order = -(-self._rows // batch)
        orders: dict[int, np.ndarray] = {}
        taken = np.full((steps, batch), -1)
        for step in range(steps):
            number, position = divmod(epoch * steps + step, of_order)
            if number not in orders:
                seed = self._seed
                orders[number] = (
                    np.arange(self._rows) if seed is None else row_order(seed, number, self._rows)
                )
            some = orders[number][position * batch : (position + 1) * batch]
            taken[step, : len(some)] = some
        self._taken.assign(taken)


def rules(settings: Callbacks, recorder: Recorder) -> list[keras.callbacks.Callback]:
    """Return the Keras callbacks for `settings`. Use the same ones in all `fit` calls of one model.

    Args:
        settings: the rules of the plan.
        recorder: is called before them; it knows what they watch.
    """
    made: list[_EarlyStopping | _ReduceLROnPlateau] = []
    if (plateau := settings.reduce_lr_on_plateau) is not None:
        made.append(
            _ReduceLROnPlateau(
                factor=plateau.factor,
                patience=plateau.patience,
                min_lr=plateau.min_lr,
                min_delta=plateau.min_delta,
                cooldown=plateau.cooldown,
            )
        )
    if (stopping := settings.early_stopping) is not None:
        made.append(
            _EarlyStopping(
                patience=stopping.patience,
                min_delta=stopping.min_delta,
                start_from_epoch=stopping.start_from_epoch,
                baseline=stopping.baseline,
            )
        )
    for callback in made:
        callback.recorder = recorder
    return [*made]


def _has_schedule(optimizer: Any) -> bool:
    """Return whether a schedule sets the optimizer's learning rate, so that nothing else can set it."""
    inner = [getattr(optimizer, "inner_optimizer", None), *getattr(optimizer, "optimizers", ())]
    if any(_has_schedule(one) for one in inner if one is not None):
        return True
    if isinstance(getattr(optimizer, "learning_rate", None), keras.Variable):
        return False
    # The optimizer keeps the schedule in an attribute whose name is private to Keras, so look at all of them.
    schedule = keras.optimizers.schedules.LearningRateSchedule
    return any(isinstance(value, schedule) for value in vars(optimizer).values())
