import numpy as np
import pandas as pd
import pytest
from sklearn.preprocessing import LabelEncoder

from trainables.table.readers import Source
from trainables.table.spec import DataSpec
from trainables.table.targets import target_of


def found(values, task="auto"):
    frame = pd.DataFrame({"y": values})
    return target_of(frame, Source("t.csv", frame), DataSpec("t.csv", "y", task=task))


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        (["low", "high", "mid"] * 9, "multiclass", ("high", "low", "mid")),
        ([True, False] * 9, "binary", (False, True)),
        (["yes", "no"] * 9, "binary", ("no", "yes")),
        ([0, 1] * 9, "binary", (0, 1)),
        ([1, 2] * 9, "binary", (1, 2)),
        ([-1, 1] * 9, "regression", ()),
        ([0, 1, 2] * 9, "multiclass", (0, 1, 2)),
        ([1, 2, 3] * 9, "regression", ()),
        (list(range(20)), "regression", ()),
        ([0.5, 1.5, 2.5] * 9, "regression", ()),
    ],
)
def test_the_task_is_found_from_the_target(values, task, classes):
    target, problems = found(values)
    assert not problems and target.task == task and target.classes == classes
    expected = LabelEncoder().fit_transform(values) if classes else values
    np.testing.assert_array_equal(target.values, np.array(expected, "float32"))
    # A number that is taken as a class without being asked for is told, unless it is a code already.
    assert bool(target.notes) == (classes not in ((), (0, 1)) and isinstance(values[0], int))


def test_numbers_are_classes_if_asked_for():
    target, _ = found([3, 1, 2] * 9, "multiclass")
    assert target.classes == (1, 2, 3) and target.values[:3].tolist() == [2, 0, 1]
    target, _ = found([0, 1, 2] * 9, "regression")
    assert target.classes == () and target.task == "regression"


def test_ordered_categories_keep_their_order():
    values = pd.Categorical(["low", "high", "mid"] * 9, ["low", "mid", "high", "never"], ordered=True)
    target, _ = found(values)
    assert target.classes == ("low", "mid", "high")
    assert target.values[:3].tolist() == [0, 2, 1]


def test_several_targets_are_numbers_or_answers():
    frame = pd.DataFrame({"y": [1.5, 2, 3] * 9, "z": [0, 1, 0] * 9})
    spec = DataSpec("t.csv", ["y", "z"])
    target, _ = target_of(frame, Source("t.csv", frame), spec)
    assert target.task == "regression" and target.values.shape == (27, 2)
    answers = frame.assign(y=frame["y"] > 1.7)
    target, _ = target_of(answers, Source("t.csv", answers), spec)
    assert target.task == "multilabel" and target.classes == ("y", "z")


@pytest.mark.parametrize(
    ("values", "task", "words"),
    [
        ([1] * 20, "auto", "nothing to learn"),
        (["1.5", "x", *["2"] * 18], "auto", "a number in most rows"),
        (["a", "b"] * 10, "regression", "needs a number in every row"),
        ([f"id{n}" for n in range(20)], "auto", "no classes"),
        ([0, 1, 2] * 9, "binary", "3 different values"),
        (["a", "b", "c"] * 9, "binary", "3 classes (a, b, c)"),
    ],
)
def test_a_target_that_cannot_be_learned_is_refused(values, task, words):
    target, [problem] = found(values, task)
    assert target is None and words in problem.text


@pytest.mark.parametrize(
    ("values", "task", "classes"),
    [
        ([True, False, None] * 9, "auto", (False, True)),
        (["1", "2", "3+", "4"] * 9, "multiclass", ("1", "2", "3+", "4")),
        ([1, 2.0, "A"] * 9, "multiclass", ("1", "2", "A")),
        ([True, False, "unknown"] * 9, "auto", ("False", "True", "unknown")),
        ([1, "a"] * 9, "auto", ("1", "a")),
    ],
)
def test_labels_of_several_types_are_classes(values, task, classes):
    target, problems = found(pd.Series(values, dtype=object), task)
    assert not problems and target.classes == classes
    codes = {None: np.nan} | {label: code for code, label in enumerate(classes)}
    expected = [
        codes[value if value in codes else str(int(value)) if value == 2.0 else str(value)]
        for value in values
    ]
    np.testing.assert_array_equal(target.values, np.array(expected, "float32"))


@pytest.mark.parametrize(
    "values",
    [
        pd.cut(pd.Series(np.arange(30.0)), 3),
        pd.Series(pd.period_range("2024", periods=4, freq="Q").repeat(9)),
        pd.Series(pd.to_datetime(["2024-01-01", "2024-02-01"] * 9)),
        pd.Series([b"u", b"v"] * 9),
    ],
)
def test_labels_that_no_file_could_keep_are_refused(values):
    _, [problem] = found(values)
    assert "holds values of type" in problem.text and "astype(str)" in problem.text


def test_large_numbers_are_no_codes_and_float32_is_told():
    target, _ = found(1.7e9 + np.arange(40.0) % 15)
    assert target.task == "regression" and "float32" in target.notes[0]


def test_one_hot_columns_are_told_and_truth_values_may_have_gaps():
    spec = DataSpec("t.csv", ["a", "b"])
    frame = pd.DataFrame({"a": [1, 0, 1], "b": [0, 1, 0]})
    target, _ = target_of(frame, Source("t.csv", frame), spec)
    assert target.task == "multilabel" and "give it as one column" in target.notes[0]
    frame = pd.DataFrame({"a": pd.Series([True, None, False], dtype=object), "b": [True, True, False]})
    target, problems = target_of(frame, Source("t.csv", frame), spec)
    assert not problems and target.task == "multilabel" and np.isnan(target.values[1, 0])
