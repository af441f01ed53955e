"""Reads a run's folder and analyses its rows: `results.open(folder)`. This needs neither Ray nor TensorFlow.

The names are imported when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from results.analysis import curves, importance, leaderboard
    from results.run import Run, open

__all__ = ["Run", "curves", "importance", "leaderboard", "open"]

_HOME = {"Run": "results.run", "open": "results.run"}
_MODULES = {name: f"results.analysis.{name}" for name in ("curves", "importance", "leaderboard")}


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(_MODULES[name])
    if name not in _HOME:
        raise AttributeError(f"module 'results' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
