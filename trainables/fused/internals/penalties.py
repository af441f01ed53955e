"""Says which penalties a model's loss holds, and turns them off. All engines use it for `data_loss`.

Terminology
    penalty     what Keras adds to the compiled loss: `Model.losses`, of regularizers and of `add_loss`
    data loss   the loss without the penalties
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import numpy as np

MOST = 8.0
"""A data loss is a difference of two numbers only if the penalty is at most so many times as large.

Both numbers are float32, so the relative error of the difference is then at most about 1e-6.
"""

_L1L2 = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)


def regularized(model: keras.Model) -> list[Any]:
    """Return the trainable variables with a regularizer."""
    return [variable for variable in model.trainable_weights if variable.regularizer is not None]


def has_other_penalties(model: keras.Model) -> bool:
    """Return whether the loss may hold more than L1 and L2 penalties of weights, so that these cannot be subtracted.

    Args:
        model: it must have been called before: Keras knows only then what `add_loss` adds.
    """
    if not (penalties := len(model.losses)):
        return False
    variables = regularized(model)
    if penalties != len(variables) or any(type(v.regularizer) not in _L1L2 for v in variables):
        return True
    # A method of the user may do anything with the penalties.
    methods = ("compute_loss", "test_step")
    return any(getattr(type(model), name) is not getattr(keras.Model, name) for name in methods)


def penalty(weights: np.ndarray, l1: Any, l2: Any) -> np.ndarray:
    """Return the penalty of one variable for each of several points, float64, shape (points,).

    Args:
        weights: the variable's values, shape (points, numbers).
        l1, l2: the strengths, numbers or arrays of shape (points,). They are rounded to float32, as Keras rounds them.
    """
    found = np.zeros(len(weights))
    for strength, norm in ((l1, np.abs), (l2, np.square)):
        strength = np.asarray(strength, np.float32).astype(np.float64)
        if strength.any():
            found += strength * norm(weights.astype(np.float64)).sum(1)
    return found


def difference(loss: np.ndarray, penalties: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the data losses, float32, shape (points,), and which of them are not precise enough.

    Args:
        loss: the losses with the penalties, float32, shape (points,).
        penalties: float64, shape (points,).
    """
    with np.errstate(invalid="ignore", over="ignore"):  # of points that diverge
        found = loss.astype(np.float64) - penalties
        vague = np.isfinite(found) & (penalties > MOST * np.abs(found))
        return found.astype(np.float32), vague


@contextlib.contextmanager
def without_penalties(model: keras.Model) -> Iterator[None]:
    """Leave the penalties out of what `model` computes or traces inside a `with` block."""
    model._losses_override = NONE
    try:
        yield
    finally:
        model._losses_override = []


NONE: Sequence[Any] = (np.float32(0.0),)
"""Stands for penalties: Keras takes an empty list for none given, and then uses the model's own."""
