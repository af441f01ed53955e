"""Groups a small number of points by building and describing the model of each.

Then every effect on the models is seen, of any number of axes. No study is needed, and no random members as a test.

Terminology
    configuration   the values of a point on the axes that the builder takes; points that differ in the batch size share one
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from trainables.builder.find import Builder
from trainables.fused.compose.builds import PARTS, Builds, Failed, value_of
from trainables.fused.compose.covering import covering
from trainables.fused.compose.interactions import Interactions
from trainables.fused.compose.points import Column, Points, numbered
from trainables.fused.compose.split import Split, blocks, fits_of, row_cost, split
from trainables.fused.compose.study import MOST_MODELS, differing
from trainables.settings import Fit

FEW = 128
"""The maximum number of configurations that are described one by one: one worker does so while the others wait."""

CERTAIN = 3
"""A study and the groups that follow build about this many times the models that are certain beforehand: those of the
covering array and of the values of each axis. It was 2 to 6 times as many for random points of the default grid, and 1 to 2
times for small whole grids. That no effect can be missed is worth the rest.
"""


@dataclass(frozen=True)
class Each:
    """Points of one program, of which each has a description of its own.

    Attributes:
        columns: the initial values of each point, by `PARTS` and the keys of the numbers.
        described: the description of each point.
    """

    columns: dict[str, Column]
    described: Column


def are_few(points: Points, names: Sequence[str], known: Interactions | None, seed: int) -> bool:
    """Return whether the models of `points` are described one by one, because that builds no more models than a study would.

    Args:
        points: at least one.
        names: the axes that the builder takes.
        known: what is known about the sweep.
        seed: seed of the study.
    """
    configurations = points.combinations(names)
    count = len(configurations)
    if count > FEW:
        return False
    if known is not None and known.complete:
        return True
    axes = points.varying(names)
    values = 1 + sum(len(points.combinations([axis])) - 1 for axis in axes)
    if known is not None:  # a group varies each axis by itself
        return count <= values
    if not axes:
        return True
    array = covering(points.codes_of(axes)[configurations.first], MOST_MODELS, seed)
    return count <= CERTAIN * (values + len(array.rows))


def each(
    builds: Builds,
    builder: Builder,
    points: Points,
    names: Sequence[str],
    fit: Fit,
    memory_bytes: float,
) -> Each | Split | Failed:
    """Describe the models of all `points`; return them as a group, or the groups that they are, or why they are none.

    Args:
        builds: makes the models.
        builder: the description of their builder.
        points: at least one.
        names: the axes that the builder takes.
        fit: the arguments of `Model.fit` for the points whose axes do not set them.
        memory_bytes: what the arrays of one group may take in training.

    Raises:
        InternalsError: a description failed for a reason that is not in the model.
    """
    configurations = points.combinations(names)
    found = [builds.describe(points.config(row, names)) for row in configurations.first.tolist()]
    described = Column(found, configurations)
    fits, of_fit = fits_of(points, builder, fit)
    numbers: dict[Hashable, int] = {}
    signature = np.array([numbers.setdefault(one.signature, len(numbers)) for one in found])
    groups = numbered(of_fit.of_point * len(numbers) + signature[configurations.of_point])
    parts, costs = [], []
    for rows in split(groups, "").parts:
        first, of_rows = described[rows[0]], fits[of_fit.of_point[rows[0]]]
        size = sum(array.size for array in first.initial)
        for block in blocks(rows, first, of_rows, memory_bytes):
            parts.append(block)
            costs.append(len(block) * size * row_cost(of_rows))
    if len(parts) > 1:
        why = "their models or arguments of fit differ, or they do not fit into resources.memory_mb at once"
        return Split(parts, why, costs)
    if isinstance(found[0], Failed):
        return found[0]
    keys = dict.fromkeys((*PARTS, *(key for one in found for key in one.numbers)))
    columns = {key: Column([value_of(one, key) for one in found], configurations) for key in keys}
    return Each(columns, described)


def same_here(
    builds: Builds, points: Points, names: Sequence[str], described: Column, rows: Sequence[int]
) -> bool:
    """Return whether the models of `rows`, built by this worker, are as described; another worker may have done that."""
    return not any(
        differing(builds.describe(points.config(row, names), itself=True), described[row]) for row in rows
    )
