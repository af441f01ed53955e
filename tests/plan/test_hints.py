"""What to write instead of Keras' keys, and that what is to be pasted is a plan."""

import inspect
import re

import pandas as pd
import pytest
import yaml

import results
from sweep import Plan
from sweep.plan import hints
from sweep.plan.form import PlanError
from tests.help.plans import small_plan, write_plan
from tests.help.reports import GRID, make_run
from trainables.settings import FIT_AXES, FIT_PARAMETERS, Callbacks, Fit


def refused(workplace, **changes):
    with pytest.raises(PlanError) as error:
        Plan.load(write_plan(workplace, **changes))
    return str(error.value)


@pytest.mark.parametrize("key", [name for name in FIT_PARAMETERS if not hasattr(Fit, name)])
def test_each_argument_of_fit_has_an_answer(workplace, key):
    if key == "class_weight":
        pytest.skip("it is a key of its own")
    said = refused(workplace, fit={key: 1})
    assert f'unknown key "{key}" in fit. ' in said and hints.instead_of(("fit",), key) in said
    assert hints.instead_of(("fit",), key)


@pytest.mark.parametrize("axis", [name for name in FIT_PARAMETERS if name not in FIT_AXES])
def test_each_argument_of_fit_that_cannot_be_an_axis_has_an_answer(workplace, axis):
    if axis == "class_weight":
        pytest.skip("it is an axis of its own")
    said = refused(workplace, space={**small_plan()["space"], axis: [1]})
    assert f'axis "{axis}" is an argument of Model.fit that cannot be an axis' in said
    assert axis == "epochs" or hints.instead_of(("space",), axis) in said
    assert axis == "epochs" or hints.instead_of(("space",), axis)


def test_each_callback_of_keras_has_an_answer():
    import keras

    without = {"Callback", "CallbackList", "OrbaxCheckpoint"}
    names = [name for name, kind in vars(keras.callbacks).items() if inspect.isclass(kind)]
    missing = [name for name in names if name not in without and not hints.instead_of(("callbacks",), name)]
    assert "EarlyStopping" in names and not missing


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"callbacks": {"EarlyStopping": {}}},
            'Did you mean "early_stopping"? Write callbacks: {early_stopping:',
        ),
        ({"callbacks": {"ReduceLROnPlateau": {}}}, 'Did you mean "reduce_lr_on_plateau"?'),
        ({"callbacks": {"model_checkpoint": {}}}, "keep_weights: true"),
        ({"callbacks": {"early_stopping": {"restore_best_weights": True}}}, "It is always so"),
        ({"callbacks": {"reduce_lr_on_plateau": {"verbose": 1}}}, "sweep status DIR"),
        ({"callbacks": ["EarlyStopping"]}, "such as callbacks: {early_stopping: {patience: 20}}"),
        ({"fit": {"early_stopping": {}}}, "It is a key of callbacks: callbacks: {early_stopping"),
        ({"space": {**small_plan()["space"], "patience": [1, 2]}}, "the same for all points"),
    ],
)
def test_the_spellings_of_keras_are_understood(workplace, changes, words):
    assert words in refused(workplace, **changes)


def test_an_axis_of_epochs_is_answered_with_the_curves(workplace):
    said = refused(workplace, space={**small_plan()["space"], "epochs": [50, 100]})
    assert (
        "fit: {epochs: 100}" in said
        and "epoch <= 50" in said
        and "a training of 100 epochs has one of 50" in said
    )
    assert "epoch <= 7" in hints.about_epochs([7, "many", True, 0, 9.5])
    (workplace / "model.py").write_text("def build(units, rate, epochs): ...")
    assert "has the name of a column" in refused(
        workplace, space={"units": [2], "rate": [0.1], "epochs": [50, 100]}
    )


def test_an_axis_of_seeds_is_answered_with_repeats(workplace):
    (workplace / "model.py").write_text("def build(units, seed=0): ...")
    said = refused(workplace, space={"units": [2], "seed": [0, 1, 2]})
    assert 'axis "seed" has the name of a column' in said and "write repeats: 3 beside the space" in said


def test_what_is_to_be_pasted_is_a_part_of_a_plan():
    texts = [text for section in hints._SECTIONS.values() for text in section.values()]
    texts.append(hints.about_epochs([5, 10]))
    known = {
        name: set(inspect.signature(kind).parameters)
        for name, kind in (("fit", Fit), ("callbacks", Callbacks))
    }
    pasted = [one for text in texts for one in re.findall(r"\b\w+: \{[^{}]*(?:\{[^{}]*\})?[^{}]*\}", text)]
    assert len(pasted) > 20
    for text in pasted:
        for section, keys in yaml.safe_load(text).items():
            assert section in Plan.__dataclass_fields__
            unknown = set(keys) - known.get(section, set(keys))
            assert not unknown, text


def test_the_best_within_some_epochs_come_from_the_curves(tmp_path, monkeypatch):
    make_run(tmp_path / "DIR", GRID)
    monkeypatch.chdir(tmp_path)
    paste = hints.about_epochs([2, 4]).split("import results; ")[1]
    found = eval(paste, {"results": results})
    curves = pd.read_parquet(tmp_path / "DIR" / "curves")
    expected = [(idx, part["val_loss"][part["epoch"] <= 2].min()) for idx, part in curves.groupby("idx")]
    assert list(found.items()) == sorted(expected, key=lambda item: item[1])[:10] and len(found) == 5
