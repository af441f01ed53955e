"""Four questions about one model: does it over-fit, where in the target's range is it good, what moves it, is it worth it.

Terminology
    residual     predicted less true: positive where the model predicts too much
    fitted rows, group: see `results.diagnosis.split`

All is computed from arrays and a function that predicts, with fixed seeds, for regression models of one output.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from results.diagnosis.baselines import baselines
from results.diagnosis.sensitivity import dependence, sensitivity
from results.diagnosis.split import Predict, Split, pair, predictions

BINS = 10
"""Bins of the target, or of the prediction, at most."""


@dataclass(frozen=True)
class Diagnosis:
    """The answers, each as the function of the same name returns it.

    Attributes:
        gaps_over_epochs, gaps_at_end: does it over-fit?
        residuals_by_bin, calibration: where in the target's range is it good?
        sensitivity, dependence: what moves it?
        baselines: is it better than simpler models?
    """

    gaps_over_epochs: pd.DataFrame
    gaps_at_end: pd.DataFrame
    residuals_by_bin: pd.DataFrame
    calibration: pd.DataFrame
    sensitivity: pd.DataFrame
    dependence: pd.DataFrame
    baselines: pd.DataFrame


def diagnose(
    predict: Predict, split: Split, curve: pd.DataFrame, row: Mapping[str, Any] | pd.Series, seed: int = 0
) -> Diagnosis:
    """Return the answers to the four questions about a regression model of one output.

    Args:
        predict: what the model gives for some rows.
        split: the rows.
        curve: the point's, as `Run.curves` returns it.
        row: the point's, of `Run.points`.
        seed: of what is shuffled, drawn and fitted.

    Raises:
        ValueError: the model gives something else than one finite number for each row.
    """
    predicted = predictions(predict, split.x_test)
    over_epochs = gaps_over_epochs(curve)
    return Diagnosis(
        over_epochs,
        gaps_at_end(row, list(over_epochs["metric"].unique())),
        residuals_by_bin(split.y_test, predicted),
        calibration(split.y_test, predicted),
        sensitivity(predict, split, seed=seed),
        dependence(predict, split, seed=seed),
        baselines(split, predicted, seed=seed),
    )


def gaps_over_epochs(curve: pd.DataFrame) -> pd.DataFrame:
    """Return how far train and validation rows are apart in each epoch.

    Keras measures `train` during an epoch, on weights that still change and with dropout on, and `validation` after
    it: a validation loss that is a little lower is no mistake.

    Returns:
        `metric`, `epoch`, `train` (the fitted rows), `validation`, `gap` (validation less train).
    """
    parts = [
        pd.DataFrame(
            {
                "metric": name,
                "epoch": curve["epoch"],
                "train": curve[name],
                "validation": curve[f"val_{name}"],
            }
        )
        for name in curve.columns
        if f"val_{name}" in curve.columns
    ]
    if not parts:
        raise ValueError(f"The learning curve has no metric on validation rows: {list(curve.columns)}.")
    table = pd.concat(parts, ignore_index=True).astype({"train": float, "validation": float})
    return table.assign(gap=table["validation"] - table["train"])


def gaps_at_end(row: Mapping[str, Any] | pd.Series, metrics: Sequence[str]) -> pd.DataFrame:
    """Return each metric of the best epoch's model on each part of the rows.

    Returns:
        `metric`, `train` (all train rows, so that the validation rows are among them), `validation`, `test`, and how
        many times the train rows' value the others are: `validation_ratio`, `test_ratio`; NaN where that is not
        above 0.
    """
    table = pd.DataFrame(
        [[name, *(float(row[f"{name}_{part}"]) for part in ("tr", "va", "te"))] for name in metrics],
        columns=["metric", "train", "validation", "test"],
    )
    train = table["train"].where(table["train"] > 0)
    return table.assign(validation_ratio=table["validation"] / train, test_ratio=table["test"] / train)


def residuals_by_bin(y: np.ndarray, predicted: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return how the residuals are distributed in each part of the target's range.

    Even the best model predicts too much where the target is low and too little where it is high, by as much as the
    features leave open: `calibration` is free of that.

    Args:
        y: true values, shape (rows,).
        predicted: shape (rows,).
        bins: at most; they hold about as many rows each, and equal targets share one.

    Returns:
        `low` and `high`, the lowest and highest target in the bin, `count` of rows, and of the residuals the mean
        (`bias`), the mean of their absolute values (`mae`) and the quantiles `q05`, `q50`, `q95`.
    """
    y, predicted = pair(y, predicted)
    residual, table = predicted - y, []
    for rows in _binned(y, bins):
        part = residual[rows]
        quantiles = np.quantile(part, [0.05, 0.5, 0.95])
        table.append([y[rows].min(), y[rows].max(), len(rows), part.mean(), np.abs(part).mean(), *quantiles])
    return pd.DataFrame(table, columns=["low", "high", "count", "bias", "mae", "q05", "q50", "q95"])


def calibration(y: np.ndarray, predicted: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return, for each part of the predictions' range, what was predicted and what was true, on average.

    Returns:
        `low` and `high`, the lowest and highest prediction in the bin, `count` of rows, the means `predicted` and
        `true`, and the `standard_error` of their difference (NaN for a single row).
    """
    y, predicted = pair(y, predicted)
    residual, table = predicted - y, []
    for rows in _binned(predicted, bins):
        part, count = predicted[rows], len(rows)
        error = residual[rows].std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
        table.append([part.min(), part.max(), count, part.mean(), y[rows].mean(), error])
    return pd.DataFrame(table, columns=["low", "high", "count", "predicted", "true", "standard_error"])


def _binned(values: np.ndarray, bins: int) -> list[np.ndarray]:
    """Return the rows in each bin, lowest first; each bin ends with a value that is there, so none is empty."""
    ranks = [-(-number * len(values) // bins) - 1 for number in range(1, bins + 1)]
    tops = np.unique(np.sort(values)[ranks])
    positions = np.searchsorted(tops, values)
    return [np.flatnonzero(positions == position) for position in range(len(tops))]
