"""An axis of weights: its points have losses on different scales, so the sweep asks for a metric that is not weighted."""

import numpy as np
import pytest

import results
import sweep
from sweep.driver.comparable import check_weights
from sweep.errors import InputError
from sweep.plan.form import PlanError
from tests.help.cases import dense, numbers, written
from tests.help.commands import refused
from tests.help.commands import sweep as command

WEIGHTED = dense(metrics="['mae'], weighted_metrics=[keras.metrics.MeanSquaredError(name='error')]")


def plan_of(folder, builder=WEIGHTED, **keys):
    table = numbers().assign(w=lambda t: 10 * (1 + t["a"].abs()), v=1.0)
    data = keys.pop("data", {"drop": ["v"]})
    return written(
        folder, table, builder, **{"data": data, "space": {"units": [4], "weight": [None, "w"]}, **keys}
    )


@pytest.mark.parametrize(
    ("keys", "values"),
    [
        ({}, "[null, w]"),
        ({"objective": "data_loss"}, "[null, w]"),
        ({"objective": {"metric": "loss", "mode": "min"}, "data": {"weight": "v"}}, "[null, w]"),
        ({"space": {"units": [4], "weight": ["w", "v"]}, "data": {}}, "[w, v]"),
    ],
)
def test_the_loss_of_different_weights_is_refused_before_anything_is_trained(tmp_path, keys, values):
    plan = plan_of(tmp_path, **keys)
    with pytest.raises(PlanError) as error:
        sweep.run(plan, tmp_path / "out", in_process=True, show=False)
    said = str(error.value)
    assert said.startswith(
        f"objective: {plan.objective.metric} compares points whose rows have different weights"
    )
    assert f"the axis weight has {values}" in said and said.endswith("\n  objective: mae")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "words",
    [("plan",), ("slurm", "--out", "out"), ("submit", "--address", "http://127.0.0.1:1", "--out", "out")],
)
def test_each_command_that_takes_a_plan_refuses_it(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    plan_of(tmp_path)
    assert "the axis weight has [null, w]" in refused(words[0], "plan.yaml", *words[1:])


def test_a_search_refuses_it_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan_of(tmp_path)
    space = {"units": [4], "weight": [None, "w"]}
    with pytest.raises(InputError, match="need a metric that is not weighted"):
        sweep.search("model.py:build", numbers().assign(w=2.0), "y", space=space, in_process=True)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    "keys",
    [
        {"objective": "mae"},
        {"space": {"units": [4, 8], "weight": ["w"]}},
        {"space": {"units": [4], "class_weight": [None, {0: 1.0, 1: 2.0}]}},
        {"builder": dense().replace("(units,", "(units, weight,"), "space": {"units": [4], "weight": [0, 1]}},
    ],
)
def test_what_can_be_compared_is_taken(tmp_path, keys):
    check_weights(plan_of(tmp_path, **keys))


@pytest.mark.parametrize("engine", ["native", pytest.param("keras", marks=pytest.mark.slow)])
def test_a_weighted_metric_is_refused_and_another_one_compares(tmp_path, engine):
    plan = plan_of(tmp_path / "weighted", objective="error", engine=engine)
    with pytest.raises(PlanError) as error:
        sweep.run(plan, tmp_path / "out", in_process=True, show=False)
    assert "objective: error compares points whose rows have different weights" in str(error.value)
    assert str(error.value).endswith("All models have mae. Write in the plan:\n  objective: mae")

    plan = plan_of(tmp_path / "mae", objective="mae", engine=engine)
    assert sweep.run(plan, tmp_path / "out", in_process=True, show=False).exit_code == 0
    points = results.open(tmp_path / "out").points.set_index("weight", drop=False)
    # The weights are 18 on average. Keras divides the weighted loss by the number of rows.
    weighted, plain = points.loc["w"], points[points["weight"].isna()].iloc[0]
    assert weighted["loss_va"] > 5 * plain["loss_va"]
    assert np.isclose(weighted["mae_va"], plain["mae_va"], rtol=0.3)

    # Runs of earlier versions are ranked by the loss.
    found = command("top", tmp_path / "out", "--by", "loss_va")
    assert "Note: The axis weight has several values" in found.stderr and "weight == 'w'" in found.stderr
    for words in ((), ("--by", "loss_va", "--where", "weight == 'w'")):
        assert "The axis weight" not in command("top", tmp_path / "out", *words).stderr
