"""Compares a model with simpler models fitted on the same rows, with intervals for the differences on the test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from results.diagnosis.split import Split, drawn, pair

RESAMPLES = 1000
"""The number of bootstrap samples of the test rows that an interval is computed from."""

MAX_FITTED = 50_000
"""The most rows that the simpler models are fitted on; of more rows, this many are drawn at random."""

THIS_MODEL = "this model"
"""The name of the diagnosed model in the table."""


def baselines(split: Split, predicted: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return how the model compares on the test rows with simpler, untuned models that were fitted on the same rows.

    Intervals hold 95%. They are percentiles over bootstrap samples of the test rows, the same samples for every model, so
    a difference has an interval, too. They cover the randomness of the test rows, not that of the training.

    Args:
        split: the rows.
        predicted: the model's predictions for the test rows, shape (test rows,).
        resamples: the number of bootstrap samples.
        seed: of the samples and of the random models.

    Returns:
        One row for each model, this one first, for MSE and then for MAE: `metric`, `model`, `fitted` (the number of rows),
        the metric's `value` with its interval `low`, `high`, and `difference`, the value minus this model's value, with its
        interval `difference_low`, `difference_high`.
    """
    y, predicted = pair(split.y_test, predicted)
    rows = drawn(len(split.y_fitted), MAX_FITTED, seed)
    x_fitted, y_fitted = split.x_fitted[rows].astype("float64"), split.y_fitted[rows].astype("float64")
    residuals = {THIS_MODEL: predicted - y}
    for name, model in _simpler(len(rows), seed).items():
        residuals[name] = model.fit(x_fitted, y_fitted).predict(split.x_test.astype("float64")) - y
    errors = np.stack(list(residuals.values()), 1)
    losses = np.hstack([errors**2, np.abs(errors)])
    chance, count = np.random.default_rng(seed), len(y)
    sums = np.stack(
        [np.bincount(chance.integers(0, count, count), minlength=count) @ losses for _ in range(resamples)]
    ).reshape(resamples, 2, -1)
    value = losses.mean(0).reshape(2, -1)
    low, high = np.quantile(sums / count, [0.025, 0.975], axis=0)
    less, more = np.quantile((sums - sums[:, :, :1]) / count, [0.025, 0.975], axis=0)
    parts = {"value": value, "low": low, "high": high, "difference": value - value[:, :1]}
    parts |= {"difference_low": less, "difference_high": more}
    fitted = [len(split.y_fitted), *[len(rows)] * (len(residuals) - 1)]
    keys = {
        "metric": np.repeat(["MSE", "MAE"], len(residuals)),
        "model": [*residuals] * 2,
        "fitted": fitted * 2,
    }
    return pd.DataFrame({**keys, **{name: part.ravel() for name, part in parts.items()}})


def _simpler(rows: int, seed: int) -> dict[str, Any]:
    from sklearn.dummy import DummyRegressor
    from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
    from sklearn.linear_model import LinearRegression, RidgeCV
    from sklearn.neighbors import KNeighborsRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return {
        "mean": DummyRegressor(),
        "linear regression": LinearRegression(),
        "ridge regression": make_pipeline(StandardScaler(), RidgeCV(np.logspace(-3, 3, 13))),
        "nearest neighbours": make_pipeline(StandardScaler(), KNeighborsRegressor(min(5, rows))),
        # One thread: with several, the order in which the trees are added up would vary.
        "random forest": RandomForestRegressor(random_state=seed),
        "gradient boosting": HistGradientBoostingRegressor(random_state=seed),
    }
