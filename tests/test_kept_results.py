"""Tests that the results that a function keeps are found."""

import functools

import pytest

from trainables.kept_results import results_of


@pytest.mark.parametrize("size", [None, 8])
def test_the_results_of_a_function_that_keeps_them_are_read(size):
    kept = functools.lru_cache(size)(lambda key: {"key": key})
    assert {"key": 1, "more": 2} not in results_of(kept)
    kept(1)["more"] = 2
    assert {"key": 1, "more": 2} in results_of(kept)
