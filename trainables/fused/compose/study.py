"""Finds out which axes act together on a part of a model, even if none of them acts by itself.

An example: `SGD(rate, momentum) if optimizer == "sgd" else Adam(rate)`. From a base point with Adam, a change of the
momentum changes nothing. So models are built by themselves for a covering array of the axes, in which every two values of
every two axes meet. Each part of such a model is compared with that of a simpler model, which has the base's values on all
axes that seem not to act on this part. If the two differ, one of these axes does act, and a search by halves finds it.

What is found
    The values of an axis that give one signature are a class. Only values of one class can be in one group. A structure is
    one class of each axis. The study takes first the structure of the largest models, because an axis that belongs to a
    layer has no effect without it; then others, until each class of each axis has been in one, and any two classes of two
    or more values have been together. If an axis changes the signature only in some structure, such as the width of a layer
    that most models lack, its values are classes there, and the study goes on with the structures of those.

    In each structure every two values of every two axes meet, in models of this structure. Thus an effect of one axis, or of
    two together, is found with certainty, also if it is there only at a value of a further axis that changes the signature.
    An effect of three others is found if their values meet in an array; `Interactions.triples` is the share of triples that
    do. In the groups, each axis is varied by itself again, so an effect of a single axis is found in each of them, and
    random members are compared.

    Of an axis of many values, a few stand for all here: which axes act together seldom depends on one learning rate of a
    hundred. `Interactions.sampled` has these axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from trainables.fused.compose.builds import PARTS, Builds, Config, Failed, same, value_of
from trainables.fused.compose.covering import covering
from trainables.fused.compose.interactions import SIGNATURE, Interactions
from trainables.fused.compose.points import Points
from trainables.fused.model.describe import Described

MOST_MODELS = 400
"""The maximum number of models in a covering array. A study that has built so many begins with no other structure."""

MANY_VALUES = 16
"""Of an axis with more values, only `STAND_INS` take part in the study."""

STAND_INS = 8
"""The number of values that stand for those of an axis of many."""

Describe = Callable[[Config], Described | Failed]
"""Returns the description of a configuration's model."""

Structure = Mapping[str, list[int]]
"""For each axis on which the points differ, the codes of one class."""


def interactions(points: Points, names: Sequence[str], builds: Builds, seed: int) -> Interactions:
    """Return the axes that act together on the models of `points`.

    Args:
        points: all points of the sweep.
        names: the axes that the builder takes.
        builds: makes the models.
        seed: seed of the random choices.
    """
    every = {axis: points.codes_of([axis])[:, 0] for axis in points.varying(names)}
    columns = {axis: _few(column) for axis, column in every.items()}
    found = Interactions(sampled=frozenset(axis for axis in every if columns[axis] is not every[axis]))
    study = _Study(points, columns, builds, seed, found)
    study.explore(
        points.config(0, names), {axis: np.unique(column).tolist() for axis, column in columns.items()}
    )
    return study.found


def _distinct(codes: np.ndarray) -> np.ndarray:
    """Return the different rows of `codes`, int64, shape (points, axes)."""
    labels = np.zeros(len(codes), np.int64)
    for column in codes.T:
        # Renumber after each axis, so that the numbers stay small with many axes.
        _, labels = np.unique(labels * (int(column.max()) + 1) + column, return_inverse=True)
    return codes[np.unique(labels, return_index=True)[1]]


def _few(column: np.ndarray) -> np.ndarray:
    """Return codes in which a few stand for all, if there are many."""
    codes = np.unique(column)
    if len(codes) <= MANY_VALUES:
        return column
    kept = codes[np.linspace(0, len(codes) - 1, STAND_INS).round().astype(int)]
    return kept[np.searchsorted(codes, column) * STAND_INS // len(codes)]


@dataclass
class _Study:
    """Studies structure after structure.

    Attributes:
        points: all points of the sweep.
        columns: for each axis on which they differ, the code of each of them that differs from others there.
        builds: makes the models.
        seed: seed of the random choices.
        found: what was found so far.
    """

    points: Points
    columns: Mapping[str, np.ndarray]
    builds: Builds
    seed: int
    found: Interactions

    def explore(self, base: Config, structure: Structure) -> None:
        """Study the structures in a part of the space.

        Args:
            base: a configuration.
            structure: the codes of each axis in this part, which may have several classes.
        """
        if sum(len(codes) > 1 for codes in structure.values()) < 2:  # no two axes can act together
            return
        if self.found.models >= MOST_MODELS:
            self.found = replace(self.found, left_out=self.found.left_out + 1)
            return
        classes = self._classes(base, structure)
        if all(len(some) == 1 for some in classes.values()):
            self._study(base, structure)
            return
        for part in _structures(classes):
            start = {**base, **self._values({axis: codes[0] for axis, codes in part.items()})}
            if not isinstance(self.builds.describe(start), Failed):
                self.explore(start, part)

    def _study(self, base: Config, structure: Structure) -> None:
        """Study a structure in which no axis changes the signature by itself."""
        axes = [axis for axis, codes in structure.items() if len(codes) > 1]
        inside = np.all([np.isin(self.columns[axis], structure[axis]) for axis in axes], 0)
        first = self.builds.describe(base)
        if isinstance(first, Failed) or not inside.any():
            return
        is_first = not self.found.models
        acting: dict[str, set[str]] = {}
        for axis in axes:
            for code in structure[axis]:
                one = self.builds.describe({**base, **self._values({axis: code})})
                for part in differing(one, first):
                    acting.setdefault(part, set()).add(axis)
        codes = _distinct(np.column_stack([self.columns[axis][inside] for axis in axes]))
        had = np.zeros(len(codes), bool)
        built, pairs, triples = 0, 1.0, 1.0
        others: dict[Hashable, dict[str, int]] = {}
        while True:
            chosen = covering(codes, MOST_MODELS - built, self.seed, np.flatnonzero(had).tolist(), is_first)
            built += len(chosen.rows)
            pairs, triples = min(pairs, chosen.pairs), min(triples, chosen.triples)
            is_other = False
            for row in codes[chosen.rows].tolist():
                config = {**base, **self._values(dict(zip(axes, row, strict=True)))}
                learn(config, base, axes, acting, self.builds.describe)
                is_other |= self.builds.describe(config).signature != first.signature
            had[chosen.rows] = True
            if not is_other:
                break
            # Models of other signatures are compared in no other part, so the pairs in them have to meet once more.
            together = sorted(acting[SIGNATURE])
            numbers = [axes.index(axis) for axis in together]
            combined, of_row = np.unique(codes[:, numbers], axis=0, return_inverse=True)
            if len(combined) > MOST_MODELS:
                break
            combinations = [dict(zip(together, one, strict=True)) for one in combined.tolist()]
            signatures = [
                self.builds.describe({**base, **self._values(one)}).signature for one in combinations
            ]
            is_same = np.array([one == first.signature for one in signatures])
            others |= {
                signature: one
                for signature, one in zip(signatures, combinations, strict=True)
                if signature != first.signature and signature not in others
            }
            stay = is_same[of_row.ravel()]
            if not stay.any() or built >= MOST_MODELS:
                break
            codes, had = codes[stay], had[stay]
        self.found = replace(
            self.found,
            models=self.found.models + built,
            pairs=min(self.found.pairs, pairs),
            triples=triples if is_first else self.found.triples,
        ).with_sets(acting)
        for combination in others.values():
            start = {**base, **self._values(combination)}
            if not isinstance(self.builds.describe(start), Failed):
                self.explore(start, {**structure, **{axis: [code] for axis, code in combination.items()}})

    def _classes(self, base: Config, structure: Structure) -> dict[str, list[list[int]]]:
        """Return the codes of each axis by classes, the class with the largest model first."""
        found: dict[str, list[list[int]]] = {}
        for axis, codes in structure.items():
            if len(codes) == 1:
                found[axis] = [codes]
                continue
            by_signature: dict[Hashable, list[int]] = {}
            sizes: dict[Hashable, int] = {}
            for code in codes:
                described = self.builds.describe({**base, **self._values({axis: code})})
                by_signature.setdefault(described.signature, []).append(code)
                sizes[described.signature] = _size(described)
            found[axis] = [by_signature[one] for one in sorted(by_signature, key=lambda one: -sizes[one])]
        return found

    def _values(self, codes: Mapping[str, int]) -> dict[str, Any]:
        return {axis: self.points.value_of(axis, code) for axis, code in codes.items()}


def learn(
    config: Config,
    base: Config,
    axes: Sequence[str],
    acting: dict[str, set[str]],
    describe: Describe,
) -> None:
    """Add axes to `acting` until it explains the model of `config`.

    Args:
        config, base: configurations that differ on `axes` only.
        axes: the axes.
        acting: for each part, the axes that are known to act on it.
        describe: returns the description of a configuration's model.
    """
    observed, first = describe(config), describe(base)
    # If the signatures differ, as they do if a builder refuses some values, the points are never in one group.
    for part in (SIGNATURE, *(dict.fromkeys((*PARTS, *observed.numbers, *first.numbers)))):
        if part != SIGNATURE and observed.signature != first.signature:
            return
        while True:
            simpler = {**base, **{axis: config[axis] for axis in axes if axis in acting.get(part, ())}}
            if same(value_of(describe(simpler), part), value_of(observed, part)):
                break
            axis = _acting_axis(simpler, config, axes, part, describe)
            acting.setdefault(part, set()).add(axis)


def differing(one: Described | Failed, other: Described | Failed) -> list[str]:
    """Return the parts in which two descriptions differ; only the signature if that differs."""
    if one.signature != other.signature:
        return [SIGNATURE]
    keys = dict.fromkeys((*PARTS, *one.numbers, *other.numbers))
    return [part for part in keys if not same(value_of(one, part), value_of(other, part))]


def _acting_axis(low: Config, high: Config, axes: Sequence[str], part: str, describe: Describe) -> str:
    """Return an axis that acts on a part that differs between `low` and `high`.

    From `low` to `high` there is a step for each axis. One of the steps changes the value; it is found by halving.
    """
    steps = [axis for axis in axes if repr(low[axis]) != repr(high[axis])]
    start, end, initial = 0, len(steps), value_of(describe(low), part)
    while end - start > 1:
        middle = (start + end) // 2
        config = {**low, **{axis: high[axis] for axis in steps[:middle]}}
        unchanged = same(value_of(describe(config), part), initial)
        start, end = (middle, end) if unchanged else (start, middle)
    return steps[start]


def _structures(classes: Mapping[str, list[list[int]]]) -> Iterator[Structure]:
    """Yield choices of one class of each axis, until each two classes of several values have been together, and each class
    has been in one.
    """
    every = [(axis, n) for axis, some in classes.items() for n in range(len(some))]
    large = [(axis, n) for axis, n in every if len(classes[axis][n]) > 1]
    wanted = {(one, other) for one, other in itertools.combinations(large, 2) if one[0] != other[0]}
    alone = set(every)
    largest = dict.fromkeys(classes, 0)
    while wanted or alone:
        changed = min(wanted) if wanted else (min(alone),)
        chosen = {**largest, **({} if alone & set(largest.items()) else dict(changed))}
        wanted = {(a, b) for a, b in wanted if chosen[a[0]] != a[1] or chosen[b[0]] != b[1]}
        alone -= set(chosen.items())
        yield {axis: classes[axis][number] for axis, number in chosen.items()}


def _size(described: Described | Failed) -> int:
    """Return the number of layers and of weights as one number, in which a layer counts more than any weights."""
    if isinstance(described, Failed):
        return -1
    return len(described.signature) * 2**32 + sum(array.size for array in described.initial)
