"""Points as codes, against what Python's own dictionaries find in their configurations."""

import json

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from results.space import Space
from trainables.fused.compose.points import Column, Points, numbered

VALUES = st.lists(st.sampled_from([1, 1.0, "1", None, True, [1], [1, 2], 0.5, "a"]), min_size=1, max_size=4)


@st.composite
def some_points(draw):
    axes = draw(st.dictionaries(st.sampled_from("abcd"), VALUES, min_size=1, max_size=4))
    axes = {name: list({json.dumps(v): v for v in values}.values()) for name, values in axes.items()}
    space = Space(axes)
    idx = draw(st.lists(st.integers(0, len(space) - 1), min_size=1, max_size=12))
    names = draw(st.lists(st.sampled_from(sorted(axes)), unique=True))
    return space, idx, names


@given(some_points())
def test_combinations_are_those_of_the_configurations_in_the_order_of_the_points(case):
    space, idx, names = case
    points = Points.of(space, idx)
    assert [points.config(row) for row in range(len(points))] == [space[one] for one in idx]
    picked = [json.dumps([space[one][name] for name in names]) for one in idx]
    order = list(dict.fromkeys(picked))
    found = points.combinations(names)
    assert found.of_point.tolist() == [order.index(label) for label in picked]
    assert found.first.tolist() == [picked.index(label) for label in order]
    assert points.varying(names) == [n for n in names if len({json.dumps(space[i][n]) for i in idx}) > 1]


@given(some_points(), st.integers(0, 11), st.integers(0, 11))
def test_rows_that_are_alike_but_for_one_axis_are_found(case, row, other):
    space, idx, _ = case
    row, other, name = row % len(idx), other % len(idx), space.names[0]
    wanted = {**space[idx[row]], name: space[idx[other]][name]}
    alike = [i for i, one in enumerate(idx) if json.dumps(space[one]) == json.dumps(wanted)]
    assert Points.of(space, idx).like(row, space.names, other, name).tolist() == alike


def test_a_value_that_is_handed_out_can_be_changed():
    points = Points.of(Space({"hidden": [[8, [4]]]}), [0, 0])
    points.value(0, "hidden").append(2)
    points.value(0, "hidden")[1].pop()
    assert points.value(1, "hidden") == [8, [4]]


def test_a_column_has_a_row_for_each_point():
    column = Column([5.0, 7.0], numbered(np.array([3, 9, 3])))
    assert column[1] == 7.0 and column.to_array(np.array).tolist() == [5.0, 7.0, 5.0]
