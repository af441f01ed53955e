"""The errors of a run's folder."""

from __future__ import annotations

from results.errors import ResultsError


class FolderError(ResultsError, OSError):
    """The folder cannot be read or written; the message names the path and the remedy."""


class UnreachableError(FolderError):
    """The store did not answer within the time limit."""


class HeldError(ResultsError, RuntimeError):
    """Another run holds the folder; the message names its process, its machine and when it began."""
