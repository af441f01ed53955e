"""Diagnoses a regression model of one output by four questions.

Does it over-fit? Where in the target's range is it accurate? Which features is it sensitive to? Is it better than simpler
models? The answers are computed from arrays and a function that predicts, with fixed seeds.

Terminology
    residual            the predicted value minus the true value: positive if the model predicts too much
    fitted rows, group  see `results.diagnosis.split`
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
from results.schema import SPLITS, column_of

BINS = 10
"""The most bins of the target or of the prediction."""


@dataclass(frozen=True)
class Diagnosis:
    """The answers, each as the function of the same name returns it.

    Attributes:
        gaps_over_epochs, gaps_at_end: does it over-fit?
        residuals_by_bin, calibration: where in the target's range is it accurate?
        sensitivity, dependence: which features is it sensitive to?
        baselines: is it better than simpler models?
        notes: sentences about what was diagnosed.
    """

    gaps_over_epochs: pd.DataFrame
    gaps_at_end: pd.DataFrame
    residuals_by_bin: pd.DataFrame
    calibration: pd.DataFrame
    sensitivity: pd.DataFrame
    dependence: pd.DataFrame
    baselines: pd.DataFrame
    notes: tuple[str, ...] = ()


def tables(found: Any) -> dict[str, pd.DataFrame]:
    """Return the tables of a `Diagnosis` or a `Classification` by their names."""
    return {name: value for name, value in vars(found).items() if isinstance(value, pd.DataFrame)}


def diagnose(
    predict: Predict,
    split: Split,
    curve: pd.DataFrame,
    row: Mapping[str, Any] | pd.Series,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> Diagnosis:
    """Return the answers to the four questions about a regression model of one output.

    Args:
        predict: returns the model's predictions for some rows.
        split: the rows.
        curve: of the point, as `Run.curves` returns it.
        row: of the point in `Run.points`.
        seed: of all shuffles, random samples and fits.
        notes: sentences about what is diagnosed.

    Raises:
        ValueError: the task is a classification (see `results.diagnosis.classification`), or the model does not
            return one finite number for each row.
    """
    if split.task != "regression":
        raise ValueError(f"The task is {split.task}, which diagnose_classes diagnoses: call it instead.")
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
        notes,
    )


def gaps_over_epochs(curve: pd.DataFrame) -> pd.DataFrame:
    """Return how much each metric differs between train and validation rows in each epoch.

    Keras measures `train` during an epoch, while the weights change and dropout is active, and `validation` after it. So
    a validation loss that is a little lower is no error.

    Returns:
        `metric`, `epoch`, `train` (on the fitted rows), `validation`, `gap` (validation minus train).
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
    """Return each metric of the best epoch's model on the train, validation and test rows.

    Returns:
        `metric`, `train` (on all train rows, which include the validation rows), `validation`, `test`, and the last two
        divided by `train`: `validation_ratio`, `test_ratio` (NaN if `train` is not above 0).
    """
    table = pd.DataFrame(
        [[name, *(float(row[column_of(name, split)]) for split in SPLITS)] for name in metrics],
        columns=["metric", "train", "validation", "test"],
    )
    train = table["train"].where(table["train"] > 0)
    return table.assign(validation_ratio=table["validation"] / train, test_ratio=table["test"] / train)


def residuals_by_bin(y: np.ndarray, predicted: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return how the residuals are distributed in each part of the target's range.

    Even the best possible model predicts too much for low targets and too little for high ones, because features never
    determine the target completely. `calibration` does not have this effect.

    Args:
        y: true values, shape (rows,).
        predicted: predictions, shape (rows,).
        bins: the most bins. They have about equally many rows, and equal targets are in the same bin.

    Returns:
        One row for each bin: `low` and `high`, its lowest and highest target, `count` (of rows), and of the residuals the
        mean (`bias`), the mean of the absolute values (`mae`) and the quantiles `q05`, `q50`, `q95`.
    """
    y, predicted = pair(y, predicted)
    residual, table = predicted - y, []
    for rows in _binned(y, bins):
        part = residual[rows]
        quantiles = np.quantile(part, [0.05, 0.5, 0.95])
        table.append([y[rows].min(), y[rows].max(), len(rows), part.mean(), np.abs(part).mean(), *quantiles])
    return pd.DataFrame(table, columns=["low", "high", "count", "bias", "mae", "q05", "q50", "q95"])


def calibration(y: np.ndarray, predicted: np.ndarray, bins: int = BINS) -> pd.DataFrame:
    """Return the mean prediction and the mean true value in each part of the predictions' range.

    Returns:
        One row for each bin: `low` and `high`, its lowest and highest prediction, `count` (of rows), the means `predicted`
        and `true`, and the `standard_error` of their difference (NaN for a single row).
    """
    y, predicted = pair(y, predicted)
    residual, table = predicted - y, []
    for rows in _binned(predicted, bins):
        part, count = predicted[rows], len(rows)
        error = residual[rows].std(ddof=1) / np.sqrt(count) if count > 1 else np.nan
        table.append([part.min(), part.max(), count, part.mean(), y[rows].mean(), error])
    return pd.DataFrame(table, columns=["low", "high", "count", "predicted", "true", "standard_error"])


def _binned(values: np.ndarray, bins: int) -> list[np.ndarray]:
    """Return the row numbers in each bin, lowest first. Each bin ends with one of the values, so none is empty."""
    ranks = [-(-number * len(values) // bins) - 1 for number in range(1, bins + 1)]
    tops = np.unique(np.sort(values)[ranks])
    positions = np.searchsorted(tops, values)
    return [np.flatnonzero(positions == position) for position in range(len(tops))]
