"""A run's folder: the one place that knows every path in it, who holds it, and how a file is replaced whole.

A folder on an object store has a companion on the machine that runs the sweep, its state: what only that machine can
write or needs (log, checkpoints), and what the store would not take. See `results.folder.place`.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from results.folder.errors import HeldError
from results.folder.files import explained
from results.folder.object_store import RemotePath
from results.folder.place import Place, place

if TYPE_CHECKING:
    from results.folder.lease import Lease


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run's folder, which need not exist yet.

    Attributes:
        path: where it is; may be given as text, a URI too.
    """

    path: Place
    _lease: list[Lease] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "path", place(self.path))

    @property
    def state(self) -> Path:
        """What this machine keeps of the run: the folder itself if it is here, else one of this user's."""
        if not isinstance(self.path, RemotePath):
            return self.path
        home = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
        mark = hashlib.blake2b(
            f"{self.path.endpoint} {self.path.scheme}://{self.path.key}".encode(), digest_size=8
        )
        return Path(home).expanduser() / "keras-grid-sweep" / mark.hexdigest()

    @property
    def spool(self) -> Path:
        """Points that are finished, but that the store did not take yet; only with a folder on an object store."""
        return self.state / "spool"

    @property
    def plan(self) -> Place:
        """The resolved plan: `sweep run` on it repeats the run."""
        return self.path / "plan.yaml"

    @property
    def fingerprint(self) -> Place:
        """What the points' numbers depend on."""
        return self.path / "fingerprint.json"

    @property
    def points(self) -> Place:
        """Parquet dataset: one row for each finished point."""
        return self.path / "points"

    @property
    def curves(self) -> Place:
        """Parquet dataset: one row for each epoch of each finished point."""
        return self.path / "curves"

    @property
    def weights(self) -> Place:
        """Parquet dataset: the best epoch's weights of each finished point."""
        return self.path / "weights"

    @property
    def rungs(self) -> Place:
        """Parquet dataset: what ASHA's rungs have seen, one row for each point and milestone."""
        return self.path / "rungs"

    @property
    def checkpoints(self) -> Path:
        """The state of cohorts in training; gone when the sweep has finished."""
        return self.state / "checkpoints"

    @property
    def progress(self) -> Place:
        """What the driver last said of a running sweep."""
        return self.path / "progress.json"

    @property
    def log(self) -> Path:
        """What Ray and TensorFlow print, on this machine."""
        return self.state / "sweep.log"

    @property
    def lock(self) -> Place:
        """Locked by the process that runs the sweep."""
        return self.path / "lock"

    @property
    def damaged(self) -> Place:
        """Parquet parts that were found damaged, set aside."""
        return self.path / "damaged"

    @property
    def exists(self) -> bool:
        """Whether a sweep was ever started here."""
        return self.fingerprint.is_file()

    def create(self) -> None:
        """Make the folder, if it is not there.

        Raises:
            FolderError: it cannot be made or written.
        """
        if isinstance(self.path, RemotePath):
            with explained(self.state):
                self.state.mkdir(parents=True, exist_ok=True, mode=0o700)
            self.path.check_bucket()
            return
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            (self.path / "lock").touch()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process.

        The operating system lets go of a folder of this machine when the process dies; for one on an object store,
        see `results.folder.lease`.

        Raises:
            HeldError: a living process holds it.
            FolderError: the lock cannot be written.
        """
        if isinstance(self.lock, RemotePath):
            with self._leased(self.lock):
                yield
            return
        with explained(self.lock):
            lock = os.open(self.lock, os.O_RDWR)
        try:
            self._take(lock)
            since = datetime.now(UTC).isoformat(timespec="seconds")
            held = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since})
            with explained(self.lock):
                os.truncate(lock, 0)
                os.write(lock, held.encode())
            yield
        finally:
            os.close(lock)

    @contextlib.contextmanager
    def _leased(self, lock: RemotePath) -> Iterator[None]:
        from results.folder.lease import Lease
        from results.folder.mirror import mirrored

        lease = Lease(lock)
        if other := lease.take():
            raise HeldError(f"{self.path} is held by {other}. Wait for it, or stop it.")
        self._lease.append(lease)
        try:
            with mirrored(self.state, lock.parent):
                yield
        finally:
            self._lease.remove(lease)
            lease.release()

    def check_held(self) -> None:
        """Check that nobody took the folder over from this process, which only a lease allows.

        Raises:
            FolderError: somebody did, or the store cannot be asked.
        """
        for lease in self._lease:
            lease.check()

    def _take(self, lock: int) -> None:
        for attempt in range(5):  # whoever asks `is_held` holds it for an instant
            try:
                return fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if attempt < 4:
                    time.sleep(0.05)
        raise HeldError(f"{self.path} is held by {self.holder()}. Wait for it, or stop it.")

    def is_held(self) -> bool:
        """Return whether a living process holds the folder."""
        if isinstance(self.lock, RemotePath):
            from results.folder import lease

            return lease.is_alive(self.lock)
        try:
            with self.lock.open() as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def holder(self) -> str:
        """Return who holds the folder, in words."""
        try:
            held = json.loads(self.lock.read_text())
            return f"process {held['pid']} on {held['host']} since {held['since']}"
        except (OSError, ValueError, KeyError):
            return "another process"
