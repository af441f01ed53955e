"""What moves a model: the features that it gets worse without, and what it predicts along each of them.

Both are computed for groups of columns, so that the indicator columns of one category are never taken apart.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.diagnosis.split import Predict, Split, drawn, predictions

REPEATS = 10
"""How often the rows of each group are shuffled."""

GRID = 20
"""Values of each feature that a partial dependence is computed at, at most."""

MAX_ROWS = 10_000
"""Test rows that both are computed on; of more, as many are drawn."""


def sensitivity(predict: Predict, split: Split, repeats: int = REPEATS, seed: int = 0) -> pd.DataFrame:
    """Return how much worse the model gets when the test rows' values of one group are shuffled.

    This is the permutation importance of Breiman (2001), by scikit-learn. Of features that tell the same, each looks
    less important than it is, since the model still has the others.

    Returns:
        For each group, the most important first: `feature`, `columns` (how many), `increase` of the mean squared
        error, the mean over the repeats, and `spread`, their standard deviation.
    """
    from sklearn.base import BaseEstimator
    from sklearn.inspection import permutation_importance

    class Moved(BaseEstimator):
        """Takes for each row and group the place of the row that the group's columns come from: they stay together."""

        def fit(self, x: np.ndarray, y: np.ndarray) -> Moved:
            return self

    def score(_: Moved, sources: np.ndarray, true: np.ndarray) -> float:
        moved = x.copy()
        for number in np.flatnonzero((sources != positions).any(0)):
            columns = groups[names[number]]
            moved[:, columns] = x[sources[:, [number]], columns]
        return -float(np.mean((predictions(predict, moved) - true) ** 2))

    rows = drawn(len(split.x_test), MAX_ROWS, seed)
    x, y = split.x_test[rows], split.y_test[rows].astype("float64")
    groups = split.every_group
    names = list(groups)
    positions = np.tile(np.arange(len(x))[:, None], len(names))
    found = permutation_importance(Moved(), positions, y, scoring=score, n_repeats=repeats, random_state=seed)
    table = pd.DataFrame(
        {
            "feature": names,
            "columns": [len(groups[name]) for name in names],
            "increase": found.importances_mean,
            "spread": found.importances_std,
        }
    )
    return table.sort_values("increase", ascending=False, kind="stable", ignore_index=True)


def dependence(predict: Predict, split: Split, most: int = GRID, seed: int = 0) -> pd.DataFrame:
    """Return the mean prediction over the test rows when one feature has the same value in all of them.

    This is the partial dependence of Friedman (2001). Where features go together, it asks the model about rows that
    there never are. A category is tried at each of its indicators, the others being 0; a number at its values on the
    test rows or, if there are more than `most`, at that many quantiles from 1% to 99%.

    Returns:
        `feature`, `category` (empty for a number), `value` (NaN for a category), `prediction`.
    """
    x = split.x_test[drawn(len(split.x_test), MAX_ROWS, seed)]
    table = []
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
            table.append([name, label, value, predictions(predict, moved).mean()])
    return pd.DataFrame(table, columns=["feature", "category", "value", "prediction"])


def _grid(values: np.ndarray, most: int) -> np.ndarray:
    distinct = np.unique(values)
    if len(distinct) <= most:
        return distinct
    positions = np.linspace(0.01, 0.99, most) * (len(values) - 1)
    return np.unique(np.sort(values)[positions.round().astype(int)])
