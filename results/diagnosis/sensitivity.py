"""How sensitive a model is to each feature: its permutation importance and its partial dependence.

Both are computed for groups of columns, so that the indicator columns of one category are always changed together.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.diagnosis.probabilities import log_losses, names, probabilities, right, scored
from results.diagnosis.split import Predict, Split, drawn, predictions

REPEATS = 10
"""How often the values of each group are shuffled."""

GRID = 20
"""The most values of a feature that a partial dependence is computed at."""

MAX_ROWS = 10_000
"""The most test rows that both are computed on; of more rows, this many are drawn at random."""


def sensitivity(predict: Predict, split: Split, repeats: int = REPEATS, seed: int = 0) -> pd.DataFrame:
    """Return how much the model's error increases when the values of one group are shuffled among the test rows.

    This is the permutation importance of Breiman (2001), by scikit-learn. Features with the same information look less
    important than they are, because the model can use the others.

    Returns:
        One row for each group, the most important first: `feature`, `columns` (how many), `increase` (of the mean squared
        error, averaged over the repeats) and `spread` (the standard deviation over the repeats). For a classification it is
        the increase of the log loss, and there are `metric` ("log loss") and `accuracy_drop` (averaged over the repeats).
    """
    from sklearn.base import BaseEstimator
    from sklearn.inspection import permutation_importance

    class Moved(BaseEstimator):
        """Stands for the model. Its features are row numbers: for each row and group, where the group's values come from."""

        def fit(self, x: np.ndarray, y: np.ndarray) -> Moved:
            return self

    def score(_: Moved, sources: np.ndarray, true: np.ndarray) -> dict[str, float]:
        moved = x.copy()
        for number in np.flatnonzero((sources != positions).any(0)):
            columns = groups[features[number]]
            moved[:, columns] = x[sources[:, [number]], columns]
        if split.task == "regression":
            return {"MSE": -float(np.mean((predictions(predict, moved) - true) ** 2))}
        p = probabilities(predict, moved, split)
        return {
            "log loss": -float(log_losses(true, p, split).mean()),
            "accuracy": float(right(true, p, split).mean()),
        }

    rows = drawn(len(split.x_test), MAX_ROWS, seed)
    x, y = split.x_test[rows], split.y_test[rows].astype("float64")
    groups = split.every_group
    features = list(groups)
    positions = np.tile(np.arange(len(x))[:, None], len(features))
    every = permutation_importance(Moved(), positions, y, scoring=score, n_repeats=repeats, random_state=seed)
    metric = "MSE" if split.task == "regression" else "log loss"
    found = every[metric]
    table = pd.DataFrame(
        {
            "feature": features,
            "columns": [len(groups[name]) for name in features],
            "increase": found.importances_mean,
            "spread": found.importances_std,
        }
    )
    if split.task != "regression":
        table = table.assign(metric=metric, accuracy_drop=every["accuracy"].importances_mean)
    return table.sort_values("increase", ascending=False, kind="stable", ignore_index=True)


def dependence(predict: Predict, split: Split, most: int = GRID, seed: int = 0) -> pd.DataFrame:
    """Return the mean prediction over the test rows when one feature has the same value in all of them.

    This is the partial dependence of Friedman (2001). For correlated features, it evaluates the model on rows that never
    occur. For a category, one indicator after the other is 1 and the others are 0. A number gets each of its values in
    the test rows or, if there are more than `most`, this many quantiles from 1% to 99%.

    Returns:
        `feature`, `category` (empty for a number), `value` (NaN for a category), `prediction`. For a classification there is
        `class`, too, and the prediction is its probability; of two classes, that of the second.
    """
    x = split.x_test[drawn(len(split.x_test), MAX_ROWS, seed)]
    table: list[list[object]] = []
    classes = names(split)
    for name, columns in split.every_group.items():
        if name in split.groups:
            settings = np.eye(len(columns), dtype=x.dtype)
            labels = [str(split.features[column]).removeprefix(f"{name}_") for column in columns]
            values = [np.nan] * len(columns)
        else:
            settings = _grid(x[:, columns[0]], most)[:, None]
            labels, values = [""] * len(settings), [float(value) for value in settings[:, 0]]
        for setting, label, value in zip(settings, labels, values, strict=True):
            moved = x.copy()
            moved[:, columns] = setting
            if split.task == "regression":
                table.append([name, label, value, predictions(predict, moved).mean()])
                continue
            means = probabilities(predict, moved, split).mean(0)
            table += [[name, label, value, means[code], classes[code]] for code in scored(split)]
    columns_of = ["feature", "category", "value", "prediction"]
    return pd.DataFrame(table, columns=columns_of if split.task == "regression" else [*columns_of, "class"])


def _grid(values: np.ndarray, most: int) -> np.ndarray:
    distinct = np.unique(values)
    if len(distinct) <= most:
        return distinct
    positions = np.linspace(0.01, 0.99, most) * (len(values) - 1)
    return np.unique(np.sort(values)[positions.round().astype(int)])
