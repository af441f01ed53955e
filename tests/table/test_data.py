"""A table becomes the same arrays as by plain pandas, and a bad one is refused with the place of the fault."""

import hashlib
import re
import textwrap
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.help.bad_input import BAD_TABLES
from tests.help.plans import write_table
from trainables.table import data, splits
from trainables.table.data import ABALONE, DataError, DataSpec, Split, load


def test_the_shipped_table_is_the_one_of_the_source():
    assert hashlib.sha256(data.ABALONE_PATH.read_bytes()).hexdigest() == data.ABALONE_SHA256
    assert data.ABALONE_PATH.stat().st_size == 191_873


def test_abalone_is_prepared_as_the_reference_says():
    table = load(ABALONE)
    assert table.x_train.shape == (3342, 10) and table.x_test.shape == (835, 10)
    assert {array.dtype.name for array in (table.x_train, table.y_train, table.x_test, table.y_test)} == {
        "float32"
    }
    assert table.features[-3:] == ("Sex_F", "Sex_I", "Sex_M")
    # The digits of the reference; float32 sums of 3,342 rows agree with them to 1e-6.
    mean, variance = table.x_train.mean(0, dtype="float64"), table.x_train.var(0, dtype="float64")
    np.testing.assert_allclose(mean[:4], [0.5240649, 0.4077229, 0.13945538, 0.82737887], rtol=1e-6)
    np.testing.assert_allclose(variance[:4], [0.01422794, 0.00970037, 0.00150639, 0.23864637], rtol=1e-5)


def test_abalone_is_what_plain_pandas_makes():
    frame = pd.read_csv(data.ABALONE_PATH, names=list(data.ABALONE_COLUMNS))
    frame = pd.get_dummies(frame, prefix="", prefix_sep="")
    train = frame.sample(frac=0.8, random_state=0)
    test = frame.drop(train.index)
    table = load(ABALONE)
    np.testing.assert_array_equal(table.y_train, train.pop("Rings").to_numpy("float32"))
    np.testing.assert_array_equal(table.y_test, test.pop("Rings").to_numpy("float32"))
    np.testing.assert_array_equal(table.x_train, train.to_numpy("float32"))
    # The bits of a mean over the rows depend on the order in memory.
    np.testing.assert_array_equal(table.x_train.mean(0), train.to_numpy("float32").mean(0))
    np.testing.assert_array_equal(table.x_test, test.to_numpy("float32"))


def test_the_indicator_columns_of_a_text_are_known():
    table = load(ABALONE)
    assert table.groups == {"Sex": (7, 8, 9)}
    np.testing.assert_array_equal(table.x_test[:, 7:].sum(1), 1)


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "table é.csv"
    write_table(path)
    return path


def test_csv_and_parquet_give_the_same_arrays(csv):
    parquet = csv.with_suffix(".parquet")
    pd.read_csv(csv).to_parquet(parquet)
    one = load(DataSpec(str(csv), "target", test_fraction=0.25, split_seed=3))
    other = load(DataSpec(str(parquet), "target", test_fraction=0.25, split_seed=3))
    assert one.features == other.features == ("a", "b", "kind_x", "kind_y")
    assert len(one.x_test) == 30
    np.testing.assert_array_equal(one.x_train, other.x_train)
    np.testing.assert_array_equal(one.y_test, other.y_test)


def test_options_of_text_files(csv):
    plain = load(DataSpec(str(csv), "target", drop=["b"]))
    table = pd.read_csv(csv)
    table.to_csv(csv, sep=";", header=False, index=False, encoding="latin-1")
    spec = DataSpec(
        str(csv),
        "t",
        header=False,
        columns=["a", "b", "kind", "t"],
        delimiter=";",
        encoding="latin-1",
        drop=["b"],
    )
    np.testing.assert_array_equal(load(spec).x_train, plain.x_train)
    # A byte order mark is no part of the first name.
    table.to_csv(csv, index=False, encoding="utf-8-sig")
    np.testing.assert_array_equal(load(DataSpec(str(csv), "target", drop=["b"])).x_train, plain.x_train)


def test_booleans_and_integers_are_features(csv):
    table = pd.read_csv(csv).assign(flag=lambda t: t["a"] > 0, count=lambda t: np.arange(len(t)))
    table.to_csv(csv, index=False)
    assert load(DataSpec(str(csv), "target")).features == ("a", "b", "flag", "count", "kind_x", "kind_y")


def test_columns_belong_to_the_text_they_came_from_whatever_they_are_called(csv):
    table = pd.read_csv(csv)
    odd = {"kind_z": np.arange(120), "kind_x": np.where(table["a"] > 0, "x", "yes"), "flag": table["b"] > 0}
    table.rename(columns={"kind": "kind_x_y"}).assign(**odd).to_csv(csv, index=False)
    found = load(DataSpec(str(csv), "target"))
    names = {
        name: [found.features[position] for position in positions] for name, positions in found.groups.items()
    }
    assert names == {"kind_x_y": ["kind_x_y_x", "kind_x_y_y"], "kind_x": ["kind_x_x", "kind_x_yes"]}
    assert load(DataSpec(str(csv), "target", drop=["kind_x", "kind_x_y"])).groups == {}


@pytest.mark.parametrize("case", BAD_TABLES)
def test_a_bad_table_is_refused_with_its_place(csv, case):
    spoil, options, fragments = BAD_TABLES[case]
    if spoil is not None:
        spoil(csv)
    with pytest.raises(DataError) as error:
        load(DataSpec(**{"path": str(csv), "target": "target", **options}))
    for fragment in fragments:
        assert fragment in str(error.value)


def test_a_damaged_parquet_file_is_refused(tmp_path):
    path = tmp_path / "table.parquet"
    path.write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        load(DataSpec(str(path), "target"))


def test_times_are_refused(tmp_path):
    path = tmp_path / "table.parquet"
    frame = write_table(tmp_path / "t.csv").assign(when=pd.Timestamp("2020-01-01"))
    frame.to_parquet(path)
    with pytest.raises(DataError, match='"when" holds values of type Timestamp'):
        load(DataSpec(str(path), "target"))


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        ([[1, 2]] * 60 + [[3]] * 60, "ndarray"),
        ([{"x": i} for i in range(120)], "dict"),
        (pd.period_range("2020-01", periods=120, freq="M"), "Period"),
        (pd.timedelta_range("1h", periods=120), "Timedelta"),
    ],
)
def test_other_kinds_of_values_are_refused(tmp_path, values, kind):
    path = tmp_path / "table.parquet"
    write_table(tmp_path / "t.csv").assign(odd=values).to_parquet(path)
    with pytest.raises(DataError, match=f'"odd" holds values of type {kind}'):
        load(DataSpec(str(path), "target"))


def test_a_parquet_file_with_a_name_twice_is_refused(tmp_path):
    path = tmp_path / "table.parquet"
    column = pa.array(range(30))
    pq.write_table(pa.table([column, column, column], names=["a", "a", "target"]), path)
    with pytest.raises(DataError, match='two columns are called "a"'):
        load(DataSpec(str(path), "target"))


def test_nullable_and_categorical_parquet_columns_are_features(tmp_path):
    path = tmp_path / "table.parquet"
    frame = write_table(tmp_path / "t.csv")
    frame = frame.assign(
        kind=frame["kind"].astype("category"), count=pd.array(range(120), "Int64"), flag=frame["a"] > 0
    )
    frame.to_parquet(path)
    table = load(DataSpec(str(path), "target"))
    assert sorted(table.features) == ["a", "b", "count", "flag", "kind_x", "kind_y"]
    assert [table.features[position] for position in table.groups["kind"]] == ["kind_x", "kind_y"]


@pytest.mark.parametrize(
    "options",
    [
        {"test_fraction": 0},
        {"test_fraction": 1.0},
        {"split_seed": -1},
        {"delimiter": ";;"},
        {"columns": ["a"]},
        {"header": False},
    ],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(DataError, match=r"data\."):
        DataSpec("table.csv", "target", **options)


def test_an_unseen_category_changes_its_own_row_only_and_is_told(csv):
    frame = pd.read_csv(csv)
    plain = load(DataSpec(str(csv), "target"))
    test = frame.drop(frame.sample(frac=0.8, random_state=0).index)
    frame.loc[test.index[0], "kind"] = "only in the test rows"
    frame.to_csv(csv, index=False)
    table = load(DataSpec(str(csv), "target"))
    np.testing.assert_array_equal(table.x_train, plain.x_train)
    np.testing.assert_array_equal(table.x_test[1:], plain.x_test[1:])
    assert table.x_test[0, 2:].tolist() == [0, 0]
    assert ["only in the test rows" in note for note in table.notes] == [True]


def test_gaps_are_filled_or_their_rows_left_out(csv):
    frame = pd.read_csv(csv)
    frame.loc[::7, "a"] = None
    frame.loc[::11, "kind"] = None
    frame.to_csv(csv, index=False)
    with pytest.raises(DataError, match="2 columns cannot be used"):
        load(DataSpec(str(csv), "target"))
    filled = load(DataSpec(str(csv), "target", missing="fill"))
    assert filled.features == ("a", "b", "kind_x", "kind_y", "a_missing", "kind_missing")
    train = frame.sample(frac=0.8, random_state=0)
    np.testing.assert_array_equal(
        filled.x_train[:, 0], train["a"].fillna(train["a"].median()).to_numpy("float32")
    )
    np.testing.assert_array_equal(filled.x_train[:, 4], train["a"].isna())
    dropped = load(DataSpec(str(csv), "target", missing={"a": "drop_rows", "kind": "fill"}))
    assert len(dropped.x_train) + len(dropped.x_test) == frame["a"].notna().sum()
    assert "rows have gaps and are left out" in dropped.notes[0]


def test_a_gap_in_the_target_is_never_filled(csv):
    frame = pd.read_csv(csv)
    frame.loc[3, "target"] = None
    frame.to_csv(csv, index=False)
    with pytest.raises(DataError, match=r'the target "target" has no value in row 5') as refused:
        load(DataSpec(str(csv), "target", missing="fill"))
    table = load(DataSpec(str(csv), "target", missing={"target": "drop_rows"}))
    assert 'missing: {"target": "drop_rows"}' in str(refused.value)
    assert len(table.y_train) + len(table.y_test) == len(frame) - 1


def test_classes_are_stratified_if_the_target_is_of_texts(csv):
    frame = pd.read_csv(csv).assign(target=["no", "no", "no", "yes"] * 30)
    frame.to_csv(csv, index=False)
    table = load(DataSpec(str(csv), "target"))
    assert table.task == "binary" and table.classes == ("no", "yes")
    validation = table.y_train[-table.validation :]
    assert [round(part.mean(), 2) for part in (table.y_train, validation, table.y_test)] == [0.25, 0.25, 0.25]
    # Numbers are split at random, as before there were classes.
    frame.assign(target=[0, 0, 0, 1] * 30).to_csv(csv, index=False)
    assert load(DataSpec(str(csv), "target")).validation is None
    # A class with too few rows does not stop anything.
    frame.assign(target=["one", *["no", "yes"] * 59, "no"]).to_csv(csv, index=False)
    rare = load(DataSpec(str(csv), "target"))
    assert rare.validation is None and 'The class "one"' in rare.notes[0]


def test_other_files_give_the_test_and_validation_rows(csv):
    frame = pd.read_csv(csv)
    parts = {"path": frame[:80], "test_path": frame[80:100][list(reversed(frame.columns))],
             "validation_path": frame[100:]}  # fmt: skip
    paths = {}
    for key, part in parts.items():
        paths[key] = str(csv.with_name(f"{key}.csv"))
        part.to_csv(paths[key], index=False)
    table = load(DataSpec(target="target", **paths))
    assert table.validation == 20 and len(table.x_train) == 100
    np.testing.assert_array_equal(table.y_test, frame["target"][80:100].to_numpy("float32"))
    np.testing.assert_array_equal(table.y_train[80:], frame["target"][100:].to_numpy("float32"))
    assert sorted(table.y_train[:80]) == sorted(frame["target"][:80].to_numpy("float32"))
    frame[:30].drop(columns="b").to_csv(paths["test_path"], index=False)
    with pytest.raises(DataError, match=r"test_path\.csv: there is no column 'b', as in .* the same columns"):
        load(DataSpec(target="target", **paths))
    frame[:30].drop(columns="target").to_csv(paths["test_path"], index=False)
    with pytest.raises(
        DataError, match=r"test_path\.csv: .* without the target, .*`sweep predict` takes such a file"
    ):
        load(DataSpec(target="target", **paths))


def test_a_rare_class_is_not_told_if_no_rows_are_split(csv):
    frame = pd.read_csv(csv).assign(target=["one", *["no", "yes"] * 59, "no"])
    paths = {key: str(csv.with_name(f"{key}.csv")) for key in ("path", "test_path", "validation_path")}
    for key, part in zip(paths, (frame[:60], frame[60:90], frame[90:]), strict=True):
        part.to_csv(paths[key], index=False)
    assert not any("split at random" in note for note in load(DataSpec(target="target", **paths)).notes)
    paths.pop("validation_path")  # a share of the train rows again
    assert any("split at random" in note for note in load(DataSpec(target="target", **paths)).notes)


def test_weights_of_rows_are_no_feature(csv):
    frame = pd.read_csv(csv).assign(w=lambda t: t["a"].abs(), v=1.0)
    frame.to_csv(csv, index=False)
    table = load(DataSpec(str(csv), "target", weight="w"), weights=["v"])
    assert table.features == ("a", "b", "kind_x", "kind_y") and list(table.weights) == ["w", "v"]
    np.testing.assert_array_equal(table.weights["w"][0], np.abs(table.x_train[:, 0]))
    np.testing.assert_array_equal(table.weights["w"][1], np.abs(table.x_test[:, 0]))
    frame.loc[3, "w"] = -1
    frame.to_csv(csv, index=False)
    with pytest.raises(DataError, match=r'"w" is -1.0 in row 5, but a weight is not negative'):
        load(DataSpec(str(csv), "target", weight="w"))


def test_a_feature_that_is_the_target_is_told(csv):
    frame = pd.read_csv(csv)
    frame.assign(leak=frame["target"]).to_csv(csv, index=False)
    assert 'The feature "leak" equals the target' in load(DataSpec(str(csv), "target")).notes[0]


def test_categories_that_differ_only_in_blanks_are_told(csv):
    frame = pd.read_csv(csv)
    frame["kind"] = np.resize(["x", " x", "y"], len(frame))
    frame.to_parquet(csv.with_suffix(".parquet"))
    [note] = load(DataSpec(str(csv.with_suffix(".parquet")), "target")).notes
    assert note.startswith("The column \"kind\" has ' x', 'x', which differ only in blanks")
    frame.assign(kind=np.resize(["x", "X"], len(frame))).to_csv(csv, index=False)
    assert load(DataSpec(str(csv), "target")).notes == ()


@pytest.mark.parametrize(
    ("ones", "options", "is_told"),
    [
        (6, {}, True),
        (30, {}, False),
        (6, {"task": "binary"}, False),
        (6, {"split": Split(kind="random")}, False),
        (6, {"split": Split(kind="stratified")}, False),
        (3, {}, False),  # too few for a share in each part
    ],
)
def test_a_rare_number_that_is_split_at_random_is_told(csv, ones, options, is_told):
    frame = pd.read_csv(csv)
    frame.assign(target=(np.arange(len(frame)) < ones).astype(int)).to_csv(csv, index=False)
    table = load(DataSpec(str(csv), "target", **options))
    notes = [note for note in table.notes if "split at random" in note]
    assert bool(notes) == is_told
    if is_told:
        fit, counted = len(table.y_train) - splits.fitted(len(table.y_train), 0.2), table.y_train
        parts = [counted[:-fit].sum(), counted[-fit:].sum(), table.y_test.sum()]
        expected = "{:.0f} fitted, {:.0f} validation, {:.0f} test rows".format(*parts)
        assert expected in notes[0] and "task: binary" in notes[0] and "only 6 of 120 rows" in notes[0]


def test_two_targets(csv):
    frame = pd.read_csv(csv)
    table = load(DataSpec(str(csv), ["target", "b"]))
    assert table.y_train.shape == (96, 2) and table.targets == ("target", "b")
    train = frame.sample(frac=0.8, random_state=0)
    np.testing.assert_array_equal(table.y_train, train[["target", "b"]].to_numpy("float32"))


def test_columns_that_are_the_classes_of_one_target(csv):
    frame = pd.read_csv(csv)
    codes = np.arange(len(frame)) % 3
    frame.assign(**{name: (codes == n).astype(int) for n, name in enumerate("wcd")}).to_csv(csv, index=False)
    table = load(DataSpec(str(csv), ["w", "c", "d"], task="multiclass"))
    assert table.y_train.shape == (96,) and table.classes == ("w", "c", "d")
    assert table.targets == ("w, c, d",) and table.target == "w, c, d"
    assert np.bincount(table.y_test.astype(int)).tolist() == [8, 8, 8]  # stratified, as classes of texts are


def test_columns_that_are_not_there_are_named_together(csv):
    spec = DataSpec(str(csv), "target", drop=["q", 9], categories={"r": "hash"}, missing={"s": "fill"})
    with pytest.raises(DataError, match=r'column 9, which .*column "q".*column "r".*column "s"'):
        load(spec)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"test": 0}, "data.split.test"),
        ({"validation": 1.5}, "data.split.validation"),
        ({"kind": "group"}, "data.split.column must name"),
        ({"column": "day"}, "split: {kind: group, column: day}"),
        ({"seed": -1}, "data.split.seed"),
    ],
)
def test_a_split_out_of_range_is_refused(options, words):
    with pytest.raises(DataError, match=words.replace("{", r"\{")):
        Split(**options)


def test_a_remedy_keeps_what_the_plan_says_of_other_gaps(csv):
    frame = pd.read_csv(csv)
    frame.loc[3, "target"] = frame.loc[5, "a"] = None
    frame.to_csv(csv, index=False)
    with pytest.raises(DataError) as refused:
        load(DataSpec(str(csv), "target", missing="fill"))
    [line] = [line.strip() for line in str(refused.value).splitlines() if "missing:" in line]
    table = load(DataSpec(str(csv), "target", **yaml.safe_load(line)))
    assert len(table.y_train) + len(table.y_test) == len(frame) - 1 and "a_missing" in table.features


def test_a_column_that_counts_the_rows_is_told(csv):
    pd.read_csv(csv).assign(id=range(1, 121), year=range(120, 0, -1)).to_csv(csv, index=False)
    table = load(DataSpec(str(csv), "target"))
    assert "id" in table.features  # it may say something
    assert ["'id' counts the rows" in note and 'drop: ["id"]' in note for note in table.notes] == [True]


def dated(folder, texts):
    """Write a table with a row for each date; `v` is its number."""
    pd.DataFrame({"v": range(len(texts)), "a": np.sin(range(len(texts))), "day": texts}).to_csv(
        folder / "dated.csv", index=False
    )
    return load(DataSpec(str(folder / "dated.csv"), "v", split=Split(test=0.2, kind="time", column="day")))


@pytest.mark.parametrize("form", ["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%y", "%d-%m-%Y 08:30", "%Y-%m-%d"])
def test_dates_are_ordered_by_the_form_that_some_of_them_show(tmp_path, form):
    days = pd.date_range("2024-01-01", periods=100)
    table = dated(tmp_path, days.strftime(form))
    assert table.y_test.tolist() == list(range(80, 100)) and not any("first" in note for note in table.notes)


def test_dates_that_show_no_form_are_told_and_two_forms_refused(tmp_path):
    days = pd.DatetimeIndex([pd.Timestamp(2024, month, 1) for month in range(1, 13)] * 2)
    table = dated(tmp_path, days.strftime("%m/%d/%Y"))
    assert any("The month is taken to be: '01/01/2024'" in note for note in table.notes)
    assert any("The day is taken" in note for note in dated(tmp_path, days.strftime("%d.%m.%Y")).notes)
    with pytest.raises(DataError, match="the day is first in '13/01/2024', but second in '01/13/2024'"):
        dated(tmp_path, ["13/01/2024", "01/13/2024"] * 6)


def test_a_column_has_the_same_type_in_all_files(tmp_path):
    values = {"train": ["01", "02", "A3"] * 9, "test": ["01", "02"] * 4}
    for name, codes in values.items():
        frame = pd.DataFrame({"c": codes, "x": np.arange(len(codes)) / 7, "y": np.arange(len(codes)) / 3})
        frame.assign(
            label=["TRUE", "FALSE", "UNKNOWN"] * 9 if name == "train" else ["TRUE", "FALSE"] * 4
        ).to_csv(tmp_path / f"{name}.csv", index=False)
    where = {"path": str(tmp_path / "train.csv"), "test_path": str(tmp_path / "test.csv")}
    table = load(DataSpec(**where, target="y", drop=["label"], categories={"c": "onehot"}))
    np.testing.assert_array_equal(table.x_test[:, 1:], [[1, 0, 0], [0, 1, 0]] * 4)
    table = load(DataSpec(**where, target="label", drop=["c"]))
    assert table.classes == ("FALSE", "TRUE", "UNKNOWN") and table.y_test.tolist() == [1, 0] * 4


def test_weights_that_are_all_zero_are_refused(tmp_path):
    frame = pd.DataFrame({"a": np.arange(40) / 3, "y": np.arange(40) / 7, "w": 0})
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(DataError, match='"w" is 0 in every row'):
        load(DataSpec(str(tmp_path / "t.csv"), "y", weight="w"))


def test_the_key_and_the_file_of_a_fault_are_named(csv):
    frame = pd.read_csv(csv)
    paths = {key: str(csv.with_name(f"{key}.csv")) for key in ("path", "test_path", "validation_path")}
    spec = DataSpec(target="target", **paths)
    with pytest.raises(DataError) as error:  # all missing files at once
        load(spec)
    assert str(error.value).splitlines() == [
        f"{paths[key]}: there is no such file. Correct data.{key}." for key in paths
    ]
    for key in paths:
        frame[:40].to_csv(paths[key], index=False)
    frame[:40].assign(b=["1"] * 4 + ["abc"] + ["2"] * 35).to_csv(paths["test_path"], index=False)
    with pytest.raises(DataError, match=r"column \"b\" is 'abc' in row 6 of .*test_path\.csv, but a number"):
        load(spec)
    frame[:40].assign(b=[None] + ["2"] * 39).to_csv(paths["test_path"], index=False)
    with pytest.raises(DataError, match=r'"b" has no value in row 2 of .*test_path\.csv \(1 missing in all'):
        load(spec)
    csv.with_name("validation_path.csv").write_text("")
    with pytest.raises(
        DataError, match=r"validation_path.csv: the file is empty.* Correct data\.validation_path\.$"
    ):
        load(spec)


def test_a_decimal_comma_is_no_remedy_if_other_columns_have_points(tmp_path):
    path = tmp_path / "t.csv"
    frame = pd.DataFrame({"a": np.arange(60) + 0.5, "y": [f"{n % 20},5" for n in range(60)]})
    frame.to_csv(path, sep=";", index=False)
    with pytest.raises(DataError, match='column "a" has decimal points, so write one decimal mark') as error:
        load(DataSpec(str(path), "y", delimiter=";"))
    assert "decimal: " not in str(error.value)
    frame.astype({"a": str}).replace({"a": {"[.]": ","}}, regex=True).to_csv(path, sep=";", index=False)
    with pytest.raises(DataError, match='\n  decimal: ","\n'):
        load(DataSpec(str(path), "y", delimiter=";"))
    assert load(DataSpec(str(path), "y", delimiter=";", decimal=",")).task == "regression"


def test_odd_texts_of_a_target_leave_out_rows_as_the_remedy_says(tmp_path):
    path = tmp_path / "t.csv"
    odd = ["?" if n % 40 == 7 else 60 + n % 51 for n in range(300)]
    pd.DataFrame({"a": range(300), "y": odd}).to_csv(path, index=False)
    with pytest.raises(DataError) as error:
        load(DataSpec(str(path), "y"))
    remedies = str(error.value).partition("in the plan:")[2]
    pasted = yaml.safe_load(textwrap.dedent(remedies.rpartition("\n")[0]))  # without the last, for classes
    table = load(DataSpec(str(path), "y", **pasted))
    assert table.task == "regression" and len(table.y_train) + len(table.y_test) == 292


def test_a_table_knows_whether_its_classes_have_an_order(tmp_path):
    grades = pd.Categorical(["A", "C", "B"] * 20, ordered=True)
    for ordered in (True, False):
        frame = pd.DataFrame({"a": np.arange(60) % 7 / 2, "y": grades if ordered else grades.as_unordered()})
        frame.to_parquet(tmp_path / "t.parquet")
        table = load(DataSpec(str(tmp_path / "t.parquet"), "y"))
        assert table.classes == ("A", "B", "C") and table.is_ordered == ordered


def test_a_rare_class_is_counted_only_in_parts_that_are_split_at_random(tmp_path):
    def told(y, **others):
        spec = DataSpec(str(tmp_path / "t.csv"), "y")
        for key, values in {"path": y, **others}.items():
            frame = pd.DataFrame({"a": np.arange(len(values)) % 7 / 2, "y": values})
            frame.to_csv(tmp_path / f"{key}.csv", index=False)
            spec = replace(spec, **{key: str(tmp_path / f"{key}.csv")})
        return [note for note in load(spec).notes if "split at random" in note]

    half = np.resize([0, 1], 100)
    assert told(half, test_path=[0] * 20) == told(half, validation_path=[0] * 20) == []
    assert told(half, test_path=[0] * 2000) == []
    rare = np.resize([1, *[0] * 19], 100)
    [note] = told(rare, test_path=[0, 1] * 90)
    assert "only 5 of 100 rows have the class 1" in note and re.search(
        r": \d fitted, \d validation rows", note
    )
    [note] = told(rare, validation_path=[0, 1] * 90)
    assert "only 5 of 100 rows have the class 1" in note and re.search(r": \d fitted, \d test rows", note)
    [note] = told(rare, test_path=[0, 1, 2] * 9)
    assert "only 5 of 100 rows have the class 1" in note
    assert told(rare, test_path=[0, 1] * 9, validation_path=[0, 1] * 9) == []


def test_a_position_that_is_the_name_of_another_column_is_refused(tmp_path):
    frame = pd.DataFrame(
        {"0": np.arange(40) / 3, "1": np.arange(40) % 7, "2": np.arange(40) % 5, "y": np.arange(40) / 7}
    )
    frame.to_parquet(tmp_path / "t.parquet")
    path = str(tmp_path / "t.parquet")
    with pytest.raises(
        DataError, match=r'a column is called "2". Write "2" in quotes .*, or the name "1" for the other'
    ):
        load(DataSpec(path, "y", drop=[2]))
    assert load(DataSpec(path, "y", drop=["2"])).features == ("0", "1")


@pytest.mark.parametrize("kind", ["onehot", "ordinal", "hash"])
@pytest.mark.parametrize("dtype", ["float64", "category"])
def test_an_infinite_category_is_refused_in_training_and_unseen_in_a_prediction(tmp_path, kind, dtype):
    frame = pd.DataFrame({"a": np.arange(40) % 3 / 1, "b": np.arange(40) / 3, "y": np.arange(40) / 7})
    frame.loc[3, "a"] = 1e300  # only its text counts
    path = str(tmp_path / "t.parquet")
    frame.astype({"a": dtype}).to_parquet(path)
    recipe = load(DataSpec(path, "y", categories={"a": kind})).recipe
    frame.loc[7, "a"] = np.inf
    frame.astype({"a": dtype}).to_parquet(path)
    with pytest.raises(DataError, match='column "a" is inf in row 8, but needs a finite number'):
        load(DataSpec(path, "y", categories={"a": kind}))
    _, unseen = recipe.encode(frame.iloc[[7, 8]])
    assert kind == "hash" or unseen["a"].tolist() == [True, False]
