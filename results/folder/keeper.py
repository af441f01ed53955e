"""A keeper creates a run's folder, locks it, and knows where the driver keeps its files on this machine.

`LocalKeeper` does so for a folder on a disk that this machine has mounted, `ObjectKeeper` for one on an object store.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from results.folder.errors import FolderError, HeldError
from results.folder.files import explained, replace_file
from results.folder.lease import Lease, in_words, is_alive
from results.folder.mirror import mirrored
from results.folder.object_store import RemotePath
from results.folder.path import AnyPath, is_remote

LOCK = "lock"
"""The file or object in a run's folder that names the process that holds it."""


class Keeper(ABC):
    """Keeps one folder.

    Attributes:
        path: of the folder.
        state: the folder of the driver's files on this machine: its log, checkpoints, and what a store did not accept.
    """

    path: AnyPath
    state: Path

    @abstractmethod
    def create(self) -> None:
        """Create the folder if it does not exist.

        Raises:
            FolderError: it cannot be created or written.
        """

    @abstractmethod
    def held(self) -> AbstractContextManager[None]:
        """Hold the folder for this process.

        Raises:
            HeldError: a living process holds it.
            FolderError: the lock cannot be written.
        """

    @abstractmethod
    def is_held(self) -> bool:
        """Return whether a living process holds the folder."""

    @abstractmethod
    def check_held(self) -> None:
        """Check that no other process took the folder over from this one.

        Raises:
            FolderError: one did, or the store does not tell.
        """

    @abstractmethod
    def set_aside(self, path: AnyPath, aside: AnyPath) -> None:
        """Move the file `path` to `aside`.

        Raises:
            FolderError: it cannot be moved.
        """

    def holder(self) -> str:
        """Return a text that names the process that holds the folder."""
        try:
            held = json.loads((self.path / LOCK).read_text())
        except (OSError, ValueError):
            held = None
        return in_words(held)


class LocalKeeper(Keeper):
    """Keeps a folder on this machine by a file lock, which the operating system releases when the process dies."""

    def __init__(self, path: Path) -> None:
        self.path: Path = path
        self.state = path

    def create(self) -> None:
        """See `Keeper.create`."""
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / LOCK).touch()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See `Keeper.held`."""
        path = self.path / LOCK
        with explained(path):
            lock = os.open(path, os.O_RDWR)
        try:
            self._take(lock)
            since = datetime.now(UTC).isoformat(timespec="seconds")
            held = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since})
            with explained(path):
                os.truncate(lock, 0)
                os.write(lock, held.encode())
            yield
        finally:
            os.close(lock)

    def is_held(self) -> bool:
        """See `Keeper.is_held`."""
        try:
            with (self.path / LOCK).open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:  # no such folder, or a file system without locks, where no process can hold one
            return False
        return False

    def check_held(self) -> None:
        """See `Keeper.check_held`: the operating system lets no other process take the lock."""

    def set_aside(self, path: AnyPath, aside: AnyPath) -> None:
        """See `Keeper.set_aside`."""
        with explained(aside):
            Path(str(aside)).parent.mkdir(exist_ok=True)
            Path(str(path)).replace(str(aside))

    def _take(self, lock: int) -> None:
        for attempt in range(5):  # `is_held` in another process holds the lock for an instant
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt < 4:
                    time.sleep(0.05)
            except OSError as error:
                raise FolderError(
                    f"{self.path}: its file system lets no process lock a file ({error.strerror or error}), so two sweeps "
                    "could write the same points. Use a folder on a local disk, on NFS 4 or on an object store, or have it "
                    "mounted with locks (for Lustre: -o flock)."
                ) from error
        raise HeldError(f"{self.path} is held by {self.holder()}. Wait for it, or stop it.")


class ObjectKeeper(Keeper):
    """Keeps a folder on an object store by a lease that it renews: see `results.folder.lease`."""

    def __init__(self, path: RemotePath) -> None:
        self.path: RemotePath = path
        home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        mark = hashlib.blake2b(f"{path.endpoint} {path.scheme}://{path.key}".encode(), digest_size=8)
        self.state = Path(home).expanduser() / "keras-grid-sweep" / mark.hexdigest()
        self._leases: list[Lease] = []  # at most one

    def create(self) -> None:
        """See `Keeper.create`."""
        with explained(self.state):
            self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.path.check_bucket()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """See `Keeper.held`."""
        lease = Lease(self.path / LOCK)
        if other := lease.take():
            raise HeldError(f"{self.path} is held by {other}. Wait for it, or stop it.")
        self._leases.append(lease)
        try:
            with mirrored(self.state, self.path):
                yield
        finally:
            self._leases.remove(lease)
            lease.release()

    def is_held(self) -> bool:
        """See `Keeper.is_held`."""
        return is_alive(self.path / LOCK)

    def check_held(self) -> None:
        """See `Keeper.check_held`."""
        for lease in self._leases:
            lease.check()

    def set_aside(self, path: AnyPath, aside: AnyPath) -> None:
        """See `Keeper.set_aside`."""
        replace_file(aside, path.read_bytes())
        path.unlink(
            missing_ok=True
        )  # the answer to a DELETE may get lost, and the next one then finds nothing


def keeper_of(path: AnyPath) -> Keeper:
    """Return the keeper of the folder `path`."""
    return ObjectKeeper(path) if is_remote(path) else LocalKeeper(path)
