"""The rows that a model is diagnosed on, and a regression's predictions for them: one finite number for each row.

Terminology
    task         regression; binary, multiclass: one of two or of several classes; multilabel: several answers, yes or no
    code         the number of a class, counted from 0; in a multilabel task a target is 1 for yes, and 0 for no
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
"""Given rows of shape (rows, features), returns an array of shape (rows,) or (rows, outputs).

A regression has one output, the target. A classification has probabilities: one output, the probability of code 1, for two
classes; else one output for each class.
"""

CLASSIFICATIONS = ("binary", "multiclass", "multilabel")
"""The tasks that predict classes."""


@dataclass(frozen=True)
class Split:
    """The rows that a model was fitted on and those that it is tested on.

    Args:
        x_fitted: shape (fitted rows, features).
        y_fitted: shape (fitted rows,), or (fitted rows, classes) if the task is multilabel.
        x_test: shape (test rows, features).
        y_test: shape (test rows,), or (test rows, classes) if the task is multilabel.
        features: the columns' names.
        groups: the positions of the indicator columns of each category, by its name. Exactly one of these columns is 1
            in each row.
        task: see Terminology.
        classes: the label of each code, or of each answer of a multilabel task; empty for a regression.
        x_validation: shape (validation rows, features); None if they are not known.
        y_validation: as `y_test`; None if they are not known.

    Raises:
        ValueError: shapes do not match, a number is not finite, the columns of a group are not indicators, a target is not
            the code of a class, or the fitted rows or the test rows have one class only.
    """

    x_fitted: np.ndarray
    y_fitted: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    features: Sequence[str]
    groups: Mapping[str, Sequence[int]] = field(default_factory=dict)
    task: str = "regression"
    classes: Sequence[Any] = ()
    x_validation: np.ndarray | None = None
    y_validation: np.ndarray | None = None

    def __post_init__(self) -> None:
        least = {"regression": 0, "binary": 2, "multiclass": 2, "multilabel": 1}
        if self.task not in least:
            raise ValueError(f"task got {self.task!r}, but needs one of {', '.join(least)}.")
        if len(self.classes) < least[self.task] or (self.task == "binary" and len(self.classes) != 2):
            raise ValueError(
                f"The task is {self.task}, but classes has {len(self.classes)} labels. Give the label of each code."
            )
        parts = [("fitted", self.x_fitted, self.y_fitted), ("test", self.x_test, self.y_test)]
        if self.x_validation is not None and self.y_validation is not None:
            parts.append(("validation", self.x_validation, self.y_validation))
        for part, x, y in parts:
            self._check_target(y, part)
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

    def _check_target(self, y: np.ndarray, part: str) -> None:
        what = f"The target of the {part} rows"
        if self.task == "regression":
            finite(y, what)
            return
        many, y = len(self.classes), np.asarray(y)
        highest, shape = (1, (len(y), many)) if self.task == "multilabel" else (many - 1, (len(y),))
        if y.shape != shape or not len(y) or y.dtype.kind not in "iufb":
            raise ValueError(
                f"{what} is an array of {y.dtype} and shape {y.shape}, but a {self.task} task of {many} classes needs "
                f"numbers of the shape {shape}."
            )
        if (wrong := ~np.isin(y, np.arange(highest + 1))).any():
            raise ValueError(
                f"{what} is {y[wrong].flat[0]:g} somewhere, but the codes of a {self.task} task of {many} classes are the "
                f"whole numbers from 0 to {highest}."
            )
        if self.task != "multilabel" and part != "validation" and (y == y[0]).all():
            raise ValueError(
                f"All {len(y)} {part} rows are of the class {self.classes[int(y[0])]}, so nothing tells whether the model "
                "recognises classes. Split the table in another way (data.split_seed, data.test_fraction)."
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
            f"The model gives {what} for {len(x)} rows, but a regression needs one number for each row."
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
            f"{what} is an array of {values.dtype} and shape {values.shape}, but a regression needs one number "
            "for each row."
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
