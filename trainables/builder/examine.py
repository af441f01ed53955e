"""Examines whether the user's builder keeps state between calls: it builds two points twice in turn and compares the models.

Two models of a point must have equal variables and settings, and no layer, variable, optimizer or metric may be a part of
two models. Otherwise the builder's module is imported anew for each model. If two models still differ then, the builder is
not deterministic.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.builder import build, modules
from trainables.builder.find import BuilderError
from trainables.builder.maker import Maker
from trainables.limits import TimeUpError, time_limit
from trainables.table import inputs
from trainables.table.data import Table

CLOCK_S = 1.1
"""Seconds between two models of a builder that reads a clock: a clock that is read as whole seconds has gone on then."""

_OBJECTS = (
    keras.layers.Layer,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.random.SeedGenerator,
    keras.Variable,
    tf.Variable,
)
"""Classes of objects with state, which no two models may share."""

_PLAIN = (bool, int, float, complex, str, bytes, type(None))

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
        before = modules.globals_of(maker.builder)
        between = ((config, built(config)) for config in others)
        config, other = next((pair for pair in between if pair[1] is not None), ({}, None))
        after = modules.globals_of(maker.builder)
        _let_clocks_go_on(maker, started)
        second = built(point)
        state = _state([first, second, other]) or modules.changed(before, after)
        if not state and other is not None:  # the other point may use what the first one does not
            state = _state([other, built(config), second])
        if not state:
            maker.examined = True
            return other is not None
    if not maker.anew:
        maker.import_anew(state)
    started = time.monotonic()
    first = built(point)
    _let_clocks_go_on(maker, started)
    if difference := first and _state([first, built(point)]):
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
        for part in _parts(list(modules.variables_of(module).values())):
            return f"the {_name(part)} is made when the file is imported"
    return ""


def _state(models: Sequence[keras.Model | None]) -> str:
    """Return what differs between two models of one point, or what models share; empty if nothing.

    Args:
        models: the two of one point, and any others; None if a call raised an error.
    """
    first, second, *_ = models
    if first is None or second is None:
        return "whether the function raises an error"
    return _shared([model for model in models if model is not None]) or _difference(first, second)


def _shared(models: Sequence[keras.Model]) -> str:
    seen: dict[int, Any] = {}
    for model in models:
        parts = {id(part): part for part in _parts([model, model.optimizer])}
        for part in parts.values():
            if id(part) in seen:
                return f"the same {_name(part)} in two models"
        seen |= parts
    return ""


def _name(part: Any) -> str:
    kind = "model" if isinstance(part, keras.Model) else type(part).__name__
    return f"{kind} {getattr(part, 'name', '')!r}"


def _parts(items: Sequence[Any]) -> Iterator[Any]:
    """Yield the objects with state among `items` and in them, each once."""
    seen: dict[int, Any] = {}  # holds the objects, so that no other one gets the id of one
    waiting = list(reversed(items))
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if isinstance(item, _OBJECTS):
            yield item
            if not isinstance(item, keras.Variable | tf.Variable):
                waiting += list(vars(item).values())
        elif isinstance(item, keras.losses.Loss | keras.initializers.Initializer):
            waiting += list(vars(item).values())
        elif isinstance(item, Mapping):
            waiting += list(item.values())
        elif isinstance(item, list | tuple | set | frozenset):
            waiting += list(item)


def _difference(one: keras.Model, other: keras.Model) -> str:
    first, second = _variables(one), _variables(other)
    if [(v.path, v.shape, v.dtype) for v in first] != [(v.path, v.shape, v.dtype) for v in second]:
        return "the names, shapes or types of their variables"
    for a, b in zip(first, second, strict=True):
        if _bytes(a) != _bytes(b):
            return f"the initial values of {a.path}"
    for what, settings in _settings(one).items():
        if settings != _settings(other)[what]:
            return f"the settings of the {what}"
    return ""


def _variables(model: keras.Model) -> list[keras.Variable]:
    of_metrics = [variable for metric in model.metrics for variable in metric.variables]
    return [*model.variables, *of_metrics, *model.optimizer.variables]


def _bytes(variable: keras.Variable) -> bytes:
    return np.asarray(keras.ops.convert_to_numpy(variable)).tobytes()


def _settings(model: keras.Model) -> dict[str, Any]:
    """Return the settings of a model's parts, as far as the parts give them."""
    found: dict[str, Any] = {"model": [type(model).__qualname__, _config(model)]}
    for layer in model.layers:
        found[f"layer {layer.name}"] = [type(layer).__qualname__, _config(layer)]
    found["optimizer"] = [type(model.optimizer).__qualname__, _config(model.optimizer)]
    with warnings.catch_warnings(action="ignore"):  # Keras warns of functions that it could not load again
        try:
            found["compilation"] = _plain(model.get_compile_config())
        except Exception:  # some losses and metrics cannot be written down
            found["compilation"] = None
    return found


def _config(item: Any) -> Any:
    try:
        return _plain(item.get_config())
    except Exception:  # a class of the user without a usable get_config
        return None


def _plain(value: Any) -> Any:
    """Return a configuration as plain data; of other objects only the class, because their texts have addresses."""
    if isinstance(value, _PLAIN):
        return type(value).__name__, repr(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return str(value.dtype), value.shape, value.tobytes()
    return getattr(value, "__qualname__", type(value).__qualname__)
