"""A plan is read from a file or made in Python, and a bad one is refused with the place of the fault."""

import difflib
from dataclasses import replace

import numpy as np
import pytest
import yaml

from sweep import Plan, Space
from sweep.plan.fingerprint import fingerprint
from sweep.plan.form import PlanError, read_yaml
from sweep.plan.plan import DEFAULT_PLAN
from tests.help.bad_input import BAD_FILES, BAD_PLANS
from tests.help.plans import small_plan, write_plan
from trainables.settings import Callbacks, EarlyStopping, Fit, ReduceLROnPlateau
from trainables.table import data


def test_the_default_plan_is_the_reference_task():
    plan = Plan.load()
    assert len(plan.space) == 17_280
    assert plan.fit == Fit(epochs=200, batch_size=32, validation_split=0.2, shuffle=True)
    assert plan.callbacks == Callbacks(EarlyStopping(20), ReduceLROnPlateau(0.1, 10, 1e-5))
    assert plan.training.milestones == (10, 40, 160)
    assert plan.space[0] == {
        "activation": "relu",
        "batch_size": 32,
        "dropout_rate": 0,
        "hidden": [8],
        "kernel_init": "he_normal",
        "kernel_regularizer": None,
        "learning_rate": 1e-3,
        "optimizers": "adam",
        "use_batch": False,
    }


def test_the_resolved_plan_is_the_same_plan(workplace, tmp_path):
    plan = Plan.load(
        write_plan(workplace, callbacks={"early_stopping": {"patience": 3}}, asha={"max_t": None})
    )
    elsewhere = tmp_path / "elsewhere.yaml"  # relative paths have become absolute ones
    elsewhere.write_text(plan.to_yaml())
    again = Plan.load(elsewhere)
    assert again.to_dict() == plan.to_dict()
    assert again.table.sha256 == plan.table.sha256


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"fit": {"class_weight": {"maybe": 2}}}, ["names maybe", "no, yes"]),
        ({"space": {"class_weight": ["balanced", {"maybe": 2}]}}, ["names maybe", "no, yes"]),
        ({"space": {"weight": [None, "v"]}}, ['"v"', "The weights are w"]),
        (
            {"space": {"weight": [None, "w"], "class_weight": [None, "balanced"]}},
            ["one of the two", "balanced"],
        ),
        ({"space": {"weight": ["w"]}, "fit": {"class_weight": {"yes": 2}}}, ["one of the two", "{'yes': 2}"]),
    ],
)
def test_weights_that_the_table_has_not_are_told(workplace, monkeypatch, changes, words):
    plan = with_classes(workplace, monkeypatch, **changes)
    with pytest.raises(PlanError) as error:
        _ = plan.table
    for word in words:
        assert word in str(error.value)


def test_weights_of_the_table_are_taken(workplace, monkeypatch):
    plan = with_classes(
        workplace,
        monkeypatch,
        fit={"class_weight": {1: 2}},
        space={"class_weight": [{"no": 2, "yes": 3}, None]},
    )
    assert plan.table.classes == ("no", "yes")
    assert plan.training.fit.class_weight == {"1": 2}
    assert plan.space[0]["class_weight"] == {"no": 2, "yes": 3}
    again = Plan.from_mapping(yaml.safe_load(plan.to_yaml()))
    assert again.space == plan.space and again.fit == plan.fit
    assert fingerprint(again) == fingerprint(plan)
    assert fingerprint(plan)["budget"]["fit"]["class_weight"] == {"1": 2}
    # Folders of earlier versions know no such argument.
    assert set(fingerprint(Plan.load())["budget"]["fit"]) == {
        "epochs",
        "batch_size",
        "validation_split",
        "shuffle",
    }


def with_classes(workplace, monkeypatch, space=None, **changes):
    """A plan whose table is read as one of two classes with a column of weights."""
    loaded = data.load

    def load(spec, *rest):
        table = loaded(spec)
        y = (table.y_train > 0).astype("float32")
        weights = {"w": (np.ones(len(y)), np.ones(len(table.y_test)))}
        return replace(table, y_train=y, classes=("no", "yes"), weights=weights)

    monkeypatch.setattr(data, "load", load)
    return Plan.load(write_plan(workplace, space={**small_plan()["space"], **(space or {})}, **changes))


def test_the_tables_validation_rows_leave_nothing_to_the_share(workplace, monkeypatch):
    loaded = data.load
    monkeypatch.setattr(data, "load", lambda spec, *rest: replace(loaded(spec), validation=7))
    assert Plan.load(write_plan(workplace, fit={"validation_split": 0.999})).table.validation == 7
    space = {**small_plan()["space"], "validation_split": [0.1, 0.2]}
    with pytest.raises(PlanError, match="validation_split is an axis, but the data say"):
        _ = Plan.load(write_plan(workplace, space=space)).table


def test_numbers_are_numbers(workplace):
    path = workplace / "plan.yaml"
    text = yaml.safe_dump(small_plan()).replace("- 0.01", "- 1e-3").replace("- 0.02", "- 2E+1")
    path.write_text(text)
    assert Plan.load(path).space.to_dict()["rate"] == [0.001, 20.0]


def test_a_plan_can_be_made_in_python(workplace):
    plan = Plan(**small_plan(fit=Fit(epochs=3)), base=workplace)
    assert plan.training.fit.epochs == 3
    assert plan == Plan(
        **{**small_plan(fit={"epochs": 3}), "space": Space(small_plan()["space"])}, base=workplace
    )
    with pytest.raises(PlanError, match="no argument of the builder"):
        Plan(**small_plan(space={"unit": [1]}), base=workplace)


def test_a_builder_of_anything_does_not_get_what_is_fits(workplace):
    (workplace / "model.py").write_text("def build(units, **more): ...")
    plan = Plan(**small_plan(), base=workplace)  # batch_size is among the axes
    assert not plan.found_builder.parameters.count("batch_size")
    with pytest.raises(PlanError, match="batch_size got 0"):
        Plan(**small_plan(space={"units": [1], "batch_size": [0]}), base=workplace)


@pytest.mark.heavy  # takes long
def test_a_long_axis_is_checked_quickly(workplace):
    Plan(**small_plan(space={"units": list(range(200_000)), "rate": [0.1]}), base=workplace)


def test_the_budget_is_max_t_under_asha(workplace):
    plan = Plan(**small_plan(scheduler="asha", asha={"max_t": 3, "grace_period": 1}), base=workplace)
    assert plan.epochs == plan.training.fit.epochs == 3
    assert (
        Plan(**small_plan(scheduler="none", asha={"max_t": 3, "grace_period": 1}), base=workplace).epochs == 4
    )


def test_a_budget_within_the_grace_period_and_no_scheduler_have_no_milestones(workplace):
    def milestones(**changes):
        return Plan(**small_plan(**changes), base=workplace).training.milestones

    assert milestones(scheduler="asha", fit={"epochs": 10}) == ()
    assert milestones(scheduler="asha", fit={"epochs": 11}) == (10,)
    assert milestones(scheduler="none", fit={"epochs": 200}) == ()


@pytest.mark.parametrize("case", BAD_PLANS)
def test_a_bad_plan_is_refused_with_its_place(workplace, case):
    raw, fragments = BAD_PLANS[case]
    path = workplace / "plan.yaml"
    path.write_text(yaml.safe_dump(raw))
    with pytest.raises(PlanError) as error:
        _ = Plan.load(path).table
    by_the_table = {"leaves nothing", "no path"} & set(fragments)  # which names its own file
    for fragment in fragments if by_the_table else (str(path), *fragments):
        assert fragment in str(error.value)


@pytest.mark.parametrize("case", BAD_FILES)
def test_a_file_that_is_no_plan_is_refused(tmp_path, case):
    text, fragment = BAD_FILES[case]
    path = tmp_path / "plan.yaml"
    path.write_text(text)
    with pytest.raises(PlanError) as error:
        Plan.load(path)
    assert str(path) in str(error.value) and fragment in str(error.value)


def test_a_missing_or_undecodable_file_is_refused(tmp_path):
    with pytest.raises(PlanError, match="no such plan"):
        Plan.load(tmp_path / "none.yaml")
    with pytest.raises(PlanError, match="cannot be read"):
        Plan.load(tmp_path)
    (tmp_path / "latin.yaml").write_bytes("data: é".encode("latin-1"))
    with pytest.raises(PlanError, match="not UTF-8"):
        Plan.load(tmp_path / "latin.yaml")


def test_the_default_plan_writes_out_every_key():
    raw = yaml.safe_load(DEFAULT_PLAN.read_text())

    def keys(tree, prefix=""):
        for key, value in tree.items():
            yield prefix + key
            if isinstance(value, dict) and key != "space":
                yield from keys(value, f"{prefix}{key}.")

    missing = set(keys(Plan.load().to_dict())) - set(keys(raw))
    assert not missing, difflib.get_close_matches(min(missing), keys(raw))


@pytest.mark.parametrize(("keep_weights", "reports"), [(True, True), (False, False), (5, True)])
def test_points_report_weights_where_any_are_kept(workplace, keep_weights, reports):
    plan = Plan(**small_plan(keep_weights=keep_weights), base=workplace)
    assert plan.training.keep_weights is reports
    again = Plan.from_mapping(plan.to_dict(), workplace)
    assert again.keep_weights == keep_weights and type(again.keep_weights) is type(keep_weights)


@pytest.mark.parametrize(
    ("resources", "words"),
    [
        ({"custom": {"CPU": 1}}, r'resources.custom got the name "CPU", which is reserved by Ray'),
        ({"custom": {"disk": 0}}, r"resources.custom.disk got 0.*above 0"),
        ({"custom": {"disk": 1.5}}, r"resources.custom.disk got 1.5"),
        ({"custom": {"disk": "much"}}, "disk"),
        ({"labels": {"zone": 7}}, "zone"),
        ({"lables": {}}, 'Did you mean "labels"'),
    ],
)
def test_wrong_resources_are_told(workplace, resources, words):
    with pytest.raises(PlanError, match=words):
        Plan(**small_plan(resources=resources), base=workplace)


def test_all_that_is_wrong_is_said_at_once_in_the_order_of_the_file(workplace):
    path = workplace / "plan.yaml"
    path.write_text(
        """data: {path: table.csv, target: target, split_seed: x}
builder: model.py:build
callbacks:
  early_stopping: {patience: -1, min_delta: many}
  reduce_lr: {}
space:
  units: []
  rate: [0.1]
  unitz: [3]
seed: -1
fit:
  batch_size: 0
  epochs: 0
  epoch: 3
asha: {grace_period: 0, max_t: 3}
scheduler: hyperband
"""
    )
    with pytest.raises(PlanError) as error:
        Plan.load(path)
    first, *lines = str(error.value).splitlines()
    assert first == f"{path}: 12 things are wrong:"
    expected = [
        "line 1: data.split_seed got 'x'",
        "line 4: early_stopping.patience got -1",
        "line 4: callbacks.early_stopping.min_delta got 'many'",
        'line 5: unknown key "reduce_lr" in callbacks. Did you mean "reduce_lr_on_plateau"?',
        'line 7: Axis "units" got values=[]',
        'line 9: axis "unitz" is no argument',
        "line 10: seed got -1",
        "line 12: batch_size got 0",
        "line 13: epochs got 0",
        'line 14: unknown key "epoch" in fit',
        "line 15: asha.grace_period got 0",
        "line 16: scheduler got 'hyperband'",
    ]
    assert len(lines) == len(expected)
    for line, words in zip(lines, expected, strict=True):
        assert line.startswith(f"  {words}")


@pytest.mark.parametrize("place", ["here", "function", "none"])
def test_faults_of_the_plan_and_of_its_table_are_said_together(workplace, place):
    """Unless the table is had by code of the user, or it takes long to read."""
    (workplace / "gaps.csv").write_text("a,b,target\n" + "1,,2\n3,4,5\n" * 20)
    (workplace / "rows.py").write_text("def load():\n    raise AssertionError\n")
    path = {"here": "gaps.csv", "function": "rows.py:load", "none": "no.csv"}[place]
    plan = write_plan(workplace, data={"path": path, "target": "target"}, fit={"epochs": 0}, seed=-1)
    with pytest.raises(PlanError) as error:
        Plan.load(plan)
    said = str(error.value)
    assert "epochs got 0" in said and "seed got -1" in said
    assert ('column "b" has no value in row 2' in said and "missing: fill" in said) == (place == "here")
    assert ("no.csv" in said) == (place == "none")


def test_faults_that_follow_from_another_fault_are_not_said(workplace):
    def faults(**changes):
        with pytest.raises(PlanError) as error:
            Plan(**small_plan(**changes), base=workplace)
        return [fault.key for fault in error.value.faults]

    # Without a budget nothing is known about max_t, without a builder nothing about its arguments.
    assert faults(fit={"epochs": "x"}, scheduler="asha", asha={"max_t": 300}) == [("fit", "epochs")]
    assert faults(builder="modle.py:build", space={"unit": [1]}) == [("builder",)]
    assert faults(asha={"grace_period": 0, "max_t": 3}) == [("asha", "grace_period")]
    assert faults(asha={"max_t": 3, "brackets": 0}) == [("asha", "max_t"), ("asha", "brackets")]
    assert faults(space={"units": [], "rate": [1]}, only={"units": "rat > 1"}) == [("space", "units")]


def test_missing_keys_and_other_faults_are_said_together():
    with pytest.raises(PlanError) as error:
        Plan.from_mapping({"data": "iris", "sed": 1, "retries": -1})
    words = ["5 things", '"sed"', "'iris'", '"builder" is missing', '"space" is missing', "retries"]
    lines = str(error.value).splitlines()
    assert len(lines) == len(words)
    for line, word in zip(lines, words, strict=True):
        assert word in line


def test_axes_act_where_their_conditions_hold(workplace):
    plan = Plan(**small_plan(only={"batch_size": "units > 2"}), base=workplace)
    assert (len(plan.space), plan.space.different) == (12, 10)
    again = Plan.from_mapping(plan.to_dict(), workplace)
    assert again.only == plan.only == {"batch_size": "units > 2"} and again.space == plan.space
    assert replace(plan, seed=3).space == plan.space
    space = Space(small_plan()["space"], {"rate": "units != 3"})
    assert Plan(**small_plan(space=space), base=workplace).only == {"rate": "units != 3"}


def test_wrong_conditions_are_refused_together(workplace):
    path = write_plan(workplace, only={"unit": "rate > 0", "rate": "units == '2'", "batch_size": "units >"})
    with pytest.raises(PlanError) as error:
        Plan.load(path)
    first, *lines = str(error.value).splitlines()
    assert first == f"{path}: 3 things are wrong:"
    assert all(line.startswith("  line ") for line in lines)
    found = "".join(lines)
    assert 'Did you mean "units"?' in found and "with '2'" in found and "cannot be read" in found
    with pytest.raises(PlanError, match=r"only\.rate got 3, but needs string"):
        Plan(**small_plan(only={"rate": 3}), base=workplace)


def test_a_plan_in_another_encoding_is_to_be_saved_as_utf_8(workplace):
    (workplace / "plan.yaml").write_bytes("# é".encode("latin-1"))
    with pytest.raises(PlanError, match=r"it is not UTF-8\). Save it as UTF-8\."):
        Plan.load(workplace / "plan.yaml")


def test_numbers_of_today_s_yaml_are_read_as_they_are_meant():
    raw, _ = read_yaml("a: [10, 0, -3, 0x10, 1e-3, 1_000, '010', \"1:30\", 0.5, 12:30 h]", "plan.yaml")
    assert raw["a"] == [10, 0, -3, 16, 0.001, 1000, "010", "1:30", 0.5, "12:30 h"]


def test_texts_that_look_like_such_numbers_survive_a_plan_that_is_written(workplace):
    plan = Plan(
        **small_plan(space={"units": [2], "rate": [0.1], "behaviour": ["010", "1:30"]}), base=workplace
    )
    (workplace / "again.yaml").write_text(plan.to_yaml())
    assert Plan.load(workplace / "again.yaml").space.to_dict() == plan.space.to_dict()


@pytest.mark.parametrize("key", ["path", "test_path", "validation_path"])
def test_credentials_in_an_address_of_the_table_are_refused_and_not_repeated(workplace, key):
    """They would be stored in the run's folder, sent to the nodes and printed."""
    data = {**small_plan()["data"], key: "s3://AKIA:hush@bucket/table.csv"}
    (workplace / "plan.yaml").write_text(yaml.safe_dump({**small_plan(), "data": data, "seed": -1}))
    with pytest.raises(
        PlanError, match=rf"line \d+: data\.{key}: The s3:// URI carries credentials"
    ) as error:
        Plan.load(workplace / "plan.yaml")
    assert "hush" not in str(error.value) and "AKIA" not in str(error.value)


def test_texts_that_look_like_numbers_stay_texts_in_the_stored_plan(workplace):
    data = {
        "path": "table.csv",
        "target": "target",
        "na": ["1e20", ".5e1", "1.5"],
        "categories": {"1e5": "onehot"},
    }
    plan = Plan(
        **small_plan(data=data, space={"units": [2], "rate": ["1e-3", "cosine", 1e-3]}), base=workplace
    )
    (workplace / "stored.yaml").write_text(plan.to_yaml())
    again = Plan.load(workplace / "stored.yaml")
    assert again.data_spec == plan.data_spec
    assert again.space.to_dict() == plan.space.to_dict()


def test_a_key_that_is_twice_in_a_mapping_of_a_list_is_named(tmp_path):
    with pytest.raises(PlanError, match='line 4: the key "rate" is there twice'):
        read_yaml("space:\n  opt:\n  - {name: a, rate: 1,\n     rate: 2}\n", tmp_path / "plan.yaml")
