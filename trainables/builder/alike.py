"""Compares two models of one point, which a builder has made one after the other.

Their variables, their settings and the attributes of parts that are not Keras' own must be equal, and so must be what they
compute from a few rows. No object with state may be a part of both.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.table import inputs
from trainables.table.data import Table

_OBJECTS = (
    keras.layers.Layer,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.random.SeedGenerator,
    keras.Variable,
    tf.Variable,
)
"""Classes of objects with state, which no two models may share."""

SETTINGS = (
    keras.losses.Loss,
    keras.initializers.Initializer,
    keras.regularizers.Regularizer,
    keras.constraints.Constraint,
    keras.optimizers.schedules.LearningRateSchedule,
)
"""Classes of other objects of a model, which two models may share."""

ROWS = 32
"""The rows from which two models compute."""

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def state(models: Sequence[keras.Model | None]) -> str:
    """Return what differs between two models of one point, or what models share; empty if nothing.

    Args:
        models: the two of one point, and any others; None if a call raised an error.
    """
    first, second, *_ = models
    if first is None or second is None:
        return "whether the function raises an error"
    # A walk takes as long as all else here.
    of_models = [list(_walked([model, model.optimizer])) for model in models if model is not None]
    return _shared(of_models) or _difference(first, second) or _differing_attribute(*of_models[:2])


def _shared(of_models: Sequence[Sequence[Any]]) -> str:
    seen: dict[int, Any] = {}
    for found in of_models:
        of_model = {id(part): part for part in found if isinstance(part, _OBJECTS)}
        for part in of_model.values():
            if id(part) in seen:
                return f"the same {name_of(part)} in two models"
        seen |= of_model
    return ""


def name_of(part: Any) -> str:
    """Return the class and the name of a part of a model."""
    kind = "model" if isinstance(part, keras.Model) else type(part).__name__
    return f"{kind} {getattr(part, 'name', '')!r}"


def parts(items: Sequence[Any]) -> Iterator[Any]:
    """Yield the objects with state among `items` and in them, each once."""
    return (item for item in _walked(items) if isinstance(item, _OBJECTS))


def _walked(items: Sequence[Any]) -> Iterator[Any]:
    """Yield the objects of `_OBJECTS` and `SETTINGS` among `items` and in them, each once."""
    seen: dict[int, Any] = {}  # holds the objects, so that no other one gets the id of one
    waiting = list(reversed(items))
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if isinstance(item, (*_OBJECTS, *SETTINGS)):
            yield item
            if not isinstance(item, keras.Variable | tf.Variable):
                waiting += list(getattr(item, "__dict__", {}).values())
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


def _differing_attribute(one: Sequence[Any], other: Sequence[Any]) -> str:
    """Return which number or array differs that is an attribute of a part of a class that is not Keras' own.

    Args:
        one, other: what is found in a walk through each of the two models.
    """
    first, second = ([part for part in found if not _is_of_keras(part)] for found in (one, other))
    if [type(part).__qualname__ for part in first] != [type(part).__qualname__ for part in second]:
        return "the classes of their parts"
    for a, b in zip(first, second, strict=True):
        kept, found = (
            {name: _plain(value) for name, value in vars(part).items() if name not in _names_of_keras()}
            for part in (a, b)
        )
        if kept != found:
            name = next(name for name in {**kept, **found} if kept.get(name) != found.get(name))
            return f"the attribute {name} of {name_of(a)}"
    return ""


def _is_of_keras(part: Any) -> bool:
    return isinstance(part, keras.Variable | tf.Variable) or type(part).__module__.startswith("keras.")


@functools.cache
def _names_of_keras() -> frozenset[str]:
    """Return the names of the attributes by which Keras itself keeps account; some of their texts are never the same."""
    optimizer = keras.optimizers.SGD()
    optimizer.build([keras.Variable(0.0)])
    tensor = keras.Input((1,))
    models = (keras.Model(), keras.Model(tensor, tensor), keras.Sequential([tensor]))
    objects = (optimizer, keras.layers.Layer(), keras.metrics.Mean(), *models)
    return frozenset(name for item in objects for name in vars(item))


def has_others(model: keras.Model) -> bool:
    """Return whether not all of a model is Keras' own, so that its variables and settings may not say all."""
    from trainables.fused.model.parts import has_operations, has_users_parts

    return has_users_parts(model) or has_operations(model)


def read_by(model: keras.Model) -> Hashable:
    """Return what the code of a model's parts reads, in a form that `==` compares; of Keras' own parts, their settings.

    The user's functions and classes are followed to all that they read, as for a program. Call this right after the model
    was built: what was changed later is read as it is then.
    """
    from trainables.fused.internals.errors import UnfusableError
    from trainables.fused.model.describe import describe, users_parts

    found: list[Hashable] = []
    for read in (describe, users_parts):
        try:
            of_model: Any = read(model)
        except UnfusableError as error:  # some of it has no content that can be compared
            found.append(str(error))
            continue
        if isinstance(of_model, frozenset):
            return *found, of_model
        return of_model.signature, of_model.variant, of_model.optimizer, tuple(of_model.numbers.items())
    return tuple(found)


def computed(model: keras.Model, table: Table, seed: int) -> list[np.ndarray]:
    """Return the outputs of a model for a few rows, and its loss; no more than the code can compute.

    The model's variables do not change.
    """
    found: list[np.ndarray] = []
    variables = _variables(model)
    values = [keras.ops.convert_to_numpy(variable) for variable in variables]
    keras.utils.clear_session(free_memory=False)  # code may draw without a seed
    keras.utils.set_random_seed(seed)
    x = inputs.taken(table.x_train, slice(ROWS))
    try:
        outputs = model(x)
        found += [np.asarray(keras.ops.convert_to_numpy(part)) for part in keras.tree.flatten(outputs)]
        loss = model.compute_loss(x, table.y_train[:ROWS], outputs, training=False)
        found.append(np.asarray(keras.ops.convert_to_numpy(loss)))
    except (Exception, SystemExit):  # the loss may need another shape of the target
        pass
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
    return found


def unlike(one: Sequence[np.ndarray], other: Sequence[np.ndarray]) -> str:
    """Return what differs between two results of `computed`; empty if nothing."""
    if len(one) != len(other):
        return "whether they can compute"
    for a, b in zip(one, other, strict=True):
        if a.shape != b.shape or not np.allclose(a, b, rtol=1e-5, atol=1e-7, equal_nan=True):
            return "what they compute from the same rows"
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
    if isinstance(value, tf.Tensor) and hasattr(value, "numpy"):
        value = value.numpy()
    if isinstance(value, np.ndarray | np.generic) and not value.dtype.hasobject:
        return str(value.dtype), value.shape, value.tobytes()
    return getattr(value, "__qualname__", type(value).__qualname__)
