"""The target tells the task, becomes numbers, and is refused if no model could learn it."""

import textwrap

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.preprocessing import LabelEncoder

from trainables.table.columns import message, stripped
from trainables.table.source import Source
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
    # A number that is taken as a class without being asked for is told, unless it is a code already. So are signs, and
    # amounts that may be classes.
    are_other_codes = classes not in ((), (0, 1)) and isinstance(values[0], int)
    assert bool(target.notes) == (are_other_codes or set(values) in ({-1, 1}, {1, 2, 3}))


@pytest.mark.parametrize(
    ("values", "told"), [([3, 1.0, 2], "1, 2, 3"), (range(3, 9), "3, 4, 5, 6, 7, 8"), (range(11), "")]
)
def test_few_whole_numbers_that_are_learned_as_amounts_are_told(values, told):
    target, _ = found([*values] * 9)
    assert target.task == "regression"
    expected = f'The target "y" has the whole numbers {told} and is learned as amounts. Write task: multiclass under data'
    assert bool(target.notes) == bool(told) and all(note.startswith(expected) for note in target.notes)
    assert not found([*values] * 9, "regression")[0].notes


def test_numbers_are_classes_if_asked_for():
    target, _ = found([3, 1, 2] * 9, "multiclass")
    assert target.classes == (1, 2, 3) and target.values[:3].tolist() == [2, 0, 1]
    target, _ = found([0, 1, 2] * 9, "regression")
    assert target.classes == () and target.task == "regression"


def test_labels_that_are_almost_the_same_are_told():
    target, _ = found([">50K", "<=50K", ">50K.", "<=50K.", "other"] * 9)
    assert len(target.classes) == 5 and len(target.notes) == 2
    assert "The classes '>50K', '>50K.' differ only in a dot at the end" in target.notes[1]
    target, _ = found(["Yes", "no", "yes ", "No"] * 9)
    assert len(target.notes) == 2 and "'Yes', 'yes '" in target.notes[1]
    assert found(["a", "b", "1.", "2."] * 9)[0].notes == ()


def test_ordered_categories_keep_their_order():
    values = pd.Categorical(["low", "high", "mid"] * 9, ["low", "mid", "high", "never"], ordered=True)
    target, _ = found(values)
    assert target.classes == ("low", "mid", "high")
    assert target.values[:3].tolist() == [0, 2, 1] and target.are_ordered
    assert not found(pd.Categorical(["low", "high", "mid"] * 9))[0].are_ordered


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
    assert target.task == "multilabel" and "write task: multiclass under data" in target.notes[0]
    frame = pd.DataFrame({"a": pd.Series([True, None, False], dtype=object), "b": [True, True, False]})
    target, problems = target_of(frame, Source("t.csv", frame), spec)
    assert not problems and target.task == "multilabel" and np.isnan(target.values[1, 0])


def of_columns(task, **columns):
    frame = pd.DataFrame(columns)
    spec = DataSpec("t.csv", list(columns), task=task)
    return target_of(frame, Source("t.csv", frame), spec)


def test_columns_of_zeros_and_ones_are_answers_or_the_classes_of_one_target():
    flags = {"a": [1, 0, 1, 1], "b": [0, 1, 1, 0]}
    for task in ("binary", "multilabel"):
        target, _ = of_columns(task, **flags)
        assert target.task == "multilabel" and target.values.shape == (4, 2) and target.names == ("a", "b")
    one_hot = {"w": [0, 1, 0, None], "c": [1, 0, 0, None], "d": [0, 0, 1, None]}
    target, _ = of_columns("multiclass", **one_hot)
    assert target.task == "multiclass" and target.classes == ("w", "c", "d") and target.names == ("w, c, d",)
    np.testing.assert_array_equal(target.values, np.array([1, 0, 2, np.nan], "float32"))
    assert target.notes == () and target.are_texts
    assert of_columns("multiclass", a=[True, False], b=[False, True])[0].task == "binary"


@pytest.mark.parametrize(
    ("task", "columns", "words"),
    [
        ("multiclass", {"a": [1, 0, 1], "b": [0, 1, 1]}, "row 3 has 1 in 2 of the targets a, b"),
        ("multiclass", {"a": [1, 0], "b": [0, 2]}, 'the target "b" is 2 in row 2'),
        ("binary", {"a": [1, 0, 3], "b": [0, 2, 1]}, 'the target "b" is 2 in row 2, but data.task is binary'),
        ("multilabel", {"a": ["1", "0", "3"], "b": [0, 1, 1]}, "the target \"a\" is '3' in row 3"),
    ],
)
def test_several_columns_that_are_no_classes_are_refused_if_asked_for_as_such(task, columns, words):
    target, [problem] = of_columns(task, **columns)
    assert target is None and words in problem.text and problem.remedies and problem.is_target


def test_texts_of_several_targets_are_refused_with_what_to_write():
    _, problems = of_columns("auto", a=["yes", "no"] * 9, b=["no", "yes"] * 9)
    text = message("t.csv", problems)
    assert "(frame['a'] == 'yes').astype(int)" in text and "(frame['b'] == 'yes')" in text
    assert [yaml.safe_load(line) for line in text.splitlines()[-2:]] == [{"target": "a"}, {"target": "b"}]


AMOUNTS = {
    "dollars": ([f"${n % 40 + 20},{n % 7}00" for n in range(200)], {"strip": ["$"], "thousands": ","}),
    "percents": ([f"{n % 40}%" for n in range(200)], {"strip": ["%"]}),
    "commas": ([f"{n % 40},{n % 7}" for n in range(200)], {"decimal": ","}),
    "euros": ([f"€ -{n % 40},53" for n in range(200)], {"strip": ["€"], "decimal": ","}),
    "points": ([f"{n % 40 + 1}.{234 + n % 3},5" for n in range(200)], {"decimal": ",", "thousands": "."}),
    "spaces": ([f"{n % 40 + 1} {234 + n % 3}" for n in range(200)], {"thousands": " "}),
    "differing": ([f"${n},000" for n in range(1, 200)], {"strip": ["$"], "thousands": ","}),
    "rupees": ([f"₹{n % 40}" for n in range(200)], {"strip": ["₹"]}),
    "lira": ([f"{n % 40},5 ₺" for n in range(200)], {"strip": ["₺"], "decimal": ","}),
    "reais": ([f"R$ {n % 40}" for n in range(200)], {"strip": ["R$"]}),
    "codes": ([f"USD {n % 40}" if n % 3 else f"{n % 40} EUR" for n in range(200)], {"strip": ["EUR", "USD"]}),
    "words": ([f"{n % 40} kr." if n % 3 else f"{n % 40}kr" for n in range(200)], {"strip": ["kr.", "kr"]}),
    "kinds of dollars": (["$4" if n % 3 else f"US${n % 40}" for n in range(200)], {"strip": ["US$", "$"]}),
    "texts": ([f"{n % 40}.5" for n in range(200)], {"strip": [" "]}),
}


@pytest.mark.parametrize(("values", "settings"), AMOUNTS.values(), ids=AMOUNTS)
def test_amounts_are_no_classes_and_all_that_reads_them_is_told_at_once(values, settings):
    frame, told = pd.DataFrame({"y": values}), DataSpec("t.parquet", "y")
    target, [problem] = target_of(frame, Source("t.parquet", frame), told)
    assert target is None and f'"y" is {values[0]!r} in row 1' in problem.text.replace(
        "holds numbers as texts, such as", "is"
    )
    assert problem.settings == settings
    text = message("t.parquet", [problem])
    pasted = yaml.safe_load(textwrap.dedent(text.partition("in the plan:\n")[2]))
    assert settings.items() <= pasted.items()
    assert ("task: multiclass" in text) == (pd.Series(values).nunique() <= 100)
    spec = DataSpec("t.parquet", "y", **settings)
    frame = stripped(frame, spec)
    target, problems = target_of(frame, Source("t.parquet", frame), spec)
    assert not problems and target.task == "regression" and len(target.values) == len(values)


@pytest.mark.parametrize("name", ["dollars", "percents", "commas", "points", "texts"])
def test_amounts_are_classes_if_asked_for(name):
    values = AMOUNTS[name][0]
    wanted = len(set(values)) <= 100
    target, problems = found(values, "multiclass")
    assert (target is not None and target.classes == tuple(sorted(set(values)))) == wanted == (not problems)


@pytest.mark.parametrize(
    "labels",
    [
        ["3 rooms", "4 rooms", "5+ rooms"], ["A1", "B2", "C3"], ["18-25", "26-40", "41-65"], ["<=50K", ">50K"],
        ["2-4", "5-9"], ["10:20", "9:30"], ["1,200-2,000", "2,000-3,000"], ["28.02.2024", "01.03.2024"], ["$", "$$", "$$$"],
        ["TOP 5", "TOP 10"], ["try 1", "try 2"], ["2 doors", "4 doors"], ["EUR", "USD"],
        ["LV1", "LV2", "LV3"], ["FT1", "FT2"], ["LV-1010", "LV-1011"], ["RS 3", "RS 4"], ["FR 38", "FR 40"],
        ["CAD 1", "CAD 2"], ["Euro 4", "Euro 5", "Euro 6"],
    ],
)  # fmt: skip
def test_labels_with_digits_are_classes(labels):
    target, problems = found(labels * 9)
    assert not problems and target.classes == tuple(sorted(labels))


def test_a_number_with_odd_texts_is_told_to_make_gaps_of_them_first():
    values = ["?" if n % 40 == 7 else str(60 + n % 51) for n in range(300)]
    frame = pd.DataFrame({"y": values, "a": [None, *range(299)]})
    spec = DataSpec("t.csv", "y", missing={"a": "fill"})
    _, [problem] = target_of(frame, Source("t.csv", frame), spec)
    assert problem.settings == {"na": ["?"]} and problem.missing == {"a": "fill", "y": "drop_rows"}
    lines = [line.strip() for line in message("t.csv", [problem]).splitlines()]
    assert lines[-3:] == ['na: ["?"]', 'missing: {"a": "fill", "y": "drop_rows"}', "task: multiclass"]


def test_decimal_commas_of_a_file_that_is_split_at_commas_are_told():
    _, [problem] = found(["1,5", "2,25", "3,7"] * 9)
    assert 'split at ","' in problem.text and not problem.settings


def test_a_number_with_another_mark_than_the_plan_says_gets_no_remedy_that_does_nothing():
    frame = pd.DataFrame({"y": ["1.5", "2.5", "3.7"] * 9})
    spec = DataSpec("t.csv", "y", decimal=",", delimiter=";")
    _, [problem] = target_of(frame, Source("t.csv", frame), spec)
    assert 'but data.decimal is ","' in problem.text and not problem.settings


@pytest.mark.parametrize("task", ["auto", "binary", "multiclass", "regression"])
@pytest.mark.parametrize(
    "values",
    [
        pd.Categorical([0.0, 1.0, np.inf] * 9),
        pd.Series([True, False, np.inf] * 9, dtype=object),
        pd.Series(["a", "b", -np.inf] * 9, dtype=object),
    ],
)
def test_an_infinite_number_is_no_class(values, task):
    target, [problem] = found(values, task)
    assert target is None and "inf in row 3, but needs" in problem.text and problem.is_target


@pytest.mark.parametrize("odd", [np.inf, 1e39])
def test_each_of_several_targets_needs_finite_numbers(odd):
    numbers = {"a": pd.Categorical([1.5, 2.0, odd] * 9), "b": pd.Series(["1", "2", str(odd)] * 9)}
    frame = pd.DataFrame({**numbers, "c": np.arange(27)})
    target, problems = target_of(frame, Source("t.csv", frame), DataSpec("t.csv", [*"abc"]))
    assert target is None and [problem.column for problem in problems] == ["a", "b"]
    assert all("needs a finite number that float32 can hold" in problem.text for problem in problems)


def test_the_text_inf_and_a_category_without_rows_are_no_infinite_numbers():
    target, problems = found(["a", "inf"] * 9)
    assert not problems and target.classes == ("a", "inf")
    target, problems = found(pd.Categorical([0.0, 1.0] * 9, categories=[0.0, 1.0, np.inf]))
    assert not problems and target.classes == (0, 1)
