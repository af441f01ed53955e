"""Limits inside a worker: the time that code may take, and the memory of a worker and of a cohort."""

from __future__ import annotations

import contextlib
import faulthandler
import signal
import threading
import time
from collections.abc import Iterator

import psutil

KILL_AFTER_S = 10.0
"""Seconds after its limit at which code that cannot be interrupted is ended, together with its worker."""

STDERR = 2
"""The descriptor of the standard error stream."""

RAISE_AGAIN_S = 1.0
"""Seconds after which `TimeUpError` is raised again in code that went on after the first one."""

RETIRE_AFTER_MB = 600.0
"""Growth of a worker's resident memory, in MiB, after which a new worker replaces it before the next trial.

TensorFlow 2.21 keeps 4 to 5 MB for every fitted model and about 40 MB for every compiled fused program. Clearing the
Keras session and collecting garbage do not free them.
"""


class TimeUpError(BaseException):
    """Raised inside code whose time is up; not an Exception, so that a builder's `except Exception` does not catch it."""


_gentle = False
_ends: list[float] = []
"""When the open limits end their process, by `time.monotonic`, the outermost first."""


@contextlib.contextmanager
def gentle() -> Iterator[None]:
    """Let `time_limit` end no process inside a `with` block, because the process is the user's own."""
    global _gentle
    before, _gentle = _gentle, True
    try:
        yield
    finally:
        _gentle = before


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeUpError` in a `with` block that takes longer than `seconds`.

    The alarm interrupts Python code. A second clock ends the whole process if a call never returns to Python, but not
    inside `gentle`. Only the main thread can have an alarm; inside `gentle`, other threads have no limit.
    A limit inside another one replaces it for its block, after which what is left of the outer one goes on.
    """
    if _gentle and threading.current_thread() is not threading.main_thread():
        yield
        return
    inside, kills, depth, started = True, not _gentle, len(_ends), time.monotonic()

    def raise_time_up(signum: int, frame: object) -> None:
        if inside:
            # The error may get lost: Python only prints what is raised in `__del__` and in callbacks from C.
            signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN_S, 0.1)
            raise TimeUpError

    if kills:
        _ends.append(started + max(seconds, 0) + KILL_AFTER_S)
        _end_process_after(_ends[-1] - started)
    left, interval = signal.getitimer(signal.ITIMER_REAL)
    previous = signal.signal(signal.SIGALRM, raise_time_up)
    try:
        try:
            # Repeat the alarm: one that comes just before a blocking call would be handled only after that call.
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001), 0.1)
            yield
        finally:
            inside = False
    finally:  # also reached if the alarm comes in the line above
        inside = False
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
        if kills:
            del _ends[depth:]  # also that of an inner limit which an alarm interrupted before its block
            faulthandler.cancel_dump_traceback_later()
            if _ends:  # the outer alarm may be due now, and comes before its process is ended
                _end_process_after(max(_ends[-1] - time.monotonic(), KILL_AFTER_S))
        if left:
            signal.setitimer(signal.ITIMER_REAL, max(left - (time.monotonic() - started), 0.001), interval)


def _end_process_after(seconds: float) -> None:
    """End this process after `seconds`, unless that is cancelled."""
    # The descriptor and not sys.stderr, which may be an object that is no file.
    faulthandler.dump_traceback_later(seconds, exit=True, file=STDERR)


def cohort_memory_mb(memory_mb: float, gpu: float) -> float:
    """Return the MiB that the arrays of one cohort may take.

    Args:
        memory_mb: the limit without a GPU.
        gpu: share of a GPU, or number of GPUs, that the trial has. The cohort may take half of that memory; the other
            half is left for the intermediate results of a training step.
    """
    if not gpu:
        return memory_mb
    from trainables.fused.internals.devices import gpu_memory_mb

    has_mb = gpu_memory_mb()
    return memory_mb if has_mb is None else has_mb * min(gpu, 1.0) / 2


def resident_mb() -> float:
    """Return the resident memory of this process, in MiB."""
    return psutil.Process().memory_info().rss / 2**20
