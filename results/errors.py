"""The base of this package's errors whose message is all that a user needs.

ResultsError
    FolderError (OSError)             a run's folder cannot be read or written
        UnreachableError              its store does not answer
    HeldError (RuntimeError)          another run holds the folder
    DamagedError (ValueError)         the bytes of a file have changed
    ExpressionError (ValueError)      a condition on rows cannot be used
    NoGridError (ValueError)          rows are no full factorial

Each is also an error of Python, so that who calls this package as a library need not know these classes.
"""

from __future__ import annotations


class ResultsError(Exception):
    """Something about a run's results that the user can put right; the message says what it is and how."""
