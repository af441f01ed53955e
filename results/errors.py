"""The base class of this package's errors for users: the message alone says what is wrong and how to fix it.

ResultsError
    FolderError (OSError)             a run's folder cannot be read or written
        UnreachableError              its store does not answer
    HeldError (RuntimeError)          another run holds the folder
    DamagedError (ValueError)         the bytes of a file have changed
    ConditionError (ValueError)       a condition on rows cannot be used
    NoGridError (ValueError)          rows are not a full factorial
    UnknownModeError (ValueError)     whether a lower or a higher objective is better is not known

Each also has a built-in exception as its base, so code that uses this package as a library need not know these classes.
"""

from __future__ import annotations


class ResultsError(Exception):
    """An error that the user can fix; the message says what is wrong and how to fix it."""
