"""What is said of losses that cannot be compared."""

from sweep.driver.comparable import different_losses


def test_the_metrics_that_all_models_have_are_named():
    said = different_losses(
        "loss", {"mse": ["rmse", "mae", "r2"], "huber": ["mae", "r2"], "poisson": ["r2", "mae"]}
    )
    assert "mse, huber and poisson" in said and "All have mae and r2." in said
    assert said.endswith("\n  objective: mae")


def test_without_a_common_metric_one_is_asked_for():
    said = different_losses("data_loss", {"mse": ["mae"], "huber": []})
    assert said.startswith("objective: data_loss compares")
    assert "No metric is in all" in said and said.endswith("\n  objective: mae")
