"""Time limits inside a worker, and what is said of an error that a user's code raised."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
from collections.abc import Iterator

import psutil

KILL_AFTER_S = 10.0
"""Seconds beyond its limit after which code that cannot be interrupted takes its worker with it."""

RAISE_AGAIN_S = 1.0
"""Seconds after which code whose time is up, and which goes on all the same, is told so again."""

RETIRE_AFTER_MB = 600.0
"""Growth of a worker's resident memory, in MiB, after which it makes way for a new one between two trials.

TensorFlow 2.21 keeps 4 to 5 MB of the graphs of every model that was fitted, and about 40 MB of every fused program that
was compiled, whatever is cleared or collected.
"""


class TimeUpError(BaseException):
    """Raised inside code whose time is up; not an Exception, so that a builder's `except` cannot eat it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeUpError` in the code of a `with` block that takes longer; only in the main thread.

    The alarm interrupts Python code; a call that never returns to Python is ended, with the whole process, by a
    second clock.
    """
    inside = True

    def raise_time_up(signum: int, frame: object) -> None:
        if inside:
            # It may be lost: Python prints and forgets what is raised in `__del__` and in callbacks from C.
            signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN_S, 0.1)
            raise TimeUpError

    faulthandler.dump_traceback_later(max(seconds, 0) + KILL_AFTER_S, exit=True)
    previous = signal.signal(signal.SIGALRM, raise_time_up)
    try:
        try:
            # Again and again: an alarm just before a call that blocks would be heard when that returns.
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), 0.1)
            yield
        finally:
            inside = False
    finally:  # also of an alarm in the line above
        inside = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        faulthandler.cancel_dump_traceback_later()


def cohort_memory_mb(memory_mb: float, gpu: float) -> float:
    """Return the MiB that the arrays of one cohort may take.

    Args:
        memory_mb: without a GPU.
        gpu: share of a GPU, or GPUs, that the trial has; half of its memory is left to what a step computes between.
    """
    if not gpu:
        return memory_mb
    from trainables.fused.internals.devices import gpu_memory_mb

    has_mb = gpu_memory_mb()
    return memory_mb if has_mb is None else has_mb * min(gpu, 1.0) / 2


def explain(error: BaseException) -> str:
    """Return the error's type and message, at most 2,000 characters, so that a row stays a row."""
    text = f"{type(error).__name__}: {error}".strip().encode("utf-8", "replace").decode()
    return text if len(text) <= 2000 else f"{text[:1997]}..."


def resident_mb() -> float:
    """Return the resident memory of this process, in MiB."""
    return psutil.Process().memory_info().rss / 2**20
