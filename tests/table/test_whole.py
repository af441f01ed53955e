"""Whole numbers that are categories keep all of their digits, whatever file they are from."""

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
import pytest

from trainables.table.data import DataSpec, load
from trainables.table.readers import content, read
from trainables.table.recipe import texts_of

ROWS = 40
IDS = [2**53 + number for number in range(ROWS)]


def written(folder, ids, ending, name="t"):
    """Write a table with a column of ids, and return its path."""
    kind = pa.uint64() if max(filter(None, ids)) > 2**63 else pa.int64()
    columns = {"a": np.arange(len(ids)) % 7, "id": pa.array(ids, kind), "y": np.arange(len(ids)) * 0.5}
    table, path = pa.table(columns), str(folder / f"{name}{ending}")
    if ending == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        {".parquet": pyarrow.parquet.write_table, ".feather": pyarrow.feather.write_feather}[ending](
            table, path
        )
    return path


def categories_of(path):
    """Return the table of a file, and the column of its ids."""
    table = load(DataSpec(path, "y", categories={"id": "ordinal"}, missing="fill"))
    [column] = [column for column in table.recipe.columns if column.name == "id"]
    return table, column


@pytest.mark.parametrize("ending", [".csv", ".parquet", ".feather"])
@pytest.mark.parametrize("start", [0, 2**53, -(2**53) - ROWS, 2**63])
def test_ids_with_gaps_keep_their_digits(tmp_path, ending, start):
    ids = [start + number for number in range(ROWS)]
    with_gaps = [None if number % 9 == 4 else one for number, one in enumerate(ids)]
    table, column = categories_of(written(tmp_path, with_gaps, ending))
    present = [one for one in with_gaps if one is not None]
    assert set(column.categories) <= set(map(str, present))
    assert len(column.categories) == int((table.x_train[:, table.features.index("id_missing")] == 0).sum())


def test_ids_of_a_function_keep_their_digits(tmp_path):
    path = tmp_path / "my_data.py"
    for kind, wide in (("int", 2**53), ("decimal.Decimal", 2**53), ("int", 2**100)):
        path.write_text(
            "import decimal\nimport pandas as pd\n\n\ndef load():\n"
            f"    ids = [None, *({kind}({wide} + n) for n in range(39))]\n"
            "    return pd.DataFrame({'a': range(40), 'id': pd.Series(ids, dtype=object), 'y': range(40)})\n"
        )
        _, column = categories_of(f"{path}:load")
        assert set(column.categories) <= {str(wide + n) for n in range(39)} and len(column.categories) >= 31
    assert decimal.Decimal(2**53 + 1) == 2**53 + 1


def test_ids_of_two_files_of_which_one_is_above_int64(tmp_path):
    wide = [2**63 + number for number in range(ROWS)]
    path, test = written(tmp_path, wide, ".csv"), written(tmp_path, IDS[:5], ".csv", "test")
    table = load(DataSpec(path, "y", categories={"id": "ordinal"}, test_path=test))
    assert set(table.recipe.columns[-1].categories) == set(map(str, wide))


def test_other_columns_and_numbers_are_as_pandas_reads_them(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("whole,half,named,none\n1,1.5,1e3,1\n,,,\n3,2,5,2\n")
    spec = DataSpec(str(path), "none", categories={"half": "onehot", "named": "onehot", "whole": "onehot"})
    frame = read(str(path), content(str(path)), spec).frame
    assert [str(kind) for kind in frame.dtypes] == ["Int64", "float64", "float64", "float64"]
    assert texts_of(frame["named"].dropna()) == ["1000", "5"]


def test_hashed_ids_are_hashed_with_all_digits(tmp_path):
    with_gap, without = [None, *IDS[1:]], IDS
    of_gaps, of_all = (load(DataSpec(written(tmp_path, ids, ".csv"), "y", categories={"id": "hash"}, missing="fill"))
                       for ids in (with_gap, without))  # fmt: skip
    same = [name for name in of_all.features if name in of_gaps.features and name.startswith("id_hash")]
    order = pd.Series(range(ROWS)).sample(frac=0.8, random_state=0).to_numpy()
    for name in same:
        columns = (made.x_train[order > 0, made.features.index(name)] for made in (of_gaps, of_all))
        np.testing.assert_array_equal(*columns)
    assert len(same) > 10
