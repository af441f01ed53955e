"""The fingerprint changes with what the numbers of points depend on, and with nothing else."""

import json

import pandas as pd
import pytest

from sweep import Plan
from sweep.plan.fingerprint import changes, fingerprint
from tests.help.plans import BUILDER, small_plan, write_plan


def marks(workplace, **changed):
    return fingerprint(Plan.load(write_plan(workplace, **changed)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"seed": 1}, ["seed: was 0, is 1"]),
        ({"keep_weights": False}, ["keep_weights: was True, is False"]),
        ({"fit": {"epochs": 5}}, ["budget.fit.epochs: was 4, is 5"]),
        (
            {"scheduler": "asha", "asha": {"grace_period": 1}},
            ["scheduler: was none, is asha", "grace_period"],
        ),
        ({"callbacks": {"early_stopping": {"patience": 2}}}, ["early_stopping"]),
        ({"objective": "mae"}, ["budget.objective.metric: was nothing, is mae"]),
        ({"objective": {"metric": "loss", "mode": "max"}}, ["budget.objective.mode: was nothing, is max"]),
        ({"space": {**small_plan()["space"], "units": [2, 3]}}, ["space.units: was [2, 3, 4], is [2, 3]"]),
        ({"space": {**small_plan()["space"], "units": [2, 3, 4.0]}}, ["space.units"]),
        ({"space": {**small_plan()["space"], "behaviour": ["fine"]}}, ["behaviour: was nothing"]),
        ({"only": {"rate": "units > 2"}}, ["only.rate: was nothing, is units > 2"]),
        (
            {"data": {"path": "table.csv", "target": "target", "split_seed": 1}},
            ["data.split_seed: was 0, is 1"],
        ),
        (
            {"data": {"path": "table.csv", "target": "target", "keep_default_na": False}},
            ["data.keep_default_na: was nothing, is False"],
        ),
    ],
)
def test_what_numbers_depend_on_is_in_it(workplace, changed, said):
    found = "\n".join(changes(marks(workplace), marks(workplace, **changed)))
    for fragment in said:
        assert fragment in found


@pytest.mark.parametrize(
    "changed",
    [
        {"objective": {"metric": "loss", "mode": "min"}},
        {"engine": "keras"},
        {"resources": {"cpu": 2}},
        {"timeout_s": 5},
        {"retries": 0},
        {"asha": {}},
        {"repeats": 3},
    ],
)
def test_what_they_do_not_depend_on_is_not(workplace, changed):
    assert changes(marks(workplace), marks(workplace, **changed)) == []


def test_the_rules_of_earlier_versions_count_as_those_of_today(workplace):
    rules = {"early_stopping": {"patience": 2}, "reduce_lr_on_plateau": {"patience": 1}}
    found = marks(workplace, callbacks=rules)["budget"]["callbacks"]
    assert found == {
        "early_stopping": {"patience": 2, "min_delta": 0.0},
        "reduce_lr_on_plateau": {
            "factor": 0.1,
            "patience": 1,
            "min_lr": 1e-5,
            "min_delta": 1e-4,
            "cooldown": 0,
        },
    }
    rules["early_stopping"]["start_from_epoch"] = 3
    found = marks(workplace, callbacks=rules)["budget"]["callbacks"]
    assert found["early_stopping"] == {"patience": 2, "min_delta": 0.0, "start_from_epoch": 3}


def test_the_builders_program_counts_and_its_layout_does_not(workplace):
    before = marks(workplace)
    (workplace / "model.py").write_text("# a comment\n" + BUILDER.replace("Dense(1)", "Dense( 1 )"))
    assert changes(before, marks(workplace)) == []
    (workplace / "model.py").write_text(BUILDER.replace('activation="relu"', 'activation="tanh"'))
    found = "\n".join(changes(before, marks(workplace)))
    assert "builder: its source changed" in found
    assert '-    outputs = keras.layers.Dense(1)(keras.layers.Dense(units, activation="relu")' in found
    assert 'activation="tanh"' in found


def test_the_modules_beside_the_builder_count(workplace):
    (workplace / "model.py").write_text("import beside_model\n" + BUILDER)
    (workplace / "beside_model.py").write_text("WIDTH = 1\n")
    before = json.loads(json.dumps(marks(workplace)))
    (workplace / "beside_model.py").write_text("# a comment\nWIDTH  = 1\n")
    assert changes(before, marks(workplace)) == []
    (workplace / "beside_model.py").write_text("WIDTH = 2\n")
    found = changes(before, marks(workplace))
    assert found[0] == "builder: its module beside_model changed:"
    assert "    -WIDTH = 1" in found and "    +WIDTH = 2" in found
    (workplace / "beside_model.py").write_text("import deeper\nWIDTH = 1\n")
    (workplace / "deeper.py").write_text("")
    now = marks(workplace)
    assert changes(before, now)[-1] == "builder: its module deeper was not there, and is imported now"
    assert changes(now, before)[-1] == "builder: its module deeper was there, and is not imported now"


def test_runs_of_earlier_versions_have_no_modules_and_go_on(workplace):
    before = marks(workplace)
    assert before["builder"].pop("modules") == {}
    (workplace / "model.py").write_text("import beside_model\n" + BUILDER)
    (workplace / "beside_model.py").write_text("WIDTH = 1\n")
    now = marks(workplace)
    before["builder"]["source"] = now["builder"]["source"]
    assert changes(before, now) == [] and now["builder"]["modules"] == {"beside_model": "WIDTH = 1\n"}


def test_the_tables_bytes_count_and_its_place_does_not(workplace):
    before = marks(workplace)
    (workplace / "other.csv").write_bytes((workplace / "table.csv").read_bytes())
    assert changes(before, marks(workplace, data={"path": "other.csv", "target": "target"})) == []
    table = pd.read_csv(workplace / "table.csv")
    table.loc[0, "a"] += 1
    table.to_csv(workplace / "table.csv", index=False)
    assert "data.sha256" in changes(before, marks(workplace))[0]


def test_it_survives_json(workplace):
    found = marks(workplace)
    assert changes(json.loads(json.dumps(found)), found) == []


def test_numbers_count_by_their_value_outside_of_the_space(workplace):
    stored = marks(workplace, scheduler="asha", asha={"reduction_factor": 3})
    for factor in (3, 3.0):
        stored["budget"]["asha"]["reduction_factor"] = factor
        assert changes(stored, marks(workplace, scheduler="asha", asha={"reduction_factor": 3})) == []
    one, other = {"seed": 1, "space": {"a": [1]}, "data": {"drop": [1, 2.5]}}, {"seed": 1.0}
    assert changes(one, {**one, **other, "data": {"drop": [1.0, 2.5]}}) == []
    assert changes(one, {**one, "seed": True}) == ["seed: was 1, is True"]
    assert changes(one, {**one, "data": {"drop": [True, 2.5]}}) == ["data.drop: was [1, 2.5], is [True, 2.5]"]
    assert changes(one, {**one, "space": {"a": [1.0]}}) == ["space.a: was [1], is [1.0]"]


def test_the_stored_plan_has_the_fingerprint_of_the_plan(workplace):
    plan = Plan.load(write_plan(workplace, scheduler="asha"))
    (workplace / "stored.yaml").write_text(plan.to_yaml())
    assert json.dumps(fingerprint(Plan.load(workplace / "stored.yaml"))) == json.dumps(fingerprint(plan))


def test_the_writing_of_a_condition_does_not_count(workplace):
    one, other = marks(workplace, only={"rate": "units>2"}), marks(workplace, only={"rate": "(units) > 2"})
    assert changes(one, other) == []
    assert changes(one, marks(workplace, only={"rate": "units > 3"})) == [
        "only.rate: was units > 2, is units > 3"
    ]


def test_a_fingerprint_from_before_conditions_is_the_same(workplace):
    before = {key: value for key, value in marks(workplace).items() if key != "only"}
    assert changes(before, marks(workplace)) == []
