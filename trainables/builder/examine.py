"""Examines whether the user's builder keeps state between calls: it builds two points twice in turn and compares the models.

Two models of a point must have equal variables and settings, and no layer, variable, optimizer or metric may be a part of
two models. The parts that are not Keras' own must have equal attributes, and models with such parts must compute the same
outputs and loss from a few rows. Otherwise the builder's module is imported anew for each model. If two models still differ
then, the builder is not deterministic.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainables.builder import alike, build, modules
from trainables.builder.find import BuilderError
from trainables.builder.maker import Maker
from trainables.limits import TimeUpError, time_limit
from trainables.table import inputs
from trainables.table.data import Table

CLOCK_S = 1.1
"""Seconds between two models of a builder that reads a clock: a clock that is read as whole seconds has gone on then."""

MOST_OTHERS = 3
"""How many other points are tried until one can be built."""

Config = Mapping[str, Any]


def examine(
    maker: Maker, table: Table, seed: int, timeout_s: float, point: Config, others: Iterable[Config] = ()
) -> bool:
    """Examine the builder, and tell the maker if it keeps state or is not deterministic.

    Args:
        maker: the worker's maker.
        table: the data.
        seed: the plan's seed.
        timeout_s: seconds that one call of the builder may take.
        point: the configuration that is built first.
        others: configurations of other points, the best first; the first of them that can be built is built in turn.

    Returns:
        Whether `point` could be built, and one of the others, so that no other examination is needed.
    """

    def built(config: Config) -> _Built | None:
        try:
            with time_limit(timeout_s):
                model = build.build(maker, maker.builder, config, table, seed)
                if not model.built:
                    model(inputs.taken(table.x_train, slice(2)))
                read = alike.read_by(model)
        except (Exception, SystemExit, TimeUpError):  # the point's row tells about it, if it is to be trained
            return None
        if not alike.has_others(model):
            return _Built(model, read)
        before = maker.globals()
        try:
            with time_limit(timeout_s):
                computed = alike.computed(model, table, seed)
        except TimeUpError:  # it takes too long in training, too
            computed = None
        # These calls come on top of those of a training, so what they leave must not stay.
        return _Built(model, read, computed, modules.changed(before, maker.globals()))

    others = list(itertools.islice(others, MOST_OTHERS))
    try:
        maker.begin_anew()
        maker.function()
    except BuilderError:
        return False
    started = time.monotonic()
    state, first = _at_top(maker), None
    between = others[:1]
    if not state and not maker.anew:
        imported = maker.globals()
        first = built(point)
        if first is None:
            return False
        before = maker.globals()
        pairs = ((one, found) for one in others if (found := built(one)))
        config, other = next(pairs, ({}, None))
        between = [config] if other is not None else []
        after = maker.globals()
        _let_clocks_go_on(maker, started)
        second = built(point)
        state = alike.state([one and one.model for one in (first, second, other)])
        state = state or _left_by_calls(first, other) or modules.changed(before, after)
        state = state or modules.changed(before, maker.globals()) or _differs_in_code(first, second)
        if not state and other is not None:  # the other point may use what the first one does not
            state = _difference(other, built(config), second)
        if not state and other is not None and modules.changed(imported, before):
            # The first point may have left what the other one met each time.
            maker.begin_anew()
            state = _difference(other, built(config))
        if not state:
            maker.keep(imported)
            return other is not None
    if not maker.anew:
        maker.import_anew(state)
    started = time.monotonic()
    begun = built(point)
    _let_clocks_go_on(maker, started)
    for one in between:
        built(one)
    if begun is not None:
        # What the other point leaves outside of the own modules is there still. If so, not even the first call of this
        # process can be made again.
        difference = _difference(begun, built(point)) or _differs_in_code(first, begun)
        if difference:
            maker.give_up(difference)
    return True


@dataclass(frozen=True)
class _Built:
    """A model, and what was found out about it right after it was built.

    Attributes:
        model: the model.
        read: see `alike.read_by`.
        computed: see `alike.computed`; None if all of the model is Keras' own, or if it takes too long.
        left: what differs in the globals after that.
    """

    model: keras.Model
    read: Hashable
    computed: Sequence[np.ndarray] | None = None
    left: str = ""


def _difference(*found: _Built | None) -> str:
    """Return what differs between the first two, which are of one point, or what all share; empty if nothing."""
    return alike.state([one and one.model for one in found]) or _differs_in_code(*found[:2])


def _differs_in_code(first: _Built | None, second: _Built | None) -> str:
    """Return what differs between what the code in two models of one point reads or computes; empty if nothing."""
    if first is None or second is None:
        return ""
    if first.read != second.read:
        return "what their code reads"
    if first.computed is None or second.computed is None:
        return ""
    return alike.unlike(first.computed, second.computed)


def _left_by_calls(*found: _Built | None) -> str:
    left = next((one.left for one in found if one is not None and one.left), "")
    return left and f"{left} changes when a model or its loss is called"


def most_different(space: Any, points: np.ndarray, most: int = 3) -> Sequence[int]:
    """Return those of `points` that differ from the first one on the most axes, the most different first.

    Args:
        space: the points' configurations by idx.
        points: int64, shape (points,).
        most: how many to return at most.
    """
    some = points[np.unique(np.linspace(0, len(points) - 1, min(len(points), 1000)).astype(int))]
    codes = space.codes(some)
    different = (codes != codes[0]).sum(1)
    order = np.lexsort((-np.arange(len(some)), -different))
    return [int(some[row]) for row in order[:most] if different[row]]


def _let_clocks_go_on(maker: Maker, since: float) -> None:
    if modules.read_clocks(maker.builder):
        time.sleep(max(0.0, since + CLOCK_S - time.monotonic()))


def _at_top(maker: Maker) -> str:
    """Return which object with state the import makes: all calls share it, and it uses up an automatic name."""
    for module in modules.own_modules(maker.builder).values():
        for part in alike.parts(list(modules.variables_of(module).values())):
            return f"the {alike.name_of(part)} is made when the file is imported"
    return ""
