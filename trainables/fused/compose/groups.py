"""All groups of a set of points at once, in one process: what the trials of a sweep find out one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.fused.compose.members import Composer, Members, Refused, Split
from trainables.fused.compose.points import Points
from trainables.fused.internals.errors import UnfusableError, raise_ours
from trainables.limits import cause_of
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


def partition(composer: Composer, space: Any, points: np.ndarray, fit: Fit) -> Iterator[Group]:
    """Yield the groups of `points`: each is composed, as a trial does it, and so found to be one.

    Args:
        composer: composes groups of the builder.
        space: the points' configurations by place.
        points: int64, shape (points,).
        fit: the arguments of `Model.fit` for the points whose axes do not set them.

    Raises:
        InternalsError: composing them failed for a reason that is not their model.
    """
    waiting = [points]
    while waiting:
        part = waiting.pop()
        found: Members | Split | Refused
        try:
            found = composer.compose(Points.of(space, part), fit)
        except Exception as error:
            found = Refused(why_not(error))
        if isinstance(found, Split):
            waiting += [part[rows] for rows in found.parts]
        else:
            yield Group(part, found.why if isinstance(found, Refused) else "")


def why_not(error: Exception) -> str:
    """Return why points cannot be trained by one program, in the words of their trial.

    Raises:
        InternalsError: the reason is not their model.
    """
    raise_ours(error)
    return str(error) if isinstance(error, UnfusableError) else f"it cannot be compiled ({cause_of(error)})"
