"""What the tests of the commands share: a folder to work in, and runs to read."""

import numpy as np
import pyarrow as pa
import pytest

from results.folder.files import write_json
from results.folder.run_folder import RunFolder
from results.space import Space
from results.store.store import Store
from sweep.process.tally import Tally
from tests.help.plans import write_plan
from tests.help.reports import GRID, make_run
from tests.help.rows import Made

BAD = {"diverged": 2, "failed": 0, "timeout": 0}
"""The statuses of points without losses, each with the epochs that such a point has in its curve."""


@pytest.fixture
def here(workplace, monkeypatch):
    """The `workplace`, as the current folder."""
    monkeypatch.chdir(workplace)
    return workplace


@pytest.fixture
def plan_here(here):
    """A small plan in the current folder."""
    write_plan(here)


@pytest.fixture(scope="module")
def grid_run(tmp_path_factory):
    """A run of the whole grid; its last point has failed."""
    return make_run(tmp_path_factory.mktemp("runs") / "out", GRID)


@pytest.fixture(scope="module")
def layers_run(tmp_path_factory):
    """A finished run with conditional axes: seven points of a grid of twelve."""
    axes = {"layers": [1, 2, 3], "width_2": [4, 8], "width_3": [2, 4]}
    only = {"width_2": "layers >= 2", "width_3": "layers >= 3"}
    return make_run(tmp_path_factory.mktemp("runs") / "layers", axes, only=only)


@pytest.fixture(scope="module")
def other_run(tmp_path_factory):
    """A run of another plan."""
    return make_run(tmp_path_factory.mktemp("runs") / "other", {"units": [2, 4], "rate": [0.1, 0.01]})


@pytest.fixture(scope="module")
def pruned_run(tmp_path_factory):
    """The same grid with rungs, entered twice: point 1 stopped at epoch 1."""
    path = make_run(tmp_path_factory.mktemp("runs") / "asha", GRID, pruned=[1])
    store = Store(RunFolder(path), Space(GRID), keep_weights=False)
    seen = {"milestone": [1, 1, 2], "idx": [0, 1, 0], "value": [1.0, 2.0, 0.5], "passed": [True, False, True]}
    store.commit([], [pa.record_batch(seen)])
    # A run that is killed before its next commit enters its points again when it is resumed.
    store.commit([], [pa.record_batch({**seen, "value": [9.0, 9.0, 9.0], "passed": [True, True, True]})])
    return path


@pytest.fixture(scope="module")
def ended_run(tmp_path_factory):
    """A run that was stopped: seven of the nine points that were asked for have a row, of every status.

    Those that diverged, failed or ran out of time have no losses.
    """
    folder, space = RunFolder(tmp_path_factory.mktemp("runs") / "ended"), Space({"units": range(1, 10)})
    folder.create()
    losses = {"completed": 1.0, "early_stopped": 0.5, "pruned": 3.0}
    rows = []
    for idx, status in enumerate(["completed", "early_stopped", "pruned", "completed", *BAD]):
        epochs = BAD.get(status, 3)
        row = {"idx": idx, "status": status, "epochs": epochs, "seed": 0, "engine": "keras"}
        if status in losses:
            row |= {f"loss_{split}": losses[status] for split in ("tr", "va", "te")} | {"best_epoch": 1}
        rows.append(Made(row, {"loss": np.full(epochs, losses.get(status, np.nan), "float32")}, None))
    Store(folder, space).commit(rows)
    last = Tally(
        asked=9,
        selection="--points 9",
        best={"by": "loss_va", "loss_va": 0.5, "loss_te": 0.6, "idx": 1, "config": {"units": 2}},
    )
    write_json(folder.progress, last.to_dict())
    return folder.path
