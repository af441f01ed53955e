"""Keeps a worker ready until there is something to train.

While one worker finds out which points share a program, the others import TensorFlow, which takes seconds. Tune would start
them only once there are points for them. It would then give those points to the first worker that is free, and end the
worker that has just begun to start. Later, a worker waits for points that another one gives away.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainables.engine import Engine, Report


class WaitEngine(Engine):
    """Does nothing. Its trial has no points: it reports once that the worker is ready, and the driver ends it later."""

    def begin(self, points: np.ndarray, known: Any = None, most: int | None = None) -> None:
        """Begin to wait; all arguments are ignored."""

    def step(self) -> Report:
        """Report that the worker is ready."""
        return Report()
