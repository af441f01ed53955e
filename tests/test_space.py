"""The points of a space are numbered as by scikit-learn's ParameterGrid, without listing them."""

import tracemalloc

import hypothesis.strategies as st
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from sklearn.model_selection import ParameterGrid

from results.space import Axis, Space, number_in_grid, repeat_of

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-10, 10)
    | st.floats(allow_nan=False, width=32)
    | st.text(max_size=5)
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3)
NAMES = st.text("abcXYZ_", min_size=1, max_size=4)
SPACES = st.dictionaries(NAMES, st.lists(VALUES, min_size=1, max_size=4), min_size=1, max_size=5)


def exactly(config: dict) -> str:
    return repr(sorted(config.items()))  # 1, 1.0 and True differ here, as they do for a builder


@given(SPACES)
def test_order_is_parameter_grids(axes):
    space = Space(axes)
    assert [exactly(config) for config in space] == [exactly(config) for config in ParameterGrid(axes)]
    assert len(space) == len(ParameterGrid(axes))


@given(SPACES, st.data())
def test_index_is_the_way_back(axes, data):
    axes = {name: list({repr(value): value for value in values}.values()) for name, values in axes.items()}
    space = Space(axes)
    idx = data.draw(st.integers(0, len(space) - 1))
    assert space.index(space[idx]) == idx
    assert exactly(space[idx]) == exactly(ParameterGrid(axes)[idx])


def test_equal_values_of_other_types_are_other_points():
    space = Space({"a": [1, 1.0, True, "1"]})
    assert [space.index({"a": value}) for value in (1, 1.0, True, "1")] == [0, 1, 2, 3]


def test_a_large_space_is_never_listed():
    tracemalloc.start()
    space = Space({"a": range(10**4), "b": list(range(1000)), "c": [None]})
    found = space[9_999_999], space.index({"a": 5, "b": 7, "c": None}), len(space)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == ({"a": 9999, "b": 999, "c": None}, 5007, 10**7)
    assert peak < 2**20  # bytes; a list of the points would take gigabytes


def test_a_point_is_a_copy():
    space = Space({"hidden": [[8, [4]]]})
    space[0]["hidden"].append(2)
    space[0]["hidden"][1].pop()
    assert space[0] == {"hidden": [8, [4]]}


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"rate": []}, 'Axis "rate" got values=[], but needs at least one'),
        ({"rate": 0.1}, "needs a list of values"),
        ({"rate": "relu"}, "needs a list of values"),
        ({"rate": [float("nan")]}, "NaN"),
        ({"rate": [{"a": 1}]}, "of type dict"),
        ({"rate": [b"x"]}, "of type bytes"),
        ({"not a name": [1]}, "is not the name of an argument"),
        ({}, "has no axis"),
        ([Axis("a", [1]), Axis("a", [2])], 'two axes "a"'),
        ({name: range(100) for name in "abcdefghijk"}, "1.0e+22 points"),
    ],
)
def test_what_cannot_be_a_space_is_refused(axes, message):
    with pytest.raises(ValueError) as error:
        Space(axes)
    assert message in str(error.value)


@pytest.mark.parametrize("idx", [-1, 2, 10**9, 2**70])
def test_an_idx_outside_is_refused(idx):
    with pytest.raises(IndexError, match="0 to 1"):
        Space({"a": [1, 2]})[idx]


@pytest.mark.parametrize("config", [{}, {"a": 3}, {"a": 1, "b": 1}])
def test_a_config_outside_is_refused(config):
    with pytest.raises(ValueError):
        Space({"a": [1, 2]}).index(config)


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.data())
def test_codes_are_the_places_of_the_values_on_their_axes(sizes, data):
    space = Space({f"a{i}": list(range(size)) for i, size in enumerate(sizes)})
    idx = data.draw(st.lists(st.integers(0, len(space) - 1), max_size=9))
    found = space.codes(np.array(idx, np.int64))
    assert found.tolist() == [[space[one][name] for name in space.names] for one in idx]


@pytest.mark.parametrize("idx", [-1, 6])
def test_a_point_outside_the_space_has_no_codes(idx):
    with pytest.raises(IndexError, match="points 0 to 5"):
        Space({"a": [1, 2], "b": [1, 2, 3]}).codes(np.array([0, idx]))


def test_a_point_has_a_number_in_the_grid_and_a_repeat():
    space = Space({"a": [1, 2], "b": [[3], [4], [5]]}, repeats=3)
    idx = np.array([0, 5, 6, 17])
    assert space.number_in_grid(idx).tolist() == [0, 5, 0, 5] and space.repeat(idx).tolist() == [0, 0, 1, 2]
    assert [space[one] for one in idx] == [{"a": 1, "b": [3]}, {"a": 2, "b": [5]}] * 2
    series = pd.Series(idx, index=list("wxyz"))
    assert number_in_grid(series, space.grid).to_dict() == {"w": 0, "x": 5, "y": 0, "z": 5}
    assert repeat_of(series, space.grid).to_dict() == {"w": 0, "x": 0, "y": 1, "z": 2}
