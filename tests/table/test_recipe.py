"""The recipe of a table is compared with pandas and scikit-learn on random tables."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder

from trainables.table.data import load
from trainables.table.readers import read
from trainables.table.recipe import BUCKETS, Column, Recipe, fitted
from trainables.table.spec import DataError, DataSpec

KINDS = {"n": "number", "c": "onehot", "o": "ordinal", "h": "hash"}


def drawn(seed, rows=60, gaps=True):
    chance = np.random.default_rng(seed)
    frame = pd.DataFrame({"n": chance.normal(size=rows)})
    for name in "coh":
        frame[name] = chance.choice(list("uvwxyz"), rows, p=[0.5, 0.2, 0.1, 0.1, 0.06, 0.04])
    if gaps:
        for name in frame:
            frame.loc[chance.random(rows) < 0.2, name] = None
    return frame.sample(frac=1, random_state=seed, ignore_index=True)


@pytest.mark.heavy  # takes seconds
@settings(max_examples=40)
@given(st.integers(0, 10_000))
def test_it_is_what_scikit_learn_fits_on_the_train_rows(seed):
    frame, train = drawn(seed), np.arange(30)
    recipe, left_out = fitted(frame, train, KINDS, list(KINDS), ("y",), ())
    assert not left_out
    found, unseen = recipe.encode(frame)
    positions = recipe.positions
    for name, kind in KINDS.items():
        values = frame[[name]].astype(object).where(frame[[name]].notna(), np.nan)
        strategy = "median" if kind == "number" else "most_frequent"
        values = values.astype(float) if kind == "number" else values
        filled = SimpleImputer(strategy=strategy).fit(values.iloc[train]).transform(values)
        if kind == "number":
            expected = filled
        elif kind == "onehot":
            encoder = OneHotEncoder(handle_unknown="ignore", sparse_output=False)
            expected = encoder.fit(values.iloc[train].dropna().to_numpy()).transform(filled)
        elif kind == "ordinal":
            present = values.iloc[train].dropna()
            encoder = OrdinalEncoder(
                handle_unknown="use_encoded_value", unknown_value=present[name].nunique()
            )
            expected = encoder.fit(present.to_numpy()).transform(filled)
        else:
            hasher = FeatureHasher(BUCKETS, input_type="string", alternate_sign=False)
            expected = hasher.transform([str(value)] for value in filled[:, 0]).toarray()
            expected = expected[:, np.ptp(expected[train], axis=0) > 0]
        np.testing.assert_array_equal(found[:, positions[name]], expected.astype("float32"))
        if kind in ("onehot", "ordinal"):
            there = set(frame[name].iloc[train].dropna())
            new = ~frame[name].isin(there) & frame[name].notna()
            np.testing.assert_array_equal(unseen.get(name, np.zeros(len(frame), bool)), new)
    gaps = [f"{name}_missing" for name in KINDS if frame[name].iloc[train].isna().any()]
    assert [name for name in recipe.features if name.endswith("_missing")] == gaps
    for name in gaps:
        column = found[:, recipe.features.index(name)]
        np.testing.assert_array_equal(column, frame[name.removesuffix("_missing")].isna())


def test_indicators_are_those_of_get_dummies():
    frame = drawn(3, gaps=False)[["n", "c"]]
    recipe, _ = fitted(frame, np.arange(len(frame)), {"c": "onehot", "n": "number"}, [], ("y",), ())
    expected = pd.get_dummies(frame, prefix_sep="_")
    assert recipe.features == tuple(expected.columns)
    np.testing.assert_array_equal(recipe.encode(frame)[0], expected.to_numpy("float32"))


def test_categories_of_numbers_are_sorted_by_value():
    frame = pd.DataFrame({"zip": [100, 20, 3, 20, None]})
    recipe, _ = fitted(frame, np.arange(5), {"zip": "onehot"}, ["zip"], ("y",), ())
    assert recipe.features == ("zip_3", "zip_20", "zip_100", "zip_missing")
    np.testing.assert_array_equal(recipe.encode(frame)[0][4], [0, 1, 0, 1])


def test_a_column_with_one_value_in_the_train_rows_is_left_out():
    frame = pd.DataFrame({"a": [1, 1, 1, 2], "b": [1, 2, 3, 4], "c": [None, None, None, "x"]})
    recipe, left_out = fitted(
        frame, np.arange(3), {"a": "number", "b": "number", "c": "onehot"}, ["c"], ("y",), ()
    )
    assert recipe.features == ("b",)
    assert left_out == {"a": "it is 1 in every train row", "c": "it has no value in any train row"}


def test_no_feature_has_one_value_in_the_train_rows():
    """Its variance would be 0, and a normalization would make another value of a test row huge."""
    frame = drawn(7)
    frame["pool"] = pd.Series(["yes", None, "yes", None] * 15, dtype=object)
    frame["depth"] = [2.0, np.nan, np.nan] * 20
    frame.loc[50:, "pool"], frame.loc[50:, "depth"], frame.loc[50:, "h"] = "no", 9.0, "new"
    kinds = {**KINDS, "pool": "onehot", "depth": "number"}
    recipe, _ = fitted(frame, np.arange(50), kinds, list(kinds), ("y",), ())
    found, _ = recipe.encode(frame)
    assert np.ptp(found[:50], axis=0).all()
    assert {"pool_missing", "depth_missing"} <= set(recipe.features)
    assert not {"pool_yes", "depth"} & set(recipe.features)
    assert np.abs(found[50:]).max() < 10


def test_it_survives_json():
    frame = drawn(5)
    recipe, _ = fitted(frame, np.arange(40), KINDS, list(KINDS), ("y",), ("high", "low"))
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe
    np.testing.assert_array_equal(again.encode(frame)[0], recipe.encode(frame)[0])
    assert again.labels(np.array([1, 0])).tolist() == ["low", "high"]


def test_raw_rows_are_found_by_name():
    frame = drawn(6, gaps=False)
    recipe, _ = fitted(frame, np.arange(60), KINDS, [], ("y",), ())
    shuffled = frame[["h", "o", "c", "n"]].assign(n=frame["n"].astype(str), more=1)
    np.testing.assert_array_equal(
        recipe.encode(recipe.checked(shuffled, "new.csv"))[0], recipe.encode(frame)[0]
    )
    with pytest.raises(DataError, match=r"new\.csv: there is no column 'n', 'o'"):
        recipe.checked(frame[["c", "h"]], "new.csv")
    frame.loc[4, "c"] = None
    frame["n"] = ["?", *frame["n"].astype(str)[1:]]
    with pytest.raises(
        DataError,
        match=r'column "n" is \'\?\' in row 1, but needs a number; column "c" has no value in row 5 \(1 missing',
    ):
        recipe.checked(frame, "new.csv")


def test_a_fill_of_zero_survives_json_and_an_earlier_version_that_lost_it():
    frame = pd.DataFrame({"n": [0.0, 0.0, np.nan, 5.0], "m": [1.0, 2.0, 3.0, 4.0]})
    made, _ = fitted(frame, np.arange(4), {"n": "number", "m": "number"}, ["n"], ("y",), ())
    kept = made.to_dict()
    assert Recipe.from_dict(json.loads(json.dumps(kept))) == made and made.columns[0].fill == 0.0
    del kept["columns"][0]["fill"]
    assert Recipe.from_dict(kept) == made
    np.testing.assert_array_equal(made.encode(made.checked(frame, "new"))[0][2], [0, 3, 1])


def test_a_column_that_float32_cannot_tell_apart_is_left_out():
    frame = pd.DataFrame({"v": 1e5 + np.array([0.001, -0.001, 0.002, 1.0]), "a": [1.0, 2.0, 3.0, 4.0]})
    made, left_out = fitted(frame, np.arange(3), {"v": "number", "a": "number"}, [], ("y",), ())
    assert made.features == ("a",) and "in every train row as float32" in left_out["v"]


def test_numbers_and_truth_values_are_known_however_they_are_written():
    numbers = Column("c", "onehot", ("1", "1.5", "2"), raw="number")
    into = np.zeros((4, 3), np.float32)
    assert numbers.encode(pd.Series(["2.0", "1", "1.50", "x"]), into).tolist() == [False, False, False, True]
    assert into.argmax(1).tolist() == [2, 0, 1, 0]
    assert (
        not Column("c", "ordinal", ("False", "True"), raw="number")
        .encode(pd.Series(["TRUE"]), into[:1, :1])
        .any()
    )
    # Texts that look like numbers are texts.
    assert Column("c", "ordinal", ("01", "02"), raw="text").encode(
        pd.Series(["1", "01"]), into[:2, :1]
    ).tolist() == [
        True,
        False,
    ]


@pytest.mark.parametrize("kind", ["onehot", "ordinal", "hash"])
def test_numbers_are_the_same_categories_beside_a_text(kind):
    """A new file with one text among its numbers has texts such as 2.0 where the train rows have the number 2."""
    frame = pd.DataFrame({"c": [1.5, 2.0, 2**53 + 1, 7.0] * 3})
    made, _ = fitted(frame, np.arange(12), {"c": kind}, [], ("y",), ())
    assert made.columns[0].raw == "number" and not made.expected.texts
    texts = pd.DataFrame({"c": ["1.5", "2.0", str(2**53), "7", "x"]})
    (expected, _), (found, unseen) = made.encode(frame[:4]), made.encode(texts)
    np.testing.assert_array_equal(found[:4], expected)
    assert kind == "hash" or unseen["c"].tolist() == [False] * 4 + [True]


@pytest.mark.parametrize("kind", ["onehot", "ordinal", "hash"])
def test_texts_are_the_same_categories_with_other_blanks_around_them(kind):
    """Readers of files leave blanks before a text out, and pandas keeps them unless it is asked."""
    for texts in (["a", "b", "c"], [" a", " b", " c"], [" a", "a", "b"]):
        frame = pd.DataFrame({"c": texts * 4})
        made, _ = fitted(frame, np.arange(12), {"c": kind}, [], ("y",), ())
        made = Recipe.from_dict(json.loads(json.dumps(made.to_dict())))
        expected, _ = made.encode(frame[:3])
        variants = [texts, [f"{text} " for text in texts]]
        variants += [[text.strip() for text in texts]] if " a" not in texts or "a" not in texts else []
        for variant in variants:
            found, unseen = made.encode(pd.DataFrame({"c": variant}))
            if variant == [" a ", "a ", "b "]:  # of two categories, the one without blanks
                found, expected = found[1:], expected[1:]
            np.testing.assert_array_equal(found, expected)
            assert not unseen
        assert made.encode(pd.DataFrame({"c": [" d"]}))[1] or kind == "hash"


def test_a_hashed_column_of_an_earlier_version_takes_texts_as_they_stand():
    frame = pd.DataFrame({"c": [f" {n}x" for n in range(12)]})
    made, _ = fitted(frame, np.arange(12), {"c": "hash"}, [], ("y",), ())
    assert made.columns[0].kept == tuple(sorted(frame["c"]))
    old = Recipe((replace(made.columns[0], kept=None, fill="0x"),), ("y",))
    np.testing.assert_array_equal(old.encode(frame)[0], made.encode(frame)[0])
    stripped = frame.assign(c=frame["c"].str.strip())
    np.testing.assert_array_equal(made.encode(stripped)[0], made.encode(frame)[0])
    assert (old.encode(stripped)[0] != old.encode(frame)[0]).any()
    assert old.columns[0].gaps_in(pd.Series(["NA", " "]), DataSpec("t.csv", "y")) == []


@pytest.mark.parametrize("words", [("TRUE", "FALSE"), ("true", "false"), ("True", "False")])
@pytest.mark.parametrize("kind", ["onehot", "ordinal", "hash"])
def test_truth_values_with_gaps_are_found_again_in_the_same_file(tmp_path, words, kind):
    path, flags = tmp_path / "t.csv", np.resize([words[0], "", words[1], words[1]], 60)
    pd.DataFrame({"flag": flags, "a": range(60), "y": np.arange(60) ** 2}).to_csv(path, index=False)
    spec = DataSpec(str(path), "y", missing="fill", categories={"flag": kind})
    table = load(spec)
    assert table.recipe.columns[-1].raw == "number"
    recipe = Recipe.from_dict(json.loads(json.dumps(table.recipe.to_dict())))
    for rows in (slice(None), slice(0, 1), slice(1, 2)):  # also without gaps, and with gaps only
        pd.read_csv(path, dtype=str, keep_default_na=False)[rows].to_csv(tmp_path / "new.csv", index=False)
        source = read("new.csv", (tmp_path / "new.csv").read_bytes(), spec, recipe.expected)
        x, unseen = recipe.encode(recipe.checked(recipe.with_gaps(source.frame, spec), "new.csv"))
        expected, _ = recipe.encode(read(str(path), path.read_bytes(), spec).frame)
        assert not unseen
        np.testing.assert_array_equal(x, expected[rows])
    texts = pd.DataFrame({"flag": [words[0].upper(), words[1].lower()], "a": [0, 2]})
    assert not recipe.encode(texts)[1]


@pytest.mark.parametrize(
    "values",
    [pd.to_datetime(["2024-01-01"]), pd.to_datetime(["2024-01-01"], utc=True), pd.to_timedelta(["1h"])],
)
def test_times_are_no_numbers(values):
    recipe = Recipe((Column("a", "number"),), ("y",))
    with pytest.raises(DataError, match='column "a" holds dates or spans of time, but needs numbers'):
        recipe.checked(pd.DataFrame({"a": values}), "rows")
