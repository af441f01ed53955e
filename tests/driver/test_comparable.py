"""What is said of losses that cannot be compared."""

from sweep.driver.comparable import different_losses
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
    assert "compiled with 2 losses called mine with different code and mse." in said
