"""The objective of a run, and the directions of its columns, by its files or by Keras' names."""

import inspect
import json
import re

import numpy as np
import pytest

from results import directions
from results.directions import BY_NAME, Directions, UnknownModeError, add, read
from results.folder.run_folder import RunFolder


def folder_of(tmp_path, plan=""):
    (tmp_path / "plan.yaml").write_text(plan)
    return RunFolder(tmp_path)


@pytest.mark.parametrize(
    ("plan", "by", "mode"),
    [
        ("", "loss_va", "min"),
        ("space: {units: [1]}", "loss_va", "min"),  # of an earlier version
        ("objective: auc", "auc_va", "max"),
        ("objective: {metric: mine, mode: auto}", "mine_va", "min"),
        ("objective: {metric: mine, mode: max}", "mine_va", "max"),
        ("objective: {metric: auc, mode: min}", "auc_va", "min"),
        ("objective: [1]", "loss_va", "min"),
        ("objective: {metric: 3, mode: 4}", "loss_va", "min"),
        ("{", "loss_va", "min"),
    ],
)
def test_the_objective_is_the_plans(tmp_path, plan, by, mode):
    found = read(folder_of(tmp_path, plan))
    assert (found.by, found.mode) == (by, mode) and found.log == f"val_{by.removesuffix('_va')}"
    assert found.chosen("params") == ("params", "min")
    if found.of(by) is not None:
        assert found.chosen() == (by, mode)
    assert found.chosen(by, "max") == (by, "max")


def test_what_the_workers_found_is_kept_and_comes_before_the_names(tmp_path):
    folder = folder_of(tmp_path)
    add(folder, {"auc": "min", "mae": None})
    add(folder, {"mine": "max"})
    found = read(folder)
    assert [found.of(name) for name in ("auc_te", "mae_va", "mine_tr", "val_mine", "mine", "acc_te")] == [
        "min", None, "max", "max", "max", "max"
    ]  # fmt: skip
    before = folder.metrics.stat().st_mtime_ns
    add(folder, {"mine": "max"})
    assert folder.metrics.stat().st_mtime_ns == before


@pytest.mark.parametrize("content", ["", "[]", '{"modes": 3}', '{"modes": {"auc": ["max"]}}', "[" * 9999])
def test_a_broken_file_is_none(tmp_path, content):
    folder = folder_of(tmp_path)
    folder.metrics.write_text(content)
    assert read(folder).of("auc_te") in ("max", None) and read(folder).of("loss_te") == "min"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is missing"),
        ("{}", "is damaged"),
        ('{"modes": {"r2": "ma', "is damaged"),
        ('{"modes": {"loss": "min"}}', "does not say it"),
    ],
)
def test_an_objective_of_which_nothing_tells_the_mode_is_not_ranked(tmp_path, content, said):
    folder = folder_of(tmp_path, "objective: r2")
    if content is not None:
        folder.metrics.write_text(content)
    with pytest.raises(UnknownModeError, match=f"metrics.json {said}") as error:
        read(folder).chosen()
    assert read(folder).chosen(None, "max") == ("r2_va", "max")
    assert read(folder).chosen("loss_va") == ("loss_va", "min")
    # The line that the message proposes is enough.
    folder.metrics.write_text(re.search(r'{"modes.*?}}', str(error.value)).group())
    assert read(folder).chosen() == ("r2_va", "max")


def test_a_damaged_file_is_named_even_if_the_name_tells_the_mode(tmp_path):
    folder = folder_of(tmp_path, "objective: auc")
    assert read(folder).chosen() == ("auc_va", "max") and not read(folder).doubt("auc_va")
    folder.metrics.write_text("{")
    assert "metrics.json is damaged" in read(folder).doubt("auc_va") and not read(folder).doubt("params")
    add(folder, {"auc": "max"})
    assert not read(folder).doubt("auc_va")


def test_columns_that_are_no_metrics():
    found = Directions()
    assert [found.of(name) for name in ("params", "seconds", "epochs", "units", "status")] == ["min"] * 3 + [
        None
    ] * 2
    assert found.of("auc_2_te") == "max" and found.of("auc_x_te") is None


@pytest.mark.heavy
def test_the_names_are_those_of_keras_with_its_directions():
    import keras

    arguments = {
        "num_classes": 2, "target_class_ids": [0], "precision": 0.5, "recall": 0.5, "specificity": 0.5,
        "sensitivity": 0.5,
    }  # fmt: skip
    checked = {}
    for kind in vars(keras.metrics).values():
        if not (inspect.isclass(kind) and issubclass(kind, keras.metrics.Metric)):
            continue
        required = {
            name: arguments[name]
            for name, one in inspect.signature(kind.__init__).parameters.items()
            if one.default is one.empty and name in arguments
        }
        try:
            metric = kind(**required)
        except (TypeError, NotImplementedError):  # those that wrap a function
            continue
        direction = getattr(metric, "_direction", None)
        expected = None if direction is None else "max" if direction == "up" else "min"
        checked[metric.name] = (BY_NAME.get(metric.name), expected)
    assert len(checked) > 40
    assert {name: pair for name, pair in checked.items() if pair[0] != pair[1]} == {}
    # By a string, Keras logs the string.
    for name in ("mse", "MSE", "mae", "MAE", "mape", "msle", "acc"):
        model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse", metrics=[name])
        logs = model.train_on_batch(np.ones((1, 1)), np.ones((1, 1)), return_dict=True)
        assert set(logs) == {"loss", name} <= set(BY_NAME)


def test_the_file_is_json_for_people(tmp_path):
    add(folder_of(tmp_path), {"auc": "max"})
    assert json.loads((tmp_path / "metrics.json").read_text()) == {"modes": {"auc": "max"}}
    assert directions.read(RunFolder(tmp_path)).modes == {"auc": "max"}
