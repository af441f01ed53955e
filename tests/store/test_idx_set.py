"""The set of points against Python's own set."""

import hypothesis.strategies as st
import numpy as np
from hypothesis import given

from results.store.idx_set import IdxSet

POINTS = st.lists(st.integers(0, 30), max_size=20)


@given(first=POINTS, added=st.lists(POINTS, max_size=4), asked=st.lists(st.integers(-1, 31), max_size=20))
def test_it_has_what_a_set_has(first, added, asked):
    made, expected = IdxSet(np.array(first, np.int64)), set(first)
    for more in added:
        made.add(np.array(more, np.int64))
        expected |= set(more)
    assert len(made) == len(expected) and made.to_array().tolist() == sorted(expected)
    assert made.has(np.array(asked, np.int64)).tolist() == [idx in expected for idx in asked]
    assert [idx in made for idx in asked] == [idx in expected for idx in asked]


def test_without_points_it_is_empty():
    assert len(IdxSet()) == 0 and 0 not in IdxSet() and IdxSet().to_array().dtype == np.int64
