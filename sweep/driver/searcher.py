"""What Ray Tune asks for the next trial: groups of points for the fused engine, single points for Keras."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from ray.tune.search import Searcher


class Unsaved:
    """Pickles as an empty object: Tune pickles all that it is given, and nothing reads it back."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class PointSearcher(Unsaved, Searcher):
    """Hands Tune the open points: first the groups, the costliest first, then single points in their order.

    Tune's own grid search materialises the grid and follows its order; this does neither. It never says that it
    has finished, since points may come back: the collector knows when all are in.

    Args:
        open_points: to be handed out one by one; never listed.
    """

    def __init__(self, open_points: Iterable[int] = ()) -> None:
        super().__init__()
        self._open: Iterator[int] = iter(open_points)
        self._again: deque[Iterator[int]] = deque()
        self._groups: list[
            tuple[float, int, np.ndarray]
        ] = []  # a heap: minus the cost, a counter, the points
        self._counter = itertools.count()

    def add_group(self, points: np.ndarray, cost: float = 0.0) -> None:
        """Hand out `points` as one trial, before groups of a lower cost: what takes longest starts first."""
        heapq.heappush(self._groups, (-cost, next(self._counter), points))

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the next trial's configuration, or None while there is none."""
        if self._groups:
            return {"points": heapq.heappop(self._groups)[2], "engine": "fused"}
        while self._again:
            if (idx := next(self._again[0], None)) is not None:
                return _alone(idx)
            self._again.popleft()
        idx = next(self._open, None)
        return None if idx is None else _alone(idx)

    def give_back(self, points: np.ndarray) -> None:
        """Hand out `points` one by one, before those that have not been tried."""
        self._again.append(map(int, points))

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Learn nothing: the order is fixed."""

    def save(self, checkpoint_path: str) -> None:
        """Save nothing: the open points follow from the plan and the rows."""

    def restore(self, checkpoint_path: str) -> None:
        """Restore nothing: see `save`."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Save nothing: see `save`."""


def _alone(idx: int) -> dict[str, Any]:
    return {"points": np.array([idx], np.int64), "engine": "keras"}
