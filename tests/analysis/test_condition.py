"""Conditions on rows against pandas, and what is refused."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.analysis.condition import matching
from results.grammar import ConditionError
from results.schema import axis_column

ROWS = pd.DataFrame(
    {
        "idx": [0, 1, 2, 3],
        "activation": ["relu", "tanh", "relu", None],
        "params": [10, 200, 300, 400],
        "loss": [1.0, None, 0.5, 2.0],
        "norm": [True, False, True, False],
        "kept": [True, False, None, None],
        "hidden": ["[8]", "[8, 4]", "[8]", "[8, 16, 8]"],
        "rate": ["0.5", '"auto"', None, "1"],
        "a name": [1, 2, 3, 4],
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('activation == "relu" and params < 200', [0]),
        ("activation != 'relu'", [1, 3]),
        ("loss < 1.5", [0, 2]),
        ("not loss < 1.5", [1, 3]),
        ("loss == None or params >= 4e2", [1, 3]),
        ("1 < loss", [3]),
        ("100 <= params <= 300", [1, 2]),
        ("norm", [0, 2]),
        ("not norm", [1, 3]),
        ("norm == False", [1, 3]),
        ("kept", [0]),
        ("not kept and norm", [2]),
        ("hidden == [8, 4] or hidden == '[8]'", [0, 1, 2]),
        ("hidden in [[8], [8, 16, 8]]", [0, 2, 3]),
        ("activation not in ['relu']", [1, 3]),
        ("rate == 'auto' or rate == 0.5", [0]),
        ("rate == '\"auto\"'", [1]),
        ("`a name` > 2 and params != -1", [2, 3]),
        ("idx < `a name`", [0, 1, 2, 3]),
        ("activation == '`a name`'", []),
        ("activation == 5", []),
    ],
)
def test_conditions_find_what_they_say(text, expected):
    assert list(matching(ROWS, text)["idx"]) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x == '1'", [1]),
        ("x == 1", [0]),
        ("x == True", [2]),
        ("x == [1]", [3]),
        ("x == '[1]'", [3]),
        ("x == 'auto' or x == '\"1\"'", [1, 4]),
        ("x != 1", [1, 2, 3, 4, 5]),
        ("x == None", [5]),
        ("x in [1, 'auto']", [0, 4]),
    ],
)
def test_values_of_several_types_are_compared_and_not_their_texts(text, expected):
    axis = [1, "1", True, [1], "auto", None]
    rows = pd.DataFrame({"idx": range(6), "x": axis_column(axis, np.arange(6)).to_pandas()})
    assert list(matching(rows, text, {"x": axis})["idx"]) == expected
    assert list(rows["x"].dropna()) == ["1", '"1"', "true", "[1]", '"auto"']  # as it was


def test_large_numbers_that_a_table_keeps_as_text_are_ordered():
    axis = [1, 2**70, None]
    rows = pd.DataFrame({"idx": range(3), "x": axis_column(axis, np.arange(3)).to_pandas()})
    assert list(matching(rows, "x > 5", {"x": axis})["idx"]) == [1]
    with pytest.raises(ConditionError, match="values of several types"):
        matching(rows, "x > 'a'", {"x": axis})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("__import__('os').system('touch canary')", 'has "__import__'),
        ("params.__class__ == 1", "has 'params.__class__'"),
        ("params + 1 < 3", "has 'params \\+ 1'"),
        ("[x for x in [1]] == params", "has '\\[x for x"),
        ("(lambda: 1)() < params", "has '\\(lambda"),
        ("params < f'{1}'", "has "),
        ("params <", "cannot be read"),
        ("params < 1; import os", "cannot be read"),
        ("parms < 1", 'no column "parms". Did you mean "params"'),
        ("activation < 3", "cannot be ordered"),
        ("params", "has 'params'"),
        ("params in 3", "has '3'"),
        ("params < " + "9" * 20000, "20,009 characters"),
        ("not " * 2000 + "norm", "cannot be read|nested"),
    ],
)
def test_anything_else_is_refused_and_nothing_runs(text, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConditionError, match=message):
        matching(ROWS, text)
    assert not list(tmp_path.iterdir())


@given(st.text(max_size=40))
def test_any_text_is_a_condition_or_refused_in_words(text):
    try:
        matching(ROWS, text)
    except ConditionError as error:
        assert str(error)
