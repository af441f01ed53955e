"""Computes Keras' `AUC` of many models at once, from their outputs.

Keras sorts the outputs of a model into buckets between its thresholds, and makes the area from sums over the buckets. NumPy
fills the buckets of a chunk of models at once. Keras' own `result` makes the areas, for many models in one call.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from trainables.fused.internals.areas import Area

MOST_WAITING = 2**22
"""The most numbers that wait for `result`."""


class Areas:
    """The areas of one metric of many models.

    Args:
        area: the metric.
    """

    def __init__(self, area: Area) -> None:
        self._area = area
        self._result: Any = None
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._target: np.ndarray | None = None

    def start(self, found: np.ndarray) -> None:
        """Forget what was computed; the areas go into `found`, float32, shape (points,)."""
        self._found, self._waiting = found, []

    def add(self, points: np.ndarray, outputs: np.ndarray, y: np.ndarray, weight: np.ndarray | None) -> None:
        """Count the outputs of a chunk.

        Args:
            points: the point in each lane, -1 for none, shape (lanes,).
            outputs: float32, shape (lanes, rows, numbers in a row).
            y: the target, as many numbers in a row.
            weight: of the rows; None if there are none.
        """
        if self._target is not y:  # the same for all chunks of an epoch
            self._target, self._first = y, first_buckets(y, len(outputs), self._area.thresholds)
        counted = counts(outputs, self._first, weight if self._area.weighted else None, self._area.thresholds)
        self._waiting.append((points[points >= 0], counted[points >= 0]))
        if len(self._waiting) * counted.size > MOST_WAITING:
            self.finish()

    def finish(self) -> None:
        """Compute the areas of all points that were added."""
        if self._waiting:
            points, counted = map(np.concatenate, zip(*self._waiting, strict=True))
            if self._result is None:  # a concrete function is called with less overhead
                shape = [None, 4, self._area.thresholds]
                traced = tf.function(self._results, autograph=False)
                self._result = traced.get_concrete_function(tf.TensorSpec(shape, tf.float32))
            self._found[points] = self._result(tf.constant(matrices(counted))).numpy()
            self._waiting = []

    def _results(self, of_points: tf.Tensor) -> tf.Tensor:
        return tf.vectorized_map(self._area.result, of_points)


def first_buckets(y: np.ndarray, models: int, thresholds: int) -> np.ndarray:
    """Return the place before the first bucket of each row in the buckets of all models: those of false rows, of true rows.

    Args:
        y: the target; all but 0 are true.
        models: how many there are.
        thresholds: of the metric. The bucket behind them is for NaN, which is above no threshold.

    Returns:
        int64, shape (models, numbers in y).
    """
    buckets = thresholds + 1
    return np.where(y.reshape(-1) != 0, buckets - 1, -1) + 2 * buckets * np.arange(models)[:, None]


def counts(outputs: np.ndarray, first: np.ndarray, weight: np.ndarray | None, thresholds: int) -> np.ndarray:
    """Return the sums over the rows of each model in each bucket.

    The rule is that of Keras: `metrics_utils._update_confusion_matrix_variables_optimized`.

    Args:
        outputs: float32, shape (models, rows, numbers in a row).
        first: `first_buckets` of the target.
        weight: of the rows; None if there are none.
        thresholds: how many there are, evenly distributed from 0 to 1.

    Returns:
        Shape (models, 2, thresholds + 1): of false rows, of true rows.
    """
    models, _, width = outputs.shape
    last = np.float32(thresholds - 1)
    bucket = outputs.reshape(models, -1) * last
    np.ceil(bucket, out=bucket)
    if not (bucket.min() >= 1.0 and bucket.max() <= last):  # rare
        np.clip(bucket, 1.0, last, out=bucket)
        np.copyto(bucket, thresholds + 1, where=np.isnan(bucket))
    place = bucket.astype(np.intp)
    place += first
    weights = None if weight is None else np.tile(np.repeat(weight.reshape(-1), width), models)
    counted = np.bincount(place.reshape(-1), weights, models * 2 * (thresholds + 1))
    return counted.reshape(models, 2, thresholds + 1)


def matrices(counted: np.ndarray) -> np.ndarray:
    """Return the true and false positives, and the true and false negatives, of each model at each threshold.

    Args:
        counted: as `counts` returns it.

    Returns:
        float32, shape (models, 4, thresholds).
    """
    found = np.empty((len(counted), 4, counted.shape[-1] - 1), np.float32)
    positive = np.cumsum(counted[:, :, -2::-1], -1)[:, :, ::-1]
    found[:, 1::-1] = positive
    np.subtract(counted.sum(-1, keepdims=True), positive, out=found[:, 2:], casting="same_kind")
    return found
