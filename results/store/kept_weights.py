"""Whose weights are stored: everybody's, nobody's, or those of the best at the time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class KeptWeights:
    """Decides which finished points have their weights stored.

    Args:
        keep: True for all points, False for none. A number: a point whose loss_va is among that many lowest of all
            points that have finished.
    """

    def __init__(self, keep: bool | int) -> None:
        self._keep = keep
        self._lowest = np.array([])  # the lowest losses so far, ascending; only if `keep` is a number

    def choose(self, idx: np.ndarray, points: pa.Table) -> np.ndarray:
        """Return which of the points `idx` have their weights stored, and remember their losses: bool, shape (points,).

        Of points that come together, no more are chosen than if they had come one by one, the best first.

        Args:
            idx: of the points that have weights.
            points: rows that hold `idx` and, where it is known, `loss_va`.
        """
        if isinstance(self._keep, bool):
            return np.full(len(idx), self._keep)
        return self._enter(_losses(points.take(pc.index_in(pa.array(idx), value_set=points["idx"]))))

    def remember(self, points: pa.Table) -> None:
        """Take note of points that finished before."""
        if not isinstance(self._keep, bool):
            self._enter(_losses(points))

    def mark(self) -> np.ndarray:
        """Return what `back_to` needs to forget what comes from now on."""
        return self._lowest

    def back_to(self, mark: np.ndarray) -> None:
        """Forget what came since `mark`."""
        self._lowest = mark

    def _enter(self, losses: np.ndarray) -> np.ndarray:
        """Return which losses are among the lowest of all; of equal ones the earlier are."""
        everything = np.concatenate([self._lowest, losses])
        best = np.argsort(everything, kind="stable")[: self._keep]
        best = best[np.isfinite(everything[best])]
        chosen = np.zeros(len(losses), bool)
        chosen[best[best >= len(self._lowest)] - len(self._lowest)] = True
        self._lowest = everything[best]
        return chosen


def _losses(points: pa.Table) -> np.ndarray:
    """Return loss_va of each row, NaN where it is not known."""
    if "loss_va" not in points.column_names:
        return np.full(points.num_rows, np.nan)
    return points["loss_va"].cast(pa.float64()).to_numpy(zero_copy_only=False)
