"""Applies the rules of `trainables.single.rules` to many points at once, on NumPy arrays, for all cohorts.

Row i of every array is point i. The numbers equal those of Keras 3.15's callbacks to the last bit. So this code uses
the same types: a Keras callback gets a log as a Python float (64 bits) made from a float32. Keras adds `min_delta` to it
(or subtracts it in mode "max") in 64 bits and compares in 32; it multiplies a learning rate in 64 bits and stores it in 32.
Only numbers below 1.2e-38 may differ: TensorFlow treats these as zero, both in losses and in comparisons.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainables.objective import Watched
from trainables.settings import Callbacks, EarlyStopping, Mode, ReduceLROnPlateau


class Rules:
    """Plateau, early stopping, best epoch and divergence of many points.

    Args:
        settings: the rules that are on, the same for all points.
        watched: the logs that the rules watch.
        learning_rate: float32, shape (points,); the rate of the first epoch.
        follows_schedule: bool, shape (points,); the plateau rule does not change these points.

    Attributes:
        learning_rate: float32, shape (points,); the rate of each point's next epoch; without meaning for a point
            that follows a schedule.
        best_value: float32, shape (points,); the best objective; Inf (-Inf in mode "max") before the first finite one.
        best_epoch: int32, shape (points,); 1-based, 0 before the first finite objective.
        diverged: bool, shape (points,); whether `loss` or `val_loss` has become NaN or infinite.
        stopped: bool, shape (points,); whether early stopping or divergence has ended the point.
    """

    def __init__(
        self, settings: Callbacks, watched: Watched, learning_rate: np.ndarray, follows_schedule: np.ndarray
    ) -> None:
        points = len(learning_rate)
        self._settings, self._watched = settings, watched
        self._follows_schedule = np.array(follows_schedule, bool)
        self.learning_rate = np.array(learning_rate, np.float32)
        self.best_value = np.full(points, watched.objective.worst, np.float32)
        self.best_epoch = np.zeros(points, np.int32)
        self.diverged = np.zeros(points, bool)
        self.stopped = np.zeros(points, bool)
        # Each of the two rules keeps its own best value, because each has its own log and min_delta. Whether it has one
        # is kept, too: the value may be NaN, as in Keras, where nothing improves on NaN.
        self._plateau_seen = np.zeros(points, bool)
        self._plateau_best = np.full(points, np.nan, np.float32)
        self._plateau_wait = np.zeros(points, np.int64)
        self._plateau_cooldown = np.zeros(points, np.int64)
        self._stopping_seen = np.zeros(points, bool)
        self._stopping_best = np.full(points, np.nan, np.float32)
        self._stopping_wait = np.zeros(points, np.int64)

    def after_epoch(self, epoch: int, points: np.ndarray, logs: Mapping[str, np.ndarray]) -> np.ndarray:
        """Apply the rules after an epoch, in the order in which Keras calls the callbacks.

        Args:
            epoch: the epoch that has ended, 0-based.
            points: int, shape (n,); the rows that were trained, each once; none had stopped before.
            logs: "loss", "val_loss" and each log that is watched: float32, shape (n,).

        Returns:
            bool, shape (n,): whether this epoch is the best so far of each of `points`.
        """
        finite = np.isfinite(logs["loss"]) & np.isfinite(logs["val_loss"])
        objective = self._watched.objective
        value, best = logs[objective.log], self.best_value[points]
        better = finite & np.isfinite(value) & (value < best if objective.mode == "min" else value > best)
        self.best_value[points[better]] = value[better]
        self.best_epoch[points[better]] = epoch + 1
        self.diverged[points] = ~finite
        self.stopped[points] = ~finite
        if (plateau := self._settings.reduce_lr_on_plateau) is not None:
            settable = ~self._follows_schedule[points]
            self._reduce(plateau, points[settable], logs[self._watched.reduce_lr_on_plateau.log][settable])
        stopping = self._settings.early_stopping
        if stopping is not None and epoch >= stopping.start_from_epoch:
            self._stop(stopping, points, logs[self._watched.early_stopping.log])
        return better

    def _reduce(self, rule: ReduceLROnPlateau, points: np.ndarray, value: np.ndarray) -> None:
        """Do the same as `keras.callbacks.ReduceLROnPlateau.on_epoch_end`."""
        rate, wait = self.learning_rate[points], self._plateau_wait[points]
        cooldown, best = self._plateau_cooldown[points], self._plateau_best[points]

        # Keras also resets the wait of a point in cooldown here; the reduction has done that already.
        cooldown[cooldown > 0] -= 1

        mode = self._watched.reduce_lr_on_plateau.mode
        improved = ~self._plateau_seen[points] | _improved(value, best, rule.min_delta, mode)
        best[improved] = value[improved]
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
        self._plateau_seen[points] = True

    def _stop(self, rule: EarlyStopping, points: np.ndarray, value: np.ndarray) -> None:
        """Do the same as `keras.callbacks.EarlyStopping.on_epoch_end`."""
        mode = self._watched.early_stopping.mode
        best = self._stopping_best[points]
        improved = ~self._stopping_seen[points] | _improved(value, best, rule.min_delta, mode)
        self._stopping_best[points[improved]] = value[improved]
        self._stopping_seen[points] = True
        begins_anew = improved
        if rule.baseline is not None:
            baseline = np.full(len(points), rule.baseline, np.float32)
            begins_anew = improved & _improved(value, baseline, rule.min_delta, mode)
        wait = np.where(begins_anew, 0, self._stopping_wait[points] + 1)
        self._stopping_wait[points] = wait
        # Keras also requires epoch > 0, but the first value of a point is always an improvement.
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
            "best_value": self.best_value,
            "best_epoch": self.best_epoch,
            "diverged": self.diverged,
            "stopped": self.stopped,
            "plateau_seen": self._plateau_seen,
            "plateau_best": self._plateau_best,
            "plateau_wait": self._plateau_wait,
            "plateau_cooldown": self._plateau_cooldown,
            "stopping_seen": self._stopping_seen,
            "stopping_best": self._stopping_best,
            "stopping_wait": self._stopping_wait,
        }


def _improved(value: np.ndarray, best: np.ndarray, min_delta: float, mode: Mode) -> np.ndarray:
    """Compare like `MonitorCallback._is_improvement` of Keras with a best value; arrays are float32, shape (n,)."""
    with np.errstate(over="ignore"):  # a float32 beyond the largest one is Inf, as in Keras
        if mode == "min":
            return (value.astype(np.float64) + min_delta).astype(np.float32) < best
        return (value.astype(np.float64) - min_delta).astype(np.float32) > best
