"""Finds out which axes act together on a part of a model, even if none of them acts by itself.

An example: `SGD(rate, momentum) if optimizer == "sgd" else Adam(rate)`. From a base point with Adam, a change of the
momentum changes nothing. So models are built by themselves for a covering array of the axes, in which every two values of
every two axes meet. Each part of such a model is compared with that of a simpler model, which has the base's values on all
axes that seem not to act on this part. If the two differ, one of these axes does act, and a search by halves finds it.

What is found
    The values of an axis that give one signature are a class. Only values of one class can be in one group. So the study
    takes one class of each axis, first those with the largest models, because an axis that belongs to a layer has no effect
    without it; and then others, until any two classes of two or more values have been together. Thus an effect of one axis,
    or of two together, is found with certainty. An effect of three is found if their values meet in an array;
    `Interactions.triples` is the share of triples that do. In the groups, each axis is varied by itself again, so an effect
    of a single axis is found in each of them, and random members are compared.

    Of an axis of many values, a few stand for all here: which axes act together seldom depends on one learning rate of a
    hundred. `Interactions.sampled` has these axes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from trainables.fused.compose.builds import PARTS, Builds, Config, Failed, same, value_of
from trainables.fused.compose.covering import covering
from trainables.fused.compose.interactions import SIGNATURE, Interactions
from trainables.fused.compose.points import Points
from trainables.fused.model.describe import Described

MOST_MODELS = 400
"""The maximum number of models in a covering array."""

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
    base = points.config(0, names)
    for structure in _structures(_classes(points, base, columns, builds)):
        found = _of_structure(points, base, columns, structure, builds, seed, found)
    return found


def _few(column: np.ndarray) -> np.ndarray:
    """Return codes in which a few stand for all, if there are many."""
    codes = np.unique(column)
    if len(codes) <= MANY_VALUES:
        return column
    kept = codes[np.linspace(0, len(codes) - 1, STAND_INS).round().astype(int)]
    return kept[np.searchsorted(codes, column) * STAND_INS // len(codes)]


def _of_structure(
    points: Points,
    base: Config,
    columns: Mapping[str, np.ndarray],
    structure: Structure,
    builds: Builds,
    seed: int,
    found: Interactions,
) -> Interactions:
    """Return `found` and what acts together where each axis has values of one class only."""

    def values(codes: Mapping[str, int]) -> dict[str, Any]:
        return {axis: points.value_of(axis, code) for axis, code in codes.items()}

    base = {**base, **values({axis: codes[0] for axis, codes in structure.items()})}
    axes = [axis for axis, codes in structure.items() if len(codes) > 1]
    inside = np.all([np.isin(columns[axis], structure[axis]) for axis in axes], 0)
    first = builds.describe(base)
    if isinstance(first, Failed) or not inside.any():
        return found
    acting: dict[str, set[str]] = {}
    for axis in axes:
        for code in structure[axis]:
            for part in differing(builds.describe({**base, **values({axis: code})}), first):
                acting.setdefault(part, set()).add(axis)
    codes = np.column_stack([columns[axis][inside] for axis in axes])
    chosen = covering(codes, MOST_MODELS, seed)
    for row in codes[chosen.rows].tolist():
        learn({**base, **values(dict(zip(axes, row, strict=True)))}, base, axes, acting, builds.describe)
    found = replace(
        found,
        models=found.models + len(chosen.rows),
        pairs=min(found.pairs, chosen.pairs),
        triples=min(found.triples, chosen.triples),
    )
    return found.with_sets(acting)


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


def _classes(
    points: Points, base: Config, columns: Mapping[str, np.ndarray], builds: Builds
) -> dict[str, list[list[int]]]:
    """Return the codes of each axis on which the points differ by classes, the class with the largest model first."""
    found: dict[str, list[list[int]]] = {}
    for axis, column in columns.items():
        by_signature: dict[Hashable, list[int]] = {}
        sizes: dict[Hashable, int] = {}
        for code in np.unique(column).tolist():
            described = builds.describe({**base, axis: points.value_of(axis, code)})
            by_signature.setdefault(described.signature, []).append(code)
            sizes[described.signature] = _size(described)
        found[axis] = [by_signature[one] for one in sorted(by_signature, key=lambda one: -sizes[one])]
    return found


def _structures(classes: Mapping[str, list[list[int]]]) -> Iterator[Structure]:
    """Yield choices of one class of each axis, until each two classes of several values have been together."""
    large = [(axis, n) for axis, some in classes.items() for n, codes in enumerate(some) if len(codes) > 1]
    wanted = {(one, other) for one, other in itertools.combinations(large, 2) if one[0] != other[0]}
    largest = dict.fromkeys(classes, 0)
    while wanted:
        are_largest = [pair for pair in wanted if all(number == 0 for _, number in pair)]
        chosen = largest if are_largest else {**largest, **dict(min(wanted))}
        wanted = {(a, b) for a, b in wanted if chosen[a[0]] != a[1] or chosen[b[0]] != b[1]}
        yield {axis: classes[axis][number] for axis, number in chosen.items()}


def _size(described: Described | Failed) -> int:
    """Return the number of layers and of weights as one number, in which a layer counts more than any weights."""
    if isinstance(described, Failed):
        return -1
    return len(described.signature) * 2**32 + sum(array.size for array in described.initial)
