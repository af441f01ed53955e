"""Makes batches with extra rows, to check that a masked batch gives the same results as a smaller batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

FACTORS = (-1000.0, 10.0, 1000.0)
"""By what rows that must not count are multiplied. A large factor may overflow; a small one seldom does."""

Batch = tuple[np.ndarray, np.ndarray, np.ndarray | None]
"""Features, target and weights of some rows."""


def batches_to_mask(
    x: np.ndarray, y: np.ndarray, row_weights: np.ndarray | None, rows: int
) -> Iterator[list[Batch]]:
    """Yield lists of batches. In a list, all have the same first `rows` rows; the first one has rows of the table only.

    In some lists the others are further from the middle than the first ones, by their features or by their target.
    """
    flat = y.reshape(len(y), -1)
    far = np.abs((x - x.mean(0)) / (x.std(0) + 1e-6)).reshape(len(x), -1)
    middle = np.argsort(far.max(1), kind="stable")
    least = np.argsort(np.abs(flat - flat.mean(0)).max(1), kind="stable")
    for order in (np.arange(len(x)), middle, least):
        batch = x[order], y[order], None if row_weights is None else row_weights[order]
        yield [batch, *_fillings(*batch, rows)]


def _fillings(x: np.ndarray, y: np.ndarray, row_weights: np.ndarray | None, rows: int) -> Iterator[Batch]:
    """Yield a batch whose first `rows` rows stay, and whose others are such as no table may have.

    Columns of whole numbers may be positions in an Embedding, so some fillings hold only numbers that the column has.
    """

    def filled(array: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.concatenate([array[:rows], np.broadcast_to(others, array[rows:].shape)]).astype(array.dtype)

    is_whole = (x == np.round(x)).all(0)
    weights = row_weights if row_weights is None else filled(row_weights, row_weights.max())
    for extreme in (np.max, np.min):
        yield filled(x, extreme(x, 0)), filled(y, extreme(y, 0)), weights
    yield filled(x, np.zeros(1)), filled(y, np.zeros(1)), row_weights
    for factor in FACTORS:
        yield (
            filled(x, np.where(is_whole, x[rows:], factor * x[rows:])),
            filled(y, factor * y[rows:]),
            row_weights,
        )
        yield filled(x, factor * x[rows:]), y, row_weights
        yield x, filled(y, factor * y[rows:]), row_weights
