"""Decides which points have their weights stored: all, none, or those that are among the best when they finish."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from results.directions import Directions


class KeptWeights:
    """Decides which finished points have their weights stored.

    Args:
        keep: True for all points, False for none. With a number, a point's weights are stored if its objective is among
            that many best of the points that have finished so far.
        directions: the objective and its mode.
    """

    def __init__(self, keep: bool | int, directions: Directions | None = None) -> None:
        self._keep = keep
        self._directions = directions or Directions()
        # The lowest costs so far, ascending; only if `keep` is a number. A cost is the objective, or minus it in mode "max".
        self._lowest = np.array([])

    def direct(self, directions: Directions) -> None:
        """Set the objective and its mode, before a point is chosen or remembered."""
        self._directions = directions

    def choose(self, idx: np.ndarray, points: pa.Table) -> np.ndarray:
        """Return which of the points `idx` have their weights stored, and remember their objectives: bool, shape (points,).

        Points of one call are chosen as if they had finished one by one, the best first.

        Args:
            idx: of the points that have weights.
            points: rows that have `idx` and, if it is known, the objective.
        """
        if isinstance(self._keep, bool):
            return np.full(len(idx), self._keep)
        return self._enter(self._costs(points.take(pc.index_in(pa.array(idx), value_set=points["idx"]))))

    def remember(self, points: pa.Table) -> None:
        """Remember the objectives of points that finished earlier."""
        if not isinstance(self._keep, bool):
            self._enter(self._costs(points))

    def mark(self) -> np.ndarray:
        """Return the state that `back_to` needs to forget later points."""
        return self._lowest

    def back_to(self, mark: np.ndarray) -> None:
        """Forget the points since `mark`."""
        self._lowest = mark

    def _enter(self, costs: np.ndarray) -> np.ndarray:
        """Return which costs are among the lowest of all; of equal costs the earlier one counts as lower."""
        everything = np.concatenate([self._lowest, costs])
        best = np.argsort(everything, kind="stable")[: self._keep]
        best = best[np.isfinite(everything[best])]
        chosen = np.zeros(len(costs), bool)
        chosen[best[best >= len(self._lowest)] - len(self._lowest)] = True
        self._lowest = everything[best]
        return chosen

    def _costs(self, points: pa.Table) -> np.ndarray:
        """Return the cost of each row, NaN where it is not known."""
        by, mode = self._directions.by, self._directions.mode
        if by not in points.column_names:
            return np.full(points.num_rows, np.nan)
        values = points[by].cast(pa.float64()).to_numpy(zero_copy_only=False)
        return values if mode == "min" else -values
