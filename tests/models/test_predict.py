"""Predictions of raw rows are those of the arrays that the sweep makes of them."""

import keras
import numpy as np
import pandas as pd
import pytest

import results
from sweep import Plan
from sweep.errors import InputError
from sweep.models import predict as module
from sweep.models.preparation import Preparation
from sweep.models.rebuild import UntrustedError
from tests.help.predictions import write_mixed_table
from trainables.table.data import DataError, DataSpec, load

pytestmark = pytest.mark.long(30)


@pytest.fixture(scope="module")
def frame(tmp_path_factory):
    return write_mixed_table(tmp_path_factory.mktemp("rows") / "table.csv")


def test_raw_rows_are_the_arrays_of_the_sweep(run, frame):
    table = Plan.load(run.folder.plan).table
    array = run.predict(1, table.x_test, trust=True)
    assert array.dtype == np.float32 and array.shape == (len(table.x_test), 3)
    np.testing.assert_allclose(array, run.model(1, trust=True).predict(table.x_test, verbose=0), rtol=1e-6)
    x, _ = table.recipe.encode(table.recipe.checked(frame, "rows"))
    mixed = frame.sample(frac=1, random_state=1, axis=1).set_index(pd.Index(range(100, 180)))
    found = run.predict(1, mixed, trust=True)
    assert list(found) == ["grade", "p_high", "p_low", "p_mid"] and found.index.equals(mixed.index)
    expected = run.predict(1, x, trust=True)
    np.testing.assert_allclose(found.iloc[:, 1:], expected, rtol=1e-5)
    assert found["grade"].tolist() == [["high", "low", "mid"][code] for code in expected.argmax(1)]
    assert found.attrs["notes"] == ()


def test_a_builder_that_limits_the_steps_of_fit_cuts_no_predictions(run, frame, monkeypatch):
    expected, build = run.predict(0, frame, trust=True), module.rebuild.model

    def limited(*given):
        model = build(*given)
        keras.config.set_max_steps_per_epoch(2)
        return model

    monkeypatch.setattr(module.rebuild, "model", limited)
    monkeypatch.setattr(module, "BATCH_ROWS", 8)
    try:
        found = run.predict(0, frame, trust=True)
        assert keras.config.max_steps_per_epoch() == 2  # as the builder has set it
    finally:
        keras.config.set_max_steps_per_epoch(None)
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)


def test_a_series_is_one_row_and_a_dictionary_has_columns_or_one_row(run, frame):
    expected = run.predict(0, frame.iloc[3:5], trust=True)
    found = run.predict(0, frame.iloc[3], trust=True)
    pd.testing.assert_frame_equal(found, expected[:1], rtol=1e-5)
    columns = run.predict(0, frame.iloc[3:5].to_dict("list"), trust=True)
    pd.testing.assert_frame_equal(columns, expected.reset_index(drop=True), rtol=1e-5)
    row = run.predict(0, frame.iloc[3].to_dict(), trust=True)
    pd.testing.assert_frame_equal(row, expected[:1].reset_index(drop=True), rtol=1e-5)


def test_neither_target_nor_table_is_needed(run, frame, tmp_path, monkeypatch):
    table = run.folder.path.parent / "table.csv"
    expected = run.predict(0, frame, trust=True)
    moved = table.rename(tmp_path / "table.csv")
    try:
        again = results.open(run.folder.path).predict(0, frame.drop(columns="grade"), trust=True)
    finally:
        moved.rename(table)
    pd.testing.assert_frame_equal(again, expected)


def test_a_folder_without_the_preparation_reads_the_table(run, frame):
    expected = run.predict(0, frame, trust=True)
    kept = run.folder.preparation.read_bytes()
    run.folder.preparation.unlink()
    try:
        pd.testing.assert_frame_equal(run.predict(0, frame, trust=True), expected)
    finally:
        run.folder.preparation.write_bytes(kept)


def test_unseen_categories_are_named_and_change_only_their_rows(run, frame):
    expected = run.predict(0, frame, trust=True)
    changed = frame.copy()
    changed.loc[[3, 7], "kind"] = "new"
    changed.loc[9, "floor"] = 7
    with pytest.warns(UserWarning) as warned:
        found = run.predict(0, changed, trust=True)
    told = [str(one.message) for one in warned if one.category is UserWarning]
    assert any('"kind"' in text and "'new' (2 rows)" in text for text in told)
    assert any('"floor"' in text and "'7' (1 row)" in text for text in told)
    assert found.attrs["notes"] == tuple(told)
    others = ~frame.index.isin([3, 7, 9])
    pd.testing.assert_frame_equal(found[others], expected[others], rtol=1e-5)
    assert not np.allclose(found.loc[9, "p_high"], expected.loc[9, "p_high"], rtol=1e-5)


def test_parts_give_the_same_as_the_whole(run, frame, monkeypatch):
    expected = run.predict(0, frame, trust=True)
    monkeypatch.setattr(module, "CHUNK_ROWS", 7)
    seen = []
    found = module.predict(
        run.folder.path,
        run.config(0),
        run.weights(0),
        frame,
        True,
        progress=lambda *numbers: seen.append(numbers),
    )
    pd.testing.assert_frame_equal(found, expected, rtol=1e-5)
    assert seen[0] == (7, 80) and seen[-1] == (80, 80) and len(seen) == 12


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda f: f.drop(columns=["a", "kind"]), r"no column 'a', 'kind'"),
        (lambda f: f.assign(a="tall"), r"\"a\" is 'tall' in row 1, but needs a number"),
        (lambda f: f.assign(a=f["a"].mask(f.index == 4)), r"\"a\" has no value in row 5"),
        (lambda f: f.assign(a=f["a"].where(f.index != 4, np.inf)), r"\"a\" is inf in row 5"),
        (lambda f: f.iloc[:0], "no rows"),
        (lambda f: pd.concat([f, f[["a"]]], axis=1), "'a' twice"),
        (
            lambda f: np.zeros((4, 3)),
            r"shape \(4, 3\), but needs an array of the shape \(rows, 8\), .*: a, b, kind_x",
        ),
        (lambda f: f["a"], r"needs to be one row, with the index a, b, kind, floor"),
        (lambda f: {"a": [1.0, 2.0], "b": [1.0]}, r"Give each column a list of as many values"),
        (lambda f: {"a": 1.0, "b": 2.0}, r"no column 'kind', 'floor'"),
        (lambda f: f.to_numpy(), r"no array of numbers .*Give a data frame of raw rows"),
    ],
)
def test_rows_that_do_not_fit_are_one_message(run, frame, change, said):
    with pytest.raises((InputError, DataError), match=said):
        run.predict(0, change(frame), trust=True)


def test_a_builder_outside_is_not_run_unasked(run, frame):
    with pytest.raises(UntrustedError, match="not installed here as a module"):
        run.predict(0, frame)


def test_files_without_names_may_lack_the_target(tmp_path):
    spec = Plan.from_mapping(
        {"data": {"path": "t.data", "target": "y", "header": False, "columns": ["a", "y", "b"]},
         "builder": "trainables.abalone:build_and_compile_model", "space": {"hidden": [[8]], "activation": ["relu"],
         "use_batch": [True], "dropout_rate": [0], "learning_rate": [0.1], "optimizers": ["sgd"],
         "kernel_init": ["normal"], "kernel_regularizer": [None]}},
        base=tmp_path,
    ).data_spec  # fmt: skip
    (tmp_path / "new.data").write_text("1,2,3\n4,5,6\n")
    assert list(module.rows_of(str(tmp_path / "new.data"), spec)[0]["b"]) == [3, 6]
    (tmp_path / "new.data").write_text("1,3\n4,6\n")
    assert list(module.rows_of(str(tmp_path / "new.data"), spec)[0]["b"]) == [3, 6]
    np.savez(tmp_path / "new.npz", x=np.ones((2, 2)))
    assert module.rows_of(str(tmp_path / "new.npz"), spec)[0].shape == (2, 2)
    (tmp_path / "new.npz").write_text("no")
    with pytest.raises(DataError, match="no array x"):
        module.rows_of(str(tmp_path / "new.npz"), spec)


def test_a_column_of_texts_is_read_as_texts_however_few_its_rows(tmp_path):
    frame = pd.DataFrame({"c": ["01", "02", "A3"] * 9, "x": np.arange(27) / 7, "y": np.arange(27) / 3})
    frame.to_csv(tmp_path / "t.csv", index=False)
    spec = DataSpec(str(tmp_path / "t.csv"), "y", categories={"c": "onehot"})
    recipe = load(spec).recipe
    frame[:2].to_csv(tmp_path / "new.csv", index=False)  # 01 and 02 alone look like numbers
    rows, _, _ = module.rows_of(str(tmp_path / "new.csv"), spec, recipe)
    x, unseen = recipe.encode(recipe.checked(rows, "new"))
    assert not unseen and x[:, 1:].tolist() == [[1, 0, 0], [0, 1, 0]]


def features(rows, table, spec):
    """Return the features of new rows: a data frame, or the path of a file."""
    prepared = Preparation.of(table)
    if isinstance(rows, str):
        rows, _, _ = module.rows_of(rows, spec, prepared.recipe)
    return prepared.recipe.encode(module.prepared_rows(rows, prepared, spec, "new"))


@pytest.mark.parametrize("kind", ["onehot", "ordinal", "hash"])
def test_a_category_such_as_na_is_no_gap_in_any_file(tmp_path, kind):
    """A data frame or a Parquet file holds such texts beside gaps; predictions from text files must know them."""
    n = np.arange(60)
    frame = pd.DataFrame({"garage": np.array(["Attchd", "NA", "None", "N/A"])[n * 5 % 7 % 4], "area": n / 7})
    frame["always"] = "null"  # one text, and gaps
    frame.loc[n % 7 == 0, ["area", "always"]] = None
    frame["y"] = n % 5 + 0.5
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.to_excel(tmp_path / "t.xlsx", index=False)
    spec = DataSpec(str(tmp_path / "t.parquet"), "y", missing="fill", categories={"garage": kind})
    table = load(spec)
    expected, _ = features(frame, table, spec)
    assert expected[n % 7 == 0, table.recipe.features.index("always_missing")].all()
    for ending in ("parquet", "csv", "xlsx"):
        found, unseen = features(str(tmp_path / f"t.{ending}"), table, spec)
        np.testing.assert_array_equal(found, expected, err_msg=ending)
        assert not unseen


def test_texts_that_look_like_numbers_are_texts_in_a_sheet(tmp_path):
    frame = pd.DataFrame({"zip": ["01001", "02002", "A3"] * 9, "y": np.arange(27) / 3})
    frame.to_parquet(tmp_path / "t.parquet")
    frame[:2].to_excel(tmp_path / "new.xlsx", index=False)
    spec = DataSpec(str(tmp_path / "t.parquet"), "y", categories={"zip": "onehot"})
    found, unseen = features(str(tmp_path / "new.xlsx"), load(spec), spec)
    assert not unseen and found.tolist() == [[1, 0, 0], [0, 1, 0]]


@pytest.mark.parametrize(
    "options", [{}, {"strip": ["$"]}, {"missing": {"charge": "fill", "work": "fill"}, "na": ["?"]}]
)
def test_rows_are_the_same_from_files_and_from_data_frames_with_blanks(tmp_path, options):
    """The sweep's reader leaves out the blanks before a text; `pandas.read_csv` keeps them."""
    charges = [f"${n}.5" if "strip" in options else f"{n}.5" for n in range(40)]
    if "missing" in options:
        charges[3], charges[5] = "", "NA"
    works = np.array(["Private", "State-gov", "?" if "missing" in options else "Other"])[np.arange(40) % 3]
    lines = [f"{n}, {works[n]}, {charges[n]}, {n % 7}" for n in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["a,work,charge,y", *lines]) + "\n")
    path = str(tmp_path / "t.csv")
    spec = DataSpec(path, "y", task="regression", **options)
    table = load(spec)
    expected, _ = features(path, table, spec)
    frames = [
        pd.read_csv(path),
        pd.read_csv(path, skipinitialspace=True),
        pd.read_csv(path, keep_default_na=False),
        pd.read_csv(path, dtype=str, keep_default_na=False, skipinitialspace=True),
    ]
    assert frames[0]["work"][0] == " Private"
    for frame in frames:
        found, unseen = features(frame, table, spec)
        np.testing.assert_array_equal(found, expected)
        assert not unseen


@pytest.mark.parametrize("options", [{"decimal": ","}, {"thousands": ","}, {"strip": ["$"], "na": ["?"]}])
@pytest.mark.parametrize("kind", ["onehot", "ordinal", "hash"])
def test_rows_are_the_same_one_by_one(tmp_path, kind, options):
    """One row may have a text that looks like a number; all rows of the sweep said what the column holds."""
    sign = "$" if "strip" in options else ""
    frame = pd.DataFrame(
        {
            "code": ["01", "2A", "1", "2", "02", "1e2"] * 10,
            "level": [f"{sign}{n % 3 + 1}" for n in range(60)],
            "area": [f"{sign}{n}" for n in range(60)],
            "y": [n % 7 + 0.25 for n in range(60)],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    categories = {"code": kind, "level": kind}
    spec = DataSpec(
        str(tmp_path / "t.parquet"), "y", categories=categories, task="regression", missing="fill", **options
    )
    table = load(spec)
    new = frame.drop(columns="y")[:9]
    new.loc[4, ["code", "level"]] = "other"
    if "na" in options:
        new.loc[5, :] = "?"
    whole, unseen = features(new, table, spec)
    each = [features(new[n : n + 1], table, spec) for n in range(len(new))]
    np.testing.assert_array_equal(whole, np.concatenate([x for x, _ in each]))
    if kind != "hash":
        for name in categories:
            rows = [bool(found.get(name, [False])[0]) for _, found in each]
            assert unseen[name].tolist() == rows == [n == 4 for n in range(9)]


def test_a_text_among_numbers_is_named_although_others_need_to_be_stripped(tmp_path):
    frame = pd.DataFrame({"a": [f"${n}" for n in range(40)], "y": [n % 7 + 0.5 for n in range(40)]})
    frame.to_parquet(tmp_path / "t.parquet")
    spec = DataSpec(str(tmp_path / "t.parquet"), "y", strip=["$"])
    with pytest.raises(DataError, match=r'column "a" is \'x\' in row 2, but needs a number'):
        features(pd.DataFrame({"a": ["$1", "x"]}), load(spec), spec)


def test_a_blank_number_that_may_be_no_gap_is_told_as_one(tmp_path):
    frame = pd.DataFrame({"a": np.arange(40) / 3, "y": np.arange(40) % 7 + 0.5})
    frame.to_csv(tmp_path / "t.csv", index=False)
    spec = DataSpec(str(tmp_path / "t.csv"), "y")
    with pytest.raises(DataError, match=r'column "a" has no value in row 2 \(1 missing in all\)'):
        features(pd.DataFrame({"a": ["1", " "]}), load(spec), spec)


def test_the_file_may_have_blanks_that_the_data_frame_of_the_sweep_lacks_or_had(tmp_path):
    for texts in ([" a", " b", " c"], ["a", "b", "c"]):
        frame = pd.DataFrame({"c": texts * 10, "y": np.arange(30) % 7 + 0.5})
        frame.to_parquet(tmp_path / "t.parquet")
        frame.to_csv(tmp_path / "t.csv", index=False)
        spec = DataSpec(str(tmp_path / "t.parquet"), "y")
        table = load(spec)
        expected, _ = features(frame, table, spec)
        found, unseen = features(str(tmp_path / "t.csv"), table, spec)
        np.testing.assert_array_equal(found, expected)
        assert not unseen


def test_columns_may_have_numbers_as_names(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)).round(3), columns=["0", "1", "2"])
    frame.to_parquet(tmp_path / "t.parquet")
    frame.to_csv(tmp_path / "t.csv", index=False)
    frame.set_axis([0, 1, 2], axis=1).to_excel(tmp_path / "t.xlsx", index=False)
    frame[["1", "0"]].to_csv(tmp_path / "without.csv", index=False)
    spec = DataSpec(str(tmp_path / "t.parquet"), "2")
    table = load(spec)
    expected, _ = features(frame, table, spec)
    for name in ("t.csv", "t.xlsx", "without.csv"):
        np.testing.assert_allclose(features(str(tmp_path / name), table, spec)[0], expected)
    frame.to_csv(tmp_path / "bare.csv", index=False, header=False)
    with pytest.raises(DataError, match="should hold the columns' names, but holds only numbers"):
        features(str(tmp_path / "bare.csv"), table, spec)
