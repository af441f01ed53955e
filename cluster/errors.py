"""The error of this package for users: its message alone says what is wrong and how to fix it."""

from __future__ import annotations


class ClusterError(ValueError):
    """A cluster cannot be used as requested; the message says which one, why, and what to do."""
