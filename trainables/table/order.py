"""The order of the fitted rows in an epoch."""

from __future__ import annotations

import numpy as np


def row_order(seed: int, epoch: int, rows: int) -> np.ndarray:
    """Return the order of the fitted rows in `epoch` (0-based): int64, shape (rows,).

    It depends only on the seed and the epoch, so every point gets the same batches in every engine on every machine.
    """
    return np.random.default_rng([seed, epoch]).permutation(rows)
