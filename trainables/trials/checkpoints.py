"""Keeps the state of cohorts in training in files, so that another worker can continue a cohort.

`LocalCheckpoints` keeps them in a folder of this machine. On a cluster that is a folder of the driver's machine, and
workers use an actor there, through `ActorCheckpoints`. So checkpoints survive the loss of a worker's node, even without
a shared disk.

A file holds only arrays and is replaced as a whole. It is found by the points in it, not by its name: after a crash, a
trial gets the points that have no row yet, and these may be only a part of an earlier cohort.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import itertools
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import ray
from ray.exceptions import RayError

from trainables.engine import Checkpoints

MOST_FOUND = 3
"""The maximum number of checkpoints read for one cohort; the latest ones have the most epochs."""


DIGEST_BYTES = 64
"""A file begins with the BLAKE2b digest of the rest, which is an archive of NumPy."""


class LocalCheckpoints(Checkpoints):
    """Checkpoints of cohorts in one folder.

    Args:
        folder: the folder, which is created with the first checkpoint.
    """

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)

    def save(self, name: str, state: Mapping[str, np.ndarray]) -> None:
        """See `Checkpoints.save`."""
        self.hand_over(name, state)

    def hand_over(self, name: str, state: Mapping[str, np.ndarray]) -> bool:
        """See `Checkpoints.hand_over`."""
        buffer = io.BytesIO()
        np.savez(buffer, **state)  # type: ignore[arg-type]  # arrays by name
        part = self._folder / f".{name}.tmp"
        try:
            self._folder.mkdir(exist_ok=True)
            part.write_bytes(hashlib.blake2b(buffer.getvalue()).digest() + buffer.getvalue())
            part.replace(self._folder / f"{name}.npz")
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)  # leave the disk space for the rows
            return False
        return True

    def forget(self, name: str) -> None:
        """See `Checkpoints.forget`."""
        with contextlib.suppress(OSError):
            (self._folder / f"{name}.npz").unlink(missing_ok=True)

    def find(self, idx: np.ndarray) -> Sequence[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """See `Checkpoints.find`."""
        return list(itertools.islice(self._found(idx), MOST_FOUND))

    def _found(self, idx: np.ndarray) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        files = list(self._folder.glob("*.npz"))
        for path in sorted(files, key=_written_at, reverse=True):  # latest first: it has the most epochs
            try:
                if _is_of_others(path, idx):
                    continue
                raw = path.read_bytes()
                sealed = raw[DIGEST_BYTES:]
                if hashlib.blake2b(sealed).digest() != raw[:DIGEST_BYTES]:
                    continue
                state = _arrays(io.BytesIO(sealed))
                present = _present(state, idx)
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
                continue
            if len(present):
                yield present, state


class ActorCheckpoints(Checkpoints):
    """Checkpoints in the `LocalCheckpoints` that an actor holds.

    Args:
        actor: the actor's handle.
    """

    def __init__(self, actor: Any) -> None:
        self._actor = actor

    def save(self, name: str, state: Mapping[str, np.ndarray]) -> None:
        """See `Checkpoints.save`; training does not wait for it."""
        self._actor.save.remote(name, dict(state))

    def hand_over(self, name: str, state: Mapping[str, np.ndarray]) -> bool:
        """See `Checkpoints.hand_over`."""
        try:
            return bool(ray.get(self._actor.hand_over.remote(name, dict(state))))
        except RayError:  # the driver's machine is lost, which ends the sweep
            return False

    def forget(self, name: str) -> None:
        """See `Checkpoints.forget`."""
        self._actor.forget.remote(name)

    def find(self, idx: np.ndarray) -> Sequence[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """See `Checkpoints.find`."""
        return ray.get(self._actor.find.remote(idx))


def _arrays(file: BinaryIO, names: Sequence[str] = ()) -> dict[str, np.ndarray]:
    """Return arrays of an archive that begins where `file` stands; all if no names are given."""
    with np.load(file, allow_pickle=False) as archive:
        return {name: archive[name] for name in names or archive.files}


def _is_of_others(path: Path, idx: np.ndarray) -> bool:
    """Return whether none of the points `idx` is in a file: most files are other cohorts', and need not be read whole."""
    try:
        with path.open("rb") as file:
            file.seek(DIGEST_BYTES)
            return not len(_present(_arrays(file, ("idx", "alive")), idx))
    except Exception:  # whatever a damaged file may raise; its digest tells that it is one
        return False


def _present(state: Mapping[str, np.ndarray], idx: np.ndarray) -> np.ndarray:
    """Return those of the points `idx` that are in training in a checkpoint."""
    return np.intersect1d(state["idx"][state["alive"]], idx)


def _written_at(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # its cohort has just finished
        return 0.0
