"""Sweep whole hyper-parameter grids of Keras models on Ray Tune: `from sweep import Plan, Space, run`.

The names are imported when first used, so that reading results loads neither Ray nor TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from results.space import Space
    from sweep.driver.runner import run
    from sweep.plan.plan import Plan
    from sweep.python.estimator import KerasSweepClassifier, KerasSweepRegressor
    from sweep.python.search import search

__all__ = ["KerasSweepClassifier", "KerasSweepRegressor", "Plan", "Space", "run", "search"]

_HOME = {
    "KerasSweepClassifier": "sweep.python.estimator",
    "KerasSweepRegressor": "sweep.python.estimator",
    "Plan": "sweep.plan.plan",
    "Space": "results.space",
    "run": "sweep.driver.runner",
    "search": "sweep.python.search",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sweep' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
