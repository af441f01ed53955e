"""Any reader of Parquet can read a part, and no changed or missing byte goes unnoticed."""

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from results.store import parquet


@pytest.fixture
def table():
    chance = np.random.default_rng(1)
    return pa.table(
        {
            "idx": np.arange(200),
            "name": ["relu", "elu"] * 100,
            "loss": chance.normal(size=200),
            "error": pa.array([None] * 199 + ["é"], pa.string()),
        }
    )


def test_plain_readers_read_a_sealed_file(tmp_path, table):
    path = tmp_path / "part.parquet"
    path.write_bytes(parquet.to_bytes(table))
    pd.testing.assert_frame_equal(pd.read_parquet(path), table.to_pandas())
    assert duckdb.sql(f"SELECT sum(idx), count(error) FROM '{path}' WHERE name = 'elu'").fetchall() == [
        (10_000, 1)
    ]
    assert parquet.read(path).equals(table)


def test_no_flipped_bit_goes_unnoticed(tmp_path, table):
    path = tmp_path / "part.parquet"
    raw = parquet.to_bytes(table)
    chance = np.random.default_rng(2)
    for bit in chance.choice(len(raw) * 8, size=2000, replace=False):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << (bit % 8)
        path.write_bytes(flipped)
        with pytest.raises(parquet.DamagedError):
            parquet.read(path)


def test_no_truncation_goes_unnoticed(tmp_path, table):
    path = tmp_path / "part.parquet"
    raw = parquet.to_bytes(table)
    for length in [0, 1, 7, 8, 39, 40, len(raw) // 2, len(raw) - 1]:
        path.write_bytes(raw[:length])
        with pytest.raises(parquet.DamagedError):
            parquet.read(path)
