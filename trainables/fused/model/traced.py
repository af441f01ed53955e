"""Finds functions of TensorFlow that keep a trace which may be older than what their code reads.

A `tf.function` runs the user's code once for each kind of arguments, and keeps the graph. What the code read besides its
arguments, such as a global, a setting of Keras or the environment, stays in the graph as it was then.
"""

from __future__ import annotations

import builtins
import types
from typing import Any

import tensorflow as tf

from trainables.fused.model.code import home_of, is_library, names_in, words
from trainables.fused.model.reads import content_of
from trainables.fused.model.values import PLAIN

Traced = tf.types.experimental.PolymorphicFunction
"""The class of what `tf.function` returns."""

TRACED = "a function that TensorFlow has traced, with what it read then"
"""What such a function is called in messages."""

_OPERATIONS = words(
    "keras.ops keras.src.ops tensorflow.math tensorflow.linalg tensorflow.nn tensorflow.python.ops math"
)
"""Where functions are that read no settings, with the functions of `tensorflow` itself."""

_READ_EPSILON = ("crossentropy", "normaliz")
"""Parts of the names of those of them that read `keras.config.epsilon()`."""

_OUTSIDE = words("open input globals locals vars eval exec getattr __import__")
"""Built-in functions that read what is no argument."""


def has_old_trace(item: Any) -> bool:
    """Return whether a function of TensorFlow, or one among the methods of an object, may run what it read long ago."""
    if isinstance(item, Traced):
        return item.experimental_get_tracing_count() > 0 and not _reads_arguments_only(item.python_function)
    return any(has_old_trace(getattr(item, name)) for name in methods_of(type(item)))


def methods_of(kind: type) -> set[str]:
    """Return the names of the methods of a class that are functions of TensorFlow; each object has a trace of its own."""
    bases = [base for base in kind.__mro__ if not is_library(home_of(base))]
    return {name for base in bases for name, value in vars(base).items() if isinstance(value, Traced)}


def _reads_arguments_only(item: Any, known: frozenset[int] = frozenset()) -> bool:
    """Return whether a function computes only from its arguments and from numbers and texts that nothing can change."""
    if isinstance(item, Traced):
        item = item.python_function
    if id(item) in known or type(item) in PLAIN:
        return True
    if not isinstance(item, types.FunctionType):
        return False
    if is_library(home_of(item)):
        return _is_operation(home_of(item), item.__name__)
    known, names = known | {id(item)}, names_in(item.__code__)
    held = [*map(content_of, item.__closure__ or ()), *(item.__defaults__ or ()), *vars(item).values()]
    held += (item.__kwdefaults__ or {}).values()
    if names.imports or not all(_reads_arguments_only(one, known) for one in held):
        return False
    return all(
        _is_pure(item.__globals__[name], chain, known)
        if name in item.__globals__
        else hasattr(builtins, name) and name not in _OUTSIDE
        for name, chains in names.chains
        for chain in chains
    )


def _is_pure(value: Any, chain: tuple[str, ...], known: frozenset[int]) -> bool:
    """Return whether what is read from a global by a chain of attributes is a function that reads its arguments only."""
    module = ""
    while isinstance(value, types.ModuleType):
        if not chain or not hasattr(value, chain[0]):
            return False
        module, value, chain = value.__name__, getattr(value, chain[0]), chain[1:]
    if module and is_library(module):
        return _is_operation(module, getattr(value, "__name__", ""))
    # A number in a module may be set to another one.
    return isinstance(value, types.FunctionType | Traced) and _reads_arguments_only(value, known)


def _is_operation(module: str, name: str) -> bool:
    place = module.replace("_api.v2.", "")
    is_there = place == "tensorflow" or any(f"{place}.".startswith(f"{one}.") for one in _OPERATIONS)
    return is_there and not any(part in name for part in _READ_EPSILON)
