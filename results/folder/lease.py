"""Who runs a sweep whose folder is on an object store, where no file can be locked.

Terms
    lease: the object `lock`, which says who holds the run, and is written anew by its holder every few seconds.
    beat: one such writing. A lease without a beat for `STALE_AFTER_S` is free, and so is one of a dead process of this
        very machine, at once.

How it is taken
    Who finds it free writes it, waits for `SETTLE_S`, and holds the run if it still finds its own token. Ages are
    differences of two times of the store itself: clocks of machines do not count. Before each commit and each beat
    the holder makes sure that nobody else has taken it, as it may have slept past its lease.

What remains
    The store has no conditional PUT that Arrow could ask for. Two who take a free lease at once may both think they hold it
    if a PUT takes longer than `SETTLE_S`, until the next beat; and a holder may be suspended between its last look and
    its PUT. Neither can write over what the other has stored, as names of objects are never shared. But a point that both
    trained then has two rows, until the run is next opened, which keeps the first.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from results.folder.errors import FolderError
from results.folder.object_store import RemotePath

BEAT_EVERY_S = 10.0
STALE_AFTER_S = 60.0
SETTLE_S = 1.0
"""Longer than a PUT takes that was sent before another's."""


_LET_GO: set[str] = set()
"""Tokens of leases that this process has let go of, though the store may have been away when it did."""


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
        """Take the lease and keep it alive; return who holds it, in words, if that is another.

        Raises:
            FolderError: the store cannot be asked.
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
        """Check that the run is still held, asking the store if the last beat was long ago.

        Raises:
            FolderError: it is not, or the store cannot be asked.
        """
        if self._lost_to is None and _now_s() - self._beaten_at > 2 * BEAT_EVERY_S:
            self._look()
        if self._lost_to is not None:
            raise FolderError(
                f"{self._path.parent} was taken over by {self._lost_to}, as this process had not been heard of for "
                f"{STALE_AFTER_S:g} s. Leave it to that one, or stop it and run the same command again."
            )

    def release(self) -> None:
        """Let go: whoever comes next need not wait."""
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
            with contextlib.suppress(OSError):  # the store may be away for a while
                self._look()
                if self._lost_to is not None:
                    return
                self._write()

    def _look(self) -> None:
        found = read(self._path)
        if found and found.get("token") != self._token:
            self._lost_to = in_words(found)

    def _write(self) -> None:
        at = _now_s()
        holder = {"host": socket.gethostname(), "pid": os.getpid(), "since": self._since}
        content = {**holder, "machine": _machine(), "started": _started(os.getpid()), "token": self._token}
        self._path.write_bytes(json.dumps(content, indent=1).encode())
        self._beaten_at = at

    def _age_s(self) -> float:
        """Return the seconds since the last beat of whoever holds the lease, both times being the store's."""
        probe = self._path.parent / f".lock-{self._token}"
        probe.write_bytes(b"")
        try:
            return (probe.stat().st_mtime_ns - self._path.stat().st_mtime_ns) / 1e9
        except FileNotFoundError:
            return STALE_AFTER_S
        finally:
            probe.unlink(missing_ok=True)


def read(path: RemotePath) -> dict[str, Any] | None:
    """Return what the lease says, or None if there is none.

    Raises:
        FolderError: the store cannot be asked.
    """
    try:
        found = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def is_alive(path: RemotePath) -> bool:
    """Return whether the lease seems to be held: for people, by this machine's clock."""
    try:
        found = read(path)
        age_s = time.time() - path.stat().st_mtime_ns / 1e9
    except FileNotFoundError:
        return False
    return found is not None and not _is_dead(found) and age_s < STALE_AFTER_S


def in_words(found: dict[str, Any]) -> str:
    """Return who holds a lease."""
    if not {"pid", "host", "since"} <= set(found):
        return "another process"
    return f"process {found['pid']} on {found['host']} since {found['since']}"


def _is_dead(found: dict[str, Any]) -> bool:
    """Return whether the holder is known to be dead, which only its own machine can know."""
    if found.get("token") in _LET_GO:
        return True
    try:
        return found["machine"] == _machine() and _started(int(found["pid"])) != found["started"]
    except (KeyError, ValueError, TypeError):
        return False


def _started(pid: int) -> float | None:
    """Return when a process started, which tells it from a later one of the same number; None if there is none."""
    import psutil

    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    except psutil.Error:
        return None


def _machine() -> str:
    """Return what tells this machine, since it was started, and this container from others, of the same name too."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts += [
            Path("/proc/sys/kernel/random/boot_id").read_text(),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def _now_s() -> float:
    """Return a clock that goes on while the machine is suspended."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))
