"""A set of points as one sorted array: it takes 8 bytes a point and answers for many points at once."""

from __future__ import annotations

import numpy as np


class IdxSet:
    """A set of the idx of points.

    Args:
        idx: the first members, int64, shape (points,), in any order; duplicates are allowed.
    """

    def __init__(self, idx: np.ndarray | None = None) -> None:
        self._sorted = np.unique(np.asarray([] if idx is None else idx, np.int64))

    def __len__(self) -> int:
        return len(self._sorted)

    def __contains__(self, idx: int) -> bool:
        return bool(self.has(np.array([idx], np.int64))[0])

    def has(self, idx: np.ndarray) -> np.ndarray:
        """Return which of the points are in the set: bool, shape (points,)."""
        if not len(self._sorted):
            return np.zeros(len(idx), bool)
        nearest = np.minimum(np.searchsorted(self._sorted, idx), len(self._sorted) - 1)
        return self._sorted[nearest] == idx

    def add(self, idx: np.ndarray) -> None:
        """Add points; duplicates are allowed."""
        added = np.unique(np.asarray(idx, np.int64))
        added = added[~self.has(added)]
        # To sort all points again in each commit took a quarter of the driver's time.
        self._sorted = np.insert(self._sorted, np.searchsorted(self._sorted, added), added)

    def to_array(self) -> np.ndarray:
        """Return the points: int64, shape (points,), ascending."""
        return self._sorted
