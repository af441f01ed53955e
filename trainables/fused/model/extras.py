"""Finds the attributes that a builder has set on layers, models and variables of Keras' own classes."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Iterator
from typing import Any

import keras
import tensorflow as tf

from trainables.fused.internals.models import specimen
from trainables.fused.model.code import home_of, is_foundation, names_in

_SET_BY_FIT = frozenset({"history"})


def extras_of(item: Any, is_wanted: Callable[[str], bool] = lambda name: True) -> dict[str, Any]:
    """Return the attributes of an object that Keras itself does not set, sorted; none if its class is not Keras' own.

    Args:
        item: a layer, a model or a variable.
        is_wanted: says of the name of an attribute whether it is to be returned.
    """
    kind: Any = type(item)
    if not is_foundation(home_of(kind)):
        return {}
    names = sorted(name for name in vars(item).keys() - _of_specimens(kind) if is_wanted(name))
    return {
        name: vars(item)[name] for name in names if not any(name in _set_by(base) for base in kind.__mro__)
    }


@functools.cache
def _of_specimens(kind: type) -> frozenset[str]:
    """Return the names of attributes that small objects of a kind have."""
    if issubclass(kind, keras.Variable | tf.Variable):
        variable = keras.Variable(0.0, name="specimen_variable")
        made: list[Any] = [variable, variable.value]
    else:
        model = specimen()
        made = [model, *model.layers]
    return frozenset(name for one in made for name in vars(one)) | _SET_BY_FIT


@functools.cache
def _set_by(kind: type) -> frozenset[str]:
    """Return the names of the attributes that the methods of a class of Keras set, on whatever object."""
    return frozenset(name for code in _codes_of(kind) for name in names_in(code).stored)


def _codes_of(kind: type) -> Iterator[types.CodeType]:
    """Yield the code of the methods and properties that a class defines."""
    waiting = list(vars(kind).values())
    while waiting:
        value = waiting.pop()
        if isinstance(value, types.FunctionType):
            yield value.__code__
        inner = [getattr(value, name, None) for name in ("fget", "fset", "__func__", "__wrapped__")]
        waiting += [one for one in inner if isinstance(one, types.FunctionType)]
