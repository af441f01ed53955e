"""Identifies the user's code in a function or class, with the data that the code names, but without the state of objects.

A token of `trainables.fused.model.tokens` stands for all that is read, such as a model in a closure, which differs from
point to point. Here, functions and classes that mean the same have one text, whatever model they are used in.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from trainables.fused.model.code import digest, home_of, is_library, names_in

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def own_code(item: Any) -> str:
    """Return a text that is equal for functions or classes with the same code; empty for those of libraries.

    The user's functions and classes that the code calls count too, and so do the numbers, texts, arrays and lists of these
    that it names: globals, closures, defaults, attributes of classes. Of dictionaries and other objects only the class
    counts: they may hold what the code does not read, such as all settings of a point. Names do not count.
    """
    reader = _Reader()
    content = reader.read(item)
    return digest(content) if reader.users else ""


class _Reader:
    """Reads one item.

    Attributes:
        users: whether a function or class of the user was read.
    """

    def __init__(self) -> None:
        self.users = False
        self._open: list[int] = []  # the ids of the items that are being read, from the outermost inwards
        # By id: the item, so that its id stays its own, and its digest.
        self._known: dict[int, tuple[Any, str]] = {}

    def read(self, item: Any) -> Hashable:
        """Return the content of an item."""
        if type(item) in _PLAIN:
            return type(item).__name__, repr(item)
        key = id(item)
        if key in self._open:  # a function that calls itself, for example
            return "again", self._open.index(key)
        if key not in self._known:
            self._open.append(key)
            self._known[key] = item, digest(self._content(item))
            self._open.pop()
        return self._known[key][1]

    def _content(self, item: Any) -> Hashable:
        if isinstance(item, np.ndarray) and not item.dtype.hasobject:
            return "array", item.shape, str(item.dtype), digest(np.ascontiguousarray(item).tobytes())
        if isinstance(item, list | tuple | set | frozenset):
            values = sorted(item, key=repr) if isinstance(item, set | frozenset) else item
            return type(item).__name__, tuple(map(self.read, values))
        if isinstance(item, functools.partial):
            arguments = tuple((name, self.read(value)) for name, value in sorted(item.keywords.items()))
            return "partial", self.read(item.func), tuple(map(self.read, item.args)), arguments
        if isinstance(item, types.MethodType):
            return "method", self.read(item.__func__), self.read(type(item.__self__))
        if isinstance(item, types.FunctionType):
            return self._function(item)
        if isinstance(item, type):
            return self._class(item)
        for name in ("python_function", "__wrapped__", "__func__"):  # of tf.function, lru_cache, staticmethod
            if isinstance(inner := getattr(item, name, None), types.FunctionType):
                return name, self.read(inner)
        if isinstance(item, property):
            return "property", tuple(map(self.read, (item.fget, item.fset)))
        if isinstance(item, types.BuiltinFunctionType):
            return "built-in", item.__qualname__
        return "object", self.read(type(item))

    def _function(self, item: types.FunctionType) -> Hashable:
        closure = filled(item.__code__.co_freevars, item.__closure__ or ())
        more = (*closure.values(), item.__defaults__, *sorted((item.__kwdefaults__ or {}).items()))
        if is_library(home_of(item)):
            # One that a library made, such as a decorator, may hold functions of the user.
            inner = tuple(map(self.read, more)) if "<locals>" in item.__code__.co_qualname else ()
            return "function", home_of(item), item.__code__.co_qualname, inner
        self.users = True
        names = names_in(item.__code__)
        found: list[Hashable] = []
        for name, chains in names.chains:
            if name in item.__globals__:
                found.append((name, tuple(self._chain(item.__globals__[name], chain) for chain in chains)))
        return "function", names.digest, tuple(map(self.read, more)), tuple(found)

    def _chain(self, value: Any, chain: tuple[str, ...]) -> Hashable:
        """Return the content of what is read from a global: of a module, only the attribute that is named."""
        while isinstance(value, types.ModuleType):
            if is_library(value.__name__) or not chain or not hasattr(value, chain[0]):
                return "module", value.__name__, chain
            value, chain = getattr(value, chain[0]), chain[1:]
        return self.read(value)

    def _class(self, item: type) -> Hashable:
        if is_library(home_of(item)):
            return "class", item.__module__, item.__qualname__
        self.users = True
        own = {
            name: value
            for name, value in vars(item).items()
            if isinstance(value, types.FunctionType) or not name.startswith(("_abc", "__"))
        }
        content = tuple((name, self.read(value)) for name, value in own.items())
        return "class", tuple(map(self.read, item.__bases__)), content


def filled(names: Sequence[str], cells: Sequence[types.CellType]) -> dict[str, Any]:
    """Return the values of a closure's variables by name, without those that are None or have no value yet."""
    return {name: cell.cell_contents for name, cell in zip(names, cells, strict=True) if _is_full(cell)}


def _is_full(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:  # a variable of the enclosing function that has no value yet
        return False
