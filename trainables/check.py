"""What is known about a point that was trained by Keras, too: the engine `verify` reports it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Difference:
    """One column in which a training is not what Keras trains.

    Attributes:
        column: a log, a metric, or status, epochs, best_epoch, params.
        epoch: the first epoch with the difference, 1-based; 0 if the column is no log.
        found: the value in the training that is checked.
        keras: the value that Keras gives.
    """

    column: str
    epoch: int
    found: Any
    keras: Any


@dataclass(frozen=True)
class Check:
    """What is known about a point after it was trained by Keras, too.

    Attributes:
        idx: of the point.
        epochs: how many epochs were compared.
        of: how many epochs the training that is checked has.
        whole: whether all was compared that can be compared.
        differences: all that are beyond the tolerance.
        note: why the point could not be checked, or no further; else empty.
    """

    idx: int
    epochs: int
    of: int
    whole: bool
    differences: Sequence[Difference] = ()
    note: str = ""
