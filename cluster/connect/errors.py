"""What can be wrong with a cluster that a user can mend."""

from __future__ import annotations


class ClusterError(ValueError):
    """A cluster cannot be used as asked; the message says which, why, and what to do."""
