"""Splits values that are not code, such as arrays and generators, into parts that can be compared."""

from __future__ import annotations

import contextlib
import datetime
import decimal
import enum
import fractions
import functools
import io
import logging
import pathlib
import random
import re
import threading
import types
import uuid
import weakref
from collections.abc import Hashable, Iterator
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.model.code import digest, home_of, is_library

PLAIN = frozenset({bool, int, float, complex, str, bytes, type(None)})
"""Types whose content is their `repr`."""

PLAIN_BASES = (int, float, complex, str, bytes)
"""Those of them that a user's class may have as its base."""

HARMLESS = (
    logging.Logger, logging.Handler, type(threading.Lock()), type(threading.RLock()),
)  # fmt: skip
"""Objects without any effect on what a model computes."""

_BY_REPR = (
    range, type(Ellipsis), type(NotImplemented), re.Pattern, uuid.UUID, decimal.Decimal, fractions.Fraction,
    datetime.date, datetime.time, datetime.timedelta, datetime.tzinfo, pathlib.PurePath,
    np.dtype, tf.DType, tf.TensorShape, tf.TypeSpec,
)  # fmt: skip

_UNREADABLE = {
    types.GeneratorType: "a generator",
    types.CoroutineType: "a coroutine",
    types.AsyncGeneratorType: "a generator",
    io.IOBase: "an open file",
    Iterator: "an iterator",
}

_TRACKER = "Tracker"
"""The class of Keras that finds variables in attributes."""

Parts = tuple[tuple[Hashable, ...], list[Any]]
"""What is fixed in a value, beginning with a word for its kind, and the values in it that must be read in turn."""


class UnreadableError(Exception):
    """A value has no content that can be compared; the message says what it is, such as "a generator"."""


def held_weakly(item: Any) -> Parts | None:
    """Return the parts of a weak reference, through which code reads; None if the item is none. What is gone is None."""
    if type(item) in weakref.ProxyTypes:  # anything else that is asked of it is asked of what it refers to
        try:
            return ("weak",), [item.__repr__.__self__]
        except ReferenceError:
            return ("weak",), [None]
    return (("weak",), [item()]) if isinstance(item, weakref.ref) else None


def parts_of(item: Any) -> Parts | None:
    """Return the parts of a value, or None if its content is in its attributes or its code.

    Raises:
        UnreadableError: it has no content that can be compared.
    """
    return _array(item) or _random(item) or _other(item)


def _array(item: Any) -> Parts | None:
    if isinstance(item, np.ndarray | np.generic):
        kind = "array", item.shape, str(item.dtype)
        if item.dtype.hasobject:
            return kind, [item.tolist()]
        mask = [np.ma.getmaskarray(item)] if isinstance(item, np.ma.MaskedArray) else []
        return (*kind, digest(np.ascontiguousarray(np.ma.getdata(item)).tobytes())), mask
    if isinstance(item, keras.KerasTensor):
        return ("symbolic", tuple(item.shape), str(item.dtype)), []
    if isinstance(item, tf.Tensor) and not hasattr(item, "numpy"):  # of a graph, and of no use in another one
        return ("symbolic", str(item.shape), item.dtype.name), []
    if isinstance(item, tf.Tensor) and item.dtype in (tf.variant, tf.resource):
        raise UnreadableError("a tensor without a value")
    if isinstance(item, tf.Tensor | tf.Variable | keras.Variable):
        return ("tensor", type(item).__name__), [np.asarray(item.numpy())]
    if isinstance(item, tf.RaggedTensor | tf.SparseTensor | tf.IndexedSlices):
        return ("tensor", type(item).__name__), tf.nest.flatten(item, expand_composites=True)
    return None


def _random(item: Any) -> Parts | None:
    if isinstance(item, keras.random.SeedGenerator):
        return ("random",), [item.state]
    if isinstance(item, np.random.Generator):
        return ("random",), [item.bit_generator.state]
    if isinstance(item, np.random.BitGenerator):
        return ("random",), [item.state]
    if isinstance(item, np.random.RandomState):
        return ("random",), [item.get_state()]
    if isinstance(item, random.Random):
        return ("random",), [item.getstate()]
    if isinstance(item, tf.random.Generator):
        return ("random",), [item.state, item.algorithm]
    return None


def _other(item: Any) -> Parts | None:
    of_library = is_library(home_of(type(item)))
    if isinstance(item, enum.Enum):
        return ("enum", item.name), [item.value, type(item)]
    if isinstance(item, _BY_REPR) and of_library:
        return (type(item).__name__, repr(item)), []
    if isinstance(item, HARMLESS) or (of_library and type(item).__name__ == _TRACKER):
        return ("harmless", type(item).__qualname__), []
    for kind, name in _UNREADABLE.items():
        if isinstance(item, kind) and (of_library or kind is io.IOBase):
            raise UnreadableError(name)
    return None


def plain_of(item: Any) -> str | None:
    """Return the number or text that an object is, as one of `PLAIN_BASES`; None if it is none."""
    kind = next((kind for kind in PLAIN_BASES if isinstance(item, kind)), None)
    return None if kind is None else kind.__repr__(item)


@functools.lru_cache(maxsize=256)
def has_c_state(kind: type) -> bool:
    """Return whether objects of a class hold more than their attributes, in the memory of C code."""
    if issubclass(kind, threading.local):  # they hold how they were made
        return False
    names = [name for base in kind.__mro__ for name in vars(base)]
    own = _size(len(_slots_of(kind)), "__dict__" in names, "__weakref__" in names)
    return kind.__itemsize__ > 0 or kind.__basicsize__ > own


@functools.cache
def _size(slots: int, has_attributes: bool, has_weak: bool) -> int:
    """Return the size of an object that holds only what Python code put there."""
    more = ("__dict__",) * has_attributes + ("__weakref__",) * has_weak
    return type("Twin", (), {"__slots__": (*(f"slot_{n}" for n in range(slots)), *more)}).__basicsize__


def reduced(item: Any) -> list[Any]:
    """Return the content of an object of C code, which is what pickle would store of it.

    Raises:
        UnreadableError: it stores nothing.
    """
    kind = type(item)
    if kind is object:
        return []
    try:
        found = item.__reduce_ex__(4)
    except Exception:
        raise UnreadableError(f"an object of {kind.__module__}.{kind.__qualname__}") from None
    if isinstance(found, str):
        return [found]
    return [*found[1:3], *(list(one or ()) for one in found[3:5])]


def attributes_of(item: Any) -> dict[str, Any]:
    """Return the attributes of an object, also those in slots, sorted by name."""
    found = dict(getattr(item, "__dict__", {}))
    for name, slot in _slots_of(type(item)):
        with contextlib.suppress(AttributeError):  # nothing was put there
            found.setdefault(name, slot.__get__(item))
    return dict(sorted(found.items()))


def _slots_of(kind: type) -> list[tuple[str, types.MemberDescriptorType]]:
    """Return the slots of a class and its bases, by the names that Python gives them."""
    return [
        (name, value)
        for base in kind.__mro__
        if "__slots__" in vars(base)
        for name, value in vars(base).items()
        if isinstance(value, types.MemberDescriptorType)
    ]
