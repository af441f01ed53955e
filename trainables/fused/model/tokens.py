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
import types
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any

import keras
import tensorflow as tf

from trainables.fused.internals.errors import raise_ours
from trainables.fused.model.code import digest, home_of, is_foundation, is_library
from trainables.fused.model.code_tokens import CodeTokens
from trainables.fused.model.extras import extras_of
from trainables.fused.model.reads import read_by_users, read_while_running
from trainables.fused.model.traced import TRACED, has_old_trace
from trainables.fused.model.values import (
    HARMLESS,
    PLAIN,
    UnreadableError,
    attributes_of,
    has_c_state,
    held_weakly,
    parts_of,
    plain_of,
    reduced,
)


class Tokens(CodeTokens):
    """Makes the tokens of one model.

    Args:
        own: by id, tokens for objects that are described elsewhere, such as the model's own layers and variables.
        closed: ids of the optimizer and its variables, which only the optimizer may read: a program keeps each lane's
            apart from the model.
        tracked: ids of the variables of the metrics that were passed to `compile`, which Keras keeps and resets.
        of_optimizer: whether the items are parts of an optimizer, whose code may read optimizers.
        as_built: whether the model is as its builder returned it, so that a trace is older than the model.

    Attributes:
        reads_globals: whether a user's function that was read so far reads a global, or an attribute of a class, that
            is data. A builder may change these from one call to the next.
        reads_names: whether users' code that runs while the model trains, and was read so far, may read the name of any
            object, such as that of a layer or a variable.
        reads_regularizers: the same for the regularizers of layers and weights.
        reads_activations: the same for the activations of layers that are not its own.
    """

    def __init__(
        self,
        own: Mapping[int, Hashable] | None = None,
        closed: Collection[int] = (),
        tracked: Collection[int] = (),
        of_optimizer: bool = False,
        as_built: bool = False,
    ) -> None:
        super().__init__(own, closed, of_optimizer, as_built)
        self._tracked = tracked
        self._outside: dict[int, Any] = {}  # variables that are no part of the model
        self._changing: set[int] = set()  # those of them that methods of Keras or TensorFlow assign to

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

    def _content(self, item: Any) -> tuple[Hashable, ...]:
        if (held := held_weakly(item)) is not None:
            return *held[0], self._each(held[1])
        found = self._callable(item) or self._container(item)
        if found is not None:
            return found
        if isinstance(item, keras.Variable) and id(item.value) in self._own:
            return "own", self._own[id(item.value)]
        if isinstance(item, keras.Variable | tf.Variable):
            self._outside[id(item)] = item
        self._changing |= _changed_by_methods(item)
        if (parts := parts_of(item)) is not None:
            own = None if isinstance(item, (*HARMLESS, enum.Enum)) else self._kind(item)
            more = self._items(extras_of(item)) if isinstance(item, keras.Variable) else ()
            return *parts[0], self._each(parts[1]), own, more
        return self._object(item)

    # Containers of Python

    def _container(self, item: Any) -> tuple[Hashable, ...] | None:
        if isinstance(item, Mapping):
            factory = self._token(getattr(item, "default_factory", None))
            return "dict", self._kind(item), self._items(item), factory
        if isinstance(item, list | tuple | collections.deque):
            kind = type(item).__name__, self._kind(item), getattr(item, "maxlen", None)
            if all(type(value) in PLAIN for value in item):  # long lists of numbers are fast
                return *kind, repr(list(item))
            return *kind, self._each(item)
        if isinstance(item, set | frozenset):
            return type(item).__name__, self._kind(item), tuple(sorted(map(repr, self._each(item))))
        if isinstance(item, slice):
            return "slice", self._each((item.start, item.stop, item.step))
        if isinstance(item, bytearray | memoryview | array.array):
            view = memoryview(item)
            return type(item).__name__, self._kind(item), view.format, view.shape, digest(view.tobytes())
        return None

    def _kind(self, item: Any) -> Hashable:
        """Return what a user's subclass adds to an array, a container or the like; nothing for those of libraries."""
        if is_library(home_of(type(item))):
            return None
        return self._token(type(item)), self._items(attributes_of(item))

    # Other objects

    def _object(self, item: Any) -> tuple[Hashable, ...]:
        kind: Any = type(item)
        if isinstance(item, keras.initializers.Initializer) and is_library(home_of(kind)):
            config = item.get_config()  # it has the seed that was given, not one that was drawn
            drawn = getattr(item, "seed", None) if config.get("seed") is None else None
            return "initializer", self._token(kind), self._token(config), self._token(drawn)
        of_keras = any(base.__module__.startswith("keras.") for base in kind.__mro__)
        extra: list[Hashable] = []
        if isinstance(item, keras.metrics.Metric):
            extra.append(item.name)  # names the logs
        if isinstance(item, keras.layers.Layer):  # one that is not a part of the model
            extra += self._each(item.variables), self._items(extras_of(item))
        if is_foundation(home_of(kind)) and isinstance(item, keras.Operation):
            return "object", self._token(kind), *extra, *self._of_keras(item)
        if self._as_built and has_old_trace(item):
            raise UnreadableError(f"an object with {TRACED}")
        values = attributes_of(item)
        if of_keras:
            values = {name: value for name, value in values.items() if name in read_by_users(kind, values)}
        base = plain_of(item)
        inner = reduced(item) if base is None and has_c_state(kind) else ()
        return "object", self._token(kind), *extra, base, self._items(values), self._each(inner)

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


def token(item: Any, what: str = "the model") -> Hashable:
    """Return what `Tokens.of` does, of an item without a model."""
    return Tokens().of(item, what)


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
    return not isinstance(value, type) and not is_library(home_of(type(value)))
