"""An axis of weights: its points have losses on different scales, which the user is told."""

import numpy as np
import pytest

import results
import sweep
from sweep.driver.comparable import note_on_weights
from tests.help.cases import dense, numbers, written
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
def test_the_loss_of_different_weights_is_told_before_anything_is_trained(tmp_path, keys, values):
    said = note_on_weights(plan_of(tmp_path, **keys))
    assert said.startswith(f"The axis weight has {values}, and it weights the validation rows, too.")
    assert said.endswith("objective: mae in the plan.")


def test_the_plan_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan_of(tmp_path)
    assert "note       The axis weight has [null, w]" in command("plan", "plan.yaml", "--timed", "0").stdout


@pytest.mark.parametrize(
    "keys",
    [
        {"objective": "mae"},
        {"space": {"units": [4, 8], "weight": ["w"]}},
        {"space": {"units": [4], "class_weight": [None, {0: 1.0, 1: 2.0}]}},
        {"builder": dense().replace("(units,", "(units, weight,"), "space": {"units": [4], "weight": [0, 1]}},
    ],
)
def test_nothing_is_said_of_what_can_be_compared(tmp_path, keys):
    assert not note_on_weights(plan_of(tmp_path, **keys))


@pytest.mark.parametrize("engine", ["native", pytest.param("keras", marks=pytest.mark.slow)])
def test_a_weighted_metric_is_told_and_another_one_compares(tmp_path, engine):
    plan = plan_of(tmp_path / "weighted", objective="error", engine=engine)
    outcome = sweep.run(plan, tmp_path / "weighted" / "out", in_process=True, show=False)
    [note] = [note for note in outcome.tally.notes if "The axis weight" in note]
    assert outcome.exit_code == 0 and "So error has another scale" in note

    plan = plan_of(tmp_path / "mae", objective="mae", engine=engine)
    outcome = sweep.run(plan, tmp_path / "out", in_process=True, show=False)
    assert outcome.exit_code == 0 and not any("The axis weight" in note for note in outcome.tally.notes)
    points = results.open(tmp_path / "out").points.set_index("weight", drop=False)
    # The weights are 18 on average. Keras divides the weighted loss by the number of rows.
    weighted, plain = points.loc["w"], points[points["weight"].isna()].iloc[0]
    assert weighted["loss_va"] > 5 * plain["loss_va"]
    assert np.isclose(weighted["mae_va"], plain["mae_va"], rtol=0.3)

    found = command("top", tmp_path / "out", "--by", "loss_va")
    assert "Note: The axis weight has several values" in found.stderr and "weight == 'w'" in found.stderr
    for words in ((), ("--by", "loss_va", "--where", "weight == 'w'")):
        assert "The axis weight" not in command("top", tmp_path / "out", *words).stderr
