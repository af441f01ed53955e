"""`sweep data` shows what a table becomes, and what is wrong with it."""

import pandas as pd

from tests.help.commands import answer, refused, sweep
from tests.help.plans import small_plan, write_plan


def test_the_default_table(here):
    found = answer("data")
    assert found["rows"] == {"fitted": 2673, "validation": 669, "test": 835}
    assert found["columns"][0]["becomes"] == "3 indicators" and found["task"] == "regression"
    output = sweep("data").output
    assert "Sex" in output and "target     Rings (regression)" in output


def test_classes_notes_and_warnings(here):
    write_plan(here, data={"path": "table.csv", "target": "target", "missing": "fill"})
    frame = pd.read_csv("table.csv")
    frame.assign(target=["rare", *["usual"] * 23] * 5, b=3, a=frame["a"].mask(frame["a"] > 1)).to_csv(
        "table.csv", index=False
    )
    found = answer("data", "plan.yaml")
    assert found["labels"] == ["rare", "usual"] and found["classes"]["rare"]["test"] == 1
    assert found["notes"] == ['The column "b" is left out: it is 3 in every train row.']
    assert "accuracy says little" in found["warnings"][-1]
    output = sweep("data", "plan.yaml").output
    assert "class      rare: " in output and "gaps are" in output


def test_names_are_shown_as_they_are(here):
    names = {"a": "speed [km/h]", "b": "per [/m2]", "target": "mass [kg] :car:"}
    write_plan(here, data={"path": "table.csv", "target": names["target"]})
    pd.read_csv("table.csv").rename(columns=names).to_csv("table.csv", index=False)
    output = sweep("data", "plan.yaml").output
    assert all(name in output for name in names.values())


def test_names_and_notes_are_whole_in_a_pipe_and_on_a_narrow_terminal(here, monkeypatch):
    names = {"a": "distance " * 12 + "[km]", "b": "constant " * 12 + "[s]"}
    write_plan(here, data={"path": "table.csv", "target": "target"})
    pd.read_csv("table.csv").assign(b=3).rename(columns=names).to_csv("table.csv", index=False)
    output = sweep("data", "plan.yaml").output
    assert names["a"] in output and f'The column "{names["b"]}" is left out: it is 3' in output
    monkeypatch.setattr("rich.console.Console.is_terminal", True)
    assert "…" not in sweep("data", "plan.yaml").output


def test_a_table_that_cannot_be_used_is_shown_before_the_message(here):
    write_plan(here, data=small_plan()["data"])
    frame = pd.read_csv("table.csv")
    frame.assign(a=frame["a"].mask(frame["a"] > 1)).to_csv("table.csv", index=False)
    said = refused("data", "plan.yaml")
    assert '"a" has no value' in said and "missing: fill" in said
    assert "refused: gaps" in sweep("data", "plan.yaml").output


def test_a_named_index_that_weighs_the_rows_at_some_points_is_listed(here):
    data = {"path": "table.parquet", "target": "target"}
    write_plan(here, data=data, space={**small_plan()["space"], "weight": [None, "level"]})
    frame = pd.read_csv("table.csv")
    frame.index = pd.Index(range(1, len(frame) + 1), name="level")
    frame.to_parquet("table.parquet")
    last = answer("data", "plan.yaml")["columns"][-1]
    assert last["column"] == "level" and last["becomes"] == "weights of the rows"
    frame.assign(a=frame["a"].mask(frame["a"] > 1)).to_parquet("table.parquet")
    assert "level" in sweep("data", "plan.yaml").output  # which has gaps, and is shown all the same
