"""The supervisor: a parent process that reports the end of the driver when Ray kills it because the cluster is lost.

Ray's core ends a driver that loses its cluster at once, and no Python code runs any more. So the driver cannot print what
is kept and how to resume. Therefore `sweep run --address` runs the driver as a child in a session of its own, and the
parent prints it.

Ctrl-C, SIGTERM and SIGHUP reach the parent. It asks the child to stop by another signal, `STOP_SIGNAL`: a job server sends
SIGTERM to both processes, and the child must not take that for a second request.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from sweep.process.exits import EXIT_STOPPED, RESUME, SHOW_CURSOR

STOP_SIGNAL = signal.SIGUSR1
"""The signal that asks the driver to stop."""

CHECK_EVERY_S = 5.0
LOST_AFTER_CHECKS = 6
"""The parent asks the driver to stop after so many checks in a row without an answer of the head."""

GRACE_S = 15.0
"""Seconds that the driver may take to stop after its head is lost."""

_VARIABLE = "SWEEP_SUPERVISED"
_PR_SET_PDEATHSIG = 1  # prctl(2)


def is_supervised() -> bool:
    """Return whether this process is the child of a supervisor."""
    return _VARIABLE in os.environ


def requests_to_stop() -> tuple[signal.Signals, ...]:
    """Return the signals that ask a sweep to stop: Ctrl-C, SIGTERM, and a lost terminal unless that is ignored."""
    ignores = signal.getsignal(signal.SIGHUP) == signal.SIG_IGN  # as `nohup` has it
    return (signal.SIGINT, signal.SIGTERM, *(() if ignores else (signal.SIGHUP,)))


def begin() -> None:
    """Let the kernel send this child `STOP_SIGNAL` if its parent is killed. Does nothing without a parent."""
    if is_supervised() and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, STOP_SIGNAL)


def end() -> None:
    """Tell the parent that this child ends by itself and has printed its own messages."""
    if is_supervised():
        with contextlib.suppress(OSError, ValueError):
            os.write(int(os.environ[_VARIABLE]), b".")


def supervised(arguments: Sequence[str], address: str) -> int:
    """Run this command again as a child, watch it, and return its exit code; 3 if something ended the child.

    Args:
        arguments: of the command.
        address: `HOST:PORT` of the cluster's head.
    """
    reader, writer = os.pipe()
    script = sys.argv[0]
    program = ["-m", "sweep"] if script.endswith(".py") else [script]
    child = subprocess.Popen(
        [sys.executable, *program, *arguments],
        env={**os.environ, _VARIABLE: str(writer)},
        pass_fds=[writer],
        start_new_session=True,
    )
    os.close(writer)
    with _passed_on(child) as asked:
        _watch(child, address)
    ended_by_itself = os.read(reader, 1) != b""
    os.close(reader)
    if ended_by_itself and child.returncode >= 0:
        return child.returncode
    if child.returncode == -STOP_SIGNAL:  # before it installed its handlers
        print("Stopped.", file=sys.stderr)
        return EXIT_STOPPED
    if _insisted(asked) > 1:
        why = "Stopped at once. What was committed is kept."
    else:
        why = (
            f"Error: the driver was ended ({_how(child.returncode)}). Ray ends it when the cluster's head at {address} "
            "is gone or cannot be reached; sweep.log in the run's folder tells more. What was finished is kept."
        )
    command = os.environ.get(RESUME) or shlex.join(["sweep", *arguments])
    with contextlib.suppress(OSError):  # the terminal may be gone
        if sys.stdout.isatty():
            print(SHOW_CURSOR, end="", flush=True)  # the child had no time to do so
        print(f"\n{why}\nResume:  {command}", file=sys.stderr, flush=True)
    return EXIT_STOPPED


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"


@contextlib.contextmanager
def _passed_on(child: subprocess.Popen[bytes]) -> Iterator[list[int]]:
    """Send the child `STOP_SIGNAL` at the first request to stop, and kill it at the second; yield the requests.

    A lost terminal asks, too, but is never one of the two: the kernel and the shell may both tell of it, and at a logout
    SIGTERM comes with it.
    """
    asked: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        if number != signal.SIGHUP and _insisted(asked):
            child.send_signal(signal.SIGKILL)
        elif not asked:
            child.send_signal(STOP_SIGNAL)
        asked.append(number)

    before = {number: signal.signal(number, pass_on) for number in requests_to_stop()}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _insisted(asked: Sequence[int]) -> int:
    """Return how many of the requests may be the first or second one: all but those of a lost terminal."""
    return sum(number != signal.SIGHUP for number in asked)


def _watch(child: subprocess.Popen[bytes], address: str) -> None:
    """Wait for the child to end. If the head does not answer for a while, ask the child to stop, then kill it."""
    missed = 0
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(CHECK_EVERY_S)
            return
        missed = 0 if _answers(address) else missed + 1
        if missed == LOST_AFTER_CHECKS:
            child.send_signal(STOP_SIGNAL)
            deadline = time.monotonic() + GRACE_S
        if missed >= LOST_AFTER_CHECKS and time.monotonic() > deadline:
            child.kill()


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CHECK_EVERY_S).close()
    except OSError:
        return False
    return True
