"""Limits inside a worker (time and memory), and short texts for the errors that a user's code raises."""

from __future__ import annotations

import contextlib
import faulthandler
import re
import signal
from collections.abc import Iterator

import psutil

KILL_AFTER_S = 10.0
"""Seconds after its limit at which code that cannot be interrupted is ended, together with its worker."""

RAISE_AGAIN_S = 1.0
"""Seconds after which `TimeUpError` is raised again in code that went on after the first one."""

RETIRE_AFTER_MB = 600.0
"""Growth of a worker's resident memory, in MiB, after which a new worker replaces it before the next trial.

TensorFlow 2.21 keeps 4 to 5 MB for every fitted model and about 40 MB for every compiled fused program. Clearing the
Keras session and collecting garbage do not free them.
"""


class TimeUpError(BaseException):
    """Raised inside code whose time is up; not an Exception, so that a builder's `except Exception` does not catch it."""


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeUpError` in a `with` block that takes longer than `seconds`. Works in the main thread only.

    The alarm interrupts Python code. A second clock ends the whole process if a call never returns to Python.
    """
    inside = True

    def raise_time_up(signum: int, frame: object) -> None:
        if inside:
            # The error may get lost: Python only prints what is raised in `__del__` and in callbacks from C.
            signal.setitimer(signal.ITIMER_REAL, RAISE_AGAIN_S, 0.1)
            raise TimeUpError

    faulthandler.dump_traceback_later(max(seconds, 0) + KILL_AFTER_S, exit=True)
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
        faulthandler.cancel_dump_traceback_later()


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


def explain(error: BaseException) -> str:
    """Return the error's type and message, shortened in the middle to at most 2,000 characters."""
    text = f"{type(error).__name__}: {error}".strip().encode("utf-8", "replace").decode()
    return _cut(_STYLE.sub("", text), 2000)


def cause_of(error: BaseException | str) -> str:
    """Return the error's type and the one line of its message that tells the cause, at most 200 characters.

    Keras puts its own words before the cause and the call's arguments after it. TensorFlow puts a stack before the
    cause and the names of nodes after it. So the cause is the last line that is none of these.

    Args:
        error: an exception, or the text that `explain` returned for one.
    """
    text = error if isinstance(error, str) else explain(error)
    lines = [line.strip() for line in text.partition(_ARGUMENTS)[0].splitlines()]
    lines = [line for line in lines if line] or [text]
    kind = re.match(r"\w+:", lines[0])
    line = next((one for one in reversed(lines[1:]) if not _AROUND.match(one)), lines[0])
    if kind and line is not lines[0]:
        line = f"{kind[0]} {line}"
    return _cut(_WITHIN.sub("", line), 200)


_STYLE = re.compile(r"\x1b\[[\d;]*m")  # bold, in Keras' messages
_ARGUMENTS = "\nArguments received by "
_AROUND = re.compile(
    r'File "|Detected at node |Stack trace for op definition|<stack traces unavailable>|\[\[|tf2xla conversion failed'
)
"""Beginnings of the lines that TensorFlow 2.21 puts before and after the cause of an error."""
_WITHIN = re.compile(r"\{\{function_node \S+\}\} | \[Op:\S+\]$")
"""Parts that eager TensorFlow adds to the line of the cause."""


def _cut(text: str, most: int) -> str:
    """Return `text`, with its middle left out if it has more than `most` characters."""
    if len(text) <= most:
        return text
    head = (most - 3) // 2
    return f"{text[:head]}...{text[len(text) - (most - 3 - head) :]}"


def resident_mb() -> float:
    """Return the resident memory of this process, in MiB."""
    return psutil.Process().memory_info().rss / 2**20
