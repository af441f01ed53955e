"""Finds out which points can share a program, and derives each point's initial values without building its model.

Building a Keras model takes 30 to 110 ms, so the engine does not build every point of a group. One point is the base.
The engine varies one axis of it at a time, builds one model for each value, and compares the descriptions (`describe`)
to see what changes. Then

    an axis that changes the signature                  splits the group
    a value that one axis changes                       is taken from that axis' model
    a value that several axes change                    is taken from a model for each combination of these axes

This assumes that axes do not act together in other ways. So the engine tests it: it builds random members by
themselves, and compares their whole description and the loss of a first batch with the derived values, in the kernels
that train them later. Where the model or the optimizer is new, it compares the whole first step. If they differ, the
group is split along an axis that is the cause.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.builder import build
from trainables.builder.find import Builder
from trainables.builder.maker import Maker
from trainables.fused.compose.assemble import Members, assemble
from trainables.fused.compose.builds import PARTS, Builds, Config, Failed, same, value_of
from trainables.fused.compose.points import Column, Combinations, Points, numbered
from trainables.fused.compose.tryout import trains_alike
from trainables.fused.internals.errors import UnfusableError, raise_ours
from trainables.fused.internals.keras import check_objects
from trainables.fused.model.describe import Described, describe
from trainables.limits import TimeUpError
from trainables.settings import Fit
from trainables.table.data import Table
from trainables.table.order import row_order

PROVEN = 4
"""The number of random members of each group that are built by themselves and compared."""

MAX_COMBINATIONS = 256
"""The maximum number of models built for axes that change the same value; a group that needs more is split."""

FEW_VALUES = 16
"""An axis with more values is studied after the others."""

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


@dataclass(frozen=True)
class Refused:
    """No program can train the points; `why` is the reason for the user."""

    why: str


@dataclass(frozen=True)
class _Study:
    """What is known about points that can share a program, before the program is made."""

    points: Points
    names: Sequence[str]  # the axes that the builder takes
    axes: Sequence[str]  # those of them on which the points differ
    columns: Mapping[str, Column]
    batch_size: int


class Composer:
    """Composes groups of points of one builder.

    Args:
        function: the user's builder.
        builder: the description of that function.
        table: the data.
        seed: seed of the initial weights.
        timeout_s: seconds that one call of the builder may take.
        memory_mb: MiB that the arrays of one group may take in training.

    Raises:
        InternalsError: this version of Keras lacks a part that the engine needs.
    """

    def __init__(
        self,
        function: Callable[..., Any] | Maker,
        builder: Builder,
        table: Table,
        seed: int,
        timeout_s: float = 600.0,
        memory_mb: float = 256.0,
    ) -> None:
        check_objects()
        self._builder, self._table, self._seed = builder, table, seed
        self._builds = Builds(function, builder, table, seed, timeout_s)
        self._memory_bytes = memory_mb * 2**20
        self._stepped: set[Hashable] = set()  # signatures and optimizers whose whole step was compared

    def compose(self, points: Points, fit: Fit) -> Members | Split | Refused:
        """Return the points as members of one program, or why that is not possible.

        Args:
            points: at least one.
            fit: the arguments of `Model.fit` for the points whose axes do not set them.

        Raises:
            InternalsError: the engine fails for a reason that is not in the points.
            UnfusableError: no program can train the points, as with `Refused`, but this was found out late.
        """
        study = self._study(points, fit)
        if not isinstance(study, _Study):
            return study
        members = assemble(self._builds, self._table, points, study.names, study.columns)
        return self._prove(study, members) or members

    def divide(self, points: Points, fit: Fit) -> Split | Refused | None:
        """Return why the points cannot share one program, as far as this is known without composing them."""
        study = self._study(points, fit)
        return None if isinstance(study, _Study) else study

    def _study(self, points: Points, fit: Fit) -> _Study | Split | Refused:
        of_fit = build.fit_axes(points.names, self._builder)
        given_to_fit = points.combinations(of_fit)
        fits = [build.fit_of(points.config(row), self._builder, fit) for row in given_to_fit.first.tolist()]
        if len(set(fits)) > 1:
            labels = np.array([fits.index(one) for one in fits])[given_to_fit.of_point]
            return _split(numbered(labels), "arguments of fit change the batches")
        names = [name for name in points.names if name not in of_fit]
        base, axes = points.config(0, names), points.varying(names)
        by_axis = {axis: points.combinations([axis]) for axis in axes}
        # If an axis with few values splits the points, the long ones are studied in the parts only.
        short = [axis for axis in axes if len(by_axis[axis]) <= FEW_VALUES]
        first = self._builds.describe(base)
        found: dict[str, Column] = {}
        for some in (short, [axis for axis in axes if axis not in short]):
            for axis in some:
                values = [points.value(row, axis) for row in by_axis[axis].first.tolist()]
                described = [self._builds.describe({**base, axis: value}) for value in values]
                found[axis] = Column(described, by_axis[axis])
            structural = [a for a in some if any(d.signature != first.signature for d in found[a].values)]
            if structural:
                return self._by_structure(points, names, structural, found, fits[0])
            if isinstance(first, Failed):
                return Refused(first.why)
            blocks = self._blocks(np.arange(len(points)), first, fits[0])
            if len(blocks) > 1:
                return Split(blocks, f"{len(points):,} points do not fit into resources.memory_mb at once")
        assert isinstance(first, Described)  # the loop has refused a builder that failed
        found = {axis: found[axis] for axis in axes}
        columns = self._columns(points, base, axes, found, first)
        if isinstance(columns, Split):
            return columns
        return _Study(points, names, axes, columns, fits[0].batch_size)

    def _by_structure(
        self,
        points: Points,
        names: Sequence[str],
        structural: Sequence[str],
        found: Mapping[str, Column],
        fit: Fit,
    ) -> Split:
        """Split the points by the signatures that the axes `structural` give the model, and by memory."""
        labels = np.zeros(len(points), np.int64)
        for axis in structural:
            signatures = [described.signature for described in found[axis].values]
            numbers = np.array([signatures.index(one) for one in signatures])
            labels = labels * len(signatures) + numbers[found[axis].combinations.of_point]
            labels = numbered(labels).of_point
        why = f"{_and(structural)} {'change' if structural[1:] else 'changes'} the model"
        split = _split(numbered(labels), why)
        parts, costs = [], []
        for part in split.parts:
            # Take the size of a part's first model for all of its models.
            described = self._builds.describe(points.config(part[0], names))
            for block in self._blocks(part, described, fit):
                parts.append(block)
                costs.append(len(block) * sum(array.size for array in described.initial))
        return Split(parts, split.why, costs)

    def _blocks(self, rows: np.ndarray, described: Described | Failed, fit: Fit) -> list[np.ndarray]:
        """Return the points `rows`, whose models are like `described`, in blocks that fit into the memory."""
        most = max(LEAST_POINTS, int(self._memory_bytes / _row_bytes(described, fit)))
        return np.array_split(rows, math.ceil(len(rows) / most))

    def _columns(
        self, points: Points, base: Config, axes: Sequence[str], found: Mapping[str, Column], first: Described
    ) -> dict[str, Column] | Split:
        """Return the values of all points: "variant", "optimizer", "initial" and the numbers, by key."""
        everything = [first, *itertools.chain.from_iterable(column.values for column in found.values())]
        keys = dict.fromkeys(itertools.chain(PARTS, *(d.numbers for d in everything)))
        columns: dict[str, Column] = {}
        for key in keys:
            acting = [
                axis
                for axis in axes
                if any(not same(value_of(d, key), value_of(first, key)) for d in found[axis].values)
            ]
            together = points.combinations(acting)
            if len(together) > MAX_COMBINATIONS:
                return self._along(points, acting, f"{_and(acting)} act together on too many values")
            described = [
                self._builds.describe({**base, **points.config(row, acting)})
                for row in together.first.tolist()
            ]
            if any(d.signature != first.signature for d in described):
                return self._along(points, acting, f"{_and(acting)} change the model together")
            columns[key] = Column([value_of(d, key) for d in described], together)
        return columns

    def _prove(self, study: _Study, members: Members) -> Split | None:
        """Compare random members with models built by themselves; return how to split the group if they differ."""
        points = study.points
        random = np.random.default_rng([self._seed, len(points)])
        for row in random.permutation(len(points))[:PROVEN].tolist():
            if self._is_as_composed(row, study, members):
                continue
            # An axis is the cause if the member is right with the base's value on that axis.
            for axis in sorted(study.axes, key=lambda name: len(points.combinations([name]))):
                if points.code(row, axis) == points.code(0, axis):
                    continue
                mended = points.like(row, study.names, 0, axis)
                if not len(mended) or self._is_as_composed(int(mended[0]), study, members):
                    return self._along(points, [axis], f"{axis} acts together with other axes")
            raise UnfusableError(
                "the derived initial values differ from those of the models that the builder returns"
            )
        return None

    def _is_as_composed(self, row: int, study: _Study, members: Members) -> bool:
        member = members.stack.take(np.array([row]))
        # A value at the kink of an activation may be rounded to its other side and get another gradient. That is
        # unlikely in two batches, so a second batch is tried.
        for number in range(2):
            try:
                model = self._builds.build(study.points.config(row, study.names))
                described = describe(model)
            except (Exception, SystemExit, TimeUpError) as error:
                raise_ours(error)
                return False
            if not set(described.numbers) <= set(study.columns):
                return False
            if any(not same(value_of(described, key), column[row]) for key, column in study.columns.items()):
                return False
            rows = row_order(self._seed, number, len(self._table.x_train))[: study.batch_size]
            batch = self._table.x_train[rows], self._table.y_train[rows]
            step = not {described.signature, described.optimizer} <= self._stepped
            if trains_alike(model, members.template, member, batch, step):
                self._stepped |= {described.signature, described.optimizer}
                return True
        return False

    def _along(self, points: Points, axes: Iterable[str], why: str) -> Split:
        """Split along the one of `axes` with the fewest values."""
        by_axis = {axis: points.combinations([axis]) for axis in axes}
        axis = min((a for a in by_axis if len(by_axis[a]) > 1), key=lambda a: len(by_axis[a]))
        return _split(by_axis[axis], why)


def _row_bytes(described: Described | Failed, fit: Fit) -> int:
    """Return approximately how many bytes a point takes in training.

    A point has its weights, the best epoch's weights and two slots for each weight. All of these exist four times: in
    NumPy, as the inputs of the program, as its outputs, and inside it. The learning curve comes on top.
    """
    return 4 * 4 * sum(a.nbytes for a in described.initial) + 4 * 8 * fit.epochs


def _split(groups: Combinations, why: str) -> Split:
    order = np.argsort(groups.of_point, kind="stable")
    ends = np.cumsum(np.bincount(groups.of_point))[:-1]
    return Split(np.split(order, ends), why)


def _and(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
