"""Makes a digest of everything that a function without a file reads, even what its source does not show.

That is what the fused engine compares models by: code, closures, defaults, attributes of objects and classes, functions in
containers, and the globals of all of these, also in the modules that the user wrote. The texts of these modules count, too,
because a worker imports them anew. Nothing counts that differs from one process to the next, or that a call of the function
leaves behind in libraries: names and seeds that Keras draws, caches of pandas, modules that are loaded only then.

This file imports Keras, so `sweep.python.function` imports it only when it is needed.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import types
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any

import keras
import pandas as pd

from sweep.plan.fingerprint import program_of
from trainables.builder.modules import sources_in
from trainables.fused.model.code import is_library, names_in
from trainables.fused.model.code_tokens import full_name, reads_whole_module
from trainables.fused.model.tokens import Tokens
from trainables.fused.model.values import UnreadableError, attributes_of
from trainables.kept_results import CACHED

_CACHES = frozenset({"__slotnames__"})
"""Attributes of classes that pickling leaves behind."""

_SETTINGS = frozenset({"_trainable", "_dtype_policy", "activity_regularizer"})
"""Attributes of Keras that have an effect, among those that every layer has."""


def digest_of(function: Callable[..., Any]) -> str | None:
    """Return SHA-256 of the content of a function, in hexadecimal; None if it has no content that can be compared.

    It is the same in another process with the same version of Python.
    """
    contents, inner = _Contents(), function
    while isinstance(inner, functools.partial):
        inner = inner.func
    try:
        token = contents.of(function, "the function")
        texts = contents.texts(getattr(inner, "__module__", None))
    except Exception:  # whatever the methods of the user's values raise
        return None
    return hashlib.sha256(repr((token, texts)).encode()).hexdigest()


class _Contents(Tokens):
    """Tokens that are equal in every process.

    Attributes:
        loaded: the user's modules of which something was read.
        late: the modules that functions import when they are called.
    """

    def __init__(self) -> None:
        super().__init__()
        self.loaded: set[str] = set()
        self.late: set[str] = set()

    def texts(self, home: str | None) -> list[tuple[str, str]]:
        """Return the programs of the user's modules but `home`, which is pickled itself, by name."""
        found = sources_in(self.late - {home}, Path.cwd())
        for name in sorted(self.loaded - {home, "__main__"}):
            file = getattr(sys.modules.get(name), "__file__", None)
            if file is not None:
                path = Path(file)
                folder = path.parents[name.count(".") + (path.name == "__init__.py")]
                found |= sources_in([name], folder)
        return [(name, program_of(text)) for name, text in sorted(found.items())]

    def _content(self, item: Any) -> tuple[Hashable, ...]:
        kind = type(item)
        if isinstance(item, types.ModuleType | type | types.FunctionType):
            name = item.__name__ if isinstance(item, types.ModuleType) else item.__module__
            if not is_library(name):
                self.loaded.add(name)
        if isinstance(item, type) and _is_functional(
            item
        ):  # Keras puts it in the place of `Model` among the bases of a class that was called
            return "class", keras.Model.__module__, keras.Model.__qualname__
        if isinstance(item, pd.DataFrame | pd.Series | pd.Index):
            return self._frame(item)
        if isinstance(item, keras.random.SeedGenerator):
            return "random", self._config(item.get_config())
        if isinstance(item, CACHED):  # a worker calls it anew, so what it has kept here does not count
            return "cached", self._token(item.__wrapped__)
        of_library = is_library(kind.__module__)
        if of_library and isinstance(item, keras.initializers.Initializer):
            return "initializer", self._token(kind), self._config(item.get_config())
        if isinstance(item, keras.layers.Layer):
            return "layer", self._token(kind), self._each(item.weights), self._layer(item, of_library)
        try:
            return super()._content(item)
        except UnreadableError as error:
            return "unreadable", str(error)

    def _layer(self, item: keras.layers.Layer, of_library: bool) -> Hashable:
        """Return the content of a layer but for its weights."""
        if of_library:
            return self._of_keras(item)
        is_model = isinstance(item, keras.Model)
        # With a name, because Keras would count up the one that it gives.
        plain = keras.Model(name="plain") if is_model else keras.layers.Layer(name="plain")
        of_keras = vars(plain).keys() - _SETTINGS
        values = {
            name: value
            for name, value in attributes_of(item).items()
            if name not in of_keras
            and not (is_model and name.startswith("_"))  # which have the nodes of its graph
        }
        return self._items(values), self._each(item.layers) if is_model else ()

    def _frame(self, item: pd.DataFrame | pd.Series | pd.Index) -> tuple[Hashable, ...]:
        """Return the content of a frame without what pandas keeps beside it."""
        if isinstance(item, pd.DataFrame):
            columns = tuple(self._frame(item.iloc[:, n]) for n in range(item.shape[1]))
            return "frame", self._frame(item.columns), self._frame(item.index), columns
        if isinstance(item, pd.MultiIndex):
            return "index", self._token(list(item.names)), self._token(item.tolist())
        more: list[Hashable] = [self._token(item.name), str(item.dtype)]
        if isinstance(item.dtype, pd.CategoricalDtype):
            more += [self._token(item.dtype.categories.tolist()), item.dtype.ordered]
        if isinstance(item, pd.Series):
            more.append(self._frame(item.index))
        try:
            hashes = pd.util.hash_pandas_object(item, index=False).to_numpy()
        except TypeError:  # values such as lists
            return "column", *more, self._token(item.tolist())
        return "column", *more, hashlib.sha256(hashes.tobytes()).hexdigest()

    def _items(self, items: Mapping[Any, Any]) -> Hashable:
        kept = {k: value for k, value in items.items() if not (isinstance(k, str) and k in _CACHES)}
        return super()._items(kept)

    def _globals(self, function: types.FunctionType) -> Hashable:
        """Return tokens of the globals that a function names; of what it imports, only the texts count."""
        names = names_in(function.__code__)
        known = function.__globals__
        self.late.update(one for name in names.imports if (one := full_name(name, known)) is not None)
        found: list[Hashable] = [
            (name, self._chains(name, known[name], chains)) for name, chains in names.chains if name in known
        ]
        if reads_whole_module(function):
            found.append(self._every(known))
        return tuple(found)

    def _config(self, value: Any) -> Hashable:
        if isinstance(value, Mapping):  # names are counted up in a session
            kept = sorted(
                ((str(k), one) for k, one in value.items() if k != "name"), key=lambda pair: pair[0]
            )
            return tuple((key, self._config(one)) for key, one in kept)
        return super()._config(value)


def _is_functional(kind: type) -> bool:
    return kind.__qualname__ == "Functional" and kind.__module__.startswith("keras.")
