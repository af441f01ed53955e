"""Applies the rules of `trainables.single.rules` to many points at once, on NumPy arrays, for the fused engine.

Row i of every array is point i. The numbers equal those of Keras 3.15's callbacks to the last bit. So this code uses
the same types: a Keras callback gets `val_loss` as a Python float (64 bits) made from a float32. Keras adds `min_delta`
to it in 64 bits and compares in 32; it multiplies a learning rate in 64 bits and stores it in 32. Only numbers below
1.2e-38 may differ: TensorFlow treats these as zero, both in losses and in comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainables.settings import Callbacks, EarlyStopping, ReduceLROnPlateau


class Rules:
    """Plateau, early stopping, best epoch and divergence of many points.

    Args:
        settings: the rules that are on, the same for all points.
        learning_rate: float32, shape (points,); the rate of the first epoch.
        follows_schedule: bool, shape (points,); the plateau rule does not change these points.

    Attributes:
        learning_rate: float32, shape (points,); the rate of each point's next epoch; without meaning for a point
            that follows a schedule.
        best_val_loss: float32, shape (points,); Inf before the first finite `val_loss`.
        best_epoch: int32, shape (points,); 1-based, 0 before the first finite `val_loss`.
        diverged: bool, shape (points,); whether `loss` or `val_loss` has become NaN or infinite.
        stopped: bool, shape (points,); whether early stopping or divergence has ended the point.
    """

    def __init__(self, settings: Callbacks, learning_rate: np.ndarray, follows_schedule: np.ndarray) -> None:
        points = len(learning_rate)
        self._settings = settings
        self._follows_schedule = np.array(follows_schedule, bool)
        self.learning_rate = np.array(learning_rate, np.float32)
        self.best_val_loss = np.full(points, np.inf, np.float32)
        self.best_epoch = np.zeros(points, np.int32)
        self.diverged = np.zeros(points, bool)
        self.stopped = np.zeros(points, bool)
        # Each of the two rules keeps its own best val_loss, because each has its own min_delta; NaN: none yet.
        self._plateau_best = np.full(points, np.nan, np.float32)
        self._plateau_wait = np.zeros(points, np.int64)
        self._plateau_cooldown = np.zeros(points, np.int64)
        self._stopping_best = np.full(points, np.nan, np.float32)
        self._stopping_wait = np.zeros(points, np.int64)

    def after_epoch(
        self, epoch: int, points: np.ndarray, loss: np.ndarray, val_loss: np.ndarray
    ) -> np.ndarray:
        """Apply the rules after an epoch, in the order in which Keras calls the callbacks.

        Args:
            epoch: the epoch that has ended, 0-based.
            points: int, shape (n,); the rows that were trained, each once; none had stopped before.
            loss: float32, shape (n,).
            val_loss: float32, shape (n,).

        Returns:
            bool, shape (n,): whether this epoch is the best so far of each of `points`.
        """
        finite = np.isfinite(loss) & np.isfinite(val_loss)
        better = finite & (val_loss < self.best_val_loss[points])
        self.best_val_loss[points[better]] = val_loss[better]
        self.best_epoch[points[better]] = epoch + 1
        self.diverged[points] = ~finite
        self.stopped[points] = ~finite
        if (plateau := self._settings.reduce_lr_on_plateau) is not None:
            settable = ~self._follows_schedule[points]
            self._reduce(plateau, points[settable], val_loss[settable])
        if (stopping := self._settings.early_stopping) is not None:
            self._stop(stopping, points, val_loss)
        return better

    def _reduce(self, rule: ReduceLROnPlateau, points: np.ndarray, val_loss: np.ndarray) -> None:
        """Do the same as `keras.callbacks.ReduceLROnPlateau.on_epoch_end`."""
        rate, wait = self.learning_rate[points], self._plateau_wait[points]
        cooldown, best = self._plateau_cooldown[points], self._plateau_best[points]

        # Keras also resets the wait of a point in cooldown here; the reduction has done that already.
        cooldown[cooldown > 0] -= 1

        improved = _improved(val_loss, best, rule.min_delta)
        best[improved] = val_loss[improved]
        wait[improved] = 0

        waiting = ~improved & (cooldown == 0)
        wait[waiting] += 1
        # A rate at its minimum is not reduced, and starts no cooldown.
        reduced = waiting & (wait >= rule.patience) & (rate > np.float32(rule.min_lr))
        rate[reduced] = np.maximum(rate[reduced].astype(np.float64) * rule.factor, rule.min_lr)
        cooldown[reduced] = rule.cooldown
        wait[reduced] = 0

        self.learning_rate[points], self._plateau_wait[points] = rate, wait
        self._plateau_cooldown[points], self._plateau_best[points] = cooldown, best

    def _stop(self, rule: EarlyStopping, points: np.ndarray, val_loss: np.ndarray) -> None:
        """Do the same as `keras.callbacks.EarlyStopping.on_epoch_end`."""
        improved = _improved(val_loss, self._stopping_best[points], rule.min_delta)
        self._stopping_best[points[improved]] = val_loss[improved]
        wait = np.where(improved, 0, self._stopping_wait[points] + 1)
        self._stopping_wait[points] = wait
        # Keras also requires epoch > 0, but the first epoch of a point is always an improvement.
        self.stopped[points] |= ~improved & (wait >= rule.patience)

    def state(self) -> dict[str, np.ndarray]:
        """Return copies of all arrays that the epochs have changed, by name; each has shape (points,)."""
        return {name: array.copy() for name, array in self._arrays().items()}

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Continue from what `state` returned for the same settings and points.

        Raises:
            ValueError: the state is for another number of points.
        """
        arrays = self._arrays()
        for name, array in arrays.items():
            if state[name].shape != array.shape:
                raise ValueError(
                    f'The state\'s "{name}" has shape {state[name].shape}, but needs {array.shape}. '
                    "Restore it into rules of the points it was taken from."
                )
        for name, array in arrays.items():
            array[:] = state[name]

    def _arrays(self) -> dict[str, np.ndarray]:
        return {
            "learning_rate": self.learning_rate,
            "best_val_loss": self.best_val_loss,
            "best_epoch": self.best_epoch,
            "diverged": self.diverged,
            "stopped": self.stopped,
            "plateau_best": self._plateau_best,
            "plateau_wait": self._plateau_wait,
            "plateau_cooldown": self._plateau_cooldown,
            "stopping_best": self._stopping_best,
            "stopping_wait": self._stopping_wait,
        }


def _improved(val_loss: np.ndarray, best: np.ndarray, min_delta: float) -> np.ndarray:
    """Compare like `MonitorCallback._is_improvement` of Keras in mode "min"; arrays are float32, shape (n,)."""
    least = (val_loss.astype(np.float64) + min_delta).astype(np.float32)
    return np.isnan(best) | (least < best)
