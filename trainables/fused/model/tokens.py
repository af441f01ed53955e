"""Makes tokens for the parts of a model by content: parts with the same effect in a program have equal tokens.

Users' functions and classes count with all that they read: code, closures, defaults, attributes, class attributes, base
classes, and the globals of their modules, followed through calls. Everything is read at once, so a token stands for the
content at that moment. Libraries' functions and classes count by their names.
"""

from __future__ import annotations

import array
import collections
import enum
import functools
import importlib.util
import sys
import types
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.internals.errors import UnfusableError, raise_ours
from trainables.fused.model.code import UNKNOWN, digest, is_foundation, is_library, names_in, words
from trainables.fused.model.reads import (
    SET_UP,
    content_of,
    may_read_names,
    may_read_optimizer,
    may_read_regularizers,
    read_by_users,
    read_while_running,
)
from trainables.fused.model.values import (
    HARMLESS,
    PLAIN,
    PLAIN_BASES,
    UnreadableError,
    attributes_of,
    parts_of,
    reduced,
)
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


class Tokens:
    """Makes the tokens of one model.

    Args:
        own: by id, tokens for objects that are described elsewhere, such as the model's own layers and variables.
        closed: ids of the optimizer and its variables, which only the optimizer may read: a program keeps each lane's
            apart from the model.
        tracked: ids of the variables of the metrics that were passed to `compile`, which Keras keeps and resets.
        of_optimizer: whether the items are parts of an optimizer, whose code may read optimizers.

    Attributes:
        reads_globals: whether a user's function that was read so far reads a global, or an attribute of a class, that
            is data. A builder may change these from one call to the next.
        reads_names: whether users' code that runs while the model trains, and was read so far, may read the name of any
            object, such as that of a layer or a variable.
        reads_regularizers: the same for the regularizers of layers and weights.
    """

    def __init__(
        self,
        own: Mapping[int, Hashable] | None = None,
        closed: Collection[int] = (),
        tracked: Collection[int] = (),
        of_optimizer: bool = False,
    ) -> None:
        self.reads_globals = False
        self.reads_names = False
        self.reads_regularizers = False
        self._own, self._closed = own or {}, closed
        self._tracked, self._of_optimizer = tracked, of_optimizer
        self._outside: dict[int, Any] = {}  # variables that are no part of the model
        self._changing: set[int] = set()  # those of them that methods of Keras or TensorFlow assign to
        self._assigns = self._resets = False
        self._known: dict[tuple[int, bool], tuple[Any, int, Hashable]] = {}
        self._path: list[str] = []
        self._in_set_up = False

    def of(self, item: Any, what: str) -> Hashable:
        """Return a hashable token of `item`, equal for items with the same effect in a program.

        Args:
            item: anything.
            what: its name in messages, such as "the loss `mine`".

        Raises:
            UnfusableError: something in it has no content that can be compared.
        """
        return self._reading(lambda: self._token(item), what)

    def attributes(self, item: Any, names: Collection[str], what: str) -> Hashable:
        """Return a token of the attributes `names` of `item`, without initializers that only its set-up reads."""
        values = {name: value for name, value in attributes_of(item).items() if name in names}
        running = read_while_running(type(item))
        return self.of(
            {
                name: value
                for name, value in values.items()
                if running is None or name in running or not isinstance(value, keras.initializers.Initializer)
            },
            what,
        )

    def config(self, item: Any, config: Any, skipped: Iterable[str], what: str) -> Hashable:
        """Return a token of a configuration of Keras, and of the functions and the user's objects in `item`.

        Names, seeds and initializers are ignored. A configuration has only the names of functions.

        Args:
            item: the object with the configuration.
            config: the configuration.
            skipped: names of attributes of `item` that are described elsewhere.
            what: the item's name in messages.
        """
        taken = frozenset(skipped)
        return self._reading(lambda: (self._config(config), self._users_parts(item, taken)), what)

    @property
    def keeps_state(self) -> bool:
        """Whether users' code that was read may change a variable that is no part of the model, from batch to batch.

        A metric that users' code resets begins anew in each call.
        """
        outside = self._outside.keys() - set(self._tracked)
        return bool(outside and self._assigns) or bool(outside & self._changing and not self._resets)

    def _reading(self, read: Callable[[], Hashable], what: str) -> Hashable:
        # Start anew, so that the token does not depend on what was read before.
        self._known, self._path = {}, [what]
        try:
            return read()
        except RecursionError:
            raise UnfusableError(f"{what} holds values that are nested too deeply to be compared") from None
        except UnreadableError as error:
            raise self._unreadable(str(error)) from None

    def _token(self, item: Any) -> Hashable:
        kind = type(item)
        if kind in PLAIN:
            text = repr(item)
            return kind.__name__, text if len(text) < 100 else digest(text)
        if self._in_set_up and isinstance(item, keras.initializers.Initializer):
            return ("initializer",)
        if id(item) in self._closed:
            raise self._reads_optimizer()
        if id(item) in self._own:
            return "own", self._own[id(item)]
        key = id(item), self._in_set_up
        if key in self._known:
            _, number, found = self._known[key]
            return ("again", number) if found is None else found
        number = len(self._known)
        self._known[key] = item, number, None  # holds the item, so that no other one gets its id
        content = self._content(item)
        # A digest, because a token that holds others many times over would become large.
        found = content[0], digest(content[1:])
        self._known[key] = item, number, found
        return found

    def _named(self, name: Any, item: Any) -> Hashable:
        self._path.append(f"`{name}`")
        found = self._token(item)
        self._path.pop()
        return found

    def _each(self, items: Iterable[Any]) -> tuple[Hashable, ...]:
        return tuple(map(self._token, items))

    def _content(self, item: Any) -> tuple[Hashable, ...]:
        """Return the kind and the content of an item that is not plain."""
        found = self._callable(item) or self._container(item)
        if found is not None:
            return found
        if isinstance(item, keras.Variable) and id(item.value) in self._own:
            return "own", self._own[id(item.value)]
        if isinstance(item, keras.Variable | tf.Variable):
            self._outside[id(item)] = item
        self._changing |= _changed_by_methods(item)
        if (parts := parts_of(item)) is not None:
            return *parts[0], self._each(parts[1])
        return self._object(item)

    # Modules, classes and functions

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
            return "partial", self._token(item.func), self._token(item.args), self._token(item.keywords)
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
        if isinstance(item, tf.types.experimental.PolymorphicFunction):
            return "tf.function", self._token(item.python_function)
        if isinstance(item, CACHED):
            if item.cache_info().currsize and not is_library(item.__module__):
                # The builder may have changed a kept result, or a result may be older than what it was made from.
                raise UnreadableError("a function with kept results")
            return "cached", self._token(item.__wrapped__)
        return None

    def _function(self, item: types.FunctionType) -> tuple[Hashable, ...]:
        cells = [content_of(cell) for cell in item.__closure__ or ()]
        if is_library(item.__globals__.get("__name__")):
            if is_library(item.__module__) and "<locals>" not in item.__qualname__:
                return "function", item.__module__, item.__qualname__
            # Made by a function of a library, such as a decorator: it may hold functions of the user.
            inner = (
                item.__globals__.get("__name__"),
                item.__code__.co_qualname,
                names_in(item.__code__).digest,
            )
            return "function", *inner, self._each([*cells, item.__defaults__, item.__kwdefaults__])
        attributes = names_in(item.__code__).attributes
        self._assigns |= bool(attributes & _ASSIGN)
        self._resets |= bool(attributes & _RESET)
        if not self._in_set_up:
            self.reads_names |= may_read_names(item)
            self.reads_regularizers |= may_read_regularizers(item)
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
        if is_library(item.__module__):
            return "class", *name
        if issubclass(item, enum.Enum):
            return "class", *name, self._items({member.name: member.value for member in item})
        own = {key: value for key, value in vars(item).items() if key not in _NOT_CONTENT}
        for key, value in own.items():
            if not _is_dunder(key) and not isinstance(value, type) and not hasattr(value, "__get__"):
                self.reads_globals = True
        running = {key: value for key, value in own.items() if key not in SET_UP}
        set_up = {key: value for key, value in own.items() if key in SET_UP}
        found = self._each(item.__bases__), self._items(running)
        outer, self._in_set_up = self._in_set_up, True
        of_set_up = self._items(set_up)
        self._in_set_up = outer
        return "class", *name, *found, of_set_up

    # Containers of Python

    def _container(self, item: Any) -> tuple[Hashable, ...] | None:
        if isinstance(item, Mapping) and not isinstance(item, HARMLESS):
            factory = self._token(getattr(item, "default_factory", None))
            return "dict", self._kind(item), self._items(item), factory
        if isinstance(item, list | tuple | collections.deque):
            if all(type(value) in PLAIN for value in item):  # long lists of numbers are fast
                return type(item).__name__, self._kind(item), repr(list(item))
            return type(item).__name__, self._kind(item), self._each(item)
        if isinstance(item, set | frozenset):
            return type(item).__name__, self._kind(item), tuple(sorted(map(repr, self._each(item))))
        if isinstance(item, slice):
            return "slice", self._each((item.start, item.stop, item.step))
        if isinstance(item, bytearray | memoryview | array.array):
            return type(item).__name__, digest(bytes(item))
        return None

    def _items(self, items: Mapping[Any, Any]) -> Hashable:
        return tuple((self._token(key), self._named(key, value)) for key, value in items.items())

    def _kind(self, item: Any) -> Hashable:
        """Return what a subclass of a container adds to it; nothing for those of Python and of Keras."""
        if is_library(type(item).__module__):
            return None
        return self._token(type(item)), self._items(getattr(item, "__dict__", {}))

    # Other objects

    def _object(self, item: Any) -> tuple[Hashable, ...]:
        kind = type(item)
        if isinstance(item, keras.initializers.Initializer) and is_library(kind.__module__):
            config = item.get_config()  # it has the seed that was given, not one that was drawn
            drawn = getattr(item, "seed", None) if config.get("seed") is None else None
            return "initializer", self._token(kind), self._token(config), self._token(drawn)
        of_keras = any(base.__module__.startswith("keras.") for base in kind.__mro__)
        extra: list[Hashable] = []
        if isinstance(item, keras.metrics.Metric):
            extra.append(item.name)  # names the logs
        if isinstance(item, keras.layers.Layer):  # one that is not a part of the model
            extra.append(self._each(item.variables))
        if is_foundation(kind.__module__) and isinstance(item, keras.Operation):
            return "object", self._token(kind), *extra, *self._of_keras(item)
        values = attributes_of(item)
        if of_keras:
            values = {name: value for name, value in values.items() if name in read_by_users(kind, values)}
        if values or hasattr(item, "__dict__"):
            base = repr(item) if isinstance(item, PLAIN_BASES) else None
            return "object", self._token(kind), *extra, base, self._items(values)
        return "object", self._token(kind), self._each(reduced(item))

    def _of_keras(self, item: Any) -> tuple[Hashable, ...]:
        """Return the content of a layer or operation whose exact class is one of Keras."""
        if not hasattr(item, "get_config"):
            return (self._users_parts(item),)
        try:
            config = self._config(item.get_config())
        except (AttributeError, NotImplementedError, TypeError, ValueError) as error:
            raise_ours(error)
            config = ()
        return config, self._users_parts(item)

    def _config(self, value: Any) -> Hashable:
        if isinstance(value, Mapping):
            return tuple(
                (str(key), self._config(one))
                for key, one in sorted(value.items(), key=lambda pair: str(pair[0]))
                if key not in ("name", "seed") and not str(key).endswith("initializer")
            )
        if isinstance(value, list | tuple):
            return type(value).__name__, tuple(map(self._config, value))
        return self._token(value)

    def _users_parts(self, item: Any, skipped: Collection[str] = ()) -> Hashable:
        """Return tokens of the functions and of the user's objects among the attributes of an object of Keras."""
        return tuple(
            (name, self._named(name, value))
            for name, value in getattr(item, "__dict__", {}).items()
            if name not in skipped and not name.endswith("initializer") and _has_users(value)
        )

    def _reads_optimizer(self) -> UnfusableError:
        return UnfusableError(
            f"{self._path[0]} reads the optimizer, whose rate and count of steps a program keeps apart from the model"
        )

    def _unreadable(self, words: str) -> UnfusableError:
        what, *names = self._path
        if not names:
            return UnfusableError(f"{what} is {words}, whose content cannot be compared between models")
        through = f" in {names[-2]}" if len(names) > 1 else ""
        return UnfusableError(
            f"{what} reads {names[-1]}{through}, {words}, whose content cannot be compared between models; "
            "read a number, a list or an array instead"
        )


def token(item: Any, what: str = "the model") -> Hashable:
    """Return what `Tokens.of` does, of an item without a model."""
    return Tokens().of(item, what)


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


def _changed_by_methods(item: Any) -> set[int]:
    """Return the ids of the variables of an object of Keras or TensorFlow that its own methods assign to."""
    variables: Sequence[Any] = ()
    if isinstance(item, keras.metrics.Metric):
        variables = item.variables
    elif isinstance(item, keras.layers.Layer):  # statistics, and the seeds of draws
        variables = item.non_trainable_variables
    elif isinstance(item, keras.random.SeedGenerator | tf.random.Generator):
        variables = [item.state]
    return {id(part) for variable in variables for part in (variable, getattr(variable, "value", None))}


def _has_users(value: Any) -> bool:
    """Return whether a value is a function, or has a class of the user, or is a list or dictionary of such values."""
    if type(value) in PLAIN:
        return False
    if isinstance(value, types.FunctionType | types.MethodType | functools.partial):
        return True
    if isinstance(value, list | tuple):
        return any(map(_has_users, value))
    if isinstance(value, dict):
        return any(map(_has_users, value.values()))
    return not isinstance(value, type) and not is_library(type(value).__module__)


def _is_definition(name: str, value: Any) -> bool:
    """Return whether a global is bound to a function or class as by its definition or import."""
    named = isinstance(value, type | types.FunctionType | types.BuiltinFunctionType)
    return named and value.__name__ == name.rpartition(".")[2]


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
