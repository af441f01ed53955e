"""The base of this package's errors whose message is all that a user needs.

SweepError
    PlanError (ValueError)         a plan cannot be run
    InputError (ValueError)        an argument of a command cannot be used
    UntrustedError (ValueError)    a builder may not be run unasked
    ExportError (ValueError)       a model cannot be written as asked

Each is also an error of Python, so that who calls this package as a library need not know these classes.
"""

from __future__ import annotations


class SweepError(Exception):
    """Something about a plan or a command that the user can put right; the message says what it is and how."""


class InputError(SweepError, ValueError):
    """An argument of a command cannot be used."""
