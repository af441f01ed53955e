"""Counts as they may be late in training."""

import numpy as np
import pytest

from trainables.fused.program.late import CHANGES, FURTHER, LATE, fallen, later


@pytest.mark.parametrize("dtype", ["float32", "int8", "int64", "uint8", "bool"])
def test_a_late_count_keeps_its_kind_and_shape(dtype):
    for change in (*CHANGES, *FURTHER):
        for count in (np.zeros((), dtype), np.zeros(1, dtype)):
            found = change(count)
            assert found.dtype == count.dtype and found.shape == count.shape


def test_counts_grow_and_fall():
    count = np.array(1.0, "float32")
    assert later(count) == 1.0 + LATE and fallen(count) == np.float32(1e-3)
    assert later(np.array(True)) == fallen(np.array(True)) == False  # noqa: E712
    assert later(np.array(3, "int32"), 1e5) == 100_003
    assert later(np.array(3, "int8"), 1e6) == 63 and later(np.array(3, "uint8"), -LATE) == 0


def test_a_proof_begins_with_the_plain_late_state():
    assert CHANGES[0] is later and later not in FURTHER
