"""What is said of losses that cannot be compared."""

import pytest

import results
import sweep
from sweep.driver.comparable import different_losses
from sweep.plan.form import PlanError
from tests.help.cases import numbers, written
from tests.help.commands import sweep as command
from trainables.objective import Loss


def test_the_metrics_that_all_models_have_are_named():
    said = different_losses(
        "loss",
        {Loss("mse"): ["rmse", "mae", "r2"], Loss("huber"): ["mae", "r2"], Loss("poisson"): ["r2", "mae"]},
    )
    assert "mse, huber and poisson" in said and "All have mae and r2." in said
    assert said.endswith("\n  objective: mae")


def test_without_a_common_metric_one_is_asked_for():
    said = different_losses("data_loss", {Loss("mse"): ["mae"], Loss("huber"): []})
    assert said.startswith("objective: data_loss compares")
    assert "No metric is in all" in said and said.endswith("\n  objective: mae")


def test_losses_of_one_name_are_told_apart():
    losses = {Loss("mine", "a1"): ["mae"], Loss("mine", "b2"): ["mae"], Loss("mse"): ["mae"]}
    said = different_losses("loss", losses)
    assert "compiled with 2 losses called mine, whose code or numbers differ and mse." in said


HUBER = """
import keras


def build(delta, *, input_shape, normalizer):
    model = keras.Sequential([normalizer, keras.layers.Dense(1)])
    model.compile("adam", keras.losses.Huber(delta), metrics=["mae"])
    return model
"""


def run(folder, out, **keys):
    plan = written(folder, numbers(), HUBER, space={"delta": [0.5, 2.0, 8.0]}, **keys)
    return sweep.run(plan, folder / out, in_process=True, show=False)


def test_points_of_different_losses_are_trained_if_none_is_pruned_and_the_ranking_says_so(tmp_path):
    outcome = run(tmp_path, "out")
    assert outcome.exit_code == 0 and len(results.open(tmp_path / "out").points) == 3
    [note] = [note for note in outcome.tally.notes if "different losses" in note]
    assert note.startswith("objective: loss compares values of different losses")
    for by, is_told in ((), True), (("--by", "data_loss_va"), True), (("--by", "mae_va"), False):
        said = command("top", tmp_path / "out", *by).stderr
        assert ("huber(delta=0.5), huber(delta=2.0) and huber(delta=8.0)" in said) is is_told, said
    again = run(tmp_path, "out")  # trains nothing
    assert again.tally.done == 3
    assert "different losses" in command("top", tmp_path / "out").stderr


def test_asha_does_not_prune_by_different_losses(tmp_path):
    with pytest.raises(PlanError, match=r"(?s)values of different losses.*\n  objective: mae$"):
        run(tmp_path, "out", scheduler="asha", asha={"grace_period": 1})
