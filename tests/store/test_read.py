"""A dataset is read whole or by points, and what is missing or damaged is said."""

import pytest

from results.folder.run_folder import RunFolder
from results.store.parquet import DamagedError
from results.store.read import read_dataset, read_parts, read_points
from results.store.store import Store
from tests.help.rows import AXES, finished


@pytest.fixture
def folder(tmp_path):
    """A run with the points 1, 2 and 3, committed one after the other."""
    made = RunFolder(tmp_path / "run")
    made.create()
    for idx in (2, 1, 3):
        Store(made, AXES).commit([finished(idx)])
    return made


def test_a_folder_without_a_sweep_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no sweep here"):
        read_points(RunFolder(tmp_path))


def test_all_rows_or_those_of_some_points_are_read(folder):
    assert list(read_points(folder)["idx"]) == [2, 1, 3]
    assert read_dataset(folder.points, [3, 2])["idx"].to_pylist() == [2, 3]
    assert set(read_dataset(folder.curves, [1])["idx"].to_pylist()) == {1}
    assert sum(part.num_rows for part in read_parts(folder.points)) == 3


def test_a_damaged_part_is_not_passed_over(folder):
    [part] = folder.points.glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-20])
    with pytest.raises(DamagedError, match=part.name):
        read_points(folder)
