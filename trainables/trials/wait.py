"""Keeps a worker ready until there is something to train.

While one worker finds out which points share a program, the others import TensorFlow, which takes seconds. Tune would start
them only once there are points for them. It would then give those points to the first worker that is free, and end the
worker that has just begun to start.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from trainables.engine import Engine, Report

WAIT_S = 0.25


class WaitEngine(Engine):
    """Waits. Its trial has no points; the driver ends it."""

    def begin(self, points: np.ndarray, known: Any = None, most: int | None = None) -> None:
        """Begin to wait; all arguments are ignored."""

    def step(self) -> Report:
        """Wait for a moment."""
        time.sleep(WAIT_S)
        return Report()
