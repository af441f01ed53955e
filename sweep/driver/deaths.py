"""Workers that ended without a word: whose fault it was, and whether their points are given to another.

A point that ends its worker would end the next one, too, so it may do so `retries` times. A node that is lost, or a
network that fails, says nothing about the points that were trained there; they are given out again many more times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from enum import Enum
from pathlib import Path

from ray.tune.experiment import Trial

from cluster.connect.ray_internals import LAST_FAILURE, NODE_LOST

FALSE_STARTS = 5
"""Times that a point may meet a worker that ends before it has begun with it."""

LOSSES = 100
"""Times that a point may lose its node, or its node the network, before it is taken for the reason."""


class Fault(Enum):
    """What ended a worker."""

    WORKER = "its worker died"
    CLUSTER = "its node was lost"


def fault_of(trial: Trial) -> Fault:
    """Return what ended a trial's worker, from the error that Tune has just written down."""
    file = trial.error_file
    try:
        text = Path(file).read_text(errors="replace") if file else ""
    except OSError:
        text = ""
    last = text[text.rfind(LAST_FAILURE) :]
    return Fault.CLUSTER if any(words in last for words in NODE_LOST) else Fault.WORKER


class Deaths:
    """Counts, for each point or group, how often its worker ended.

    Args:
        retries: times that a point may end its worker and be begun again.
    """

    def __init__(self, retries: int) -> None:
        self._retries = retries
        self._counts: dict[str, Counter[Hashable]] = {
            "false start": Counter(),
            "loss": Counter(),
            "death": Counter(),
        }

    def of(self, key: Hashable) -> int:
        """Return how often `key` has ended a worker."""
        return self._counts["death"][key]

    def false_start(self, key: Hashable) -> bool:
        """Count a worker that ended before it had begun with `key`; return whether that may happen once more."""
        return self._count("false start", key, FALSE_STARTS)

    def may_try_again(self, key: Hashable, fault: Fault) -> bool:
        """Count a worker that ended with `key`; return whether another one may take it."""
        if fault is Fault.CLUSTER and self._count("loss", key, LOSSES):
            return True
        return self._count("death", key, self._retries)

    def _count(self, kind: str, key: Hashable, most: int) -> bool:
        self._counts[kind][key] += 1
        return self._counts[kind][key] <= most
