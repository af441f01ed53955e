"""Finds all groups of a set of points at once, in one process. In a sweep, the trials find them one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.builder.target_range import TargetError
from trainables.error_text import cause_of
from trainables.fused.compose.interactions import Interactions
from trainables.fused.compose.members import Composer, Members, Refused
from trainables.fused.compose.points import Points
from trainables.fused.compose.split import Split
from trainables.fused.internals.errors import UnfusableError, raise_ours
from trainables.objective import ObjectiveError
from trainables.settings import Fit


@dataclass(frozen=True)
class Group:
    """Points that one program can train, or that no program can train.

    Attributes:
        points: their numbers in the grid, int64, shape (points,).
        why: why no program can train them; empty if one can.
        why_not_native: why the native kernel does not train them; empty if it does, or if nobody asked.
        known: which axes act together, as far as it was known when the group was composed.
    """

    points: np.ndarray
    why: str
    why_not_native: str = ""
    known: Interactions | None = None


WhyNot = Callable[[np.ndarray, Members], str]
"""Returns why something is not done with points, given their numbers in the grid and their members."""


def partition(
    composer: Composer, space: Any, points: np.ndarray, fit: Fit, not_native: WhyNot = lambda *_: ""
) -> Iterator[Group]:
    """Yield the groups of `points`. Each is found in the same way as in a trial.

    Args:
        composer: composes groups of the builder.
        space: the points' configurations by their numbers in the grid.
        points: int64, shape (points,).
        fit: the arguments of `Model.fit` for the points whose axes do not set them.
        not_native: returns why the native kernel does not train a group; it raises an error if no program can, as the
            group's trial would.

    Raises:
        InternalsError: composing failed for a reason that is not in their model.
        ObjectiveError: `not_native` raised it: the models contradict the plan.
    """
    waiting = [points]
    while waiting:
        part = waiting.pop()
        found: Members | Split | Refused
        why_not_native = ""
        try:
            found = composer.compose(Points.of(space, part), fit)
            if isinstance(found, Members):
                why_not_native = not_native(part, found)
        except ObjectiveError:
            raise
        except Exception as error:
            found = Refused(why_not(error))
        if isinstance(found, Split):
            waiting += [part[rows] for rows in found.parts]
        elif isinstance(found, Refused):
            yield Group(part, found.why)
        else:
            yield Group(part, "", why_not_native, composer.known)


def why_not(error: Exception) -> str:
    """Return why points cannot be trained by one program, in the same words as their trial.

    Raises:
        InternalsError: the reason is not in their model.
    """
    if isinstance(error, TargetError):
        return str(error)
    raise_ours(error)
    return str(error) if isinstance(error, UnfusableError) else f"it cannot be compiled ({cause_of(error)})"
