"""The rows that a model is diagnosed on and its predictions for them, checked to be one finite number for each row.

Terminology
    fitted rows  the train rows that the weights were fitted on: all except the validation rows
    group        columns that are changed together: the indicator columns of one category, or a single other column
    position     the number of a row or of a column, counted from 0
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Predict = Callable[[np.ndarray], Any]
"""Given rows of shape (rows, features), returns an array of shape (rows,) or (rows, 1)."""


@dataclass(frozen=True)
class Split:
    """The rows that a model was fitted on and those that it is tested on.

    Args:
        x_fitted: shape (fitted rows, features).
        y_fitted: shape (fitted rows,).
        x_test: shape (test rows, features).
        y_test: shape (test rows,).
        features: the columns' names.
        groups: the positions of the indicator columns of each category, by its name. Exactly one of these columns is 1
            in each row.

    Raises:
        ValueError: shapes do not match, a number is not finite, or the columns of a group are not indicators.
    """

    x_fitted: np.ndarray
    y_fitted: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    features: Sequence[str]
    groups: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for part, x, y in (("fitted", self.x_fitted, self.y_fitted), ("test", self.x_test, self.y_test)):
            finite(y, f"The target of the {part} rows")
            if x.shape != (len(y), len(self.features)):
                raise ValueError(
                    f"The {part} rows have the shape {x.shape}, but there are {len(y)} targets and {len(self.features)} "
                    "names of features."
                )
        ungrouped = [name for position, name in enumerate(self.features) if position not in self._grouped]
        names = [*ungrouped, *self.groups]
        if len({*names}) < len(names):
            twice = next(name for name in names if names.count(name) > 1)
            raise ValueError(f'Two features, or groups of them, are called "{twice}". Rename one.')
        taken = [position for positions in self.groups.values() for position in positions]
        if len(set(taken)) < len(taken) or not set(taken) <= set(range(len(self.features))):
            raise ValueError(
                f"groups got {dict(self.groups)}, but needs columns from 0 to {len(self.features) - 1}, "
                "each in one group at most."
            )
        for name, positions in self.groups.items():
            columns = self.x_test[:, list(positions)]
            if not (np.isin(columns, (0, 1)).all() and (columns.sum(1) == 1).all()):
                raise ValueError(
                    f'The columns of the group "{name}" are no indicators: not exactly one of them is 1 in each test '
                    "row, and the others 0. Leave the group out."
                )

    @property
    def every_group(self) -> dict[str, list[int]]:
        """The positions of the columns of each group, including groups of one column, in the order of the columns."""
        found: dict[str, list[int]] = {}
        for position, name in enumerate(self.features):
            found.setdefault(self._grouped.get(position, name), []).append(position)
        return found

    @property
    def _grouped(self) -> dict[int, str]:
        return {position: name for name, positions in self.groups.items() for position in positions}


def predictions(predict: Predict, x: np.ndarray) -> np.ndarray:
    """Return the model's predictions as float64, shape (rows,).

    Raises:
        ValueError: they are not one finite number for each row.
    """
    given = predict(x)
    shape = () if isinstance(given, dict | list | tuple) else np.shape(given)
    if shape not in ((len(x),), (len(x), 1)):
        what = f"an array of shape {shape}" if shape else f"several outputs ({type(given).__name__})"
        raise ValueError(
            f"The model gives {what} for {len(x)} rows, but only regression models of one output can be diagnosed."
        )
    return finite(np.asarray(given).reshape(len(x)), "What the model predicts")


def pair(y: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the true values and the predictions as float64.

    Raises:
        ValueError: they are not finite numbers, or there are not equally many.
    """
    true, given = finite(y, "The target"), finite(predicted, "What the model predicts")
    if true.shape != given.shape:
        raise ValueError(f"{len(true)} true values, but {len(given)} predictions: there must be as many.")
    return true, given


def finite(values: np.ndarray, what: str) -> np.ndarray:
    """Return `values` as float64.

    Raises:
        ValueError: they are not one finite number for each row; the message begins with `what`.
    """
    values = np.asarray(values)
    if values.ndim != 1 or not len(values) or values.dtype.kind not in "iuf":
        raise ValueError(
            f"{what} is an array of {values.dtype} and shape {values.shape}, but needs one number for each row: only "
            "regression can be diagnosed."
        )
    if bad := int((~np.isfinite(values)).sum()):
        raise ValueError(
            f"{what} is not finite in {bad} of {len(values)} rows, so there is nothing to diagnose."
        )
    return values.astype("float64")


def drawn(rows: int, most: int, seed: int) -> np.ndarray:
    """Return the positions of all rows or, if there are more than `most`, of that many random ones."""
    if rows <= most:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
