"""The arrays of several inputs and targets in one array."""

import numpy as np
import pytest
import tensorflow as tf

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.program.rows import Rows

CHANCE = np.random.default_rng(0)
X = {name: CHANCE.normal(size=(5, *shape)).astype("float32") for name, shape in
     {"z": (3,), "flat": (), "a": (2, 1, 2)}.items()}  # fmt: skip
Y = CHANCE.normal(size=5).astype("float32"), CHANCE.normal(size=(5, 3)).astype("float32")


def test_taken_apart_they_are_as_they_were():
    rows = Rows.of(X, Y)
    packed = rows.packed(X, Y)
    assert [(array.shape, array.dtype) for array in packed] == [((5, 8), "float32"), ((5, 4), "float32")]
    for made in (packed, tuple(map(tf.constant, packed))):
        x, y = rows.unpacked(*made)
        assert list(x) == list(X) and isinstance(y, tuple)
        for found, given in zip([*x.values(), *y], [*X.values(), *Y], strict=True):
            np.testing.assert_array_equal(found, given, strict=True)


def test_one_array_stays_the_same_one():
    rows = Rows.of(Y[1], Y[0])
    assert rows == Rows()
    assert rows.packed(Y[1], Y[0])[0] is Y[1] and rows.unpacked(Y[1], Y[0])[1] is Y[0]


def test_other_types_are_refused():
    """A float32 has no room for each whole number beyond 2**24."""
    x = {"id": np.array([2**24 + 1, 3], "int32"), "number": np.ones((2, 3), "float32")}
    with pytest.raises(UnfusableError, match="an input is of the type int32, and a program takes float32"):
        Rows.of(x, np.ones(2, "float32"))
