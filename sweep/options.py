"""What several commands share: arguments, options, and how bad input is told."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import click


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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Print nothing meanwhile: TensorFlow logs from C++ when it starts, and no setting silences all of it."""
    from sweep.progress import noise_to

    with noise_to(Path(os.devnull)):
        yield


def printable(text: str) -> str:
    """Return `text` with nothing in it that a terminal would obey: names and values come from files."""
    return "".join(character if character.isprintable() else "?" for character in text)


FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
DESCENDING = click.option("--descending", is_flag=True, help="A higher value is better.")
WHERE = click.option(
    "--where",
    metavar="CONDITION",
    help="Only points like 'activation == \"relu\" and params < 200'; columns compared, joined by and, or, not.",
)
