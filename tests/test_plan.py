import difflib

import pytest
import yaml
from conftest import small_plan, write_plan

from sweep import Plan, Space
from sweep.planfile import PlanError
from trainables.settings import Callbacks, EarlyStopping, Fit, ReduceLROnPlateau


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


def without(key):
    return {name: value for name, value in small_plan().items() if name != key}


SPACE = small_plan()["space"]
BAD_PLANS = {
    "unknown key": (small_plan(epoch=3), ['unknown key "epoch"']),
    "misspelt key": (small_plan(schedular="asha"), ['Did you mean "scheduler"?', "line"]),
    "misspelt inner key": (small_plan(fit={"epoch": 3}), ['unknown key "epoch" in fit', '"epochs"', "line"]),
    "misspelt rule": (
        small_plan(callbacks={"early_stoping": {}}),
        ['in callbacks. Did you mean "early_stopping"?'],
    ),
    "misspelt patience": (small_plan(callbacks={"early_stopping": {"patient": 1}}), ['"patience"', "line"]),
    "misspelt data key": (small_plan(data={"path": "table.csv", "targett": "x"}), ['"target"']),
    "no data": (without("data"), ['"data" is missing']),
    "no builder": (without("builder"), ['"builder" is missing']),
    "no space": (without("space"), ['"space" is missing']),
    "no target": (small_plan(data={"path": "table.csv"}), ['"data.target" is missing']),
    "other data": (small_plan(data="iris"), ["data got 'iris'", "abalone"]),
    "empty fit": (small_plan(fit=None), ["fit is empty"]),
    "fit a number": (small_plan(fit=3), ["fit got 3"]),
    "space a list": (small_plan(space=[1]), ["space got [1]"]),
    "no axes": (small_plan(space={}), ["has no axis"]),
    "empty axis": (small_plan(space={**SPACE, "units": []}), ['Axis "units" got values=[]', "line"]),
    "scalar axis": (small_plan(space={**SPACE, "units": 4}), ['Axis "units" got 4', "Write [4]"]),
    "axis of mappings": (small_plan(space={**SPACE, "units": [{"a": 1}]}), ["of type dict"]),
    "nan": (small_plan(space={**SPACE, "rate": [float("nan")]}), ["NaN"]),
    "same value twice": (small_plan(space={**SPACE, "units": [2, 3, 2]}), ["value 2 twice"]),
    "numeric axis name": (small_plan(space={**SPACE, 5: [1]}), ["not the name of an argument"]),
    "unknown axis": (
        small_plan(space={**SPACE, "unitz": [1]}),
        ['axis "unitz"', "build(units, rate, behaviour=..., normalizer=...)", "Model.fit(x, y,", '"units"'],
    ),
    "misspelt fit axis": (small_plan(space={**SPACE, "batch_sizes": [1]}), ['Did you mean "batch_size"?']),
    "fit argument that cannot": (
        small_plan(space={**SPACE, "verbose": [1]}),
        ["cannot be an axis", "batch_size"],
    ),
    "axis named as a column": (small_plan(space={**SPACE, "seed": [1]}), ["name of a column"]),
    "supplied axis": (small_plan(space={**SPACE, "normalizer": [1]}), ["supplied from the data"]),
    "required argument missing": (small_plan(space={"units": [1]}), ['needs "rate"', "rate: [...]"]),
    "batch size of text": (small_plan(space={**SPACE, "batch_size": ["big"]}), ["batch_size got 'big'"]),
    "batch size 0": (small_plan(space={**SPACE, "batch_size": [0]}), ["at least 1"]),
    "split of 2": (small_plan(space={**SPACE, "validation_split": [2.0]}), ["validation_split got 2.0"]),
    "epochs text": (small_plan(fit={"epochs": "many"}), ["fit.epochs got 'many'", "integer", "line"]),
    "epochs fraction": (small_plan(fit={"epochs": 1.5}), ["fit.epochs got 1.5"]),
    "epochs without end": (small_plan(fit={"epochs": 10**30}), ["epochs"]),
    "split that leaves nothing": (small_plan(fit={"validation_split": 0.999}), ["leaves nothing"]),
    "reduction hardly above 1": (small_plan(asha={"reduction_factor": 1.0000001}), ["at least 1.1"]),
    "brackets without end": (small_plan(asha={"brackets": 10**6}), ["from 1 to 100"]),
    "timeout without end": (small_plan(timeout_s=1e10), ["up to 1e9"]),
    "null axis": (small_plan(space={**SPACE, "units": None}), ["Write [null]"]),
    "surrogate": (small_plan(space={**SPACE, "units": ["\ud800"]}), ["UTF-8 cannot hold"]),
    "path with a zero byte": (small_plan(data={"path": "a\0b.csv", "target": "x"}), ["no path"]),
    "no such home": (small_plan(data={"path": "~nobody-here/x.csv", "target": "x"}), ["no path"]),
    "builder with a zero byte": (small_plan(builder="mo\0del.py:build"), ["names no file"]),
    "builder with a long name": (small_plan(builder=f"{'m' * 300}.py:build"), ["m.py"]),
    "builder in main": (small_plan(builder="__main__:build"), ["__main__"]),
    "epochs 0": (small_plan(fit={"epochs": 0}), ["epochs got 0", "at least 1"]),
    "epochs true": (small_plan(fit={"epochs": True}), ["fit.epochs got True"]),
    "factor 2": (small_plan(callbacks={"reduce_lr_on_plateau": {"factor": 2.0}}), ["factor got 2.0"]),
    "patience -1": (small_plan(callbacks={"early_stopping": {"patience": -1}}), ["patience got -1"]),
    "scheduler": (small_plan(scheduler="hyperband"), ["scheduler got 'hyperband'", "'asha' or 'none'"]),
    "engine": (small_plan(engine="torch"), ["engine got 'torch'"]),
    "grace 0": (small_plan(asha={"grace_period": 0}), ["grace_period got 0"]),
    "reduction 1": (small_plan(asha={"reduction_factor": 1}), ["reduction_factor got 1"]),
    "max_t small": (small_plan(asha={"max_t": 3}), ["max_t got 3", "grace_period=10"]),
    "max_t large": (small_plan(scheduler="asha", asha={"max_t": 30}), ["fit.epochs=4"]),
    "brackets": (small_plan(asha={"brackets": 0}), ["brackets got 0"]),
    "cpu 0": (small_plan(resources={"cpu": 0}), ["resources.cpu got 0"]),
    "gpu 1.5": (small_plan(resources={"gpu": 1.5}), ["resources.gpu got 1.5"]),
    "seed -1": (small_plan(seed=-1), ["seed got -1", "line"]),
    "timeout 0": (small_plan(timeout_s=0), ["timeout_s got 0"]),
    "retries": (small_plan(retries=-1), ["retries got -1"]),
    "weights of none": (small_plan(keep_weights=0), ["keep_weights got 0", "true, false, or of how many"]),
    "weights by name": (small_plan(keep_weights="best"), ["keep_weights"]),
    "builder file": (small_plan(builder="modle.py:build"), ["there is no file"]),
    "builder function": (small_plan(builder="model.py:biuld"), ['"build"', "line"]),
    "builder name": (small_plan(builder="model"), ["colon"]),
    "builder a number": (small_plan(builder=3), ["builder got 3", "string"]),
}


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


BAD_FILES = {
    "empty": ("", "is empty"),
    "a list": ("- 1\n- 2", "holds a list"),
    "text": ("sweep everything", "holds a str"),
    "open bracket": ("data: abalone\nspace: {a: [1", "line 2"),
    "tab": ("data: abalone\n\tspace: 1", "line 2"),
    "key twice": (
        "data: abalone\nseed: 1\nseed: 2",
        'line 3: the key "seed" stands there twice (first in line 2)',
    ),
    "axis twice": ("space:\n  a: [1]\n  a: [2]", 'line 3: the key "a" stands there twice'),
    "control character": ("data: \x07", "not YAML"),
    "an axis that holds itself": (
        "data: abalone\nbuilder: trainables.abalone:build_and_compile_model\nspace:\n  hidden: &a [1, *a]",
        'line 4: Axis "hidden" holds itself',
    ),
    "a set": ("data: abalone\nbuilder: a:b\nspace: {hidden: !!set {a, b}}", "needs a list"),
    "python object": ("data: !!python/object/apply:os.getcwd []", "could not determine a constructor"),
    "unknown anchor": ("data: *nowhere", "undefined alias"),
}


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
    raw = yaml.safe_load((__import__("sweep.plan").plan.DEFAULT_PLAN).read_text())

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
        ({"custom": {"CPU": 1}}, r'resources.custom got the name "CPU", which is Ray\'s own'),
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
