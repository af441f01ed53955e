"""Cases of one test of which only some run each time; the others of the same kind are slow."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

import pytest


def slow_but(often: Collection[Any], values: Iterable[Any]) -> list[Any]:
    """Return the values of a parameter of a test. Those in `often` run each time; the others are marked slow.

    Raises:
        ValueError: one of `often` is none of the values.
    """
    values = list(values)
    if unknown := [value for value in often if value not in values]:
        raise ValueError(f"{unknown} are none of {values}.")
    return [value if value in often else pytest.param(value, marks=pytest.mark.slow) for value in values]
