"""The probabilities that a classification gives to the classes, and what follows from them for each row.

Terminology
    probabilities  shape (rows, classes). Those of a row add up to 1, except in a multilabel task, where each class has the
                   probability that the answer is yes
    confidence     the probability of what the model decided, at least 0.5 for two classes
    task, code     see `results.diagnosis.split`
"""

from __future__ import annotations

from typing import Any

import numpy as np

from results.diagnosis.split import Predict, Split

LEAST = 1e-7
"""Probabilities are kept this far from 0 and 1, as Keras does. One row that is wrong for sure would else have an
infinite loss."""

_ROUNDING = 1e-3
"""How far probabilities may be outside of 0 to 1, and their sum from 1: a model may compute with 16 bits."""


def probabilities(predict: Predict, x: np.ndarray, split: Split) -> np.ndarray:
    """Return the probability of each class as float64, shape (rows, classes).

    Args:
        predict: gives the probability of code 1, shape (rows,) or (rows, 1), or of each class, shape (rows, classes).
        x: shape (rows, features).
        split: its task and its classes.

    Raises:
        ValueError: these are not probabilities, or not those of these classes.
    """
    given = predict(x)
    shape = () if isinstance(given, dict | list | tuple) else np.shape(given)
    many = len(split.classes)
    allowed: list[tuple[int, ...]] = [(len(x), many)]
    if split.task == "binary" or many == 1:
        allowed += [(len(x),), (len(x), 1)]
    if shape not in allowed:
        what = f"an array of shape {shape}" if shape else f"several outputs ({type(given).__name__})"
        raise ValueError(
            f"The model gives {what} for {len(x)} rows, but a {split.task} task of {many} classes needs the shape "
            f"{allowed[-1]}."
        )
    return checked(np.asarray(given), split)


def checked(given: np.ndarray, split: Split) -> np.ndarray:
    """Return probabilities of shape (rows, classes), as `probabilities` does, from those in any of its shapes."""
    found = np.asarray(given, "float64").reshape(len(given), -1)
    remedy = (
        'The last activation of the model must be a sigmoid or, for several classes, "softmax"; or the model must be '
        "compiled with a loss object of from_logits=True."
    )
    if not np.isfinite(found).all():
        bad = int((~np.isfinite(found)).any(1).sum())
        raise ValueError(
            f"What the model predicts is not finite in {bad} of {len(found)} rows, so there is nothing to diagnose."
        )
    if found.min() < -_ROUNDING or found.max() > 1 + _ROUNDING:
        raise ValueError(
            f"The model's outputs are {found.min():.4g} to {found.max():.4g}, which are no probabilities. {remedy}"
        )
    if split.task == "binary" and found.shape[1] == 1:
        found = np.hstack([1 - found, found])
    found = np.clip(found, LEAST, 1 - LEAST)
    if split.task == "multilabel":
        return found
    sums = found.sum(1, keepdims=True)
    if (far := np.abs(sums - 1) > _ROUNDING * found.shape[1]).any():
        raise ValueError(
            f"The probabilities of a row's classes add up to {sums[far][0]:.4g} instead of 1 in {int(far.sum())} of "
            f"{len(found)} rows. {remedy}"
        )
    return found / sums


def decided(p: np.ndarray, split: Split) -> np.ndarray:
    """Return the code of the most probable class, shape (rows,); of a multilabel task, 1 for each answer above 0.5."""
    return (p > 0.5).astype("int64") if split.task == "multilabel" else p.argmax(1)


def truth(y: np.ndarray, split: Split) -> np.ndarray:
    """Return which classes each row has, shape (rows, classes) of bool."""
    if split.task == "multilabel":
        return np.asarray(y) == 1
    return np.asarray(y)[:, None] == np.arange(len(split.classes))


def log_losses(y: np.ndarray, p: np.ndarray, split: Split) -> np.ndarray:
    """Return the log loss of each row, shape (rows,); of a multilabel task, the mean over its answers, as in Keras."""
    true = truth(y, split)
    if split.task == "multilabel":
        return -np.log(np.where(true, p, 1 - p)).mean(1)
    return -np.log(p[true])


def right(y: np.ndarray, p: np.ndarray, split: Split) -> np.ndarray:
    """Return whether each row is decided rightly, shape (rows,); of a multilabel task, the share of right answers."""
    if split.task == "multilabel":
        return (decided(p, split) == truth(y, split)).mean(1)
    return (decided(p, split) == np.asarray(y)).astype("float64")


def confidence(p: np.ndarray, split: Split) -> np.ndarray:
    """Return the probability of each decision, shape (rows,); of a multilabel task, (rows, classes)."""
    return np.maximum(p, 1 - p) if split.task == "multilabel" else p.max(1)


def scored(split: Split) -> list[int]:
    """Return the positions of the classes that have curves and areas of their own: of two classes, the second."""
    return [1] if split.task == "binary" else list(range(len(split.classes)))


def names(split: Split) -> list[str]:
    """Return the labels of the classes as text."""
    return [str(_plain(label)) for label in split.classes]


def _plain(label: Any) -> Any:
    """Return a label as people write it: 3.0 is the class 3."""
    if isinstance(label, np.generic):
        label = label.item()
    return int(label) if isinstance(label, float) and label.is_integer() else label
