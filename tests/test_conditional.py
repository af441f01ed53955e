"""Conditional axes against a plain loop over ParameterGrid, whose conditions Python evaluates."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.model_selection import ParameterGrid

from results.conditional import OnlyError
from results.space import Space

LAYERS = {"layers": [1, 2, 3], "width_2": [4, 8], "width_3": [2, 4]}
DEEPER = {"width_2": "layers >= 2", "width_3": "layers >= 3"}
CONDITIONS = {  # each with the axes that it names, and its value in Python
    "a >= 2": ("a", lambda p: p["a"] >= 2),
    "a in [1, 3] and b == 'x'": ("ab", lambda p: p["a"] in (1, 3) and p["b"] == "x"),
    "not (c != 0.5)": ("c", lambda p: p["c"] == 0.5),
    "1 < a <= 3 or d": ("ad", lambda p: 1 < p["a"] <= 3 or p["d"]),
    "e == None": ("e", lambda p: p["e"] is None),
    "e == [8, 4] or 'x' != b": ("be", lambda p: p["e"] == [8, 4] or p["b"] != "x"),
    "a > c": ("ac", lambda p: p["a"] > p["c"]),
    "c < 2.5 and not d": ("cd", lambda p: p["c"] < 2.5 and not p["d"]),
}
AXES = {
    "a": [1, 2, 3],
    "b": ["x", "y"],
    "c": [0.5, 2, 5],
    "d": [False, True],
    "e": [None, [8, 4]],
}


def acting_by_hand(point, only):
    """The axes that act at a point; a condition does not hold if it names an axis that does not act."""

    def acts(name):
        if name not in only:
            return True
        named, holds = CONDITIONS[only[name]]
        return all(map(acts, named)) and bool(holds(point))

    return [acts(name) for name in sorted(point)]


@st.composite
def spaces(draw):
    """A space, and conditions that name earlier axes of a random order, so that there is no circle."""
    order = draw(st.permutations(sorted(AXES)))
    only = {}
    for place, name in enumerate(order):
        fitting = [c for c, (named, _) in CONDITIONS.items() if set(named) <= set(order[:place])]
        # `or` with an axis that does not act is tested by itself.
        fitting = [c for c in fitting if " or " not in c or not set(CONDITIONS[c][0]) & set(only)]
        if fitting and draw(st.booleans()):
            only[name] = draw(st.sampled_from(fitting))
    return Space({name: AXES[name] for name in draw(st.permutations(sorted(AXES)))}, only)


@settings(max_examples=60)
@given(spaces())
def test_points_are_the_same_as_by_hand(space):
    every = np.arange(len(space))
    grid = list(ParameterGrid(AXES))
    acting = [acting_by_hand(point, space.only) for point in grid]
    assert space.acting(every).tolist() == acting
    seen = [
        tuple(repr(point[name]) if acts else "" for name, acts in zip(sorted(point), of_point, strict=True))
        for point, of_point in zip(grid, acting, strict=True)
    ]
    first = {}
    for idx, what in enumerate(
        seen
    ):  # the first of equal points has the first value of each axis that does not act
        first.setdefault(what, idx)
    assert space.standing_for(every).tolist() == [first[what] for what in seen]
    assert space.different == len(first)
    found = space.nth(np.arange(space.different))
    assert sorted(found.tolist()) == sorted(first.values())
    assert space.numbers(found).tolist() == list(range(space.different))
    assert (space.numbers(every) >= 0).tolist() == [first[what] == idx for idx, what in enumerate(seen)]


def test_the_case_of_layers_has_seven_points():
    space = Space(LAYERS, DEEPER)
    assert (len(space), space.different) == (12, 7)
    assert sorted(space.nth(np.arange(7))) == [0, 4, 6, 8, 9, 10, 11]
    assert [space.shown(idx) for idx in (0, 6, 11)] == [
        {"layers": 1},
        {"layers": 2, "width_2": 8},
        {"layers": 3, "width_2": 8, "width_3": 4},
    ]
    assert repr(space).startswith("Space(12 points, 7 of them different:")
    assert space != Space(LAYERS) and Space(LAYERS).different == 12


@pytest.mark.parametrize(
    ("condition", "widths"),
    [
        ("width_2 > 4", [(2, 8)]),
        ("not width_2 > 4", [(2, 4)]),  # with one layer, the comparison is neither true nor false
        ("layers == 1 or width_2 > 4", [(1, 4), (1, 8), (2, 8)]),
        ("layers == 2 and width_2 != 5", [(2, 4), (2, 8)]),
    ],
)
def test_a_comparison_with_an_axis_that_does_not_act_is_neither_true_nor_false(condition, widths):
    space = Space(
        {"layers": [1, 2], "width_2": [4, 8], "z": [0, 1]}, {"width_2": "layers > 1", "z": condition}
    )
    acts = space.acting(np.arange(len(space)))[:, 2]
    assert sorted({(space[i]["layers"], space[i]["width_2"]) for i in np.flatnonzero(acts)}) == widths


def test_an_immense_space_is_never_listed():
    branches = {f"p{branch}{number}": range(500) for branch in range(2) for number in range(3)}
    only = {name: f"kind == {int(name[1])}" for name in branches}
    tracemalloc.start()
    space = Space({"kind": [0, 1, 2], "rate": range(9), **branches}, only)
    some = np.linspace(0, space.different - 1, 1000).astype(np.int64)
    assert space.numbers(space.nth(some)).tolist() == some.tolist()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(space) == 27 * 500**6
    assert space.different == 9 * (1 + 2 * 500**3)
    assert peak < 2**22  # bytes


@pytest.mark.parametrize(
    ("only", "faults"),
    [
        ({"width_4": "layers > 1"}, {"width_4": '"width_4", which is no axis. Did you mean "width_'}),
        ({"width_2": "layer > 1"}, {"width_2": 'names "layer", which is no axis. Did you mean "layers"?'}),
        ({"width_2": "layers >"}, {"width_2": "cannot be read"}),
        ({"width_2": "layers + 1 > 2"}, {"width_2": "has 'layers + 1'"}),
        ({"width_2": "__import__('os')"}, {"width_2": "__import__"}),
        ({"width_2": "layers == '2'"}, {"width_2": "with '2', but this axis has [1, 2, 3]"}),
        ({"width_2": "layers == True"}, {"width_2": "with True, but"}),
        ({"width_2": "layers in 3"}, {"width_2": "has '3'"}),
        ({"width_2": "layers in width_3"}, {"width_2": "has 'width_3'"}),
        ({"width_2": "2 in layers"}, {"width_2": "has '2'"}),
        ({"width_2": "1 < 2"}, {"width_2": "names no axis"}),
        ({"width_2": "layers"}, {"width_2": "has 'layers'"}),
        ({"width_2": "kind > 'a'"}, {"width_2": "no common order"}),
        ({"width_2": "layers < None"}, {"width_2": "orders None"}),
        ({"width_2": "layers > 3"}, {"width_2": '"width_2" acts nowhere'}),
        ({"width_2": "width_2 > 3"}, {"width_2": "depends on itself: width_2 needs width_2"}),
        ({"width_2": "width_3 > 2", "width_3": "width_2 > 4"}, {"width_": "depends on itself: width_"}),
        ({"width_2": "not " * 5000 + "layers > 1"}, {"width_2": "20,010 characters"}),
        ({"width_2": "not " * 2000 + "layers > 1"}, {"width_2": ""}),
        (
            {"width_2": "layer > 1", "width_3": "layers = 1"},
            {"width_2": "layer", "width_3": "cannot be read"},
        ),
        ({"width_2": "layer > 1", "width_3": "layers > 9"}, {"width_2": "layer", "width_3": "nowhere"}),
        ({"width_2": "layers > 9", "width_3": "layers > 'x'"}, {"width_2": "nowhere", "width_3": "with 'x'"}),
    ],
)
def test_conditions_that_cannot_be_used_are_refused_all_at_once(only, faults):
    with pytest.raises(OnlyError) as error:
        Space({**LAYERS, "kind": ["a", 1]}, only)
    assert len(error.value.faults) == len(faults)
    for (axis, fault), (name, words) in zip(error.value.faults.items(), faults.items(), strict=True):
        assert axis.startswith(name) and words in fault


def test_conditions_on_too_many_combinations_are_refused():
    with pytest.raises(OnlyError, match="4,000,000 combinations, but may have 2,000,000"):
        Space({"a": range(2000), "b": range(2000), "c": [1, 2]}, {"c": "a < 5 and b < 5"})
