"""The order in which an epoch sees the fitted rows."""

from __future__ import annotations

import numpy as np


def row_order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """Return the order of the fitted rows in `epoch` (0-based): int64, shape (rows,).

    It depends on the seed and the epoch alone, so that every point, engine and machine sees the same batches.
    """
    return np.random.default_rng([seed, epoch]).permutation(rows)
