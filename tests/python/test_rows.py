"""Rows of every form become files that read back to the same numbers."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from sweep.errors import InputError
from sweep.python.rows import rows_of
from trainables.table import data
from trainables.table.data import DataSpec, Split

CHANCE = np.random.default_rng(2)
FRAME = pd.DataFrame(
    {
        "a": CHANCE.normal(size=60),
        "kind": CHANCE.choice(["x", "y"], 60),
        3: CHANCE.normal(size=60),
        "t": CHANCE.normal(size=60),
    }
)
X, Y = CHANCE.normal(size=(60, 2)), CHANCE.choice(["no", "yes"], 60)


def loaded(rows, folder, **more):
    for name, content in rows.files.items():
        (folder / name).write_bytes(content)
    paths = {key: str(folder / value) for key, value in rows.spec.items() if key.endswith("path")}
    spec = {**rows.spec, **paths, **more}
    if isinstance(spec.get("split"), dict):
        spec["split"] = Split(**spec["split"])
    return data.load(DataSpec(**spec))


@pytest.mark.parametrize("y", ["t", ["t"], "series", "array", "frame"])
def test_frames_keep_every_bit(tmp_path, y):
    x = FRAME if y in ("t", ["t"]) else FRAME.drop(columns="t").set_index(pd.Index(range(60)[::-1]))
    given = {"series": FRAME["t"], "array": FRAME["t"].to_numpy(), "frame": FRAME[["t"]]}.get(str(y), y)
    rows = rows_of(x, given)
    table = loaded(rows, tmp_path)
    assert table.features == ("a", "3", "kind_x", "kind_y")
    whole = np.sort(np.concatenate([table.y_train, table.y_test]))
    np.testing.assert_array_equal(whole, np.sort(FRAME["t"].to_numpy("float32")))
    order = np.argsort(FRAME["t"].to_numpy("float32"))
    np.testing.assert_array_equal(
        np.concatenate([table.x_train, table.x_test])[
            np.argsort(np.concatenate([table.y_train, table.y_test]))
        ][:, 0],
        FRAME["a"].to_numpy("float32")[order],
    )


def test_several_targets_weights_and_other_parts(tmp_path):
    rows = rows_of(FRAME, ["t", "a"], weights=np.arange(60), validation=(FRAME[:9], None, np.ones(9)))
    assert rows.spec["target"] == ["t", "a"] and rows.spec["weight"] == "sample_weight"
    table = loaded(rows, tmp_path)
    assert table.y_train.shape[1] == 2 and table.validation == 9
    assert sorted(
        np.concatenate([table.weights["sample_weight"][0][:-9], table.weights["sample_weight"][1]])
    ) == list(range(60))


def test_pairs_of_frames(tmp_path):
    x, y = FRAME.drop(columns="t"), FRAME["t"]
    for rows in (rows_of((x, y), (x[:7], y[:7])), rows_of(((x, y), (x[:7], y[:7])))):
        table = loaded(rows, tmp_path)
        assert len(table.x_train) == 60
        np.testing.assert_array_equal(table.y_test, y[:7].to_numpy("float32"))


def test_arrays_as_load_data_returns_them(tmp_path):
    images = (CHANCE.integers(0, 255, (50, 4, 4), "uint8"), CHANCE.integers(0, 3, (50, 1)))
    rest = (images[0][:6], images[1][:6])
    rows = rows_of(images, rest)
    table = loaded(rows, tmp_path)
    np.testing.assert_array_equal(table.x_train, images[0].astype("float32"))
    np.testing.assert_array_equal(table.y_test, images[1][:6, 0])
    assert rows_of((images, rest)).digest == rows.digest
    assert table.classes == (0, 1, 2)


def test_arrays_with_texts_weights_and_validation(tmp_path):
    weights = np.linspace(0, 1, 60)
    table = loaded(rows_of(X, Y.astype(object), weights=weights), tmp_path)
    assert table.classes == ("no", "yes") and len(table.x_train) == 48
    assert sorted(np.concatenate(table.weights["weights"])) == weights.astype("float32").tolist()
    for n in (1, 7, 20):
        rows = rows_of((X, Y), (X[:5], Y[:5]), validation=(X[:n] + 9, Y[:n]))
        table = loaded(rows, tmp_path)
        assert table.validation == n
        np.testing.assert_array_equal(table.x_train[-n:], (X[:n] + 9).astype("float32"))


def test_an_output_that_is_called_y_leaves_out_no_other(tmp_path):
    table = loaded(rows_of(X, {"y": X[:, 0], "z": X[:, 1]}), tmp_path)
    assert table.targets == ("y", "z")
    np.testing.assert_array_equal(table.y_train, table.x_train)


def test_dictionaries_of_arrays_are_inputs_and_outputs(tmp_path):
    x = {"left": X, "right": CHANCE.normal(size=(60, 4, 2))}
    y = {"size": X[:, 0], "kind": (X[:, 1] > 0).astype(int)}
    some = {name: array[:7] for name, array in x.items()}, {name: array[:7] for name, array in y.items()}
    rows = rows_of((x, y), some, validation=some)
    table = loaded(rows, tmp_path)
    assert table.targets == ("size", "kind") and table.validation == 7
    for name, array in x.items():
        whole = np.concatenate([array, array[:7]]).astype("float32")
        np.testing.assert_array_equal(table.x_train[name], whole)
        np.testing.assert_array_equal(table.x_test[name], array[:7].astype("float32"))
    np.testing.assert_array_equal(table.y_test[:, 1], y["kind"][:7])
    assert rows_of((x, y), some).digest == rows_of(((x, y), some)).digest != rows.digest
    by_key = {"x": x, "y": y, "x_test": some[0], "y_test": some[1]}
    assert rows_of(by_key).digest == rows_of((x, y), some).digest
    weighted = loaded(rows_of(x, {"kind": Y}, weights=np.arange(60)), tmp_path)
    assert weighted.classes == ("no", "yes") and sorted(np.concatenate(weighted.weights["weights"])) == [
        *range(60)
    ]


def test_the_names_of_train_rows_can_be_mixed(tmp_path):
    weights = np.linspace(0, 1, 60)
    expected = rows_of(X, Y, weights).digest
    for ending in ("", "_train"):
        assert rows_of({"x": X, "y": Y, f"weights{ending}": weights}).digest == expected
        assert rows_of({"x_train": X, f"y{ending}": Y, f"weights{ending}": weights}).digest == expected
    assert rows_of({"x": X, "y": Y}, weights=weights).digest == expected != rows_of(X, Y).digest
    assert rows_of({"x": X, "left": X}, Y).spec["path"] == "data.npz"  # an input may be called x


def test_the_digest_is_that_of_the_content():
    base = rows_of(FRAME, "t").digest
    assert rows_of(FRAME.copy(), "t").digest == base
    assert rows_of(FRAME.assign(a=FRAME["a"] + 1e-12), "t").digest != base
    assert rows_of(FRAME.rename(columns={"a": "b"}), "t").digest != base
    assert rows_of(X, Y).digest != rows_of(X + 1, Y).digest != rows_of(X, Y[::-1]).digest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((FRAME,), "y is missing"),
        ((FRAME, "u"), "no column 'u', which y names"),
        ((FRAME, FRAME["t"]), "has a column 't', and y has this name, too"),
        ((FRAME, np.zeros(59)), "has 60 rows, but its y has 59"),
        ((FRAME, "t", np.ones(3)), r"weights of x have the shape \(3,\), but need \(60,\)"),
        ((FRAME, "t", "w"), "no column 'w', which the weights name"),
        ((FRAME, "t", None, (X, Y)), "validation rows got ndarray, but needs a data frame"),
        ((FRAME.assign(a=[1, "b"] * 30), "t"), "cannot be stored as Parquet: the column 'a'"),
        ((FRAME.assign(a=[b"1", 2] * 30), "t"), "cannot be stored as Parquet: the column 'a'"),
        ((FRAME, 7), "no column '7', which y names"),
        ((FRAME, FRAME), "has the columns 'a', 'kind', '3', 't', and y has these names, too. Give as y only"),
        ((FRAME, {"t": X}), r"y is a dictionary, but x is a data frame. Give pandas.DataFrame\(y\)"),
        (({"a": X, "b": X[:9]}, Y), "x has 60, 9 rows, but y has 60"),
        (({"a": X}, "t"), r"the name of a column, but x is a dictionary of arrays.*pandas.DataFrame\(x\)"),
        (({}, Y), "x is an empty dictionary"),
        ((X, Y, {"a": 1}), "sample_weight is a dictionary"),
        (({"a": sparse.csr_matrix(X)}, Y), r"x\['a'\] is a sparse matrix.*Give x\['a'\].toarray\(\)"),
        (({"a": X}, {"t": np.ma.masked_greater(X[:, 0], 1)}), r"y\['t'\] has masked values"),
        ((({"a": X}, Y), ({"b": X}, Y)), "a test row has the shape"),
        (
            (({"a": X}, Y), ({"a": sparse.csr_matrix(X)}, Y)),
            r"x\['a'\] of the test rows is a sparse matrix.*Give x\['a'\].toarray\(\)",
        ),
        (
            (({"a": X}, Y), ({"a": X}, Y), None, ({"a": np.ma.masked_greater(X, 1)}, Y)),
            r"x\['a'\] of the validation rows has masked values. Leave these rows out\.$",
        ),
        (({"a": X[:0], "b": X[:0]}, Y[:0]), r"x\['a'\] has no rows.\nx\['b'\] has no rows"),
        ((({"a": X}, Y), ({"a": X[:0]}, Y[:0])), r"x\['a'\] of the test rows has no rows"),
        ((X, sparse.csr_matrix(X)), "y is a sparse matrix"),
        (({"x": X, "y": Y, "x_test": X},), "x: of x_test and y_test there is only one"),
        (({"x": X, "y": Y, "y_test": Y},), "x: of x_test and y_test there is only one"),
        (
            ({"x": X, "y": Y, "sample_weight": Y},),
            "x: got the array 'sample_weight', but the names are x, y, w",
        ),
        (({"x": X, "y": Y, "x_val": X, "y_val": Y},), "x: got the array 'x_val', but the names are"),
        (
            ({"x": X, "y": Y, "weights_test": np.ones(60)},),
            "x: weights_test is given without x_test and y_test",
        ),
        (({"x": X, "y": Y, "x_train": X},), "x: got the arrays 'x' and 'x_train', which are the same"),
        (({"x": FRAME, "y": "t", "x_val": FRAME},), "x: got the array 'x_val'"),
        (
            ({"x": X, "y": Y, "weights": np.ones(60)}, None, np.ones(60)),
            "x has the key 'weights', and sample_weight is given, too",
        ),
        ((sparse.csr_matrix(X), Y), r"x is a sparse matrix, but needs all values. Give x.toarray\(\)"),
        ((X[:0], Y[:0]), "x has no rows"),
        ((FRAME[:0], "t"), "x has no rows"),
        ((X, Y, "w"), "sample_weight got 'w', the name of a column, but x is an array"),
        ((X, Y, None, X), "validation_data got ndarray"),
        ((np.ma.masked_greater(X, 1), Y), "x has masked values"),
        ((X, np.ma.masked_greater(X, 1)), "y has masked values"),
        ((FRAME, np.ma.masked_greater(X[:, 0], 1)), "y has masked values"),
        ((X, Y, np.ma.masked_greater(X[:, 0], 1)), "sample_weight has masked values"),
        ((X,), "y is missing"),
        ((X, Y[:-1]), "x has 60 rows, but y has 59"),
        ((X, Y, None, (X, Y)), "validation_data of arrays need test rows"),
        ((np.array([["a"]]), [1]), "x is not of numbers"),
        ((X, np.array([1, "a"] * 30, object)), "values of the types int, str"),
    ],
)
def test_what_is_wrong_is_said(arguments, said):
    with pytest.raises(InputError, match=said):
        rows_of(*arguments)


def test_everything_wrong_is_in_one_message():
    with pytest.raises(InputError) as error:
        rows_of(FRAME, "u", np.ones(2), (FRAME.drop(columns="kind"), "v"))
    assert "'u'" in str(error.value) and "(2,)" in str(error.value)


def test_a_list_of_labels_is_the_target():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [3.0, 4.0, 5.0]})
    labels = ["yes", "no", "yes"]
    assert rows_of(frame, labels).files == rows_of(frame, pd.Series(labels)).files
    assert rows_of(frame, ["a", "b"]).spec["target"] == ["a", "b"]


def test_a_column_may_have_a_number_for_its_name(tmp_path):
    frame = pd.DataFrame(CHANCE.normal(size=(60, 4)))
    assert rows_of(frame, 0).spec["target"] == rows_of(frame, np.int64(0)).spec["target"] == "0"
    assert rows_of(frame, [0, 2]).spec["target"] == ["0", "2"]
    assert len(loaded(rows_of(frame, 3), tmp_path).features) == 3


def test_validation_rows_may_be_a_frame_alone():
    assert rows_of(FRAME, "t", None, FRAME[:9]).digest == rows_of(FRAME, "t", None, (FRAME[:9],)).digest


def of(labels, categories, ordered=False):
    return pd.Categorical(np.resize(np.array(labels, object), 60), categories, ordered=ordered)


def test_the_order_of_categories_is_in_the_digest():
    made = [
        rows_of(FRAME.assign(kind=of(["x", "y"], order, ordered)), "t").digest
        for order, ordered in [
            (["x", "y"], False),
            (["x", "y"], True),
            (["y", "x"], False),
            (["y", "x"], True),
        ]
    ]
    assert len(set(made)) == 4
    again = rows_of(FRAME.assign(kind=of(["x", "y"], ["y", "x"])), "t").digest
    assert again == made[2]


@pytest.mark.parametrize("part", ["data", "validation"])
@pytest.mark.parametrize(
    ("categories", "names"),
    [([3, 1, 2], "312"), ([True, False], ["True", "False"]), ([0.5, 2.0], ["0.5", "2"])],
)
def test_categories_of_numbers_are_categories(tmp_path, categories, names, part):
    frame = FRAME[["a", "t"]].assign(zip=of(sorted(categories), categories))
    rows = rows_of(frame, "t", None, (frame[:20],) if part == "validation" else None)
    assert rows.digest != rows_of(frame.assign(zip=list(frame["zip"])), "t").digest
    table = loaded(rows, tmp_path)
    assert table.features == ("a", *(f"zip_{name}" for name in names))
    assert (table.x_train[:, 1:].sum(1) == 1).all()


@pytest.mark.parametrize(
    ("labels", "ordered", "classes"),
    [
        ([3, 1, 2], False, (1, 2, 3)),
        ([3, 1, 2], True, (3, 1, 2)),
        ([1, 0], True, (1, 0)),
        ([True, False], True, (True, False)),
        (["no", "yes"][::-1], True, ("yes", "no")),
    ],
)
def test_a_target_of_categories_is_of_classes(tmp_path, labels, ordered, classes):
    frame = FRAME.assign(t=of(sorted(labels), labels, ordered))
    table = loaded(rows_of(frame, "t"), tmp_path)
    assert table.classes == classes
    codes = np.concatenate([table.y_train, table.y_test]).ravel()
    assert sorted(codes) == sorted(float(classes.index(label)) for label in frame["t"])


def test_a_regression_takes_categories_of_numbers_for_what_they_are(tmp_path):
    table = loaded(rows_of(FRAME.assign(t=of([3, 1, 2], [3, 1, 2])), "t"), tmp_path, task="regression")
    assert table.classes == () and {*table.y_train.ravel()} == {1.0, 2.0, 3.0}


def test_gaps_in_categories_of_numbers_are_filled_by_the_most_frequent(tmp_path):
    frame = FRAME[["a", "t"]].assign(zip=of([2.0, 2.0, 0.5, None], [0.5, 2.0]))
    table = loaded(rows_of(frame, "t"), tmp_path, missing="fill")
    assert table.features[:3] == ("a", "zip_0.5", "zip_2")
    assert (table.x_train[:, 1:3].sum(1) == 1).all()
