"""Decides which points have their weights stored: all, none, or those that are among the best when they finish."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class KeptWeights:
    """Decides which finished points have their weights stored.

    Args:
        keep: True for all points, False for none. With a number, a point's weights are stored if its loss_va is among
            that many lowest of the points that have finished so far.
    """

    def __init__(self, keep: bool | int) -> None:
        self._keep = keep
        self._lowest = np.array([])  # the lowest losses so far, ascending; only if `keep` is a number

    def choose(self, idx: np.ndarray, points: pa.Table) -> np.ndarray:
        """Return which of the points `idx` have their weights stored, and remember their losses: bool, shape (points,).

        Points of one call are chosen as if they had finished one by one, the best first.

        Args:
            idx: of the points that have weights.
            points: rows that have `idx` and, if it is known, `loss_va`.
        """
        if isinstance(self._keep, bool):
            return np.full(len(idx), self._keep)
        return self._enter(_losses(points.take(pc.index_in(pa.array(idx), value_set=points["idx"]))))

    def remember(self, points: pa.Table) -> None:
        """Remember the losses of points that finished earlier."""
        if not isinstance(self._keep, bool):
            self._enter(_losses(points))

    def mark(self) -> np.ndarray:
        """Return the state that `back_to` needs to forget later points."""
        return self._lowest

    def back_to(self, mark: np.ndarray) -> None:
        """Forget the points since `mark`."""
        self._lowest = mark

    def _enter(self, losses: np.ndarray) -> np.ndarray:
        """Return which losses are among the lowest of all; of equal losses the earlier one counts as lower."""
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
