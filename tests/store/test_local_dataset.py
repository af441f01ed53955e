"""Parts that grow at the end: what is in them, in which file, and what an append can be taken back."""

import pandas as pd
import pyarrow as pa
import pytest

from results.store.local_dataset import LocalDataset

SCHEMA = pa.schema([("idx", pa.int64()), ("loss", pa.float64())])


def rows(*idx):
    return pa.table({"idx": idx, "loss": [float(i) for i in idx]}, schema=SCHEMA)


@pytest.fixture
def dataset(tmp_path):
    made = LocalDataset(tmp_path / "points", SCHEMA, max_rows=3)
    assert list(made.open(pytest.fail)) == []
    return made


def stored(dataset):
    return {p.name: list(pd.read_parquet(p)["idx"]) for p in sorted(dataset.folder.iterdir())}


def test_a_part_is_filled_before_the_next_begins(dataset):
    for idx in range(5):
        dataset.append(rows(idx))
    assert stored(dataset) == {"part-00000.parquet": [0, 1, 2], "part-00001.parquet": [3, 4]}
    again = LocalDataset(dataset.folder, SCHEMA, max_rows=3)
    assert [table["idx"].to_pylist() for table in again.open(pytest.fail)] == [[0, 1, 2], [3, 4]]
    again.append(rows(5))
    again.append(rows(6))
    assert list(stored(again).values()) == [[0, 1, 2], [3, 4, 5], [6]]


def test_an_append_that_is_taken_back_is_written_over(dataset):
    dataset.append(rows(0, 1))
    mark = dataset.mark()
    dataset.append(rows(2, 3))
    dataset.back_to(mark)
    dataset.append(rows(4))
    assert stored(dataset) == {"part-00000.parquet": [0, 1, 4]}


def test_rewriting_drops_rows_and_adds_columns(dataset):
    dataset.append(rows(0, 1, 2))
    dataset.append(rows(3))
    dataset.schema = SCHEMA.append(pa.field("mae", pa.float64()))
    dataset.rewrite(lambda table: table.filter(pa.compute.greater(table["idx"], 0)))
    assert stored(dataset) == {"part-00000.parquet": [1, 2], "part-00001.parquet": [3]}
    assert pd.read_parquet(dataset.folder)["mae"].isna().all()


def test_damaged_parts_and_leftovers_are_not_read(dataset):
    dataset.append(rows(0))
    (dataset.folder / "part-00001.parquet").write_bytes(b"no Parquet")
    (dataset.folder / ".part-00001.parquet.tmp").write_bytes(b"half a write")
    aside = []
    again = LocalDataset(dataset.folder, SCHEMA, max_rows=3)
    assert [table["idx"].to_pylist() for table in again.open(aside.append)] == [[0]]
    assert [path.name for path in aside] == ["part-00001.parquet"]
    assert not list(dataset.folder.glob(".*"))
