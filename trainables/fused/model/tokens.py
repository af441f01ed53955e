"""Makes hashable tokens for the parts of a model: parts with the same effect in a program have equal tokens."""

from __future__ import annotations

import functools
import types
from collections.abc import Hashable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.internals.errors import raise_ours

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def token(item: Any) -> Hashable:
    """Return a hashable token of `item`, equal for items with the same effect in a program.

    Functions are compared by their code, defaults and closure, Keras' objects by class and configuration, other
    objects by class and attributes. Names, seeds and initializers are ignored.
    """
    if isinstance(item, _PLAIN):
        return type(item).__name__, repr(item)
    if isinstance(item, Mapping):
        return tuple(
            (str(key), token(value))
            for key, value in sorted(item.items(), key=lambda pair: str(pair[0]))
            if key not in ("name", "seed") and not str(key).endswith("initializer")
        )
    if isinstance(item, list | tuple):
        return type(item).__name__, tuple(token(value) for value in item)
    if isinstance(item, set | frozenset):
        return type(item).__name__, frozenset(token(value) for value in item)
    if isinstance(item, slice):
        return "slice", token((item.start, item.stop, item.step))
    if isinstance(item, np.ndarray | np.generic | tf.Tensor):
        value = np.asarray(item)
        return "array", value.shape, str(value.dtype), value.tobytes()
    if isinstance(item, type):
        return "class", item.__module__, item.__qualname__
    if isinstance(item, types.FunctionType):
        cells = [cell.cell_contents for cell in item.__closure__ or ()]
        defaults = [item.__defaults__, item.__kwdefaults__]
        return "function", item.__module__, item.__qualname__, _code(item.__code__), token([cells, defaults])
    if isinstance(item, functools.partial):
        return "partial", token(item.func), token(item.args), token(item.keywords)
    if isinstance(item, types.MethodType):
        return "method", token(item.__func__), token(item.__self__)
    if isinstance(item, types.BuiltinFunctionType):
        return "built-in", item.__module__, item.__qualname__
    if isinstance(item, keras.initializers.Initializer):
        return ("initializer",)
    if isinstance(item, keras.Variable):
        return "variable", tuple(item.shape), item.dtype
    own = () if type(item).__module__.startswith("keras.") else _attributes(item)
    if not hasattr(item, "get_config"):
        return token(type(item)), own
    try:
        return token(type(item)), token(item.get_config()), own
    except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
        raise_ours(error)
        return token(type(item)), own


def _attributes(item: Any) -> Hashable:
    """Return the attributes of an object whose class is not Keras' own; an inherited `get_config` lacks them."""
    kinds = np.ndarray | np.generic | types.FunctionType | functools.partial
    return tuple(
        (name, token(value))
        for name, value in sorted(getattr(item, "__dict__", {}).items())
        if name not in ("name", "_name", "seed", "built") and (is_plain(value) or isinstance(value, kinds))
    )


def _code(code: types.CodeType) -> Hashable:
    constants = tuple(_code(c) if isinstance(c, types.CodeType) else repr(c) for c in code.co_consts)
    return code.co_code, code.co_names, constants


def is_plain(value: Any) -> bool:
    """Return whether a value and everything in it is plain Python data."""
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, Mapping):
        return all(map(is_plain, value.values()))
    return isinstance(value, _PLAIN)
