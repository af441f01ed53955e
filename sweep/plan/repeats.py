"""Repeats: each point of the grid is trained several times with different seeds, and is judged by the mean.

Repeat 0 has the plan's seed, repeat 1 the next one, and so on. The points of repeat 0 have the idx and the numbers that they
have without repeats. So a run can get more repeats later, but not fewer.
"""

from __future__ import annotations

from collections.abc import Iterator

import yaml

from results.folder.errors import FolderError
from results.folder.run_folder import RunFolder
from results.schema import REPEAT
from results.space import Space
from sweep.plan.form import PlanError
from trainables.builder.find import Builder

MOST = 1000
"""The most repeats of a point."""

TAKEN = (REPEAT, "repeats")
"""Names of columns that rows and rankings have with repeats."""


def number_faults(repeats: int, seed: int) -> Iterator[PlanError]:
    """Yield a fault if this number of repeats cannot be used with this seed."""
    if not 1 <= repeats <= MOST:
        yield PlanError(
            f"repeats got {repeats}, but needs a whole number from 1 to {MOST:,}: how often each point is trained. "
            "Write, for example, repeats: 3",
            ("repeats",),
        )
    elif 0 <= seed < 2**32 <= seed + repeats - 1:
        yield PlanError(
            f"repeats got {repeats} with seed: {seed}, but the last repeat would have the seed {seed + repeats - 1}, and "
            f"seeds end at 2**32 - 1. Write, for example, seed: {2**32 - repeats}",
            ("repeats",),
        )


def name_faults(repeats: int, space: Space, builder: Builder) -> Iterator[PlanError]:
    """Yield a fault if an axis or an argument of the builder has a name that repeats need for their columns."""
    if repeats == 1:
        return
    key: tuple[str, ...]
    for name in TAKEN:
        if name in space.names:
            what, key = f'axis "{name}"', ("space", name)
        elif name in builder.parameters:
            what, key = f'the argument "{name}" of the builder {builder.signature}', ("repeats",)
        else:
            continue
        yield PlanError(
            f"{what} and repeats: {repeats} cannot be used together, since {name} is a column of the results with repeats, "
            "and no builder gets it: each repeat has a seed of its own. If that is all that the argument is for, remove "
            f"it from the space and the builder. Else rename it, or write repeats: 1",
            key,
        )


def check_not_fewer(folder: RunFolder, repeats: int) -> None:
    """Check that a plan has at least the repeats of the run in a folder.

    Raises:
        PlanError: it has fewer.
    """
    if (before := repeats_of(folder)) > repeats:
        raise PlanError(
            f"{folder.path} holds a run with repeats: {before}, but the plan says repeats: {repeats}. More repeats can be "
            f"added to a run, but none can be taken away. Write repeats: {before}, or run the plan into another folder.",
            ("repeats",),
        )


def repeats_of(folder: RunFolder) -> int:
    """Return how many repeats the plan of a run's folder has; 1 if it does not say."""
    try:
        plan = yaml.safe_load(folder.plan.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError, FolderError):
        return 1
    found = plan.get("repeats") if isinstance(plan, dict) else None
    return found if isinstance(found, int) and not isinstance(found, bool) else 1
