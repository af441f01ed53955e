"""The searcher: Ray Tune asks it for each next trial, a group of points for the fused engine or one point for Keras.

Terminology
    wait    a trial without points, which keeps a worker ready; it reports once, when its worker has started
    work    all other trials
"""

from __future__ import annotations

import heapq
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from ray.tune.search import Searcher

from trainables.trials.engines import GROUP, SINGLE, WAIT


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
        waiting: how many waits to hand out at first.

    Attributes:
        waiting: how many waits there should be while there is no work; the driver changes it.
        ready: the waits whose workers have started, by the trial's id, the oldest first.
    """

    def __init__(self, open_points: Iterable[int] = (), waiting: int = 0) -> None:
        super().__init__()
        self.waiting = waiting
        self.ready: dict[str, Any] = {}
        self._waits: set[str] = set()  # handed out, and not over
        self._handed: set[str] = set()  # work that is handed out, and not begun
        self._open: Iterator[int] = iter(open_points)
        self._again: deque[np.ndarray] = deque()
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
        config = {"points": points, "engine": GROUP, "share": share, "given": {"most": most}}
        heapq.heappush(self._groups, (repeat, -cost, next(self._counter), config))

    @property
    def queued(self) -> int:
        """Work that Tune has not asked for yet, without the points that were not tried yet."""
        return len(self._groups) + sum(map(len, self._again)) + len(self._checks)

    @property
    def unbegun(self) -> int:
        """The same, with the work that Tune has asked for and no worker has begun with."""
        return self.queued + len(self._handed)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        """Return the next trial's configuration, or None while there is none."""
        config = self._next()
        if config is not None:
            self._handed.add(trial_id)
        elif len(self._waits) < self.waiting:
            self._waits.add(trial_id)
            config = {"points": np.zeros(0, np.int64), "engine": WAIT}
        return config

    def _next(self) -> dict[str, Any] | None:
        if self._groups:
            config = heapq.heappop(self._groups)[-1]
            return {**config, "given": {**config["given"], "known": self._known}}
        if self._again:
            first, self._again[0] = int(self._again[0][0]), self._again[0][1:]
            if not len(self._again[0]):
                self._again.popleft()
            return _single(first)
        idx = next(self._open, None)
        if idx is not None:
            return _single(idx)
        return self._checks.popleft() if self._checks else None

    def begun(self, trial_id: str) -> None:
        """Note that a worker has begun with a trial."""
        self._handed.discard(trial_id)

    def give_back(self, points: np.ndarray) -> None:
        """Hand out `points` one by one, before the points that have not been tried."""
        if len(points):
            self._again.append(np.asarray(points))

    def add_check(self, config: dict[str, Any]) -> None:
        """Hand out a trial with this configuration when no point is left: it verifies one that has finished."""
        self._checks.append(config)

    def forget_checks(self) -> None:
        """Do not hand out the checks that were not begun."""
        self._checks.clear()

    def on_trial_complete(self, trial_id: str, result: dict | None = None, error: bool = False) -> None:
        """Forget the trial; its results do not change the order."""
        self._handed.discard(trial_id)
        self._waits.discard(trial_id)
        self.ready.pop(trial_id, None)

    def save(self, checkpoint_path: str) -> None:
        """Do nothing: the open points follow from the plan and the rows."""

    def restore(self, checkpoint_path: str) -> None:
        """Do nothing: see `save`."""

    def save_to_dir(self, checkpoint_dir: str, session_str: str = "default") -> None:
        """Do nothing, as `save` does."""


def _single(idx: int) -> dict[str, Any]:
    return {"points": np.array([idx], np.int64), "engine": SINGLE}
