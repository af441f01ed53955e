"""The numbers that layers draw are the same, however many of them are drawn at once."""

import keras
import numpy as np
import pytest

from tests.help.native import Group, small_table
from trainables.native import draws as module

layers = keras.layers


def build(rate):
    inputs = keras.Input((3,))
    x = layers.Dropout(0.3)(layers.Dense(5, "tanh")(inputs))
    x = layers.GaussianNoise(0.1)(layers.Dense(3)(x))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(rate), "mse")
    return model


@pytest.fixture(scope="module")
def group():
    return Group(f"{__file__}:build", {"rate": np.linspace(0.001, 0.03, 40).tolist()}, small_table())


@pytest.mark.parametrize(("most", "steps"), [(1, 1), (16 * 8 * 2, 2), (16 * 8 * 3 + 1, 3)])
def test_an_epoch_that_draws_few_numbers_at_once_has_the_same_bits(group, together, monkeypatch, most, steps):
    """Its 56 rows are four batches of 16, of which each row takes 8 numbers."""
    monkeypatch.setattr(module, "MOST_DRAWN", most)
    program = group.program()
    draws = program._draws(56)
    assert draws.most_steps == steps
    assert [len(one) for one in draws.of(1, 2)] == [16, 16]
    assert sum(one.base.size if one.base is not None else one.size for one in draws.of(1, 2)) == 16 * 8
    found = group.trained(program=program)
    for name, array in together.arrays().items():
        np.testing.assert_array_equal(found.arrays()[name], array)


def test_an_epoch_of_few_numbers_is_drawn_once(group):
    draws = group.program()._draws(56)
    first, last = draws.of(0, 1), draws.of(3, 4)
    assert [one.shape for one in first] == [(16, 5), (16, 3)] and [one.shape for one in last] == [
        (8, 5),
        (8, 3),
    ]
    assert all(a.base is b.base and a.base is not None for a, b in zip(first, last, strict=True))
