"""Measures how long something takes: by the wall clock for limits, and in core seconds for costs."""

from __future__ import annotations

import time


class Clock:
    """Measures from its making on, in this process."""

    def __init__(self) -> None:
        self._wall, self._core = time.perf_counter(), time.process_time()

    @property
    def wall_s(self) -> float:
        """Seconds of the wall clock since then."""
        return time.perf_counter() - self._wall

    @property
    def core_s(self) -> float:
        """Seconds since then in which the threads of this process had a core, added up."""
        return time.process_time() - self._core
