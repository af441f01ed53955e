"""Examines whether the user's builder keeps state between calls: it builds two points twice in turn and compares the models.

Two models of a point must have equal variables and settings, and no layer, variable, optimizer or metric may be a part of
two models. The parts that are not Keras' own must have equal attributes, and models with such parts must compute the same
outputs and loss from a few rows. Otherwise the builder's module is imported anew for each model. If two models still differ
then, the builder is not deterministic.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
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

    def built(config: Config) -> keras.Model | None:
        try:
            with time_limit(timeout_s):
                model = build.build(maker, maker.builder, config, table, seed)
                if not model.built:
                    model(inputs.taken(table.x_train, slice(2)))
                return model
        except (Exception, SystemExit, TimeUpError):  # the point's row tells about it, if it is to be trained
            return None

    def state_of(models: Sequence[keras.Model | None]) -> str:
        """Return what differs between the first two models, also in what they compute, or what models share."""
        return alike.state(models) or computing(*models[:2])

    def computing(first: keras.Model | None, second: keras.Model | None) -> str:
        """Return what differs in what two models compute, or what that leaves."""
        if first is None or second is None or not alike.has_others(first):
            return ""
        before = maker.globals()
        try:
            with time_limit(timeout_s):
                one, other = (alike.computed(model, table, seed) for model in (first, second))
        except TimeUpError:  # they take too long in training, too
            return ""
        # These calls come on top of those of a training, so what they leave must not stay.
        if not maker.anew and (left := modules.changed(before, maker.globals())):
            return f"{left} changes when a model or its loss is called"
        return alike.unlike(one, other)

    try:
        maker.function()
    except BuilderError:
        return False
    state = _at_top(maker)
    if not state and not maker.anew:
        started = time.monotonic()
        first = built(point)
        if first is None:
            return False
        before = maker.globals()
        between = ((config, built(config)) for config in others)
        config, other = next((pair for pair in between if pair[1] is not None), ({}, None))
        after = maker.globals()
        _let_clocks_go_on(maker, started)
        second = built(point)
        changed = modules.changed(before, after) or modules.changed(before, maker.globals())
        state = alike.state([first, second, other]) or changed or computing(first, second)
        if not state and other is not None:  # the other point may use what the first one does not
            state = state_of([other, built(config), second])
        if not state:
            maker.examined = True
            return other is not None
    if not maker.anew:
        maker.import_anew(state)
    started = time.monotonic()
    first = built(point)
    _let_clocks_go_on(maker, started)
    if first is not None and (difference := state_of([first, built(point)])):
        maker.give_up(difference)
    return True


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
