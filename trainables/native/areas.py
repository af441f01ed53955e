"""Computes Keras' `AUC` of many models at once, from what the kernel counts.

Keras sorts the outputs of a model into buckets between its thresholds, and makes the area from sums over the buckets. The
kernel fills the buckets. NumPy makes the area under the ROC curve of them, in float64. Keras' own `result` makes the other
areas, for many models in one call.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.internals.areas import Area, areas_of

MOST_WAITING = 2**22
"""The most numbers that wait for `result`."""

MOST_AREAS, MOST_THRESHOLDS = 32, 2**14
"""What the kernel takes; see kernel/structures.h."""


def counted_areas(model: keras.Model, outputs: int, targets: int) -> list[Area]:
    """Return the areas of a model that the kernel counts.

    Args:
        model: a model of one output that has seen a batch.
        outputs, targets: numbers in a row of its output and of the target.
    """
    if outputs != targets:
        return []
    return [area for area in areas_of(model) if 2 <= area.thresholds <= MOST_THRESHOLDS][:MOST_AREAS]


def count_of(area: Area) -> int:
    """Return how many numbers the kernel counts for an area of a model.

    Those of false rows come first, then those of true rows. Each has a number for each threshold but the last one: the rows
    whose output is above it and not above the next one. Then come a zero, and the rows whose output is not a number.
    """
    return 2 * (area.thresholds + 1)


class Areas:
    """The areas of one metric of many models.

    Args:
        area: the metric.
    """

    def __init__(self, area: Area) -> None:
        self._area = area
        self._result: Any = None
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []

    def start(self, found: np.ndarray) -> None:
        """Forget what was computed; the areas go into `found`, float32, shape (points,)."""
        self._found, self._waiting = found, []

    def add(self, points: np.ndarray, counted: np.ndarray) -> None:
        """Compute the areas of some chunks, now or in `finish`.

        Args:
            points: the point in each lane, -1 for none, shape (chunks, lanes).
            counted: see `count_of`; float64, shape (chunks, numbers, lanes).
        """
        chunks, lanes = points.shape
        counted = counted.reshape(chunks, 2, -1, lanes)
        is_there = points >= 0
        if self._area.is_roc:
            self._found[points[is_there]] = under_roc(counted)[is_there]
            return
        self._waiting.append((points[is_there], matrices(np.moveaxis(counted, -1, 1)[is_there])))
        if sum(matrix.size for _, matrix in self._waiting) > MOST_WAITING:
            self.finish()

    def finish(self) -> None:
        """Compute the areas of all points that were added."""
        if self._waiting:
            points, found = map(np.concatenate, zip(*self._waiting, strict=True))
            if self._result is None:  # a concrete function is called with less overhead
                shape = [None, 4, self._area.thresholds]
                traced = tf.function(self._results, autograph=False)
                self._result = traced.get_concrete_function(tf.TensorSpec(shape, tf.float32))
            self._found[points] = self._result(tf.constant(found)).numpy()
            self._waiting = []

    def _results(self, of_points: tf.Tensor) -> tf.Tensor:
        return tf.vectorized_map(self._area.result, of_points)


def under_roc(counted: np.ndarray) -> np.ndarray:
    """Return the areas under the ROC curves by trapezoids: float64, shape (chunks, lanes); 0 without false or true rows.

    The false rows of a bucket are a step of the curve to the right. Its mean height is the true rows above the bucket and
    half of those in it. So sums of whole numbers are exact.

    Args:
        counted: of false rows, of true rows: shape (chunks, 2, thresholds + 1, lanes).
    """
    false, true = counted[:, 0], counted[:, 1]
    height = np.cumsum(true[:, -2::-1], 1)  # from the highest threshold to the lowest one
    rows = false.sum(1) * true.sum(1)
    height *= 2.0
    height -= true[:, -2::-1]
    height *= false[:, -2::-1]
    return np.divide(height.sum(1), 2.0 * rows, out=np.zeros_like(rows), where=rows != 0)


def matrices(counted: np.ndarray) -> np.ndarray:
    """Return the true and false positives, and the true and false negatives, of each model at each threshold.

    Args:
        counted: of false rows, of true rows: shape (models, 2, thresholds + 1).

    Returns:
        float32, shape (models, 4, thresholds).
    """
    found = np.empty((len(counted), 4, counted.shape[-1] - 1), np.float32)
    positive = np.cumsum(counted[:, :, -2::-1], -1)[:, :, ::-1]
    found[:, 1::-1] = positive
    np.subtract(counted.sum(-1, keepdims=True), positive, out=found[:, 2:], casting="same_kind")
    return found
