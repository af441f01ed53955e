"""What the tests of the commands share: a folder to work in, and runs to read."""

import pyarrow as pa
import pytest

from results.folder.run_folder import RunFolder
from results.space import Space
from results.store.store import Store
from tests.help.reports import GRID, make_run


@pytest.fixture
def here(workplace, monkeypatch):
    """The `workplace`, as the current folder."""
    monkeypatch.chdir(workplace)
    return workplace


@pytest.fixture(scope="module")
def grid_run(tmp_path_factory):
    """A run of the whole grid; its last point has failed."""
    return make_run(tmp_path_factory.mktemp("runs") / "out", GRID)


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
