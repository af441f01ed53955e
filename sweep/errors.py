"""The errors of this package that a user can mend: each prints as one message, without a traceback.

SweepError
    PlanError (ValueError)         a plan cannot be run
    InputError (ValueError)        an argument of a command cannot be used
    UntrustedError (ValueError)    a builder may not run without the user's consent
    ExportError (ValueError)       a model cannot be written to this file in this format

Each is also a built-in error of Python, so that a program that uses this package as a library need not know these
classes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator


class SweepError(Exception):
    """The user can mend this: something is wrong with a plan or a command. The message says what, and how to mend it."""


class InputError(SweepError, ValueError):
    """An argument of a command cannot be used."""


@contextlib.contextmanager
def as_input_error() -> Iterator[None]:
    """Turn a `ValueError` that is raised inside a `with` block into an `InputError`.

    Raises:
        InputError: the code inside raised a `ValueError`.
    """
    try:
        yield
    except ValueError as error:
        raise InputError(str(error)) from None
