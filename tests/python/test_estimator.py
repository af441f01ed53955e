"""The estimators are scikit-learn's: its own checks, pipelines and cross-validation."""

import ast
import os
import pickle
import subprocess
import sys

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import results
from sweep import KerasSweepClassifier, KerasSweepRegressor
from sweep.python import estimator
from tests.help.predictions import write_mixed_table
from tests.help.repository import ROOT

pytestmark = pytest.mark.long(60)

CHANCE = np.random.default_rng(0)
X = CHANCE.normal(size=(60, 3)).astype("float32")
LABELS = np.where(X[:, 0] > 0.4, "high", np.where(X[:, 0] < -0.4, "low", "mid"))
TARGET = X @ [1.0, -2.0, 0.5]
QUICK = {"plan": {"engine": "native"}, "random_state": 0}


def classes(units, rate=0.1, *, input_shape, n_classes):
    model = keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Dense(units, "relu"),
            keras.layers.Dense(n_classes, "softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(rate), "sparse_categorical_crossentropy")
    return model


def numbers(units, rate=0.1, *, input_shape, n_outputs):
    model = keras.Sequential(
        [keras.Input(input_shape), keras.layers.Dense(units, "relu"), keras.layers.Dense(n_outputs)]
    )
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


@pytest.fixture(scope="module")
def classifier():
    made = KerasSweepClassifier(classes, {"units": [2, 8], "rate": [0.1, 1e-9]}, epochs=8, **QUICK)
    return made.fit(X, LABELS)


def test_the_best_point_is_chosen_by_the_validation_rows(classifier):
    found = pd.DataFrame(classifier.cv_results_)
    assert list(found["params"]) == [{"rate": r, "units": u} for r in (0.1, 1e-9) for u in (2, 8)]
    assert classifier.best_index_ == found["mean_test_score"].argmax() == found["rank_test_score"].argmin()
    assert classifier.best_score_ == found["mean_test_score"].max() < 0
    assert (
        classifier.best_params_ == found["params"][classifier.best_index_]
        and classifier.best_params_["rate"] == 0.1
    )
    assert found["rank_test_score"].tolist() == (-found["mean_test_score"]).rank().astype(int).tolist()
    assert set(found["param_units"]) == {2, 8} and (found["mean_fit_time"] > 0).all()


def test_it_predicts_labels_and_probabilities(classifier):
    assert classifier.classes_.tolist() == ["high", "low", "mid"]
    shares = classifier.predict_proba(X)
    assert shares.shape == (60, 3) and np.allclose(shares.sum(1), 1)
    raw = classifier.best_estimator_.model_.predict(X, verbose=0)
    np.testing.assert_allclose(shares, raw, rtol=1e-4)
    np.testing.assert_array_equal(classifier.predict(X), classifier.classes_[shares.argmax(1)])
    assert classifier.score(X, LABELS) == np.mean(classifier.predict(X) == LABELS) > 0.6


def test_it_can_be_pickled_and_copied(classifier, tmp_path):
    expected = classifier.predict_proba(X)
    np.testing.assert_allclose(pickle.loads(pickle.dumps(classifier)).predict_proba(X), expected, rtol=1e-6)
    (tmp_path / "it.pkl").write_bytes(pickle.dumps(classifier))
    np.save(tmp_path / "x.npy", X)
    code = "import pickle, numpy; m = pickle.load(open('it.pkl', 'rb')); "
    code += "print(m.predict_proba(numpy.load('x.npy'))[0].tolist())"
    ran = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    np.testing.assert_allclose(eval(ran.stdout.splitlines()[-1]), expected[0], rtol=1e-5)
    fresh = clone(classifier)
    assert not hasattr(fresh, "best_params_") and fresh.get_params()["space"] == classifier.space


def test_a_frame_with_texts_and_gaps(tmp_path):
    frame = write_mixed_table(tmp_path / "t.csv")
    x, y = frame.drop(columns="grade"), frame["grade"]
    made = KerasSweepClassifier(classes, {"units": [3]}, epochs=2, data={"missing": "fill"}, **QUICK).fit(
        x, y
    )
    assert made.feature_names_in_.tolist() == ["a", "b", "kind", "floor"] and made.n_features_in_ == 4
    assert set(made.predict(x)) <= {"high", "low", "mid"} and made.predict_proba(x).shape == (80, 3)
    with pytest.raises(ValueError, match="feature names"):
        made.predict(x[["b", "a", "kind", "floor"]])


def frame_with_gaps():
    frame = pd.DataFrame({"a": CHANCE.normal(size=60), "b": CHANCE.normal(size=60), "c": list("xyz") * 20})
    frame.loc[[3, 50], "b"] = np.nan
    frame.loc[7, "c"] = None
    return frame


@pytest.mark.parametrize("seed", [0, 2])
def test_columns_with_gaps_are_named_as_they_are_in_x(seed):
    made = KerasSweepRegressor(numbers, {"units": [3]}, epochs=1, random_state=seed)
    with pytest.raises(ValueError, match="2 columns") as refused:
        made.fit(frame_with_gaps(), TARGET)
    assert str(refused.value).splitlines() == [
        "X: 2 columns cannot be used as they are:",
        '  column "b" has no value in row 4 (2 missing in all)',
        '  column "c" has no value in row 8 (1 missing in all)',
        "Correct X, or give the estimator what fits:",
        "  data={'missing': 'fill'}",
        "  data={'missing': 'drop_rows'}",
        "  data={'missing': {'b': 'fill', 'c': 'fill'}}",
        "  data={'drop': ['b', 'c']}",
    ]


def test_a_remedy_keeps_what_was_given_and_can_be_pasted():
    given = {"missing": {"b": "fill"}, "categories": {"c": "ordinal"}, "drop": ["d"]}
    x = frame_with_gaps().assign(d=np.nan)
    with pytest.raises(ValueError, match=r'^X: column "c" has no value in row 8 ') as refused:
        KerasSweepRegressor(numbers, {"units": [3]}, data=given).fit(x, TARGET)
    remedies = [line.strip().removeprefix("data=") for line in str(refused.value).splitlines()[2:]]
    both = {**given, "drop": ["d", "c"]}
    assert both in map(ast.literal_eval, remedies)
    for data in map(ast.literal_eval, remedies):
        assert data.keys() == given.keys()
        KerasSweepRegressor(numbers, {"units": [3]}, epochs=1, data=data, **QUICK).fit(x, TARGET)


@pytest.mark.parametrize("data", [{"missing": "fill"}, {"missing": "drop_rows"}, {"drop": ["b", "c"]}])
def test_gaps_that_data_provides_for_are_no_fault(data):
    KerasSweepRegressor(numbers, {"units": [3]}, epochs=1, data=data, **QUICK).fit(frame_with_gaps(), TARGET)


def test_texts_in_numbers_are_named_as_they_are_in_x():
    x = frame_with_gaps()[["a"]].astype(str)
    x.loc[51, "a"] = "?"
    made = KerasSweepRegressor(numbers, {"units": [3]}, epochs=1, **QUICK)
    with pytest.raises(ValueError, match=r"X: column \"a\" is '\?' in row 52, ") as error:
        made.fit(x, TARGET)
    assert "  data={'strip': [' '], 'na': ['?'], 'missing': 'fill'}\n" in str(error.value)
    made.set_params(data={"strip": [" "], "na": ["?"], "missing": "fill"}).fit(x, TARGET)


def one_number(units, rate=0.05, *, input_shape):
    return numbers(units, rate, input_shape=input_shape, n_outputs=1)


def frame_with_texts(rows=100):
    chance = np.random.default_rng(3)
    return pd.DataFrame({"a": chance.normal(size=rows), "kind": chance.choice(list("xyz"), rows)})


def test_labels_of_a_frame_follow_from_numbers_as_those_of_an_array():
    x = frame_with_texts()
    y = np.where(x["a"] > 0, "yes", "no")
    made = KerasSweepClassifier(one_number, {"units": [8]}, epochs=30, **QUICK).fit(x, y)
    [features, _] = made.best_estimator_._prepared.recipe.encode(x)
    raw = made.best_estimator_.model_.predict(features, verbose=0)[:, 0]
    np.testing.assert_array_equal(made.predict(x), np.where(raw > 0.5, "yes", "no"))
    assert made.score(x, y) > 0.8
    with pytest.raises(ValueError, match="no probabilities of 2 classes"):
        made.predict_proba(x)


@pytest.mark.parametrize("columns", [["a", "kind"], ["a"]])
def test_one_number_says_nothing_of_three_classes(columns):
    x = frame_with_texts()
    y = np.array(["low", "mid", "high"])[np.digitize(x["a"], [-0.5, 0.5])]
    made = KerasSweepClassifier(one_number, {"units": [2]}, epochs=1, **QUICK).fit(x[columns], y)
    with pytest.raises(ValueError, match="1 outputs, which say nothing of 3 classes"):
        made.predict(x[columns])


def test_an_array_is_prepared_as_the_frame_of_fit():
    chance = np.random.default_rng(5)
    x = pd.DataFrame({"k": chance.integers(0, 3, 80) * 10, "one": 1.0, "a": chance.normal(size=80)})
    x.loc[::7, "a"] = np.nan
    made = KerasSweepRegressor(one_number, {"units": [3]}, epochs=1, data={"missing": "fill"}, **QUICK)
    made.fit(x, x["k"])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        found = made.predict(x.to_numpy())
    np.testing.assert_array_equal(found, made.predict(x))
    wrong = pytest.raises(ValueError, match="2 features, but KerasSweepRegressor is expecting 3")
    with pytest.warns(UserWarning, match="does not have valid feature names"), wrong:
        made.predict(x.to_numpy()[:, :2])


def test_an_array_of_objects_with_texts_is_prepared_as_the_frame_of_fit():
    x = frame_with_texts(60)
    made = KerasSweepRegressor(one_number, {"units": [3]}, epochs=1, **QUICK).fit(x, x["a"])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        found = made.predict(x.to_numpy(object))
    np.testing.assert_array_equal(found, made.predict(x))


def test_columns_of_one_name_are_one_message():
    x = pd.DataFrame(X, columns=["a", "b", "a"])
    made = KerasSweepRegressor(one_number, {"units": [2]}, epochs=1, **QUICK)
    for given in (x, x.assign(kind="x")):
        with pytest.raises(ValueError, match="more than one column of the name 'a'"):
            made.fit(given, TARGET)
    made.fit(pd.DataFrame(X, columns=["a", "b", "c"]), TARGET)
    with pytest.raises(ValueError, match="more than one column of the name 'a'"):
        made.predict(x)


def weighted(class_weight, labels, **more):
    made = KerasSweepClassifier(
        classes, {"units": [4]}, epochs=8, plan={"engine": "native", "fit": {"class_weight": class_weight}},
        random_state=0, **more,
    )  # fmt: skip
    return made.fit(X, labels).predict(X)


@pytest.mark.parametrize("labels", [pytest.param([1, 2, 3], marks=pytest.mark.slow), ["a", "b", "c"]])
def test_class_weight_has_labels_as_keys(labels):
    y = np.array(labels)[np.digitize(X[:, 0], [-0.4, 0.4])]
    for label in labels:
        assert (weighted({label: 50.0}, y) == label).mean() > 0.6


def test_class_weight_of_an_unknown_label_is_refused():
    with pytest.raises(
        ValueError, match=r"class_weight names 0, 'hgh', but the classes are 'high', 'low', 'mid'"
    ):
        weighted({0: 2.0, "hgh": 2.0, "low": 1.0}, LABELS)


def test_class_weight_as_an_axis_has_labels_as_keys():
    space = {"units": [4], "class_weight": [None, "balanced", {"low": 50.0}]}
    made = KerasSweepClassifier(classes, space, epochs=1, **QUICK).fit(X, LABELS)
    assert [config["class_weight"] for config in made.cv_results_["params"]] == space["class_weight"]
    assert made.best_params_ in made.cv_results_["params"]


def split_of(folder):
    """Return the fitted and the validation rows of a run on frames."""
    return (pd.read_parquet(folder / "given" / name) for name in ("data.parquet", "validation.parquet"))


def test_groups_are_in_one_part_and_no_feature(tmp_path):
    x = frame_with_texts().assign(g=np.arange(100) // 4)
    made = KerasSweepRegressor(
        one_number, {"units": [2]}, epochs=1, data={"split": {"kind": "group", "column": "g"}}, out=tmp_path / "run",
        **QUICK,
    ).fit(x, x["a"])  # fmt: skip
    fitted, held = split_of(tmp_path / "run")
    assert (
        not set(fitted["g"]) & set(held["g"]) and held["g"].nunique() == 5 and len(fitted) + len(held) == 100
    )
    assert made.best_estimator_._prepared.recipe.features == ("a", "kind_x", "kind_y", "kind_z")
    assert made.predict(x).shape == (100,)


def test_the_last_rows_by_time_are_the_validation_rows(tmp_path):
    day = pd.date_range("2024-01-01", periods=100).to_series().sample(frac=1, random_state=0)
    x = frame_with_texts().assign(day=day.to_numpy())
    KerasSweepRegressor(
        one_number, {"units": [2]}, epochs=1, data={"split": {"kind": "time", "column": "day"}}, out=tmp_path / "run",
        validation_fraction=0.3, **QUICK,
    ).fit(x, x["a"])  # fmt: skip
    fitted, held = split_of(tmp_path / "run")
    assert len(held) == 30 and fitted["day"].max() < held["day"].min()


@pytest.mark.parametrize(("kind", "counts"), [("stratified", [4, 4]), ("random", [2, 6])])
def test_the_kind_of_split_says_whether_classes_are_stratified(tmp_path, kind, counts):
    y = np.repeat(["a", "b"], 20)
    KerasSweepClassifier(
        classes, {"units": [2]}, epochs=1, data={"split": {"kind": kind}}, out=tmp_path / "run", random_state=1,
        plan={"engine": "native"},
    ).fit(frame_with_texts(40), y)  # fmt: skip
    _, held = split_of(tmp_path / "run")
    assert held["target of the sweep"].value_counts().reindex([0, 1], fill_value=0).tolist() == counts


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"kind": "group", "column": "h"}, "names the column 'h', but X has a, kind"),
        ({"kind": "group", "column": "gap"}, "no value in the column 'gap' in row 3"),
        ({"kind": "time", "column": "kind"}, 'column "kind", which data.split.column names, holds no times'),
        ({"kind": "group"}, "data.split.column must name the column"),
        ({"kind": "groups", "column": "kind"}, "kind 'groups', but needs random, stratified, group, time"),
        ({"kind": "stratified"}, "target of a regressor has no classes"),
        ({"kind": "random", "share": 0.2}, "key 'share', but an estimator takes kind and column"),
        ({"validation": 0.2}, "key 'split.validation', which the argument validation_fraction gives"),
        ({"test": 0.2}, "key 'split.test', but an estimator keeps no test rows"),
        ("group", "data's split got 'group', but needs a dictionary"),
    ],
)
def test_a_split_that_cannot_be_made_is_one_message(split, said):
    x = frame_with_texts(40).assign(gap=[0, 1, None, 3] * 10)
    made = KerasSweepRegressor(one_number, {"units": [2]}, data={"split": split}, **QUICK)
    with pytest.raises(ValueError, match=said):
        made.fit(x, x["a"])


def test_gaps_that_a_step_before_has_filled_need_no_other_estimator():
    made = KerasSweepRegressor(one_number, {"units": [2]}, epochs=1, data={"missing": "fill"}, **QUICK)
    x = frame_with_texts(40)[["a"]]
    found = make_pipeline(StandardScaler(), made).fit(x, x["a"])
    assert found.predict(x).shape == (40,)


def test_an_array_has_no_column_to_split_by():
    made = KerasSweepRegressor(one_number, {"units": [2]}, data={"split": {"kind": "group", "column": "g"}})
    with pytest.raises(ValueError, match="column 'g', but X is an array"):
        made.fit(X, TARGET)


def test_a_position_that_is_another_column_s_name_is_refused_and_not_repeated():
    x = pd.DataFrame(X[:, :3], columns=["0", "1", "2"]).assign(**{"2": np.where(X[:, 0] > 0, np.nan, 1.0)})
    made = KerasSweepRegressor(one_number, {"units": [2]}, data={"drop": [2]})
    with pytest.raises(ValueError, match='drop names the position 2, but a column is called "2"') as error:
        made.fit(x, TARGET)
    assert "drop': [" not in str(error.value)


@pytest.mark.parametrize("data", [{"drop": [1]}, {"drop": ["a"]}, {"categories": {"a": "hash"}}])
def test_an_array_has_no_columns_that_become_something_else(data):
    with pytest.raises(ValueError, match=f"the key '{next(iter(data))}', but X is an array"):
        KerasSweepRegressor(one_number, {"units": [2]}, data=data).fit(X, TARGET)


def test_a_builder_without_a_name_is_pickled_by_value(tmp_path):
    factor = 2

    def build(units, *, input_shape):
        return one_number(units * factor, input_shape=input_shape)

    for given in (build, lambda units, *, input_shape: build(units, input_shape=input_shape)):
        made = KerasSweepRegressor(given, {"units": [2]}, epochs=1, **QUICK).fit(X, TARGET)
        again = pickle.loads(pickle.dumps(made))
        np.testing.assert_allclose(again.predict(X), made.predict(X), rtol=1e-6)
        assert again.build(1, input_shape=(3,)).layers[0].units == 2 and made.build is given
    assert pickle.loads(pickle.dumps(KerasSweepRegressor(numbers, {}))).build is numbers


@pytest.mark.slow
def test_a_builder_of_a_script_is_pickled_by_value(tmp_path):
    code = "import pickle, sweep\ndef build(units): return units + 1\n"
    code += "pickle.dump(sweep.KerasSweepRegressor(build, {'units': [1]}), open('it.pkl', 'wb'))"
    (tmp_path / "script.py").write_text(code)
    ran = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True,
                         env={**os.environ, "PYTHONPATH": str(ROOT)})  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert pickle.loads((tmp_path / "it.pkl").read_bytes()).build(1) == 2


def test_a_regressor_in_a_pipeline_and_under_cross_validation():
    made = KerasSweepRegressor(numbers, {"units": [8]}, epochs=30, **QUICK)
    scores = cross_val_score(make_pipeline(StandardScaler(), made), X, TARGET, cv=2)
    assert scores.shape == (2,) and (scores > 0.3).all()


def test_several_targets_and_weights():
    y = np.stack([TARGET, -TARGET], axis=1)
    made = KerasSweepRegressor(numbers, {"units": [2]}, epochs=1, **QUICK).fit(
        X, y, sample_weight=np.ones(60)
    )
    assert made.predict(X).shape == (60, 2)


def test_the_same_seed_gives_the_same_model():
    def predictions(seed):
        made = KerasSweepRegressor(numbers, {"units": [2]}, epochs=1, **{**QUICK, "random_state": seed})
        return made.fit(X, TARGET).predict(X)

    one = predictions(3)
    np.testing.assert_array_equal(one, predictions(3))
    assert not np.allclose(one, predictions(4))


def test_with_repeats_the_best_mean_wins_and_its_best_repeat_predicts(tmp_path):
    made = KerasSweepRegressor(
        numbers, {"units": [2, 3]}, epochs=2, repeats=2, out=tmp_path / "out", **QUICK
    ).fit(X, TARGET)
    found = made.cv_results_
    splits = np.stack([found["split0_test_score"], found["split1_test_score"]])
    assert splits.shape == (2, 2) and len(np.unique(splits)) == 4
    np.testing.assert_allclose(found["mean_test_score"], splits.mean(0))
    np.testing.assert_allclose(found["std_test_score"], splits.std(0))
    assert [config["units"] for config in found["params"]] == [2, 3]
    best = int(splits.mean(0).argmax())
    assert made.best_index_ == best and made.best_params_ == {"units": [2, 3][best]}
    run = results.open(tmp_path / "out")
    idx = best + 2 * int(splits[:, best].argmax())
    np.testing.assert_allclose(made.predict(X), run.predict(idx, X, trust=True)[:, 0], rtol=1e-5)
    assert run.top(1)["loss_va"][0] == pytest.approx(-made.best_score_)


def test_points_that_fail_have_no_score():
    def build(units, *, input_shape):
        if units == 2:
            raise RuntimeError("no two")
        return numbers(units, input_shape=input_shape, n_outputs=1)

    made = KerasSweepRegressor(build, {"units": [2, 3]}, epochs=1, **QUICK).fit(X, TARGET)
    assert np.isnan(made.cv_results_["mean_test_score"][0]) and made.best_params_ == {"units": 3}
    assert made.cv_results_["rank_test_score"].tolist() == [2, 1]
    with pytest.raises(RuntimeError, match=r"None of the 1 points .*no two"):
        KerasSweepRegressor(build, {"units": [2]}, epochs=1, **QUICK).fit(X, TARGET)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (
            KerasSweepRegressor(numbers, {"units": [2]}, validation_fraction=1.5),
            "validation_fraction got 1.5",
        ),
        (KerasSweepRegressor(numbers, {"unit": [2]}, **QUICK), "unit"),
        (KerasSweepRegressor(numbers, {"units": [2]}, plan={"engin": "keras"}), "Did you mean 'engine'"),
        (
            KerasSweepRegressor(numbers, {"units": [2]}, plan={"seed": 9, "repeats": 2}, random_state=1),
            "'seed', which the argument random_state gives(.|\n)*'repeats', which the argument repeats gives",
        ),
        (
            KerasSweepRegressor(numbers, {"units": [2]}, plan={"fit": {"validation_split": 0.5}}),
            "validation_split', which the argument validation_fraction gives",
        ),
        (
            KerasSweepRegressor(numbers, {"units": [2]}, data={"task": "multiclass"}),
            "'task', which follows from the class",
        ),
        (
            KerasSweepRegressor(numbers, {"units": [2]}, data={"split_seed": 3}),
            "'split_seed', which the argument random_state gives",
        ),
        (
            KerasSweepRegressor(numbers, {"units": [2]}, plan={"keep_weights": 1}),
            "plan has keep_weights: 1, but an estimator needs the weights of every point",
        ),
        (KerasSweepRegressor(numbers, {"units": [2]}, plan={"keep_weights": False}), "keep_weights: False"),
        (KerasSweepRegressor(numbers, {"units": [2]}, data=["missing"]), "data got .*needs a dictionary"),
        (KerasSweepRegressor(numbers, {"units": [2]}, n_jobs=0), "n_jobs got 0, but needs a number of cores"),
        (KerasSweepRegressor(numbers, {"units": [2]}, n_jobs=2.5), "n_jobs got 2.5"),
    ],
)
def test_bad_arguments_are_said_by_fit(made, said):
    with pytest.raises(ValueError, match=said):
        made.fit(X, TARGET)


@pytest.mark.parametrize(("n_jobs", "cpus"), [(-1, None), (-2, 7), (-3, 6), (-20, 1), (3, 3), (1, None)])
def test_n_jobs_counts_cores_as_joblib_does(n_jobs, cpus, monkeypatch):
    class Asked(Exception):  # noqa: N818  # it ends `fit`
        pass

    def search(*_, **options):
        raise Asked(options["cpus"])

    monkeypatch.setattr(estimator, "search", search)
    monkeypatch.setattr(estimator, "available_cpus", lambda: 8)
    with pytest.raises(Asked) as asked:
        KerasSweepRegressor(numbers, {"units": [2]}, n_jobs=n_jobs).fit(X, TARGET)
    assert asked.value.args == (cpus,)


EXPECTED_TO_FAIL = {
    # Which rows are the validation rows depends on how many rows there are, so a row twice is not a row of weight 2.
    "check_sample_weight_equivalence_on_dense_data": "a row twice may be in both parts",
}


@pytest.mark.slow
@pytest.mark.long(300)
@parametrize_with_checks(
    [
        KerasSweepClassifier(classes, {"units": [2]}, epochs=1, **QUICK),
        KerasSweepRegressor(numbers, {"units": [2]}, epochs=1, **QUICK),
    ],
    expected_failed_checks=lambda estimator: EXPECTED_TO_FAIL,
)
def test_scikit_learn_s_own_checks(estimator, check):
    check(estimator)
