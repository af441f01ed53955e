"""All groups of a set of points at once, in one process: what the trials of a sweep find out one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.fused.compose.members import Composer, Split
from trainables.fused.compose.points import Points
from trainables.settings import Fit


@dataclass(frozen=True)
class Group:
    """Points that one program can train, or that none can.

    Attributes:
        points: their places in the grid, int64, shape (points,).
        why: why none can; empty if one can.
    """

    points: np.ndarray
    why: str


def partition(
    composer: Composer, space: Sequence[Mapping[str, Any]], points: np.ndarray, fit: Fit
) -> Iterator[Group]:
    """Yield the groups of `points`.

    Args:
        composer: composes groups of the builder.
        space: the points' configurations by place.
        points: int64, shape (points,).
        fit: the arguments of `Model.fit` for the points whose axes do not set them.
    """
    waiting = [points]
    while waiting:
        part = waiting.pop()
        found = composer.divide(Points.of(space, part), fit)
        if isinstance(found, Split):
            waiting += [part[rows] for rows in found.parts]
        else:
            yield Group(part, found.why if found else "")
