"""No part of a table is left without rows in silence, and no remedy leads there."""

import numpy as np
import pandas as pd
import pytest
import yaml

from trainables.table.data import _of_arrays, load
from trainables.table.given import given as of_arrays
from trainables.table.lost import MIN_ROWS
from trainables.table.spec import DataError, DataSpec

CHANCE = np.random.default_rng(3)


def frame(count):
    x = CHANCE.normal(size=(count, 2)).round(3)
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "y": (x[:, 0] > 0).astype(int)})


def refused(folder, options=None, **parts):
    """Return what is said of a table in files, which are called as their keys of a plan."""
    paths = {}
    for key, part in parts.items():
        paths[key] = str(folder / f"{key}.csv")
        part.to_csv(paths[key], index=False)
    with pytest.raises(DataError) as error:
        load(DataSpec(target="y", **paths, **(options or {})))
    return str(error.value)


@pytest.mark.parametrize("options", [None, {"missing": {"y": "drop_rows"}}, {"missing": "drop_rows"}])
@pytest.mark.parametrize("key", ["test_path", "validation_path"])
def test_a_part_without_a_target_is_refused_instead_of_a_share_of_the_train_rows(tmp_path, options, key):
    said = refused(tmp_path, options, path=frame(90), **{key: frame(30).assign(y=np.nan)})
    assert f'{key}.csv: the target "y" has no value in any row' in said or (
        f'the target "y" has no value in any row of {tmp_path / key}.csv' in said
    )
    assert "as in a file for a competition" in said and f"Remove data.{key}" in said
    assert "`sweep predict` takes such a file" in said and "drop_rows" not in said.replace(str(tmp_path), "")


@pytest.mark.parametrize("key", ["test_path", "validation_path"])
def test_a_part_without_a_feature_is_refused_and_the_remedies_work(tmp_path, key):
    parts = {"path": frame(90), key: frame(30).assign(b=np.nan)}
    said = refused(tmp_path, {"missing": "drop_rows"}, **parts)
    assert f"{key}.csv: missing: drop_rows leaves 0 of 30 rows" in said and '"b" (30)' in said
    paths = {key: str(tmp_path / f"{key}.csv") for key in parts}
    for line in said.splitlines()[-2:]:
        table = load(DataSpec(target="y", **paths, **{"missing": "drop_rows", **yaml.safe_load(line)}))
        assert (len(table.y_test) if key == "test_path" else table.validation) == 30
    offered = pasted_lines(refused(tmp_path, **parts))
    assert "missing: fill" in offered and "missing: drop_rows" not in offered


def pasted_lines(message):
    return [line.strip() for line in message.partition("in the plan:\n")[2].splitlines()]


def test_a_part_of_which_each_row_has_a_gap_somewhere_is_refused(tmp_path):
    test = frame(30)
    test.loc[::2, "a"] = test.loc[1::2, "b"] = np.nan
    said = refused(tmp_path, {"missing": "drop_rows"}, path=frame(90), test_path=test)
    assert "leaves 0 of 30 rows, but some to be the test rows are needed" in said
    assert '"a" (15), "b" (15)' in said


def test_rows_of_a_table_in_memory_are_no_share_of_the_train_rows_either(tmp_path):
    frame(90).to_parquet(tmp_path / "data.parquet")
    frame(0).to_parquet(tmp_path / "test.parquet")
    spec = DataSpec(str(tmp_path / "data.parquet"), "y", test_path=str(tmp_path / "test.parquet"))
    with pytest.raises(DataError, match=r"there are no rows\. Name another file in data\.test_path"):
        load(spec)


@pytest.mark.parametrize(("count", "words"), [(0, "have no rows"), (10, "the test rows have no target")])
def test_given_arrays_of_test_rows_need_a_target(tmp_path, count, words):
    x, y = CHANCE.normal(size=(60, 2)), CHANCE.normal(size=60)
    np.savez(tmp_path / "d.npz", x=x, y=y, x_test=x[:count], y_test=np.full(count, np.nan))
    with pytest.raises(DataError, match=words):
        load(DataSpec(str(tmp_path / "d.npz"), "y"))


def test_values_that_the_plan_takes_for_gaps_are_told(tmp_path):
    train, test = frame(90), frame(30)
    options = {"na": ["no", "yes"], "missing": {"y": "drop_rows"}}
    said = refused(tmp_path, options, path=train, test_path=test.assign(y=test["y"].map({0: "no", 1: "yes"})))
    assert "data.na takes 'no', 'yes' for gaps; remove its values from na if they are there" in said


def test_too_few_rows_are_told_with_their_columns_and_the_remedies_work(tmp_path):
    table = frame(100).assign(pool=[None] * 95 + ["x", "y"] * 2 + ["x"], c=[None, 1.5, 2, 3] * 25)
    table.loc[:, "d"] = np.where(np.arange(100) < 40, np.nan, np.arange(100) % 7)
    said = refused(tmp_path, {"missing": "drop_rows"}, path=table)
    left = len(table.dropna())
    assert f"missing: drop_rows leaves {left} of 100 rows, but at least {MIN_ROWS} are needed" in said
    assert '"pool" (95), "d" (40), "c" (25)' in said
    for line in said.splitlines()[-2:]:
        found = load(
            DataSpec(str(tmp_path / "path.csv"), "y", **{"missing": "drop_rows", **yaml.safe_load(line)})
        )
        assert len(found.y_train) + len(found.y_test) >= 40
    offered = pasted_lines(refused(tmp_path, path=table))
    assert "missing: fill" in offered and "missing: drop_rows" not in offered
    assert "missing: drop_rows" in pasted_lines(refused(tmp_path, path=table.drop(columns="pool")))


def test_a_target_with_too_few_values_is_not_said_to_be_mended_by_fewer_rows(tmp_path):
    table = frame(100)
    table.loc[10:, "y"] = np.nan
    said = refused(tmp_path, path=table)
    assert "to leave out these rows would leave too few" in said and "drop_rows" not in said
    said = refused(tmp_path, {"missing": {"y": "drop_rows"}}, path=table)
    assert "leaves 10 of 100 rows" in said and '"y" (90)' in said


def test_a_file_without_gaps_and_with_few_rows_needs_more(tmp_path):
    assert "the table has 12 rows, but needs at least 20. Give more data." in refused(
        tmp_path, path=frame(12)
    )


@pytest.mark.parametrize("column", ["y", "code"])
@pytest.mark.parametrize("of_words", ["path", "test_path", "validation_path"])
def test_values_of_another_kind_in_one_file_are_no_gaps(tmp_path, column, of_words):
    parts = {key: frame(n) for key, n in (("path", 90), ("test_path", 60), ("validation_path", 50))}
    parts = {key: part.assign(code=part["y"] + 1) for key, part in parts.items()}
    words = parts[of_words][column].map({0: "no", 1: "yes", 2: "perhaps"})
    parts[of_words] = parts[of_words].assign(**{column: words})
    said = refused(tmp_path, **parts)
    assert "Write the same values in all files" in said and "na:" not in said and "multiclass" not in said
    assert f"but other values in {tmp_path / of_words}.csv, such as {words[0]!r} in row 2" in said
    assert f"holds numbers in {tmp_path / ('test_path' if of_words == 'path' else 'path')}.csv" in said


def test_classes_of_another_kind_in_given_arrays_of_test_rows_are_told():
    x, y = CHANCE.normal(size=(60, 2)), CHANCE.integers(0, 2, 60)
    given = {"x": x, "y": y, "x_test": x[:20], "y_test": np.where(y[:20], "yes", "no")}
    with pytest.raises(DataError) as error:
        _of_arrays(of_arrays(given, "my_data.py"), DataSpec("my_data.py:load", "y"), 0.2)
    assert "holds numbers in y, but other values in y_test" in str(error.value)


def test_a_sign_in_all_rows_of_a_file_and_marks_in_some_may_be_gaps(tmp_path):
    test = frame(30).assign(b="?")
    assert 'na: ["?"]' in pasted_lines(refused(tmp_path, path=frame(90), test_path=test))
    test = frame(30).astype({"b": object})
    test.loc[:4, "b"] = ["none", "none", "lost", "lost", "lost"]
    assert 'na: ["lost", "none"]' in pasted_lines(refused(tmp_path, path=frame(90), test_path=test))
