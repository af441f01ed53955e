"""Finds out which axes act together on a part of a model, also if none of them acts by itself.

An example: `SGD(rate, momentum) if optimizer == "sgd" else Adam(rate)`. From a base point with Adam, a change of the
momentum changes nothing. So models are built by themselves for a covering array of the axes, in which every two values of
every two axes meet. Each part of such a model is compared with that of a simpler model, which has the base's values on all
axes that seem not to act on this part. If the two differ, one of these axes does act, and a search by halves finds it.

What is found
    The axes that change the layers (the signature) are held at the values that give the largest model, because an axis
    that belongs to a layer has no effect without it. Among the other axes, an effect of one axis or of two together is
    found with certainty. An effect of three is found if their values meet in the array; `Interactions.triples` is the share
    of triples that do. In the groups of points with other layers, each axis is varied by itself again, so an effect of a
    single axis is found there too, and random members are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from trainables.fused.compose.builds import PARTS, Builds, Config, Failed, same, value_of
from trainables.fused.compose.covering import covering
from trainables.fused.compose.interactions import SIGNATURE, Interactions
from trainables.fused.compose.points import Points
from trainables.fused.model.describe import Described

MOST_MODELS = 400
"""The maximum number of models in the covering array."""


def interactions(points: Points, names: Sequence[str], builds: Builds, seed: int) -> Interactions:
    """Return the axes that act together on the models of `points`.

    Args:
        points: all points of the sweep.
        names: the axes that the builder takes.
        builds: makes the models.
        seed: seed of the random choices.
    """
    axes = points.varying(names)
    base, structural = _largest(points, names, axes, builds)
    others = [axis for axis in axes if axis not in structural]
    first = builds.describe(base)
    if isinstance(first, Failed) or len(others) < 2:
        return Interactions()
    acting: dict[str, set[str]] = {}
    for axis in others:
        for value in _values(points, axis):
            for part in differing(builds.describe({**base, axis: value}), first):
                acting.setdefault(part, set()).add(axis)
    chosen = covering(points.codes_of(others), MOST_MODELS, seed)
    for row in chosen.rows.tolist():
        learn({**base, **points.config(row, others)}, base, others, acting, builds.describe)
    return Interactions(models=len(chosen.rows), pairs=chosen.pairs, triples=chosen.triples).with_sets(acting)


def learn(
    config: Config,
    base: Config,
    axes: Sequence[str],
    acting: dict[str, set[str]],
    describe: Callable[[Config], Described | Failed],
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
            axis = _acting_axis(simpler, config, axes, lambda c, part=part: value_of(describe(c), part))
            acting.setdefault(part, set()).add(axis)


def differing(one: Described | Failed, other: Described | Failed) -> list[str]:
    """Return the parts in which two descriptions differ; only the signature if that differs."""
    if one.signature != other.signature:
        return [SIGNATURE]
    keys = dict.fromkeys((*PARTS, *one.numbers, *other.numbers))
    return [part for part in keys if not same(value_of(one, part), value_of(other, part))]


def _acting_axis(low: Config, high: Config, axes: Sequence[str], value: Callable[[Config], Any]) -> str:
    """Return an axis that acts on a value that differs between `low` and `high`.

    From `low` to `high` there is a step for each axis. One of the steps changes the value; it is found by halving.
    """
    steps = [axis for axis in axes if repr(low[axis]) != repr(high[axis])]
    start, end, initial = 0, len(steps), value(low)
    while end - start > 1:
        middle = (start + end) // 2
        unchanged = same(value({**low, **{axis: high[axis] for axis in steps[:middle]}}), initial)
        start, end = (middle, end) if unchanged else (start, middle)
    return steps[start]


def _largest(
    points: Points, names: Sequence[str], axes: Sequence[str], builds: Builds
) -> tuple[dict[str, Any], list[str]]:
    """Return a configuration whose model has as many layers and weights as possible, and the axes that change these."""
    base = points.config(0, names)
    first = builds.describe(base)
    largest, structural = dict(base), []
    for axis in axes:
        values = _values(points, axis)
        described = [builds.describe({**base, axis: value}) for value in values]
        if any(one.signature != first.signature for one in described):
            structural.append(axis)
            largest[axis] = values[int(np.argmax([_size(one) for one in described]))]
    return (base if isinstance(builds.describe(largest), Failed) else largest), structural


def _size(described: Described | Failed) -> int:
    """Return the number of layers and of weights as one number, in which a layer counts more than any weights."""
    if isinstance(described, Failed):
        return -1
    return len(described.signature) * 2**32 + sum(array.size for array in described.initial)


def _values(points: Points, axis: str) -> list[Any]:
    return [points.value(row, axis) for row in points.combinations([axis]).first.tolist()]
