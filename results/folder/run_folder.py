"""The paths of all files in a run's folder, from which other modules take them.

A folder on an object store has a second folder on the machine that runs the sweep, its state. That holds the files that
only this machine writes or needs (log, checkpoints), and finished points that the store did not accept.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from results.folder.keeper import LOCK, Keeper, keeper_of
from results.folder.mirror import LOG, PROGRESS
from results.folder.path import AnyPath, any_path


@dataclass(frozen=True)
class RunFolder:
    """The paths of one run's folder, which need not exist yet.

    Attributes:
        path: of the folder; it may be given as text or as a URI.
    """

    path: AnyPath
    _keeper: Keeper = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        path = any_path(self.path)
        object.__setattr__(self, "path", path)
        object.__setattr__(self, "_keeper", keeper_of(path))

    @property
    def state(self) -> Path:
        """The folder of this machine's files: the run's folder if it is on this machine, else one in the user's home."""
        return self._keeper.state

    @property
    def spool(self) -> Path:
        """Finished points that the object store did not accept yet; unused by a run on this machine."""
        return self.state / "spool"

    @property
    def plan(self) -> AnyPath:
        """The resolved plan; `sweep run` with it repeats the run."""
        return self.path / "plan.yaml"

    @property
    def fingerprint(self) -> AnyPath:
        """The facts that the points' numbers depend on, as JSON."""
        return self.path / "fingerprint.json"

    @property
    def preparation(self) -> AnyPath:
        """What the raw columns of the table become, and the labels of its classes, as JSON."""
        return self.path / "preparation.json"

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
        """Parquet dataset: the records of ASHA's rungs, one row for each point and milestone."""
        return self.path / "rungs"

    @property
    def checkpoints(self) -> Path:
        """The state of cohorts in training; deleted when the sweep has finished."""
        return self.state / "checkpoints"

    @property
    def progress(self) -> AnyPath:
        """The latest progress that the driver reported, as JSON."""
        return self.path / PROGRESS

    @property
    def progress_here(self) -> Path:
        """The same on the machine of the driver, which writes this file; on an object store, `progress` is a copy of it."""
        return self.state / PROGRESS

    @property
    def metrics(self) -> AnyPath:
        """Whether a lower or a higher value of each metric is better, as JSON."""
        return self.path / "metrics.json"

    @property
    def verified(self) -> AnyPath:
        """How the points compare that were trained again by plain Keras, as JSON."""
        return self.path / "verified.json"

    @property
    def log(self) -> Path:
        """The output of Ray and TensorFlow, on this machine."""
        return self.state / LOG

    @property
    def lock(self) -> AnyPath:
        """The file that the process that runs the sweep locks."""
        return self.path / LOCK

    @property
    def damaged(self) -> AnyPath:
        """Damaged Parquet parts that were moved out of the datasets."""
        return self.path / "damaged"

    @property
    def exists(self) -> bool:
        """Whether a sweep was ever started in this folder."""
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
