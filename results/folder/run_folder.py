"""A run's folder: the one file that knows every path in it.

A folder on an object store has a companion on the machine that runs the sweep, its state: what only that machine can
write or needs (log, checkpoints), and what the store did not take.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from results.folder.keeper import Keeper, keeper_of
from results.folder.path import AnyPath, any_path, is_remote


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run's folder, which need not exist yet.

    Attributes:
        path: where it is; may be given as text, a URI too.
    """

    path: AnyPath
    _keeper: Keeper = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        path = any_path(self.path)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "_keeper", keeper_of(path))

    @property
    def is_remote(self) -> bool:
        """Whether the folder is on an object store."""
        return is_remote(self.path)

    @property
    def state(self) -> Path:
        """What this machine keeps of the run: the folder itself if it is here, else one of this user's."""
        return self._keeper.state

    @property
    def spool(self) -> Path:
        """Points that are finished, but that the store did not take yet; only with a folder on an object store."""
        return self.state / "spool"

    @property
    def plan(self) -> AnyPath:
        """The resolved plan: `sweep run` on it repeats the run."""
        return self.path / "plan.yaml"

    @property
    def fingerprint(self) -> AnyPath:
        """What the points' numbers depend on."""
        return self.path / "fingerprint.json"

    @property
    def points(self) -> AnyPath:
        """Parquet dataset: one row for each finished point."""
        return self.path / "points"

    @property
    def curves(self) -> AnyPath:
        """Parquet dataset: one row for each epoch of each finished point."""
        return self.path / "curves"

    @property
    def weights(self) -> AnyPath:
        """Parquet dataset: the best epoch's weights of each finished point."""
        return self.path / "weights"

    @property
    def rungs(self) -> AnyPath:
        """Parquet dataset: what ASHA's rungs have seen, one row for each point and milestone."""
        return self.path / "rungs"

    @property
    def checkpoints(self) -> Path:
        """The state of cohorts in training; gone when the sweep has finished."""
        return self.state / "checkpoints"

    @property
    def progress(self) -> AnyPath:
        """What the driver last said of a running sweep."""
        return self.path / "progress.json"

    @property
    def log(self) -> Path:
        """What Ray and TensorFlow print, on this machine."""
        return self.state / "sweep.log"

    @property
    def lock(self) -> AnyPath:
        """Locked by the process that runs the sweep."""
        return self.path / "lock"

    @property
    def damaged(self) -> AnyPath:
        """Parquet parts that were found damaged, set aside."""
        return self.path / "damaged"

    @property
    def exists(self) -> bool:
        """Whether a sweep was ever started here."""
        return self.fingerprint.is_file()

    def create(self) -> None:
        """See `Keeper.create`."""
        self._keeper.create()

    def held(self) -> AbstractContextManager[None]:
        """See `Keeper.held`."""
        return self._keeper.held()

    def check_held(self) -> None:
        """See `Keeper.check_held`."""
        self._keeper.check_held()

    def is_held(self) -> bool:
        """See `Keeper.is_held`."""
        return self._keeper.is_held()

    def holder(self) -> str:
        """See `Keeper.holder`."""
        return self._keeper.holder()

    def set_aside(self, path: AnyPath, aside: AnyPath) -> None:
        """See `Keeper.set_aside`."""
        self._keeper.set_aside(path, aside)
