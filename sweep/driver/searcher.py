"""The searcher: Ray Tune asks it for each next trial, a group of points for the fused engine or one point for Keras."""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from ray.tune.search import Searcher

from trainables.trials.trial import WAIT


class Unsaved:
    """A mixin that pickles as an empty object: Tune pickles its callbacks and searcher, and nothing reads them back."""

    def __getstate__(self) -> dict[str, Any]:
        return {}


class PointSearcher(Unsaved, Searcher):
    """Hands Tune the open points: first the groups, by repeat, the costliest first, then single points in their order.

    A worker that goes on with another repeat has to begin with the builder anew, so this should happen rarely.

    Tune's own grid search lists the whole grid and follows its order; this searcher does neither. It never reports that it
    has finished, since points may be given back. The collector ends the sweep when all points are in.

    Args:
        open_points: the points to hand out one by one. They are read one at a time, so a generator may give them.
        waiting: how many trials without points to hand out after the first groups: each keeps a worker ready.
    """

    def __init__(self, open_points: Iterable[int] = (), waiting: int = 0) -> None:
        super().__init__()
        self._waits, self._has_waits = waiting, False
        self.waits_over = False
        """Whether something has come that the workers of the waiting trials can do."""
        self._open: Iterator[int] = iter(open_points)
        self._again: deque[Iterator[int]] = deque()
        # A heap: the repeat, minus the cost, a counter, the trial's configuration.
        self._groups: list[tuple[int, float, int, dict[str, Any]]] = []
        self._counter = itertools.count()
        self._checks: deque[dict[str, Any]] = deque()
        self._known: Any = None

    def learn(self, known: Any) -> None:
        """Give what a trial has learned about the sweep to all later groups; see `Report.known`."""
        self._known = known if self._known is None else self._known.joined(known)

    def add_group(
        self,
        points: np.ndarray,
        cost: float = 0.0,
        repeat: int = 0,
        share: float = 0.0,
        most: int | None = None,
    ) -> None:
        """Hand out `points` as one trial, before all groups of a lower cost: the longest trials start first.

        Args:
            points: int64, shape (points,).
            cost: relative to other groups.
            repeat: of all these points; groups of later repeats are handed out later.
            share: of the points in the work of the sweep; the trial's configuration has it.
            most: the trial gives its points back in parts if they are more; None if it may have any number.
        """
        config = {"points": points, "engine": "fused", "share": share, "given": {"most": most}}
        heapq.heappush(self._groups, (repeat, -cost, next(self._counter), config))
        self._end_waits()

    def _end_waits(self) -> None:
        if self._has_waits:
            self._waits, self.waits_over = 0, True

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the next trial's configuration, or None while there is none."""
        if self._groups:
            config = heapq.heappop(self._groups)[-1]
            return {**config, "given": {**config["given"], "known": self._known}}
        if self._waits:
            self._waits, self._has_waits = self._waits - 1, True
            return {"points": np.zeros(0, np.int64), "engine": WAIT}
        while self._again:
            if (idx := next(self._again[0], None)) is not None:
                return _single(idx)
            self._again.popleft()
        idx = next(self._open, None)
        if idx is None:
            return self._checks.popleft() if self._checks else None
        return _single(idx)

    def give_back(self, points: np.ndarray) -> None:
        """Hand out `points` one by one, before the points that have not been tried."""
        self._again.append(map(int, points))
        self._end_waits()

    def add_check(self, config: dict[str, Any]) -> None:
        """Hand out a trial with this configuration when no point is left: it verifies one that has finished."""
        self._checks.append(config)
        self._end_waits()

    def forget_checks(self) -> None:
        """Do not hand out the checks that were not begun."""
        self._checks.clear()

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Do nothing: results do not change the order."""

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the open points follow from the plan and the rows."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: see `save`."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Do nothing, as `save` does."""


def _single(idx: int) -> dict[str, Any]:
    return {"points": np.array([idx], np.int64), "engine": "keras"}
