"""The base class of this package's errors that a user can correct by reading the message.

TrainablesError
    BuilderError (ValueError)      the builder cannot be found or called
    DataError (ValueError)         the table cannot be used
    NoKernelError (RuntimeError)   this machine cannot run the native kernel

Each is also a built-in error of Python. So code that uses this package as a library need not know these classes.
"""

from __future__ import annotations


class TrainablesError(Exception):
    """The user can correct something about the builder, the table or the set-up; the message says what, and how."""
