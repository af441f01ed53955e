"""Copies what globals hold, in a form that `==` compares, whatever their kind.

Plain data, containers, arrays and tensors are copied, or a digest of them. Other objects are compared by identity and by
their attributes, functions by their defaults and closures too, and by traces that may be old. What the objects of Keras and
TensorFlow hold is left to
those who compare models, but for variables and for settings such as regularizers.
"""

from __future__ import annotations

import array
import collections
import contextvars
import functools
import itertools
import random
from collections.abc import Collection, Iterable, Mapping, Sized
from types import BuiltinFunctionType, FunctionType, MappingProxyType, MethodType, ModuleType
from typing import Any

import numpy as np
import tensorflow as tf

from trainables.builder.alike import SETTINGS
from trainables.fused.model.code import digest, is_foundation
from trainables.fused.model.reads import content_of as content_of_cell
from trainables.fused.model.traced import Traced, has_old_trace, methods_of
from trainables.fused.model.values import HARMLESS, UnreadableError, attributes_of, parts_of
from trainables.kept_results import CACHED, results_of

LONG = 1000
"""Of lists and the like with more items than this, so many are compared, at equal distances."""

MANY = 2**18
"""The same for the numbers of an array."""

DEEP = 6
"""How many levels of objects in objects are compared."""

MOST = 5000
"""How many objects of a global are compared: others only by identity."""

_SEEDED = (random.random.__self__, np.random.normal.__self__)  # type: ignore[attr-defined]
"""The generators of the functions of `random` and `np.random`: the seed is set again before each call of a builder."""

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_SEQUENCES = (list, tuple, set, frozenset, collections.deque)
_CONTAINERS = (*_SEQUENCES, dict)
_BYTES = (bytearray, memoryview, array.array)


def content_of(value: Any, modules: Collection[str]) -> Any:
    """Return the content of a global.

    Args:
        value: the global.
        modules: the names of the modules whose functions and classes are compared by what they hold.
    """
    return _Walk(modules).of(value, DEEP)


class _Same:
    """Holds an object and is equal only to a holder of the same object."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.held is other.held

    __hash__ = None  # type: ignore[assignment]


class _Walk:
    """A walk through one global."""

    def __init__(self, modules: Collection[str]) -> None:
        self._modules = modules
        self._seen: dict[
            int, tuple[int, Any]
        ] = {}  # holds the objects, so that no other one gets the id of one

    def of(self, value: Any, depth: int) -> Any:
        if isinstance(value, _PLAIN):
            return type(value).__name__, repr(value)
        if id(value) in self._seen:
            return "again", self._seen[id(value)][0]
        if any(value is one for one in _SEEDED) or not depth or len(self._seen) > MOST:
            # A container may have been made by this walk, so its identity tells nothing.
            return (type(value).__name__, len(value)) if isinstance(value, _CONTAINERS) else _Same(value)
        self._seen[id(value)] = len(self._seen), value
        if (state := _state_of_draws(value)) is not None:
            return _Same(value), state
        try:
            return self._data(value, depth) or self._code(value, depth) or self._object(value, depth)
        except Exception:  # whatever the methods of the user's objects raise
            return _Same(value)

    def _each(self, items: Iterable[Any], depth: int) -> list[Any]:
        return [self.of(item, depth - 1) for item in items]

    def _data(self, value: Any, depth: int) -> Any:
        """Return the content of an array, a tensor, a variable or a container; None of others."""
        if isinstance(value, np.ndarray):
            return self._array(value, depth)
        kind = type(value)
        if hasattr(
            kind, "numpy"
        ):  # a tensor or a variable, which is an object of its own even if its value is equal
            return hasattr(kind, "assign") and _Same(value), self._array(np.asarray(value.numpy()), depth)
        if isinstance(value, dict | MappingProxyType):
            # The items are no level of their own, as a dictionary often is one of others.
            found: Any = [self._each(pair, depth) for pair in _some(value.items())]
        elif isinstance(value, _SEQUENCES):
            found = self._each(_some(value), depth)
        elif isinstance(value, _BYTES):
            found = digest(bytes(value))
        elif isinstance(value, itertools.count):
            return repr(value)
        elif isinstance(value, contextvars.ContextVar):
            return _Same(value), self.of(value.get(None), depth - 1)
        elif hasattr(kind, "iloc"):  # a frame of pandas
            return _Same(value), self._array(value.iloc[:: len(value) // LONG + 1].to_numpy(), depth)
        else:
            return None
        count = len(value) if isinstance(value, Sized) else None
        return kind.__name__, count, found, self._attributes(value, depth)

    def _array(self, found: np.ndarray, depth: int) -> Any:
        some = found.flat[:: found.size // MANY + 1]
        content: Any = digest(some.tobytes())
        if found.dtype.hasobject:
            content = self._each(_some(some.tolist()), depth)
        return "array", found.shape, str(found.dtype), content

    def _code(self, value: Any, depth: int) -> Any:
        """Return the content of a module, a function or a class; None of others."""
        if isinstance(value, ModuleType):
            return _Same(value)
        if isinstance(
            value, MethodType | BuiltinFunctionType
        ):  # such as `draw = np.random.default_rng(0).normal`
            return value.__name__, self.of(value.__self__, depth - 1)
        if isinstance(value, functools.partial):
            return self._each([value.func, value.args, value.keywords], depth + 1)
        if isinstance(value, Traced):
            traces = value.experimental_get_tracing_count() if has_old_trace(value) else 0
            return _Same(value), traces, self.of(value.python_function, depth - 1)
        if isinstance(value, CACHED):
            return _Same(value), value.cache_info().currsize, self._each(results_of(value), depth)
        if not isinstance(value, type | FunctionType):
            return None
        if value.__module__ not in self._modules:
            return _Same(value)
        own: dict[str, Any] = {name: item for name, item in vars(value).items() if not name.startswith("__")}
        if isinstance(value, FunctionType):
            closure = [content_of_cell(cell) for cell in value.__closure__ or ()]
            own |= {"defaults": [value.__defaults__, value.__kwdefaults__], "closure": closure}
        return _Same(value), {name: self.of(item, depth - 1) for name, item in own.items()}

    def _object(self, value: Any, depth: int) -> Any:
        is_closed = is_foundation(type(value).__module__) and not isinstance(value, SETTINGS)
        if is_closed or isinstance(value, HARMLESS):
            return _Same(value)
        try:
            parts = parts_of(value)
        except UnreadableError:
            return _Same(value)
        if parts is not None:
            return parts[0], self._each(parts[1], depth)
        return _Same(value), self._attributes(value, depth)

    def _attributes(self, value: Any, depth: int) -> dict[str, Any]:
        own = {name: item for name, item in attributes_of(value).items() if not name.startswith("__")}
        own |= {
            name: getattr(value, name) for name in methods_of(type(value))
        }  # each object has traces of its own
        return {name: self.of(item, depth - 1) for name, item in own.items()}


def _some(items: Any) -> Iterable[Any]:
    return itertools.islice(items, 0, None, len(items) // (LONG + 1) + 1)


def _state_of_draws(value: Any) -> Any:
    """Return the state of a generator of random numbers; None for other objects."""
    if isinstance(value, np.random.Generator):
        value = value.bit_generator
    if isinstance(value, np.random.BitGenerator):
        return _frozen(value.state)
    if isinstance(value, np.random.RandomState):
        return _frozen(value.get_state(legacy=False))
    if isinstance(value, random.Random):
        try:
            return value.getstate()
        except NotImplementedError:  # `SystemRandom` has none
            return None
    if isinstance(value, tf.random.Generator):
        return np.asarray(value.state.numpy()).tobytes()
    return None


def _frozen(state: Any) -> Any:
    if isinstance(state, Mapping):
        return {name: _frozen(item) for name, item in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state
