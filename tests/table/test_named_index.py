"""A named index is no feature, but splits the rows if the plan names it."""

import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
import yaml

from sweep.models import predict
from sweep.models.predict import prepared_rows
from sweep.models.preparation import Preparation
from sweep.python.rows import rows_of
from trainables.table.data import load
from trainables.table.spec import DataSpec, Split

TIMES = pd.date_range("2024-01-01", periods=60, name="date").to_series().sample(frac=1, random_state=1).index
BY_TIME = Split(kind="time", column="date")


def frame(index=TIMES, **columns):
    numbers = np.random.default_rng(1).normal(size=(60, 2))
    return pd.DataFrame(numbers, columns=["a", "y"], index=index).assign(**columns)


def parquet(folder, table):
    table.to_parquet(folder / "t.parquet")
    return "t.parquet"


def feather(folder, table):
    pyarrow.feather.write_feather(pa.Table.from_pandas(table), folder / "t.feather")
    return "t.feather"


def function(folder, table):
    parquet(folder, table)
    path = folder / "my_data.py"
    path.write_text(
        f"import pandas\n\n\ndef load():\n    return pandas.read_parquet({str(folder / 't.parquet')!r})\n"
    )
    return "my_data.py:load"


def given(folder, table):
    rows = rows_of(table, "y")
    [(name, content)] = rows.files.items()
    (folder / name).write_bytes(content)
    return name


FORMS = pytest.mark.parametrize("form", [parquet, feather, function, given])


@FORMS
def test_a_named_index_splits_the_rows(tmp_path, form):
    table = frame()
    found = load(DataSpec(str(tmp_path / form(tmp_path, table)), "y", split=BY_TIME))
    assert found.features == ("a",)
    expected = table.sort_index()["a"].to_numpy("float32")
    np.testing.assert_array_equal(found.x_test[:, 0], expected[-12:])
    assert not any("no feature. A plan" in note for note in found.notes)


@FORMS
def test_an_index_that_the_plan_does_not_name_is_told_and_left_out(tmp_path, form):
    found = load(DataSpec(str(tmp_path / form(tmp_path, frame())), "y"))
    assert found.features == ("a",)
    [note] = found.notes
    assert 'the index "date" is no feature' in note and 'split: {kind: time, column: "date"}' in note
    plain = load(DataSpec(str(tmp_path / form(tmp_path, frame(None))), "y"))
    assert plain.notes == () and plain.features == ("a",)
    np.testing.assert_array_equal(plain.x_train, found.x_train)


def test_each_named_level_is_a_column_and_others_are_left_out(tmp_path):
    index = pd.MultiIndex.from_arrays([np.arange(60) % 6, TIMES, range(60)], names=["house", "date", None])
    path = str(tmp_path / parquet(tmp_path, frame(index)))
    found = load(
        DataSpec(
            path, "y", split=Split(kind="group", column="house"), missing={"date": "fill"}, drop=["date"]
        )
    )
    assert found.features == ("a",) and found.notes == (
        'The column "house" splits the rows and is no feature.',
    )
    numbers = load(DataSpec(path, "y", missing={"house": "fill"}))
    assert numbers.features == ("a", "house") and 'the index "date"' in numbers.notes[0]


@FORMS
def test_weights_at_some_points_may_be_in_a_named_index(tmp_path, form):
    table = frame(pd.Index(range(1, 61), name="w"))
    found = load(DataSpec(str(tmp_path / form(tmp_path, table)), "y"), weights=["w"])
    assert found.features == ("a",) and not found.notes
    assert sorted(np.concatenate(found.weights["w"])) == list(range(1, 61))


@pytest.mark.parametrize("name", ["a: b", 'the "day"', "no"])
def test_the_line_of_a_plan_names_the_index_as_yaml_does(tmp_path, name):
    [note] = load(DataSpec(str(tmp_path / parquet(tmp_path, frame(TIMES.rename(name)))), "y")).notes
    line = re.search(r"\((split: .*\})\)", note)[1]
    assert yaml.safe_load(line) == {"split": {"kind": "time", "column": name}}


@pytest.mark.parametrize("form", [parquet, feather])
@pytest.mark.parametrize("keys", [{"categories": {"house": "onehot"}}, {"missing": {"house": "fill"}}])
def test_the_very_frame_and_its_file_can_be_predicted(tmp_path, form, keys):
    index = pd.MultiIndex.from_arrays([np.arange(60) % 6, TIMES], names=["house", "date"])
    path = str(tmp_path / form(tmp_path, frame(index)))
    spec = DataSpec(path, "y", **keys)
    table = load(spec)
    assert table.features[0] == "a" and len(table.features) > 1
    prepared = Preparation.of(table)
    rows = prepared_rows(frame(index).head(9), prepared, spec, "rows")
    assert rows.index.equals(index[:9]) and rows["house"].astype(int).tolist() == [*range(6), 0, 1, 2]
    of_file, notes, _ = predict.rows_of(path, spec, table.recipe)
    assert notes == ()
    np.testing.assert_array_equal(
        table.recipe.encode(prepared_rows(of_file.head(9), prepared, spec, "file"))[0],
        table.recipe.encode(rows)[0],
    )
    columns = prepared_rows(frame(index).reset_index("house").head(9), prepared, spec, "rows")
    assert columns["house"].tolist() == rows["house"].tolist()


def test_an_index_with_the_name_of_a_column_is_told(tmp_path):
    parquet(tmp_path, frame(None))
    path = tmp_path / "other.py"
    path.write_text(
        "import pandas\n\n\ndef load():\n"
        f"    found = pandas.read_parquet({str(tmp_path / 't.parquet')!r})\n"
        "    return found.set_index('a', drop=False)\n"
    )
    found = load(DataSpec(f"{path}:load", "y"))
    assert found.features == ("a",) and 'the index is called "a", as a column is' in found.notes[0]


def test_an_index_that_no_file_can_hold_is_left_out(tmp_path):
    table = frame(pd.Index([b"b", *range(59)], dtype=object, name="odd"))
    assert load(DataSpec(str(tmp_path / given(tmp_path, table)), "y")).features == ("a",)


def test_the_rows_of_a_search_differ_by_their_named_index_only():
    table = frame()
    first, other = rows_of(table, "y"), rows_of(table.set_axis(TIMES.sort_values()), "y")
    assert first.digest != other.digest
    nameless = [rows_of(table.set_axis(index), "y") for index in (range(60), np.arange(60.0))]
    assert nameless[0].digest == nameless[1].digest and nameless[0].files == nameless[1].files
