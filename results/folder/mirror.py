"""Copies the driver's log and progress from its machine to the run's folder on an object store."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from results.folder.object_store import RemotePath

PROGRESS, LOG = "progress.json", "sweep.log"
"""The names of the driver's progress and log."""

EVERY_S = {PROGRESS: 10.0, LOG: 60.0}
"""Seconds between two copies of each file."""
MOST_BYTES = 8 * 2**20
"""Only this many bytes at the end of a longer file are copied."""


@contextlib.contextmanager
def mirrored(here: Path, there: RemotePath) -> Iterator[None]:
    """Copy the files that change in `here` to `there` while the block runs, and once at its end.

    The copies are only for people to look at, so one that fails does not stop the sweep. The next copy makes up for it.
    """
    ended = threading.Event()
    copied: dict[str, tuple[int, int]] = {}

    def copy(name: str) -> None:
        with contextlib.suppress(OSError):
            stat = (here / name).stat()
            version = (stat.st_mtime_ns, stat.st_size)
            if copied.get(name) == version:
                return
            with (here / name).open("rb") as file:
                file.seek(max(0, stat.st_size - MOST_BYTES))
                (there / name).write_bytes(file.read(MOST_BYTES))
            copied[name] = version

    def copy_on() -> None:
        due = dict.fromkeys(EVERY_S, time.monotonic() + 1)
        while not ended.wait(0.5):
            for name, at in due.items():
                if time.monotonic() >= at:
                    copy(name)
                    due[name] = time.monotonic() + EVERY_S[name]

    thread = threading.Thread(target=copy_on, name="mirror", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(timeout=30)
        for name in EVERY_S:
            copy(name)
