"""What `AUC` of Keras counts, by NumPy, of outputs of many models. It needs no Keras."""

from __future__ import annotations

import numpy as np


def counted_by_numpy(
    outputs: np.ndarray, y: np.ndarray, weight: np.ndarray | None, thresholds: int
) -> np.ndarray:
    """Return the sums over the rows of each model in each bucket: of false rows, then of true rows.

    The rule is that of Keras: `metrics_utils._update_confusion_matrix_variables_optimized`.

    Args:
        outputs: float32, shape (models, rows, numbers in a row).
        y: the target, as many numbers in a row; all but 0 are true.
        weight: of the rows; None if there are none.
        thresholds: how many there are, evenly distributed from 0 to 1.

    Returns:
        float64, shape (models, 2 * (thresholds + 1)). The last bucket of each half is for what is not a number.
    """
    buckets, last = thresholds + 1, np.float32(thresholds - 1)
    bucket = np.clip(np.ceil(outputs.reshape(len(outputs), -1) * last), 1, last)
    place = np.where(np.isnan(bucket), buckets, bucket).astype(int) - 1
    place += np.where(y.reshape(-1) != 0, buckets, 0)
    each = np.ones(len(y)) if weight is None else weight.astype(np.float64)
    weights = np.repeat(each, outputs.shape[2])
    return np.array([np.bincount(one, weights, 2 * buckets) for one in place])
