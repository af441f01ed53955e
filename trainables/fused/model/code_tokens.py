"""Makes tokens of modules, classes and functions: those of users by what they read, those of libraries by their names."""

from __future__ import annotations

import enum
import functools
import importlib.util
import sys
import types
from collections.abc import Collection, Hashable, Iterable, Mapping
from typing import Any

import numpy as np

from trainables.fused.model.code import UNKNOWN, home_of, is_library, is_third_party, names_in, words
from trainables.fused.model.reads import (
    SET_UP,
    content_of,
    may_read_activations,
    may_read_names,
    may_read_optimizer,
    may_read_regularizers,
    read_of_others,
)
from trainables.fused.model.traced import TRACED, Traced, has_old_trace
from trainables.fused.model.values import UnreadableError, attributes_of
from trainables.fused.model.walk import Walk
from trainables.kept_results import CACHED

_DESCRIPTORS = (
    types.WrapperDescriptorType, types.MethodDescriptorType, types.ClassMethodDescriptorType,
    types.GetSetDescriptorType, types.MemberDescriptorType, np.ufunc,
)  # fmt: skip

_WHOLE_MODULE = ("globals", "eval", "exec")
"""Functions through which code may read any global of its module."""

_ANY = frozenset(("getattr", "vars", "attrgetter", "__dict__", *_WHOLE_MODULE))
"""Names through which code may read any attribute of a module that it imports."""

_ASSIGN = words(
    "assign assign_add assign_sub batch_scatter_update scatter_add scatter_div scatter_max scatter_min scatter_mul"
    " scatter_nd_add scatter_nd_sub scatter_nd_update scatter_sub scatter_update"
)
"""Methods that change the value of a variable."""

_RESET = words("reset_state reset_states")
"""Methods that put the variables of a metric back to their first values."""

_NOT_CONTENT = words(
    "__dict__ __weakref__ __doc__ __module__ __qualname__ __annotations__ __annotate__ __annotate_func__ __firstlineno__"
    " __static_attributes__ __abstractmethods__ _abc_impl __parameters__ __orig_bases__ __match_args__"
    " __dataclass_fields__ __dataclass_params__ __annotations_cache__"
)
"""Names in a class that have no effect."""


_OF_ENUM = frozenset(name for name in vars(enum.Flag("Specimen", "ONE")) if not name.startswith("__"))
"""Names in an enumeration by which it keeps account of its members."""


class CodeTokens(Walk):
    """Makes the tokens of code.

    Args:
        own, closed: see `Walk`.
        of_optimizer, as_built: see `Tokens`.

    Attributes:
        reads_globals, reads_names, reads_regularizers, reads_activations: see `Tokens`.
    """

    def __init__(
        self,
        own: Mapping[int, Hashable] | None = None,
        closed: Collection[int] = (),
        of_optimizer: bool = False,
        as_built: bool = False,
    ) -> None:
        super().__init__(own, closed)
        self.reads_globals = False
        self.reads_names = False
        self.reads_regularizers = False
        self.reads_activations = False
        self._read: set[str] = set()  # names of attributes
        self._reads_any = False
        self._of_optimizer, self._as_built = of_optimizer, as_built
        self._assigns = self._resets = False

    @property
    def reads_others(self) -> bool:
        """Whether users' code that was read so far may read an attribute of an object that is not its own."""
        return self._reads_any or bool(self._read)

    def may_read(self, name: str) -> bool:
        """Return whether users' code that was read so far may read the attribute `name` of any object."""
        return self._reads_any or name in self._read

    def _callable(self, item: Any) -> tuple[Hashable, ...] | None:
        if isinstance(item, types.ModuleType):
            if is_library(item.__name__):
                return "module", item.__name__
            return "module", item.__name__, self._module(item)
        if isinstance(item, type):
            return self._class(item)
        if isinstance(item, types.FunctionType):
            return self._function(item)
        if isinstance(item, functools.partial):
            called = self._token(item.func), self._token(item.args), self._token(item.keywords)
            return "partial", *called, self._token(type(item)), self._items(attributes_of(item))
        if isinstance(item, functools.partialmethod):
            return "partial", self._token(item.func), self._token(item.args), self._token(item.keywords)
        if isinstance(item, types.MethodType):
            self._assigns |= item.__func__.__name__ in _ASSIGN
            return "method", self._token(item.__func__), self._token(item.__self__)
        if isinstance(item, staticmethod | classmethod):
            return type(item).__name__, self._token(item.__func__)
        if isinstance(item, property):
            return "property", self._each((item.fget, item.fset, item.fdel))
        if isinstance(item, functools.cached_property):
            return "property", self._token(item.func)
        if isinstance(item, types.BuiltinFunctionType | types.MethodWrapperType):
            owner = item.__self__
            bound = None if owner is None or isinstance(owner, types.ModuleType) else self._token(owner)
            return "built-in", getattr(item, "__module__", None), item.__qualname__, bound
        if isinstance(item, _DESCRIPTORS):
            owner = getattr(item, "__objclass__", None)
            return "built-in", getattr(owner, "__qualname__", None), item.__name__
        if isinstance(item, types.CodeType):
            return "code", names_in(item).digest
        if isinstance(item, Traced):
            inner = getattr(item.python_function, "__self__", None)
            if self._as_built and id(inner) not in self._own and has_old_trace(item):
                raise UnreadableError(TRACED)
            return "tf.function", self._token(item.python_function)
        if isinstance(item, CACHED):
            if item.cache_info().currsize and not is_library(item.__module__):
                # The builder may have changed a kept result, or a result may be older than what it was made from.
                raise UnreadableError("a function with kept results")
            return "cached", self._token(item.__wrapped__)
        return None

    def _function(self, item: types.FunctionType) -> tuple[Hashable, ...]:
        cells = [content_of(cell) for cell in item.__closure__ or ()]
        if is_library(home_of(item)):
            self._reads_any |= is_third_party(home_of(item))
            if is_library(item.__module__) and "<locals>" not in item.__qualname__:
                return "function", item.__module__, item.__qualname__
            # Made by a function of a library, such as a decorator: it may hold functions of the user.
            inner = (
                home_of(item),
                item.__code__.co_qualname,
                names_in(item.__code__).digest,
            )
            return "function", *inner, self._each([*cells, item.__defaults__, item.__kwdefaults__])
        attributes = names_in(item.__code__).attributes
        self._assigns |= bool(attributes & _ASSIGN)
        self._resets |= bool(attributes & _RESET)
        read = read_of_others(item)
        self._reads_any |= read is None
        self._read |= read or set()
        if not self._in_set_up:
            self.reads_names |= may_read_names(item)
            self.reads_regularizers |= may_read_regularizers(item)
            self.reads_activations |= may_read_activations(item)
            if self._own and not self._of_optimizer and may_read_optimizer(item):
                raise self._reads_optimizer()
        closure = [self._named(n, c) for n, c in zip(item.__code__.co_freevars, cells, strict=True)]
        own = {name: value for name, value in vars(item).items() if name != "__wrapped__"}
        if own:
            self.reads_globals = True
        return (
            "function", item.__module__, item.__qualname__, names_in(item.__code__).digest, tuple(closure),
            self._token(item.__defaults__), self._token(item.__kwdefaults__), self._items(own),
            self._globals(item),
        )  # fmt: skip

    def _globals(self, function: types.FunctionType) -> Hashable:
        """Return tokens of the globals that a user's function names."""
        known, names = function.__globals__, names_in(function.__code__)
        found: list[Hashable] = [
            (name, self._chains(name, known[name], chains)) for name, chains in names.chains if name in known
        ]
        if reads_whole_module(function):
            found.append(("globals", self._every(known)))
        for name in names.imports:
            if name == UNKNOWN:
                raise UnreadableError("a function that takes a module by a name which is no constant")
            module = sys.modules.get(full_name(name, known) or "")
            if module is not None and not is_library(module.__name__):
                taken = names.attributes & vars(module).keys()
                is_any = names.attributes & _ANY or any(one in _ANY for one, _ in names.chains)
                chains = ((),) if is_any else tuple((one,) for one in sorted(taken))
                found.append((name, self._chains(name, module, chains)))
            else:
                found.append(("import", name))
        return tuple(found)

    def _chains(self, name: str, value: Any, chains: Iterable[tuple[str, ...]]) -> Hashable:
        """Return tokens of what is read from the global `name`, which is all of it unless it is a module."""
        if not isinstance(value, types.ModuleType):
            self.reads_globals |= not _is_definition(name, value)
            return self._named(name, value)
        if is_library(value.__name__):
            return "module", value.__name__
        found: list[Hashable] = []
        for chain in chains:
            if not chain or not hasattr(value, chain[0]):
                found.append((chain, self._module(value) if not chain else None))
            else:
                full = f"{name}.{chain[0]}"
                found.append((chain, self._chains(full, getattr(value, chain[0]), [chain[1:]])))
        return value.__name__, tuple(found)

    def _module(self, module: types.ModuleType) -> Hashable:
        return self._every(vars(module))

    def _every(self, variables: Mapping[str, Any]) -> Hashable:
        self.reads_globals = True
        return self._items({name: value for name, value in variables.items() if not _is_dunder(name)})

    def _class(self, item: type) -> tuple[Hashable, ...]:
        name = item.__module__, item.__qualname__
        if is_library(home_of(item)):
            self._reads_any |= is_third_party(home_of(item))
            return "class", *name
        own = {key: value for key, value in vars(item).items() if key not in _NOT_CONTENT}
        members: Mapping[str, Any] = {}
        if issubclass(item, enum.Enum):
            members = {key: attributes_of(one) for key, one in item.__members__.items()}
            own = {key: value for key, value in own.items() if key not in members and key not in _OF_ENUM}
        for key, value in own.items():
            if not _is_dunder(key) and not isinstance(value, type) and not hasattr(value, "__get__"):
                self.reads_globals = True
        running = {key: value for key, value in own.items() if key not in SET_UP}
        set_up = {key: value for key, value in own.items() if key in SET_UP}
        found = self._each(item.__bases__), self._items(running)
        outer, self._in_set_up = self._in_set_up, True
        of_set_up = self._items(set_up)
        self._in_set_up = outer
        kind = None if is_library(home_of(type(item))) else self._token(type(item))
        return "class", *name, *found, of_set_up, kind, self._items(members)


def reads_whole_module(function: types.FunctionType) -> bool:
    """Return whether a function may read any global of its module, because it names such a function or `sys.modules`."""
    known = function.__globals__
    return any(
        (name in _WHOLE_MODULE and name not in known)
        or (known.get(name) is sys and any(chain[:1] == ("modules",) for chain in chains))
        for name, chains in names_in(function.__code__).chains
    )


def full_name(name: str, known: Mapping[str, Any]) -> str | None:
    """Return the full name of a module that code imports; None if the code does not tell it.

    Args:
        name: see `Names.imports`; it may begin with dots.
        known: the globals of the code.
    """
    if name == UNKNOWN:
        return None
    try:
        return importlib.util.resolve_name(name, known.get("__package__") or "")
    except ImportError:  # beyond the top, or in no package
        return None


def _is_definition(name: str, value: Any) -> bool:
    """Return whether a global is bound to a function or class as by its definition or import."""
    named = isinstance(value, type | types.FunctionType | types.BuiltinFunctionType)
    return named and value.__name__ == name.rpartition(".")[2]


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
