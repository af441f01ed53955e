"""Numbers that stand for those of all lanes."""

import keras
import numpy as np
import pytest

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.lifted import Lifted


def test_a_lifted_number_answers_for_all_lanes_or_refuses():
    number = Lifted(keras.ops.convert_to_tensor(0.5))
    assert number > 0 and number != 0 and not number < 0 and bool(number)
    assert float(1 - number) == float(number * 1) == 0.5 and float(number**2) == 0.25
    assert float(keras.ops.cast(number, "float32")) == np.float32(0.5)
    with pytest.raises(UnfusableError):
        _ = number > 0.4
