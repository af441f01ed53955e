"""Walks through what a part of a model holds, and makes a token of each thing, by content."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping
from typing import Any

import keras

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.model.code import digest
from trainables.fused.model.values import PLAIN, UnreadableError


class Walk:
    """Makes a token of each item that it meets once. A subclass says what the content of an item is.

    Args:
        own: by id, tokens for objects that are described elsewhere, such as the model's own layers and variables.
        closed: ids of the optimizer and its variables, which only the optimizer may read: a program keeps each lane's
            apart from the model.
    """

    def __init__(self, own: Mapping[int, Hashable] | None = None, closed: Collection[int] = ()) -> None:
        self._own, self._closed = own or {}, closed
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

    def _items(self, items: Mapping[Any, Any]) -> Hashable:
        return tuple((self._token(key), self._named(key, value)) for key, value in items.items())

    def _content(self, item: Any) -> tuple[Hashable, ...]:
        """Return the kind and the content of an item that is not plain."""
        raise NotImplementedError

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
