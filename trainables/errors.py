"""The base of this package's errors whose message is all that a user needs.

TrainablesError
    BuilderError (ValueError)    the builder cannot be found or called
    DataError (ValueError)       the table cannot be used

Each is also an error of Python, so that who calls this package as a library need not know these classes.
"""

from __future__ import annotations


class TrainablesError(Exception):
    """Something about the builder or the table that the user can put right; the message says what it is and how."""
