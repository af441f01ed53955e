"""Finds out which attributes the code of users' classes reads while their model runs."""

from __future__ import annotations

import itertools
import types
from collections.abc import Iterable
from typing import Any

from trainables.fused.model.code import home_of, is_library, is_third_party, names_in

_OWN_TEXTS = frozenset({"__repr__", "__str__", "__format__"})
_NAMES = _OWN_TEXTS | {"name", "_name", "path", "_path", "get_layer", "get_config", "__dict__"}
"""Attributes that are an object's name, or have it in them, or take it."""

_TEXTS = frozenset({"getattr", "attrgetter", "vars", "repr", "str", "format", "print"})
"""Functions that read an attribute by a text, or make a text of an object, which has the object's name in it."""

SET_UP = (
    "__init__", "build", "get_config", "from_config", "compile", "get_compile_config", "compile_from_config",
)  # fmt: skip
"""Methods that run before a program is traced. What they leave behind is in the attributes."""

_OPTIMIZER = {"optimizer", "_optimizer"}
_REGULARIZER = "regularizer"
_ACTIVATION = "activation"

_ANY_ATTRIBUTE = frozenset({"getattr", "attrgetter", "vars", "__dict__", "eval", "exec"})
"""Names by which code may read any attribute of an object."""


def read_by_users(kind: type, names: Iterable[str]) -> set[str]:
    """Return `names` of attributes without those for which a class of Keras is known to have no use in a program.

    A name or a seed matters only if a method of the user's own classes reads it while the model runs.
    """
    running = read_while_running(kind)
    if running is None:
        return set(names)
    return set(names) - ({"name", "_name", "seed", "built"} - running)


def read_while_running(kind: type) -> frozenset[str] | None:
    """Return the names of the attributes that users' classes, and functions that these call, read while the model runs.

    Returns:
        None if any attribute may be read, because some code has its name as a text or is a library's that is not known.
    """
    if any(is_third_party(home_of(base)) for base in kind.__mro__):
        return None
    functions: list[types.FunctionType] = []
    for base in kind.__mro__:
        if not is_library(home_of(base)):
            for name, value in vars(base).items():
                if name not in SET_UP:
                    functions += _functions_in(value)
    found: set[str] = set()
    known = set(map(id, functions))
    for function in functions:  # which grows
        names = names_in(function.__code__)
        called = {name for name, _ in names.chains}
        if called & {"getattr", "vars"} or names.attributes & {"__dict__", "get_config"}:
            return None
        found |= names.attributes
        others: list[Any] = [content_of(cell) for cell in function.__closure__ or ()]
        for name, chains in names.chains:
            value = function.__globals__.get(name)
            is_module = isinstance(value, types.ModuleType)
            others += [getattr(value, chain[0], None) for chain in chains if chain] if is_module else [value]
        for other in itertools.chain.from_iterable(map(_functions_in, others)):
            if id(other) not in known:
                known.add(id(other))
                functions.append(other)
    return frozenset(found)


def may_read_names(function: types.FunctionType) -> bool:
    """Return whether the code of a function may read the name of any object."""
    names = names_in(function.__code__)
    return bool(names.attributes & (_NAMES | _TEXTS)) or any(name in _TEXTS for name, _ in names.chains)


def may_read_optimizer(function: types.FunctionType) -> bool:
    """Return whether the code of a function may read the optimizer of any model."""
    return bool(_attributes_of(function) & _OPTIMIZER)


def may_read_regularizers(function: types.FunctionType) -> bool:
    """Return whether the code of a function may read the regularizer of any layer or weight."""
    return any(name.endswith(_REGULARIZER) for name in _attributes_of(function))


def may_read_activations(function: types.FunctionType) -> bool:
    """Return whether the code of a function may read the activation of any layer, beside its own."""
    return any(name.endswith(_ACTIVATION) for name in _attributes_of(function) - _of_self(function))


def read_of_others(function: types.FunctionType) -> frozenset[str] | None:
    """Return the names of the attributes that the code of a function reads, except a method's of `self`; None for any."""
    names = names_in(function.__code__)
    if names.attributes & _ANY_ATTRIBUTE or any(name in _ANY_ATTRIBUTE for name, _ in names.chains):
        return None
    return names.attributes - _of_self(function)


def _of_self(function: types.FunctionType) -> frozenset[str]:
    """Return the names of the attributes that a method reads of the object whose method it is, and of no other one."""
    is_method = function.__qualname__.rpartition(".")[0].rpartition(".")[2] not in ("", "<locals>")
    takes_self = function.__code__.co_varnames[:1] == ("self",)
    names = names_in(function.__code__)
    return names.attributes - names.of_others if is_method and takes_self else frozenset()


def _attributes_of(function: types.FunctionType) -> frozenset[str]:
    """Return the names of the attributes that the code of a function may read, those by a text included."""
    names = names_in(function.__code__)
    by_text = names.attributes & _TEXTS or any(name in _TEXTS for name, _ in names.chains)
    return names.attributes | names.texts if by_text else names.attributes


def _functions_in(value: Any) -> list[types.FunctionType]:
    """Return the user's function that a value is or wraps, with those that it wraps in turn."""
    found = []
    for _ in range(20):  # which no chain of wrappers reaches
        if isinstance(value, types.FunctionType) and not is_library(home_of(value)):
            found.append(value)
        inner = [
            getattr(value, name, None)
            for name in ("fget", "__func__", "func", "python_function", "__wrapped__")
        ]
        following = next((one for one in inner if one is not None), None)
        if following is None or isinstance(value, type):
            break
        value = following
    return found


def content_of(cell: types.CellType) -> Any:
    """Return what a function's closure holds in a cell; `Ellipsis` if it has no value yet."""
    try:
        return cell.cell_contents
    except ValueError:  # a variable of the enclosing function that has no value yet
        return Ellipsis
