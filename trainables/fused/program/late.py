"""Makes the counts of a model as they may be late in training, which the few steps of a check or a proof do not reach.

A layer may do something else after some steps, during some steps only, or once a number has fallen.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

LATE = 1000.0
"""What is added to a count to have a state of later in training."""

Change = Callable[[np.ndarray], np.ndarray]
"""Returns a count, or a truth value, as it may be later in training."""


def later(count: np.ndarray, steps: float = LATE) -> np.ndarray:
    """Return a count, or a truth value, as it may be after so many steps."""
    if count.dtype == bool:
        return ~count
    if count.dtype.kind == "f":
        return np.asarray(count + count.dtype.type(steps))
    limits = np.iinfo(count.dtype)
    found = np.clip(count.astype("float64") + steps, limits.min // 2, limits.max // 2)
    return np.asarray(found).astype(count.dtype)


def fallen(count: np.ndarray) -> np.ndarray:
    """Return a number that falls towards zero as it may be late. Not zero itself: a layer may divide by it."""
    if count.dtype == bool:
        return ~count
    return np.asarray(count * 1e-3).astype(count.dtype)


CHANGES: tuple[Change, ...] = (
    later,
    fallen,
    *(partial(later, steps=steps) for steps in (30.0, 100.0, 300.0, 1e4, 1e5, 1e6)),
)
"""For members of a proof, one each."""

FURTHER: tuple[Change, ...] = (*CHANGES[1:], partial(later, steps=-LATE))
"""For checks, besides `later`."""
