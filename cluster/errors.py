"""The error of this package whose message is all that a user needs."""

from __future__ import annotations


class ClusterError(ValueError):
    """A cluster cannot be used as asked; the message says which, why, and what to do."""
