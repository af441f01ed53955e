"""The overview shows what each column of a table becomes, and what may be wrong with it."""

import numpy as np
import pandas as pd

from trainables.table.data import load
from trainables.table.overview import columns_of, parts_of, warnings_of
from trainables.table.spec import DataSpec, Split


def table(folder, **columns):
    chance = np.random.default_rng(2)
    frame = pd.DataFrame({"a": chance.normal(size=100), "kind": chance.choice(["u", "v", "w"], 100)})
    frame["y"] = np.where(np.arange(100) % 20 == 0, "rare", "usual")
    frame = frame.assign(**columns)
    frame.to_csv(folder / "t.csv", index=False)
    return frame, str(folder / "t.csv")


def test_each_column_says_what_it_becomes(tmp_path):
    gaps = np.where(np.arange(100) % 7 == 0, np.nan, 2.0 * np.arange(100))
    flags = np.resize(["TRUE", "FALSE", ""], 100)
    _, path = table(tmp_path, gaps=gaps, one=3, when=range(100), id=range(100), w=1.5, flag=flags)
    spec = DataSpec(
        path, "y", drop=["id"], missing="fill", weight="w", split=Split(kind="time", column="when")
    )
    prepared = load(spec)
    listed = {one["column"]: one for one in columns_of(spec, prepared)}
    assert {name: one["becomes"].split(",")[0] for name, one in listed.items()} == {
        "a": "a number", "kind": "3 indicators", "y": "target", "gaps": "a number", "one": "left out",
        "when": "splits the rows (time)", "id": "dropped", "w": "weights of the rows", "flag": "2 indicators",
    }  # fmt: skip
    assert listed["gaps"]["gaps"] == 15 and "gaps are" in listed["gaps"]["becomes"]
    assert listed["kind"]["distinct"] == 3 and listed["kind"]["type"] == "texts"
    assert listed["flag"]["type"] == "truth values"


def test_a_table_that_cannot_be_used_is_shown_all_the_same(tmp_path):
    _, path = table(tmp_path, gaps=[None, *range(99)], price=[f"${n}" for n in range(100)])
    listed = {one["column"]: one["becomes"] for one in columns_of(DataSpec(path, "y"), None)}
    assert listed["gaps"] == "refused: gaps" and listed["price"] == "refused" and listed["a"] == "number"


def test_parts_and_their_classes_are_counted(tmp_path):
    frame, path = table(tmp_path)
    prepared = load(DataSpec(path, "y"))
    parts = parts_of(prepared, 0.25)
    assert parts["rows"] == {"fitted": 64, "validation": 16, "test": 20}
    total = {label: sum(counts.values()) for label, counts in parts["classes"].items()}
    assert total == frame["y"].value_counts().to_dict()
    assert parts["classes"]["rare"]["test"] == 1  # stratified


def test_what_may_be_wrong_is_told(tmp_path):
    frame, path = table(tmp_path)
    assert ["rare has 5.0%" in sentence for sentence in warnings_of(load(DataSpec(path, "y")))] == [True]
    pd.concat([frame, frame]).to_csv(path, index=False)
    assert "test rows are in the train rows too" in warnings_of(load(DataSpec(path, "y")))[0]


def test_a_class_without_train_rows_is_not_advised_to_be_weighted(tmp_path):
    frame, path = table(tmp_path, y=["no", "yes"] * 50)
    other = str(tmp_path / "test.csv")
    frame.assign(a=frame["a"] + 10, y=frame["y"] + ".").to_csv(other, index=False)
    prepared = load(DataSpec(path, "y", test_path=other))
    assert prepared.classes == ("no", "no.", "yes", "yes.") and warnings_of(prepared) == []
    assert any("No train row has the class 'no.', 'yes.'" in note for note in prepared.notes)
    frame.assign(y=["no"] * 3 + ["yes"] * 97).to_csv(path, index=False)
    [warning] = warnings_of(load(DataSpec(path, "y", test_path=other)))
    assert warning.startswith("The class no has 3.0% of the train rows")


def test_weights_at_some_points_are_listed_in_a_column_and_in_a_named_index(tmp_path):
    frame, _ = table(tmp_path)
    index = pd.Index(range(1, 101), name="level")
    frame.assign(w=1.5).set_index(index).to_parquet(tmp_path / "t.parquet")
    spec, weights = DataSpec(str(tmp_path / "t.parquet"), "y"), ["w", "level"]
    for prepared in (load(spec, weights=weights), None):
        listed = {one["column"]: one["becomes"] for one in columns_of(spec, prepared, weights)}
        assert listed["w"] == listed["level"] == "weights of the rows" and listed["a"].endswith("number")
