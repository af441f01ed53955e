"""The order of the rows in an epoch depends on the seed and the epoch alone."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from trainables.table.order import row_order


@given(st.integers(0, 2**32 - 1), st.integers(0, 500), st.integers(1, 300))
def test_an_order_is_a_permutation_of_seed_and_epoch_alone(seed, epoch, rows):
    order = row_order(seed, epoch, rows)
    assert order.dtype == np.int64 and sorted(order) == list(range(rows))
    np.testing.assert_array_equal(order, row_order(seed, epoch, rows))


def test_epochs_and_seeds_have_orders_of_their_own():
    orders = {tuple(row_order(seed, epoch, 50)) for seed in range(5) for epoch in range(20)}
    assert len(orders) == 100


def test_an_order_is_written_down():
    # It must be the same on every machine and in every version, or stored points could not be compared.
    assert row_order(3, 7, 8).tolist() == [1, 2, 7, 4, 0, 3, 5, 6]
