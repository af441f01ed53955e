"""The simpler models and their intervals: on a truth that one of them has, and against resamples written out."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from results.diagnosis import baselines as module
from results.diagnosis.baselines import THIS_MODEL, baselines
from results.diagnosis.split import Split
from tests.help.diagnoses import of_metric


def split(fitted=80, test=40, noise=0.0):
    chance = np.random.default_rng(5)
    x = chance.normal(size=(fitted + test, 3)).astype("float32")
    y = (x @ [3, -2, 0] + 1 + noise * chance.normal(size=len(x))).astype("float32")
    return Split(x[:fitted], y[:fitted], x[fitted:], y[fitted:], ("a", "b", "c"))


def test_each_model_is_fitted_on_the_fitted_rows_and_judged_on_the_test_rows():
    data = split(noise=0.5)
    found = baselines(data, np.zeros(40), resamples=20)
    assert list(found["metric"].unique()) == ["MSE", "MAE"] and len(found) == 14
    assert found["model"].iloc[0] == THIS_MODEL and (found["fitted"] == 80).all()
    y = data.y_test.astype("float64")
    assert of_metric(found).loc[THIS_MODEL, "value"] == pytest.approx(np.mean(y**2))
    assert of_metric(found, "MAE").loc[THIS_MODEL, "value"] == pytest.approx(np.mean(np.abs(y)))
    assert of_metric(found).loc["mean", "value"] == pytest.approx(
        np.mean((y - data.y_fitted.mean()) ** 2), rel=1e-5
    )
    line = LinearRegression().fit(data.x_fitted.astype(float), data.y_fitted.astype(float))
    expected = np.mean((line.predict(data.x_test) - y) ** 2)
    assert of_metric(found).loc["linear regression", "value"] == pytest.approx(expected, rel=1e-5)
    # What is not linear in the features does worse on a linear truth.
    assert of_metric(found)["value"].idxmin() in ("linear regression", "ridge regression")


def test_intervals_are_percentiles_over_the_same_resamples():
    data = split(noise=0.5)
    predicted = data.x_test[:, 0].astype("float64")
    found = baselines(data, predicted, resamples=50, seed=9)
    chance, y = np.random.default_rng(9), data.y_test.astype("float64")
    resamples = [chance.integers(0, 40, 40) for _ in range(50)]
    this, mean = (predicted - y) ** 2, (data.y_fitted.astype("float64").mean() - y) ** 2
    losses = np.array([[this[rows].mean(), mean[rows].mean()] for rows in resamples])
    table = of_metric(found)
    for name, drawn in ((THIS_MODEL, losses[:, 0]), ("mean", losses[:, 1])):
        assert list(table.loc[name, ["low", "high"]]) == pytest.approx(
            list(np.quantile(drawn, [0.025, 0.975]))
        )
    difference = list(np.quantile(losses[:, 1] - losses[:, 0], [0.025, 0.975]))
    assert list(table.loc["mean", ["difference_low", "difference_high"]]) == pytest.approx(difference)
    assert table.loc["mean", "difference"] == pytest.approx(mean.mean() - this.mean())
    assert (table.loc[THIS_MODEL, ["difference", "difference_low", "difference_high"]] == 0).all()
    # The same rows for all: a model that is another's equal has no interval at all.
    line = (
        LinearRegression().fit(data.x_fitted.astype(float), data.y_fitted.astype(float)).predict(data.x_test)
    )
    same = of_metric(baselines(data, line, resamples=50)).loc["linear regression"]
    assert (
        abs(same["difference_low"]) < 1e-6
        and abs(same["difference_high"]) < 1e-6
        and same["low"] < same["high"]
    )


def test_numbers_are_the_same_again():
    data = split(noise=0.5)
    one, other = (baselines(data, data.x_test[:, 0], resamples=30) for _ in range(2))
    assert one.equals(other)


@pytest.mark.parametrize("fitted", [2, 4, 7])
def test_few_rows_are_enough(fitted):
    found = baselines(split(fitted, 1), np.zeros(1), resamples=5)
    assert np.isfinite(found["value"]).all() and (found["low"] == found["high"]).all()


def test_a_large_table_is_sampled(monkeypatch):
    monkeypatch.setattr(module, "MAX_FITTED", 30)
    found = of_metric(baselines(split(), np.zeros(40), resamples=5))
    assert found.loc[THIS_MODEL, "fitted"] == 80 and set(found["fitted"].drop(THIS_MODEL)) == {30}
