"""Sends the objects of a commit to an object store, and keeps them on this machine while the store does not answer.

Terminology
    outbox   the objects of one commit, in the order in which they must be put
    spool    a folder on this machine, one for each user and run, for the objects of a commit that the store did not accept
    put      to write an object to the store. Objects in the spool are put later, with the same names and bytes, so it does
             not matter which of them had arrived before
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from results.folder.errors import FolderError
from results.folder.files import replace_file
from results.folder.object_store import RemotePath
from results.folder.path import is_remote
from results.folder.run_folder import RunFolder
from results.store import parquet

_ORDER = ("rungs", "weights", "curves", "points")


class Outbox:
    """Puts all objects of a commit; if that fails, keeps all of them in the spool.

    Args:
        root: the run's folder on the store.
        spool: the folder for objects that the store did not accept.
        mark: the bytes of the run's fingerprint; they tell its spool from one that an earlier run left for the same URI.
        check: called before each object is put, and before each repetition; raises `FolderError` if this process no longer
            holds the run.
    """

    def __init__(self, root: RemotePath, spool: Path, mark: bytes, check: Callable[[], None]) -> None:
        self._root, self._spool, self._mark, self._check = root, spool, mark, check
        self._staged: list[tuple[RemotePath, bytes]] = []
        self._error: FolderError | None = None

    @classmethod
    def of(cls, folder: RunFolder) -> Outbox | None:
        """Return the outbox of a run's folder on an object store; None for a folder on this machine."""
        if not is_remote(folder.path):
            return None
        mark = folder.fingerprint.read_bytes() if folder.exists else b""
        return cls(folder.path, folder.spool, mark, folder.check_held)

    def stage(self, path: RemotePath, content: bytes) -> None:
        """Add an object to the commit."""
        if self._error is not None:
            # Some objects may have arrived. A new commit could store their points twice; opening the store finds out.
            raise self._error
        self._staged.append((path, content))

    def discard(self) -> None:
        """Forget the staged objects."""
        self._staged.clear()

    def flush(self) -> None:
        """Put the staged objects.

        Raises:
            FolderError: the store does not accept them, and the message says where they are kept; or this process no longer
                holds the run. Afterwards `stage` raises this error, too.
        """
        if not self._staged:
            return
        try:
            for path, content in self._staged:
                self._check()
                path.write_bytes(content, on_wait=self._kept, before_retry=self._check)
        except FolderError as error:
            kept = f"is kept in {self._spool}, and stored" if self._kept() else "is trained again"
            self._error = FolderError(
                f"{error} What was finished, but not stored, {kept} when the same command runs again."
            )
            raise self._error from error
        self._staged.clear()
        if self._spool.is_dir():
            shutil.rmtree(self._spool)

    def absorb(self) -> list[str]:
        """Put the objects in the spool, without points that were committed since; return sentences about it."""
        parts = {name: sorted((self._spool / name).glob("*.parquet")) for name in _ORDER}
        if not any(parts.values()):
            return []
        with contextlib.suppress(FileNotFoundError):
            if (self._spool / "mark").read_bytes() != self._mark:
                aside = self._spool.with_name(f"spool-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
                self._spool.rename(aside)
                return [f"{self._spool} belongs to another run at this URI: moved to {aside}."]
        committed = self._committed(except_in={path.name for path in parts["points"]})
        stored = 0
        for name in _ORDER:
            for path in parts[name]:
                target, content = self._root / name / path.name, path.read_bytes()
                table = parquet.read(path)
                if name != "rungs":  # a reader of rungs skips duplicates
                    kept = table.filter(pc.invert(pc.is_in(table["idx"], value_set=committed)))
                    if not kept.num_rows:
                        continue
                    if kept.num_rows < table.num_rows:
                        table, content = kept, parquet.to_bytes(kept)
                self._check()
                target.write_bytes(content, before_retry=self._check)
                stored += table.num_rows if name == "points" else 0
        shutil.rmtree(self._spool)
        return [f"{stored:,} points that were finished but not stored have been stored."]

    def _committed(self, except_in: set[str]) -> pa.Array:
        from results.store.object_dataset import read_parts

        found: set[int] = set()
        for path, table in read_parts(self._root / "points"):
            if isinstance(table, pa.Table) and path.name not in except_in:
                found.update(table["idx"].to_pylist())
        return pa.array(sorted(found), pa.int64())

    def _kept(self) -> bool:
        """Write the staged objects into the spool; return whether that succeeded."""
        try:
            self._keep()
        except OSError:
            return False
        return True

    def _keep(self) -> None:
        """Write the staged objects into the spool, points last."""
        # Each file is replaced atomically, so it does no harm to repeat this or to stop half-way.
        self._spool.mkdir(parents=True, exist_ok=True, mode=0o700)
        replace_file(self._spool / "mark", self._mark)
        for path, content in self._staged:
            if path.name != "part-00000.parquet":  # without rows; opening the store writes it
                folder = self._spool / path.parent.name
                folder.mkdir(exist_ok=True)
                replace_file(folder / path.name, content)


def spooled(spool: Path) -> int:
    """Return how many finished points are in the spool."""
    return sum(parquet.read(path).num_rows for path in (spool / "points").glob("*.parquet"))
