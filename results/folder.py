"""A run's folder: the one place that knows every path in it, who holds it, and how a file is replaced whole."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any


class FolderError(OSError):
    """The folder cannot be read or written; the message names the path and the remedy."""


class HeldError(RuntimeError):
    """Another run holds the folder; the message says who, where and since when."""


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run's folder, which need not exist yet."""

    path: Path

    @property
    def plan(self) -> Path:
        """The resolved plan: `sweep run` on it repeats the run."""
        return self.path / "plan.yaml"

    @property
    def fingerprint(self) -> Path:
        """What the points' numbers depend on."""
        return self.path / "fingerprint.json"

    @property
    def points(self) -> Path:
        """Parquet dataset: one row for each finished point."""
        return self.path / "points"

    @property
    def curves(self) -> Path:
        """Parquet dataset: one row for each epoch of each finished point."""
        return self.path / "curves"

    @property
    def weights(self) -> Path:
        """Parquet dataset: the best epoch's weights of each finished point."""
        return self.path / "weights"

    @property
    def rungs(self) -> Path:
        """Parquet dataset: what ASHA's rungs have seen, one row for each point and milestone."""
        return self.path / "rungs"

    @property
    def checkpoints(self) -> Path:
        """The state of cohorts in training; gone when the sweep has finished."""
        return self.path / "checkpoints"

    @property
    def progress(self) -> Path:
        """What the driver last said of a running sweep."""
        return self.path / "progress.json"

    @property
    def log(self) -> Path:
        """What Ray and TensorFlow print."""
        return self.path / "sweep.log"

    @property
    def lock(self) -> Path:
        """Locked by the process that runs the sweep."""
        return self.path / "lock"

    @property
    def damaged(self) -> Path:
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
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            self.lock.touch()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for this process; the operating system lets go of it when the process dies.

        Raises:
            HeldError: a living process holds it.
            FolderError: the lock cannot be written.
        """
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


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an OSError while `path` is written into a FolderError that says what to do."""
    try:
        yield
    except FolderError:
        raise
    except OSError as error:
        raise FolderError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Make room or correct the rights, then run the same command again."
        ) from error


def replace_file(path: Path, content: bytes) -> None:
    """Replace `path` by `content`, all or nothing, also if the machine dies.

    The bytes go to a hidden file beside it, which readers of the folder pass over, and take its name once they
    are on the disk.

    Raises:
        FolderError: the bytes cannot be written; `path` is as it was.
    """
    part = path.with_name(f".{path.name}.tmp")
    with explained(path):
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path: Path, content: Any) -> None:
    """Replace `path` by `content` as JSON, all or nothing."""
    replace_file(path, json.dumps(content, indent=1).encode())
