"""Counts the workers that died, to decide whether another worker may take the points of a dead one.

A point that ends its worker would probably end the next one, too, so it is tried again only `retries` times. A lost node
or a failed network says nothing about the points that were trained there, so these are handed out many more times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable
from enum import Enum
from pathlib import Path

from ray.tune.experiment import Trial

from cluster.connect.ray_internals import LAST_FAILURE, NODE_LOST

FALSE_STARTS = 5
"""How often a point is handed out again after its worker ended before it began with the point."""

LOSSES = 100
"""How often a point may be on a node that is lost before the point counts as the cause."""


class Fault(Enum):
    """What caused the end of a worker."""

    WORKER = "its worker died"
    CLUSTER = "its node was lost"


def fault_of(trial: Trial) -> Fault:
    """Return what ended a trial's worker, from the error file that Tune has just written."""
    last = _last_failure(trial)
    return Fault.CLUSTER if any(words in last for words in NODE_LOST) else Fault.WORKER


def cause_of(trial: Trial) -> str:
    """Return the last line of the error that ended a trial's worker; empty if there is none."""
    lines = [line.strip() for line in _last_failure(trial).splitlines()[1:]]
    return next((line for line in reversed(lines) if line), "")


def _last_failure(trial: Trial) -> str:
    file = trial.error_file
    try:
        text = Path(file).read_text(errors="replace") if file else ""
    except OSError:
        text = ""
    return text[text.rfind(LAST_FAILURE) :] if LAST_FAILURE in text else text


class Deaths:
    """Counts, for each point or group, how often its worker ended.

    Args:
        retries: how often a point is begun again after it ended its worker.
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
        """Count a worker that ended before it began with `key`; return whether another one may take it."""
        return self._count("false start", key, FALSE_STARTS)

    def may_try_again(self, key: Hashable, fault: Fault) -> bool:
        """Count a worker that ended with `key`; return whether another one may take it."""
        if fault is Fault.CLUSTER and self._count("loss", key, LOSSES):
            return True
        return self._count("death", key, self._retries)

    def _count(self, kind: str, key: Hashable, most: int) -> bool:
        self._counts[kind][key] += 1
        return self._counts[kind][key] <= most
