"""Notices when a process of Ray on this machine ends too early, for example killed by the kernel for lack of memory.

Ray's core then ends the driver, too: at its next use of the object store, or some seconds later. It does so in C++ and
without a message, and Python cannot catch it. The only time to print a message is right after the loss. So a thread waits
for each of these processes; a periodic check would be too late.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator

import psutil

from cluster.connect.ray_internals import NEEDED

LOOK_EVERY_S = 0.02
"""How often a process is looked at on a system that has no call to wait without reading the exit status."""


@contextlib.contextmanager
def noticed(lost: Callable[[str], None]) -> Iterator[None]:
    """Call `lost` when one of Ray's `NEEDED` processes of this process ends within a `with` block.

    Args:
        lost: called in a thread of its own with a text such as "raylet was killed by signal 9"; it should be quick.
    """
    over = threading.Event()

    def wait_for(name: str, pid: int) -> None:
        how = _end_of(pid)
        if not over.is_set():
            lost(f"{name} {how}")

    for child in psutil.Process().children():
        name = child.name()
        if name in NEEDED:
            threading.Thread(
                target=wait_for, args=(name, child.pid), name=f"{name} ends", daemon=True
            ).start()
    try:
        yield
    finally:
        over.set()


def _end_of(pid: int) -> str:
    """Wait for the end of a child process and return how it ended. Ray can still read its exit status afterwards."""
    if not hasattr(os, "waitid"):
        return _end_by_looking(pid)
    try:
        end = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    except ChildProcessError:  # Ray has read the status already
        end = None
    if end is None:
        return "ended"
    if end.si_code == os.CLD_EXITED:
        return f"ended with exit status {end.si_status}"
    return f"was killed by signal {end.si_status}"


def _end_by_looking(pid: int) -> str:
    """Do as `_end_of` where `os.waitid` is missing, as in Python 3.11 and 3.12 on macOS; how it ended is not known there."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        while process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(LOOK_EVERY_S)
    return "ended"
