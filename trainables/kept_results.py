"""Reads the results that functions with `functools.lru_cache` or `functools.cache` keep."""

from __future__ import annotations

import functools
import gc
from typing import Any

CACHED = type(functools.lru_cache(len))
"""The class of functions that keep their results."""

_LINK = "_lru_list_elem"
"""The class of the links between the results of a cache with a limit."""


def results_of(function: Any) -> list[Any]:
    """Return the results, and maybe the arguments, that `functools.lru_cache` or `functools.cache` keeps for a function."""
    referents = [one for one in gc.get_referents(function) if one is not vars(function)]
    if function.cache_parameters()["maxsize"] is None:
        return [one for cache in referents if type(cache) is dict for one in cache.values()]
    # With a limit, the wrapper names the results itself, beside a dictionary of links between them.
    links = [
        one for one in referents if type(one) is dict and _LINK in {type(v).__name__ for v in one.values()}
    ]
    apart = {id(one) for one in (*links, function.__wrapped__)}
    return [one for one in referents if id(one) not in apart and not isinstance(one, type)]
