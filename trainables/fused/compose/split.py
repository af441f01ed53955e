"""Splits points that cannot share a program into parts that may, with the cost of each part."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trainables.builder import build
from trainables.builder.find import Builder
from trainables.fused.compose.builds import Failed
from trainables.fused.compose.points import Combinations, Points, numbered
from trainables.fused.model.describe import Described
from trainables.settings import Fit

STEP_ROWS = 8
"""A step costs about as much as this number of rows, beside its own. So two groups of the same models do not have the same
cost and are not composed at once by two workers: the second finds their descriptions made.
"""

LEAST_POINTS = 16
"""A group may always have this many points, whatever memory they take: a chunk has this size anyway."""


@dataclass(frozen=True)
class Split:
    """The points are no group, but these parts of them may be groups. `why` is the reason for the user.

    Attributes:
        parts: the rows of the points of each part.
        costs: the cost of training each part, relative to the others; empty if unknown.
    """

    parts: Sequence[np.ndarray]
    why: str
    costs: Sequence[float] = ()


def split(groups: Combinations, why: str) -> Split:
    """Return the points of each combination as a part."""
    order = np.argsort(groups.of_point, kind="stable")
    ends = np.cumsum(np.bincount(groups.of_point))[:-1]
    return Split(np.split(order, ends), why)


def fits_of(points: Points, builder: Builder, fit: Fit) -> tuple[list[Fit], Combinations]:
    """Return the different arguments of `Model.fit` of some points, in the order of the groups of points that share them.

    Args:
        points: at least one.
        builder: the description of their builder.
        fit: the arguments for the points whose axes do not set them.
    """
    given = points.combinations(build.fit_axes(points.names, builder))
    every = [build.fit_of(points.config(row), builder, fit) for row in given.first.tolist()]
    groups = numbered(np.array([every.index(one) for one in every])[given.of_point])
    return [every[given.of_point[row]] for row in groups.first.tolist()], groups


def row_cost(fit: Fit) -> float:
    """Return the cost of training a point with these arguments of `Model.fit`, relative to other batch sizes."""
    return 1 + STEP_ROWS / fit.batch_size


def blocks(
    rows: np.ndarray, described: Described | Failed, fit: Fit, memory_bytes: float
) -> list[np.ndarray]:
    """Return the points `rows`, whose models are like `described`, in blocks that fit into the memory."""
    most = max(LEAST_POINTS, int(memory_bytes / point_bytes(described, fit)))
    return np.array_split(rows, math.ceil(len(rows) / most))


def point_bytes(described: Described | Failed, fit: Fit) -> int:
    """Return approximately how many bytes a point takes in training.

    A point has its weights, the best epoch's weights and two slots for each weight. All of these exist four times: in
    NumPy, as the inputs of the program, as its outputs, and inside it. The learning curve comes on top.
    """
    return 4 * 4 * sum(a.nbytes for a in described.initial) + 4 * 8 * fit.epochs
