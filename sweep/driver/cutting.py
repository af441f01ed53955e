"""Decides how many points a trial may train at most, so that the trials keep all workers busy until the end.

A group is cut if its share of the sweep's work is larger than a quarter of what each worker has to do. What a group costs is
estimated by its points and the weights of their models, before any of them has been trained.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

PER_WORKER = 4
"""How many of the longest trials each worker should have."""

LEAST = 64
"""A trial of fewer points takes about as long to begin as to train: a second, on the reference task."""


def most_points(points: int, share: float, workers: int) -> int:
    """Return how many points of a group one trial may train.

    Args:
        points: of the group.
        share: of the group in the work of the sweep, more than 0.
        workers: trials that can run at once.
    """
    return max(LEAST, math.ceil(points / max(1.0, PER_WORKER * workers * share)))


def shares(parts: Sequence[np.ndarray], costs: Sequence[float], whole: float) -> list[float]:
    """Return the share of each part of a group in the work of the sweep.

    Args:
        parts: the points of each.
        costs: of the parts, relative to each other; empty if only their sizes tell.
        whole: the share of the group.
    """
    weights = costs or [len(part) for part in parts]
    total = sum(weights) or 1.0
    return [whole * weight / total for weight in weights]
