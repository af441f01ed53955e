"""Arrays and data frames from Python are split and checked as tables of files are."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from trainables.table import inputs
from trainables.table.data import DataError, DataSpec, Split, load
from trainables.table.given import from_npz, given, save

CHANCE = np.random.default_rng(0)
X, Y = CHANCE.normal(size=(60, 3)).astype("float32"), CHANCE.normal(size=60).astype("float32")


def saved(folder, **arrays):
    np.savez(folder / "data.npz", **arrays)
    return DataSpec(str(folder / "data.npz"), "y")


def written(folder, body):
    path = folder / "my_data.py"
    path.write_text(f"import numpy as np\nimport pandas as pd\n\n\ndef load():\n    {body}\n")
    return DataSpec(f"{path}:load", "y")


def test_arrays_are_split_as_tables_are(tmp_path):
    table = load(saved(tmp_path, x=X, y=Y, weights=np.arange(60.0)))
    order = pd.Series(range(60)).sample(frac=0.8, random_state=0).to_numpy()
    rest = np.setdiff1d(np.arange(60), order)
    np.testing.assert_array_equal(table.x_train, X[order])
    np.testing.assert_array_equal(table.y_test, Y[rest])
    np.testing.assert_array_equal(table.weights["weights"][0], order)
    assert table.task == "regression" and table.recipe is None and table.features == ("x0", "x1", "x2")


def test_given_test_rows_keep_all_rows_in_their_order(tmp_path):
    table = load(saved(tmp_path, x_train=X[:40], y_train=Y[:40], x_test=X[40:], y_test=Y[40:]))
    np.testing.assert_array_equal(table.x_train, X[:40])
    np.testing.assert_array_equal(table.y_test, Y[40:])


def test_a_kind_of_split_draws_the_rows_beside_given_test_rows_as_of_files(tmp_path):
    codes = np.resize([0.0, 0.0, 1.0], 60)
    spec = saved(tmp_path, x=X[:40], y=codes[:40], x_test=X[40:], y_test=codes[40:])
    for part, rows in (("all", slice(40)), ("test", slice(40, None))):
        frame = pd.DataFrame(X[rows], columns=["x0", "x1", "x2"]).assign(y=codes[rows])
        frame.to_parquet(tmp_path / f"{part}.parquet")
    files = DataSpec(str(tmp_path / "all.parquet"), "y", test_path=str(tmp_path / "test.parquet"))
    for split in (
        Split(kind="stratified", seed=3),
        Split(kind="random", validation=0.3),
        Split(kind="random", seed=3),
    ):
        table, of_files = (load(replace(one, split=split)) for one in (spec, files))
        assert table.validation == of_files.validation
        np.testing.assert_array_equal(table.x_train, of_files.x_train)
        np.testing.assert_array_equal(table.x_test, X[40:])
    with pytest.raises(DataError, match="the target is no class"):
        load(replace(spec, task="regression", split=Split(kind="stratified")))


def test_keys_of_split_that_given_test_rows_leave_without_effect_are_told(tmp_path):
    spec = saved(tmp_path, x=X[:40], y=Y[:40], x_test=X[40:], y_test=Y[40:])
    table = load(replace(spec, test_fraction=0.5, split_seed=3))
    np.testing.assert_array_equal(table.x_train, X[:40])
    assert table.notes == (
        "The test rows are given, so these keys of split under data change nothing: test (0.5), seed (3). The rows keep "
        "their order; kind: random draws them anew.",
    )
    assert load(replace(spec, split=Split(kind="random", seed=3))).notes == ()


def test_given_weights_of_the_test_rows_alone_count(tmp_path):
    given_weights = np.arange(20.0, dtype="float32")
    table = load(
        saved(tmp_path, x=X[:40], y=Y[:40], x_test=X[40:], y_test=Y[40:], weights_test=given_weights)
    )
    of_train, of_test = table.weights["weights"]
    np.testing.assert_array_equal(of_train, np.ones(40))
    np.testing.assert_array_equal(of_test, given_weights)


def test_a_function_gives_what_keras_data_sets_give(tmp_path):
    body = "return (np.ones((50, 4, 2)), np.array(['b', 'a'] * 25)), (np.ones((10, 4, 2)), np.array(['b', 'a'] * 5))"
    table = load(written(tmp_path, body))
    assert table.x_train.shape == (50, 4, 2) and table.features == ()
    assert table.task == "binary" and table.classes == ("a", "b") and table.y_test[:2].tolist() == [1, 0]


def test_a_function_may_return_a_data_frame(tmp_path):
    body = "return pd.DataFrame({'a': range(40), 'kind': ['u', 'v'] * 20, 'y': range(40)})"
    table = load(written(tmp_path, body))
    assert table.features == ("a", "kind_u", "kind_v") and table.recipe is not None


def test_arrays_of_classes_are_stratified_as_tables_are(tmp_path):
    table = load(saved(tmp_path, x=X, y=np.resize(["b", "b", "a"], 60)), validation_split=0.25)
    assert table.validation == 12 and len(table.y_test) == 12
    assert [int((part == 0).sum()) for part in (table.y_train[-12:], table.y_test)] == [4, 4]
    with pytest.raises(DataError, match="the target is no class"):
        load(replace(saved(tmp_path, x=X, y=Y), split=Split(kind="stratified")))


def test_a_data_frame_of_a_function_is_checked_and_not_changed(tmp_path):
    body = "return pd.DataFrame({1: range(40), 'b': range(40), 'y': range(40)})"
    first = load(written(tmp_path, body))
    assert first.features == ("1", "b")
    assert first.sha256 != load(written(tmp_path, body.replace("'b'", "'c'"))).sha256
    with pytest.raises(DataError, match='two columns are called "1"'):
        load(written(tmp_path, body.replace("'b'", "'1'")))
    with pytest.raises(DataError, match=r"data\.validation_path have no meaning"):
        replace(written(tmp_path, body), test_path="t.csv")


def test_the_checksum_is_that_of_the_content(tmp_path):
    first = given((X, Y), "x").sha256
    assert first == given({"x": X.copy(), "y": Y.copy()}, "x").sha256
    assert first != given((X + 1, Y), "x").sha256
    assert first != given((X, Y, np.ones(60)), "x").sha256
    assert first != given(((X, Y), (X, Y)), "x").sha256


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"x": X}, "'y' is missing"),
        ({"x": X, "y": Y, "z": Y}, "got the array 'z'"),
        ({"x": X, "y": Y, "x_test": X}, "only one"),
        ((X, Y[:5]), "x has 60 rows, but y has 5"),
        ((X[:, 0], Y), r"needs \(rows, ...\)"),
        (
            (X * np.nan, Y),
            r"not finite in row 0, counted from 0 \(nan\); leave such rows out, fill them.*missing: fill",
        ),
        (
            ([[1, 2], [1], [2, 2]] * 20, Y),
            r"lengths, such as 2 and 1; pad them, as by keras.utils.pad_sequences",
        ),
        ((np.array([[1, 2], [1], [2]] * 20, object), Y), "lengths, such as 2 and 1; pad them"),
        ((X, [[1], [1, 2], [1]] * 20), "y has rows of different lengths"),
        ((X, pd.DataFrame(np.ones((60, 2)), columns=["a", "a"])), "y has two columns with the name 'a'"),
        (([[1, 2], [3, 4]], [0, 1]), r"the shape \(\), but needs \(rows, ...\)"),
        ((X, Y, -np.ones(60)), "weights"),
        (((X, Y), (X[:, :2], Y)), "a test row has the shape"),
        ((np.array([["a"]] * 60), Y), "data frame"),
        (3, "got int"),
        ((np.ma.masked_greater(X, 0), Y), "x has masked values"),
        ((X, np.ma.masked_greater(Y, 0)), "y has masked values"),
        ((X, Y, np.ma.masked_array(np.ones(60), X[:, 0] > 0)), "weights have masked values"),
    ],
)
def test_other_data_are_refused(data, words):
    with pytest.raises(DataError, match=words):
        given(data, "my_data.py:load")


def test_what_cannot_be_made_of_arrays_is_refused(tmp_path):
    spec = saved(tmp_path, x=X, y=Y, x_test=np.where(np.equal(X, X[7, 1]), -99, X), y_test=Y)
    with pytest.raises(
        DataError, match=r"x_test is -99 in row 7, counted from 0, which data\.na takes for a gap"
    ):
        load(replace(spec, na=["?", "-99"]))
    assert len(load(replace(spec, na=["?", "-98"])).y_train) == 60
    (tmp_path / "digest.json").write_text("1")  # as `sweep.search` writes it
    with pytest.raises(DataError, match=r"columns 1, 3 by position.* numpy\.delete\(x, \[0, 2\], axis=1\)"):
        load(replace(spec, drop=[1, "id", 3]))
    [note] = load(replace(spec, drop=["id"])).notes
    assert "change nothing: drop (['id'])" in note


def test_columns_of_targets_may_be_called_by_numbers_and_truth_values(tmp_path):
    codes = np.arange(60) % 3
    for y, names in (
        (pd.DataFrame(np.column_stack([Y, X[:, 0]])), ("0", "1")),
        (pd.get_dummies(pd.Series(codes)), ("0", "1", "2")),
        (pd.get_dummies(pd.Series(codes == 1)), ("False", "True")),
    ):
        save(given((X, y), "x"), tmp_path / "data.npz")
        table = load(DataSpec(str(tmp_path / "data.npz"), "y"))
        assert table.targets == names and table.y_train.shape == (48, len(names))
        found = given((X, y), "x").y
        assert list(found.columns) == list(names)
    table = load(written(tmp_path, "return np.ones((60, 3)), pd.get_dummies(pd.Series(np.arange(60) % 3))"))
    assert table.task == "multilabel" and table.classes == ("0", "1", "2")
    body = "return np.ones((60, 3)), pd.get_dummies(pd.Series(np.arange(60) % 3))"
    table = load(replace(written(tmp_path, body), task="multiclass"))
    assert table.task == "multiclass" and table.classes == ("0", "1", "2") and table.y_train.ndim == 1


def test_the_plan_names_targets_of_arrays(tmp_path):
    spec = saved(tmp_path, x=X, **{"y/size": Y, "y/kind": np.resize([0, 1], 60), "y/cost": Y * 2})
    assert load(spec).targets == ("size", "kind", "cost")  # y stands for all
    assert load(replace(spec, target="size")).y_train.shape == (48,)
    table = load(replace(spec, target=["cost", "size"]))
    assert table.targets == ("cost", "size")
    np.testing.assert_array_equal(table.y_train[:, 0], 2 * table.y_train[:, 1])
    for y, target in ((Y, "price"), (np.column_stack([Y, Y]), ["u", "v"])):
        assert load(replace(saved(tmp_path, x=X, y=y), target=target)).targets == tuple(np.ravel(target))


def test_keys_of_a_plan_that_arrays_do_not_have_are_refused_together(tmp_path):
    spec = saved(tmp_path, x=X, **{"y/size": Y, "y/cost": Y})
    split = Split(kind="time", column="t")
    with pytest.raises(DataError) as error:
        load(
            replace(
                spec,
                target="weight",
                drop=["q"],
                categories={"k": "hash"},
                missing="fill",
                split=split,
                weight="w",
            )
        )
    first, second = str(error.value).splitlines()
    assert "data.target got 'weight', but the targets of the arrays are size, cost" in first
    for words in (
        "drop (['q'])",
        "categories ({'k': 'hash'})",
        "missing ('fill')",
        "split.column ('t')",
        "weight ('w')",
    ):
        assert words in second


def test_a_function_that_fails_is_told(tmp_path):
    with pytest.raises(DataError, match="ZeroDivisionError"):
        load(written(tmp_path, "return 1 / 0"))
    with pytest.raises(DataError, match="no such file"):
        load(DataSpec(str(tmp_path / "gone.py:load"), "y"))


def test_several_inputs_and_outputs_are_named(tmp_path):
    x = {"left": X, "right": CHANCE.normal(size=(60, 2, 4))}
    y = {"size": Y, "kind": np.resize(["b", "a"], 60)}
    with pytest.raises(DataError, match='the target "kind" is'):  # several targets are numbers
        load(
            saved(
                tmp_path, **{f"x/{name}": a for name, a in x.items()}, **{f"y/{n}": a for n, a in y.items()}
            )
        )
    y["kind"] = np.resize([0, 1], 60)
    table = load(
        saved(tmp_path, **{f"x/{n}": a for n, a in x.items()}, **{f"y/{n}": a for n, a in y.items()})
    )
    order = pd.Series(range(60)).sample(frac=0.8, random_state=0).to_numpy()
    np.testing.assert_array_equal(table.x_train["right"], x["right"][order].astype("float32"))
    np.testing.assert_array_equal(table.y_train, np.column_stack([Y, y["kind"]])[order].astype("float32"))
    assert table.targets == ("size", "kind") and inputs.count(table.x_test) == 12
    assert inputs.shape(table.x_train) == {"left": (3,), "right": (2, 4)}


@pytest.mark.parametrize(
    "data",
    [
        (X, Y),
        (X, np.resize(["b", "a"], 60), np.arange(60.0)),
        ((X, np.column_stack([Y, Y])), (X[:5], np.column_stack([Y, Y])[:5])),
        ({"x": {"left": X, "right": X[:, 0]}, "y": {"size": Y, "kind": Y > 0}}),
    ],
)
def test_what_is_saved_is_read_again(tmp_path, data):
    before = given(data, "x")
    save(before, tmp_path / "data.npz")
    after = from_npz("data.npz", (tmp_path / "data.npz").read_bytes())
    assert after.sha256 == before.sha256
    assert list(after.y.columns) == list(before.y.columns)


def test_amounts_in_texts_are_no_classes(tmp_path):
    spec = saved(tmp_path, x=X, y=np.array([f"${n % 20 + 1},000" for n in range(60)]))
    with pytest.raises(DataError, match=r'(?s)strip: \["\$"\]\n  thousands: ","\n.*task: multiclass'):
        load(spec)
    table = load(replace(spec, strip=["$"], thousands=","))
    assert table.task == "regression" and table.y_train.max() == 20_000
    assert load(replace(spec, task="multiclass")).task == "multiclass"
    with pytest.raises(DataError) as error:  # rows of arrays cannot be left out
        load(saved(tmp_path, x=X, y=np.resize(["?", *map(str, range(20))], 60)))
    assert "na: " not in str(error.value) and "task: multiclass" in str(error.value)


@pytest.mark.parametrize("of", [dict, pd.DataFrame])
def test_the_plans_y_means_all_targets_although_one_is_called_so(tmp_path, of):
    save(given((X, of({"y": Y, "z": Y * 2})), "x"), tmp_path / "data.npz")
    spec = DataSpec(str(tmp_path / "data.npz"), "y")
    table = load(spec)
    assert table.targets == ("y", "z") and table.y_train.shape == (48, 2)
    np.testing.assert_array_equal(table.y_train[:, 1], table.y_train[:, 0] * 2)
    assert load(replace(spec, target="z")).targets == ("z",)


@pytest.mark.parametrize("y", [{"a": 1}.values(), (n for n in range(60)), np.array(None)])
def test_targets_that_are_no_array_are_told_by_their_shape(y):
    with pytest.raises(DataError, match=r"y has the shape \(\), but needs \(rows,\)"):
        given((X, y), "x")
    with pytest.raises(DataError, match="x is not of numbers"):
        given((np.asarray({"a": 1}.values()), Y), "x")


def test_the_columns_of_test_rows_are_found_by_their_names():
    train = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    test = pd.DataFrame({"b": [30.0], "a": [10.0]})
    found = given(((train, [0, 1]), (test, [1])), "data")
    assert found.test.x.tolist() == [[10, 30]]
    with pytest.raises(DataError, match="x_test has no column 'b', as x has"):
        given(((train, [0, 1]), (test.rename(columns={"b": "c"}), [1])), "data")
    with pytest.raises(DataError, match="x has no column 'c', as x_test has"):
        given(((train, [0, 1]), (test.assign(c=1.0), [1])), "data")
