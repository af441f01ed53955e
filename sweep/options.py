"""What several commands share: arguments, options, and how bad input is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import click

from results.place import place


class InputError(ValueError):
    """An argument of a command cannot be used."""


@contextlib.contextmanager
def told() -> Iterator[None]:
    """Let a `ValueError` from inside be told as bad input: its message is all that the user needs.

    Raises:
        InputError: in place of it.
    """
    try:
        yield
    except ValueError as error:
        raise InputError(str(error)) from None


class Location(click.ParamType):
    """A path, or the URI of a folder on an object store."""

    name = "path"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the place; of what is none, say why."""
        try:
            return place(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


FOLDER = click.argument("folder", metavar="DIR", type=Location())
JSON = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
DESCENDING = click.option("--descending", is_flag=True, help="A higher value is better.")
WHERE = click.option(
    "--where",
    metavar="CONDITION",
    help="Only points like 'activation == \"relu\" and params < 200'; columns compared, joined by and, or, not.",
)
