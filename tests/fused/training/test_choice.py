"""The members that a proof trains show the optimizers, the activations and the values of the axes."""

import itertools

import numpy as np
import pytest

from trainables.fused.training import choice


def test_every_optimizer_and_variant_that_is_not_proven_has_a_member():
    optimizer, variant = np.array([0, 0, 1, 1, 2, 2]), np.array([0, 1, 0, 1, 0, 1])
    nothing, alike = np.zeros(6, bool), np.zeros((6, 2), int)
    rows, more = choice.chosen(optimizer, variant, alike, nothing, 0)
    assert set(optimizer[rows]) == {0, 1, 2} and set(variant[rows]) == {0, 1} and len(rows) == 3 and not more
    assert len(choice.chosen(np.full(6, -1), np.full(6, -1), alike, nothing, 0)[0]) == 1
    assert choice.chosen(np.full(6, -1), np.full(6, -1), alike, np.arange(6) == 4, 0) == ([4], [])


@pytest.mark.parametrize("sizes", [(2, 2, 2, 2), (3, 1, 2), (2, 40), (5, 5, 5)])
def test_further_members_show_other_values_of_the_axes(sizes):
    codes = np.array(list(itertools.product(*map(range, sizes))))
    nothing, proven = np.zeros(len(codes), bool), np.full(len(codes), -1)
    rows, more = choice.chosen(proven, proven, codes, nothing, 0)
    assert len(rows) == 1 and 1 <= len(more) <= min(choice.MOST_MORE, 1 + len(codes) // choice.MORE)
    assert all(
        (codes[more[0], axis] != codes[rows[0], axis]) == (size > 1) for axis, size in enumerate(sizes)
    )
    for axis in range(len(sizes)):
        values = codes[rows + more, axis]
        assert len(set(values)) >= min(sizes[axis], len(values))
