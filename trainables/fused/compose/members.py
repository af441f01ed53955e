"""Finds out which points can share a program, and derives each point's initial values without building its model.

Building a Keras model takes 30 to 110 ms, so the engine does not build every point of a group. One point is the base.
The engine varies one axis of it at a time, builds one model for each value, and compares the descriptions (`describe`)
to see what changes. Then

    an axis that changes the signature                  splits the group
    a value that one axis changes                       is taken from that axis' model
    a value that several axes change                    is taken from a model for each combination of these axes

Axes that act only together with others are known from `interactions`, a study of the whole sweep. Random members of each
group are built by themselves as a test of it. `trainables.fused.training.proof` then compares their training.

If there are few points, the models of all are built instead (`few`): a study would build as many.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.builder import build
from trainables.builder.find import Builder
from trainables.builder.maker import Maker
from trainables.fused.compose.assemble import Members, assemble, made_from
from trainables.fused.compose.builds import PARTS, Builds, Config, Failed, same, value_of
from trainables.fused.compose.few import Each, are_few, each, same_here
from trainables.fused.compose.interactions import SIGNATURE, Interactions
from trainables.fused.compose.learned import Learned
from trainables.fused.compose.points import Column, Points, numbered
from trainables.fused.compose.split import Split, blocks, fits_of, row_cost, split
from trainables.fused.compose.study import MANY_VALUES, interactions, learn
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.keras import check_objects
from trainables.fused.model.code import count_as_users
from trainables.fused.model.describe import Described
from trainables.objective import Loss
from trainables.settings import Fit
from trainables.table.data import Table

CHECKED = 2
"""The number of random members of each group that are built by themselves and compared with their derived values."""

MAX_COMBINATIONS = 256
"""The maximum number of models built for axes that change the same value; a group that needs more is split."""


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
    acting: Mapping[str, set[str]]  # for each part of the description, the axes that act on it


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
        count_as_users(builder.module)
        self._builder, self._table, self._seed = builder, table, seed
        self._builds = Builds(function, builder, table, seed, timeout_s)
        self._memory_bytes = memory_mb * 2**20
        self.known: Interactions | None = None
        """The axes that act together; None before the first group, whose study, if it needs one, is that of the sweep."""

    def know(self, more: Learned | None) -> None:
        """Add what other workers have learned about the sweep."""
        if more is not None:
            self._builds.learn(more.models)
            self.known = more.interactions if self.known is None else self.known.joined(more.interactions)

    def learned(self) -> Learned | None:
        """Return what is known about the sweep, with the models that were described since the last call; None if nothing."""
        return None if self.known is None else Learned(self.known, self._builds.news())

    @property
    def losses(self) -> dict[Loss, list[str]]:
        """See `Report.losses`."""
        return self._builds.losses

    @property
    def weighted(self) -> frozenset[str]:
        """See `Report.weighted`."""
        return self._builds.weighted

    def compose(self, points: Points, fit: Fit) -> Members | Split | Refused:
        """Return the points as members of one program, or why that is not possible.

        Args:
            points: at least one.
            fit: the arguments of `Model.fit` for the points whose axes do not set them.

        Raises:
            InternalsError: the engine fails for a reason that is not in the points.
            UnfusableError: no program can train the points, as with `Refused`, but this was found out late.
        """
        names = self._names(points)
        if are_few(points, names, self.known, self._seed):
            self.known = self.known or Interactions(complete=True)
            return self._each(points, names, fit)
        while True:
            study = self._study(points, fit)
            if not isinstance(study, _Study):
                return study
            random = np.random.default_rng([self._seed, len(points)])
            checked = random.permutation(len(points))[:CHECKED].tolist()
            if not self._learn(study, checked):
                return assemble(self._builds, self._table, points, study.names, study.columns, checked)

    def build(self, config: Config) -> Any:
        """Return a new model of a point, as its builder returns it; `config` is the point's configuration."""
        return self._builds.fresh(build.builder_axes(config, self._builder))

    def _names(self, points: Points) -> list[str]:
        """Return the axes that the builder takes."""
        return list(build.builder_axes(dict.fromkeys(points.names), self._builder))

    def _each(self, points: Points, names: Sequence[str], fit: Fit) -> Members | Split | Refused:
        """Compose few points, each from its own description."""
        found = each(self._builds, self._builder, points, names, fit, self._memory_bytes)
        if isinstance(found, Failed):
            return Refused(found.why)
        if not isinstance(found, Each):
            return found
        rows = made_from(found.columns)  # these models are built in any case
        if not same_here(self._builds, points, names, found.described, rows):
            raise UnfusableError(
                "the initial values differ from those that another worker's builder returned"
            )
        others = sorted(set(range(len(points))) - set(rows))  # the models of these may be left over
        return assemble(self._builds, self._table, points, names, found.columns, others)

    def _study(self, points: Points, fit: Fit) -> _Study | Split | Refused:
        names = self._names(points)
        if self.known is None or self.known.complete:
            self.known = interactions(points, names, self._builds, self._seed)
        fits, of_fit = fits_of(points, self._builder, fit)
        if len(fits) > 1:
            parts = split(of_fit, "arguments of fit change the batches or the weights of rows")
            costs = [len(rows) * row_cost(one) for rows, one in zip(parts.parts, fits, strict=True)]
            return Split(parts.parts, parts.why, costs)
        base, axes = points.config(0, names), points.varying(names)
        by_axis = {axis: points.combinations([axis]) for axis in axes}
        # If an axis with few values splits the points, the long ones are studied in the parts only.
        short = [axis for axis in axes if len(by_axis[axis]) <= MANY_VALUES]
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
            fitting = blocks(np.arange(len(points)), first, fits[0], self._memory_bytes)
            if len(fitting) > 1:
                return Split(fitting, f"{len(points):,} points do not fit into resources.memory_mb at once")
        assert isinstance(first, Described)  # the loop has refused a builder that failed
        if together := sorted(self.known.acting(SIGNATURE, set(), axes)):
            why = f"{_and(together)} change the model together"
            combined = points.combinations(together)
            if len(combined) > MAX_COMBINATIONS:
                return self._along(points, together, why)
            configs = [{**base, **points.config(row, together)} for row in combined.first.tolist()]
            signatures = [self._builds.describe(config).signature for config in configs]
            labels = np.array([signatures.index(one) for one in signatures])
            if labels.any():
                return split(numbered(labels[combined.of_point]), why)
        columns = self._columns(points, base, axes, found, first)
        if isinstance(columns, Split):
            return columns
        return _Study(points, names, axes, *columns)

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
        parts, costs = [], []
        for part in split(numbered(labels), why).parts:
            # Take the size of a part's first model for all of its models.
            described = self._builds.describe(points.config(part[0], names))
            for block in blocks(part, described, fit, self._memory_bytes):
                parts.append(block)
                costs.append(len(block) * sum(array.size for array in described.initial))
        return Split(parts, why, costs)

    def _columns(
        self, points: Points, base: Config, axes: Sequence[str], found: Mapping[str, Column], first: Described
    ) -> tuple[dict[str, Column], dict[str, set[str]]] | Split:
        """Return the values of all points by key: of `PARTS` and the numbers; and the axes that act on each."""
        assert self.known is not None
        everything = [first, *itertools.chain.from_iterable(column.values for column in found.values())]
        keys = dict.fromkeys(itertools.chain(PARTS, *(d.numbers for d in everything)))
        columns: dict[str, Column] = {}
        acting_on: dict[str, set[str]] = {}
        for key in keys:
            alone = {
                axis
                for axis in axes
                if any(not same(value_of(d, key), value_of(first, key)) for d in found[axis].values)
            }
            acting_on[key] = self.known.acting(key, alone, axes)
            acting = sorted(acting_on[key])
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
        return columns, acting_on

    def _learn(self, study: _Study, rows: Sequence[int]) -> bool:
        """Compare the members `rows` with models built by themselves; return whether that taught which axes act together."""
        assert self.known is not None
        points, names = study.points, study.names
        base = points.config(0, names)
        for row in rows:
            config = points.config(row, names)
            described = self._builds.describe(config, itself=True)
            if described.signature == self._builds.describe(base).signature and all(
                same(value_of(described, key), study.columns[key][row] if key in study.columns else None)
                for key in dict.fromkeys((*study.columns, *described.numbers))
            ):
                continue
            acting = {part: set(axes) for part, axes in study.acting.items()}
            learn(config, base, study.axes, acting, self._builds.describe)
            learned = self.known.with_sets(
                {p: axes for p, axes in acting.items() if axes != study.acting.get(p)}
            )
            if learned == self.known:
                raise UnfusableError(
                    "the derived initial values differ from those of the models that the builder returns"
                )
            self.known = learned
            return True
        return False

    def _along(self, points: Points, axes: Iterable[str], why: str) -> Split:
        """Split along the one of `axes` with the fewest values."""
        by_axis = {axis: points.combinations([axis]) for axis in axes}
        axis = min((a for a in by_axis if len(by_axis[a]) > 1), key=lambda a: len(by_axis[a]))
        return split(by_axis[axis], why)


def _and(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
