"""The rules applied to a point after each epoch: plateau, early stopping, best epoch, divergence.

They are Keras' own callbacks where Keras has them. A point is trained by several calls of `fit`, one up to each
ASHA milestone. So a rule must keep its state between calls: `_StartsOnce` does that.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.settings import Callbacks
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
    pass


class _ReduceLROnPlateau(_StartsOnce, keras.callbacks.ReduceLROnPlateau):
    """Leaves out models with a schedule. Some optimizers have one only after they were built, so it is looked for late."""

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if not _has_schedule(self.model.optimizer):
            super().on_epoch_end(epoch, logs)


class Recorder(keras.callbacks.Callback):
    """Keeps the learning curve and the weights of the epoch with the lowest `val_loss`; stops at NaN or Inf.

    Attributes:
        curve: one entry for each epoch: the logs of Keras, and the epoch's learning rate, NaN if there is not just one.
        best_epoch: number of the best epoch, 1-based; None before the first finite `val_loss`.
        best_weights: the best epoch's weights, as `Model.get_weights` returns them.
        diverged: whether `loss` or `val_loss` has become NaN or infinite.
    """

    def __init__(self) -> None:
        super().__init__()
        self.curve: list[dict[str, float]] = []
        self.best_epoch: int | None = None
        self.best_val_loss = np.inf
        self.best_weights: list[np.ndarray] | None = None
        self.diverged = False

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Record `epoch` (0-based, as Keras counts)."""
        rate = getattr(self.model.optimizer, "learning_rate", None)  # an optimizer of optimizers has several
        rate = np.nan if rate is None else float(keras.ops.convert_to_numpy(rate))
        entry = {name: number(value) for name, value in (logs or {}).items()}
        entry["learning_rate"] = rate
        self.curve.append(entry)
        if not (np.isfinite(entry["loss"]) and np.isfinite(entry["val_loss"])):
            self.diverged = True
            self.model.stop_training = True
        elif (
            entry["val_loss"] < self.best_val_loss
        ):  # like keras.callbacks.ModelCheckpoint(save_best_only=True)
            self.best_val_loss = entry["val_loss"]
            self.best_epoch = epoch + 1
            self.best_weights = self.model.get_weights()


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


def rules(settings: Callbacks) -> list[keras.callbacks.Callback]:
    """Return the Keras callbacks for `settings`. Use the same ones in all `fit` calls of one model."""
    made: list[keras.callbacks.Callback] = []
    if (plateau := settings.reduce_lr_on_plateau) is not None:
        made.append(
            _ReduceLROnPlateau(
                monitor="val_loss",
                mode="min",
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
                monitor="val_loss", mode="min", patience=stopping.patience, min_delta=stopping.min_delta
            )
        )
    return made


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
