"""A lease says which process runs a sweep whose folder is on an object store, where no file can be locked.

Terminology
    lease   the object `lock`, which names the process that holds the run; the holder rewrites it every few seconds
    beat    one such rewriting. A lease is free when it had no beat for `STALE_AFTER_S`, and at once when its holder was a
            process of this machine that is dead

How a process takes it
    A process that finds the lease free writes it, waits for `SETTLE_S`, and holds the run if the lease still has its
    token. The age of a lease is the difference of two times of the store, so the clocks of machines do not matter.

How a holder finds out that it lost it
    A holder may be suspended, or cut off from the store, for longer than its lease lasts. So before each beat it checks
    that no other process has taken the lease. It does so before each PUT of a commit, too, and before each repetition of
    one, if its last beat was more than two beats ago; then it also beats.

What can still go wrong
    Arrow offers no conditional PUT. If a PUT takes longer than `SETTLE_S`, two processes that take a free lease at the
    same time may both believe until the next beat that they hold it. A holder may also be suspended between its last
    check and its PUT, and a PUT may be under way for longer than the lease lasts. Neither process can overwrite what the
    other has stored, because no two processes share names of objects. But a point that both trained then has two rows
    until the run is opened again, which keeps the first row, with its own curve and weights.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results.folder.errors import FolderError
from results.folder.object_store import RemotePath

BEAT_EVERY_S = 10.0
STALE_AFTER_S = 60.0
SETTLE_S = 1.0
"""Must be longer than a PUT takes."""
CLOCK_STEP_S = 30.0
"""A process that seems to have started this much earlier or later may be the same one: clocks are set."""


_LET_GO: set[str] = set()
"""Tokens of leases that this process has released, even if the store did not answer then."""


class Lease:
    """The lease of one process on one run, from `take` to `release`.

    Args:
        path: of the object.
    """

    def __init__(self, path: RemotePath) -> None:
        self._path = path
        self._token = secrets.token_hex(8)
        self._since = datetime.now(UTC).isoformat(timespec="seconds")
        self._beaten_at = 0.0
        self._lost_to: str | None = None
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._beat_on, name="lease", daemon=True)

    def take(self) -> str | None:
        """Take the lease and keep renewing it; if another process holds it, return a text that names that process.

        Raises:
            FolderError: the store does not answer.
        """
        found = read(self._path)
        if found and not _is_dead(found) and self._age_s() < STALE_AFTER_S:
            return in_words(found)
        self._write()
        time.sleep(SETTLE_S)
        found = read(self._path)
        if found and found.get("token") != self._token:
            return in_words(found)
        self._thread.start()
        return None

    def check(self) -> None:
        """Check that this process still holds the run; if the last beat was long ago, ask the store, and beat.

        Raises:
            FolderError: it does not, or the store does not answer.
        """
        if _now_s() - self._beaten_at > 2 * BEAT_EVERY_S:
            self._renew()
        self._refuse_if_lost()

    def release(self) -> None:
        """Release the lease, so that the next process need not wait."""
        self._ended.set()
        _LET_GO.add(self._token)
        if self._thread.is_alive():
            self._thread.join(timeout=30)
        with contextlib.suppress(OSError):
            found = read(self._path)
            if found and found.get("token") == self._token:
                self._path.unlink(missing_ok=True)

    def _beat_on(self) -> None:
        while not self._ended.wait(BEAT_EVERY_S):
            with contextlib.suppress(OSError):  # the store may not answer for a while
                self._renew()
                if self._lost_to is not None:
                    return

    def _renew(self) -> None:
        """Write the lease again, unless another process has taken it."""
        self._look()
        if self._lost_to is None:
            self._write(before_retry=self._still_held)

    def _still_held(self) -> None:
        self._look()
        self._refuse_if_lost()

    def _look(self) -> None:
        if self._lost_to is None:
            found = read(self._path)
            if found and found.get("token") != self._token:
                self._lost_to = in_words(found)

    def _refuse_if_lost(self) -> None:
        if self._lost_to is not None:
            raise FolderError(
                f"{self._path.parent} was taken over by {self._lost_to}, because this process did not renew its lease for "
                f"{STALE_AFTER_S:g} s. Let that process go on, or stop it and run the same command again."
            )

    def _write(self, before_retry: Callable[[], None] | None = None) -> None:
        at = _now_s()
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": self._since}
        started = {"started": _started(os.getpid()), "ticks": _ticks(os.getpid())}
        content = {**holder, "machine": _machine(), **started, "token": self._token}
        self._path.write_bytes(json.dumps(content, indent=1).encode(), before_retry=before_retry)
        self._beaten_at = at

    def _age_s(self) -> float:
        """Return the seconds since the last beat of the lease; both times are the store's."""
        probe = self._path.parent / f".lock-{self._token}"
        probe.write_bytes(b"")
        try:
            return (probe.stat().st_mtime_ns - self._path.stat().st_mtime_ns) / 1e9
        except FileNotFoundError:
            return STALE_AFTER_S
        finally:
            probe.unlink(missing_ok=True)


def read(path: RemotePath) -> dict[str, Any] | None:
    """Return the content of the lease, or None if there is none.

    Raises:
        FolderError: the store does not answer.
    """
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_alive(path: RemotePath) -> bool:
    """Return whether the lease seems to be held. This uses the machine's clock, so it is only good for display."""
    try:
        found = read(path)
        age_s = time.time() - path.stat().st_mtime_ns / 1e9
    except FileNotFoundError:
        return False
    return found is not None and not _is_dead(found) and age_s < STALE_AFTER_S


def in_words(found: Any) -> str:
    """Return a text that names the process that holds a lock or a lease, from what it has written there."""
    if not isinstance(found, dict) or not {"pid", "host", "since"} <= set(found):
        return "another process"
    return f"process {found['pid']} on {found['host']} since {found['since']}"


def _is_dead(found: dict[str, Any]) -> bool:
    """Return whether the holder is known to be dead; only its own machine can know that."""
    if found.get("token") in _LET_GO:
        return True
    try:
        if found["machine"] != _machine():
            return False
        pid = int(found["pid"])
        started, ticks = _started(pid), _ticks(pid)
        if started is None:
            return True
        if ticks is not None and found.get("ticks") is not None:
            return bool(ticks != found["ticks"])
        return (
            abs(started - found["started"]) > CLOCK_STEP_S
        )  # written by an earlier version, or not on Linux
    except (KeyError, ValueError, TypeError):
        return False


def _started(pid: int) -> float | None:
    """Return when a process started, None if there is none. A later process of the same number started at another time."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def _ticks(pid: int) -> int | None:
    """Return when a process started, in the kernel's ticks since the machine did; None if the system does not tell.

    The time of `_started` is another one after the clock was set, for the same process.
    """
    try:
        return int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[19])
    except (OSError, IndexError, ValueError):
        return None


def _machine() -> str:
    """Return an id of this container and this boot of the machine; another machine of the same name has another id."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts += [
            Path("/proc/sys/kernel/random/boot_id").read_text(),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def _now_s() -> float:
    """Return the time of a clock that also runs while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
