"""A process that watches over the driver of a cluster's sweep, since Ray ends a driver that loses its cluster.

Ray's core ends the process at once, without a word to Python: nothing could be said there about what is kept and how to
resume. So `sweep run --address` runs the driver as a child, in a session of its own. Ctrl-C and SIGTERM come to the
parent, which asks the child to stop, by a signal that means only that: a job server sends SIGTERM to both, which must
not count as the second one.
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

from sweep.process.exits import EXIT_STOPPED, RESUME

STOP_SIGNAL = signal.SIGUSR1
"""Asks the driver to stop."""

CHECK_EVERY_S = 5.0
LOST_AFTER_CHECKS = 6
"""Checks in a row in which the head did not answer, after which the driver is asked to stop."""

GRACE_S = 15.0
"""Seconds that a driver may take to stop whose head is lost."""

_VARIABLE = "SWEEP_SUPERVISED"
_PR_SET_PDEATHSIG = 1  # prctl(2)


def is_supervised() -> bool:
    """Return whether this process is a child that is watched over."""
    return _VARIABLE in os.environ


def begin() -> None:
    """Tie the child to its parent: should that be killed, this one is asked to stop."""
    if is_supervised() and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, STOP_SIGNAL)


def end() -> None:
    """Tell the parent that the child has come to its end by itself and said all there is to say."""
    if is_supervised():
        with contextlib.suppress(OSError, ValueError):
            os.write(int(os.environ[_VARIABLE]), b".")


def supervised(arguments: Sequence[str], address: str) -> int:
    """Run this command again as a child, watch over it, and return its exit code; 3 if it was ended.

    Args:
        arguments: of the command.
        address: `HOST:PORT` of the cluster's head.
    """
    told, tell = os.pipe()
    script = sys.argv[0]
    program = ["-m", "sweep"] if script.endswith(".py") else [script]
    child = subprocess.Popen(
        [sys.executable, *program, *arguments],
        env={**os.environ, _VARIABLE: str(tell)},
        pass_fds=[tell],
        start_new_session=True,
    )
    os.close(tell)
    with _passed_on(child):
        _watch(child, address)
    said_all = os.read(told, 1) != b""
    os.close(told)
    if said_all and child.returncode >= 0:
        return child.returncode
    if child.returncode == -STOP_SIGNAL:  # before it had begun with anything
        print("Stopped.", file=sys.stderr)
        return EXIT_STOPPED
    command = os.environ.get(RESUME) or shlex.join(["sweep", *arguments])
    print(
        f"\nError: the driver was ended ({_how(child.returncode)}), as it is when the cluster's head at {address} is gone "
        "or cannot be reached any more; sweep.log in the run's folder tells more. What was finished is kept.\n"
        f"Resume:  {command}",
        file=sys.stderr,
        flush=True,
    )
    return EXIT_STOPPED


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit status {code}"


@contextlib.contextmanager
def _passed_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    """Pass the first Ctrl-C or SIGTERM on as a wish to stop; the second one ends the child."""
    asked: list[int] = []

    def pass_on(number: int, frame: object) -> None:
        child.send_signal(signal.SIGKILL if asked else STOP_SIGNAL)
        asked.append(number)

    before = {number: signal.signal(number, pass_on) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _watch(child: subprocess.Popen[bytes], address: str) -> None:
    """Wait for the child to end; where the head does not answer for a while, see to it that it does."""
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
