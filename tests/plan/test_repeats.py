"""Repeats in a plan: what is refused, which idx and seed the points have, and which points a sample has."""

import hypothesis.strategies as st
import numpy as np
import pytest
import yaml
from hypothesis import given

from results.folder.run_folder import RunFolder
from sweep import Plan, Space
from sweep.plan.axes import with_conditions
from sweep.plan.form import PlanError
from sweep.plan.order import Selection
from sweep.plan.repeats import check_not_fewer, repeats_of
from tests.help.plans import small_plan

AXES = {"layers": [1, 2, 3], "width_2": [4, 8], "width_3": [2, 4]}
ONLY = {"width_2": "layers >= 2", "width_3": "layers >= 3"}


def plan(workplace, **changes):
    return Plan.from_mapping(small_plan(**changes), base=workplace)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"repeats": 0}, ["repeats got 0", "from 1 to 1,000", "repeats: 3"]),
        ({"repeats": -1}, ["repeats got -1"]),
        ({"repeats": 1001}, ["repeats got 1001"]),
        ({"repeats": 10**30}, ["repeats got 1000000000000000000000000000000"]),
        ({"repeats": "x"}, ["repeats got 'x'"]),
        ({"repeats": True}, ["repeats got True"]),
        ({"repeats": 2.5}, ["repeats got 2.5"]),
        ({"repeats": None}, ["repeats"]),
        ({"repeats": 3, "seed": 2**32 - 2}, ["the seed 4294967296", "seed: 4294967293"]),
    ],
)
def test_what_is_no_number_of_repeats_is_refused(workplace, given, words):
    with pytest.raises(PlanError) as refused:
        plan(workplace, **given)
    assert len(refused.value.faults) == 1 and refused.value.key[0] == "repeats"
    for word in words:
        assert word in str(refused.value)


def test_too_many_points_are_refused():
    _, [fault] = with_conditions(Space({"a": range(10**9), "b": range(10**9)}), {}, 100)
    assert fault.key == ("repeats",) and "1.0e+20 points, but an index holds" in str(fault)


@pytest.mark.parametrize("name", ["repeat", "repeats"])
def test_the_names_of_its_columns_are_taken(workplace, name):
    (workplace / "model.py").write_text(f"def build(units, {name}):\n    pass\n")
    with_axis = {"units": [2], name: [0, 1]}
    for space in (with_axis, {"units": [2]}):
        with pytest.raises(PlanError, match="cannot be used together") as refused:
            plan(workplace, space=space, repeats=2)
        assert len(refused.value.faults) == 1 and "repeats: 1" in str(refused.value)
    assert plan(workplace, space=with_axis).space.names == tuple(sorted(with_axis))
    assert plan(workplace, space=with_axis, repeats=1).repeats == 1


def test_a_repeat_is_the_outermost_axis_and_no_argument_of_the_builder(workplace):
    once, thrice = plan(workplace, seed=5), plan(workplace, seed=5, repeats=3)
    assert len(once.space) == thrice.space.grid == 12 and len(thrice.space) == 36
    assert [thrice.space[idx] for idx in range(36)] == [once.space[idx % 12] for idx in range(36)]
    idx = np.arange(36)
    np.testing.assert_array_equal(thrice.space.codes(idx), once.space.codes(idx % 12))
    assert thrice.space.repeat(idx).tolist() == [0] * 12 + [1] * 12 + [2] * 12
    assert thrice.seeds(idx).tolist() == [5] * 12 + [6] * 12 + [7] * 12
    assert "repeat" not in once.space.shown(3) and thrice.space.shown(15) == {
        **once.space.shown(3),
        "repeat": 1,
    }
    assert thrice.training == once.training  # what a point is does not depend on how often it is repeated
    assert once.space != thrice.space and "in 3 repeats" in repr(thrice.space)
    with pytest.raises(IndexError):
        thrice.space.codes(np.array([36]))


def test_the_resolved_plan_has_them(workplace):
    asked = plan(workplace, repeats=3, only={"rate": "units > 2"})
    again = Plan.from_mapping(yaml.safe_load(asked.to_yaml()))
    assert again.repeats == 3 and again.space == asked.space and len(again.space) == 36
    assert again.data_spec.split_seed == 0  # all repeats have the same split


@given(st.integers(0, 2**32 - 1), st.integers(1, 4), st.integers(1, 9), st.booleans())
def test_a_sample_is_one_of_configurations_with_all_their_repeats(seed, repeats, points, conditional):
    only = ONLY if conditional else {}
    first = list(Selection.of(Space(AXES, only), seed, points=points))
    space = Space(AXES, only, repeats)
    chosen = Selection.of(space, seed, points=points)
    expected = [repeat * 12 + idx for repeat in range(repeats) for idx in first]
    assert list(chosen) == expected and len(chosen) == len(expected)
    assert chosen.to_array().tolist() == sorted(expected)
    idx = np.arange(len(space))
    assert chosen.has(idx).tolist() == np.isin(idx, expected).tolist()
    everything = Selection.of(space, seed)
    assert everything.to_array().tolist() == sorted(everything) and len(everything) == space.different
    assert everything.has(idx).tolist() == np.isin(idx, list(everything)).tolist()
    some = everything.to_array()[-2:]
    assert list(Selection.of(space, seed, idx=some)) == [one for one in everything if one in some]


def test_different_points_have_numbers_in_each_repeat():
    space = Space(AXES, ONLY, 3)
    numbers = np.arange(space.different)
    assert space.configurations == 7 and space.different == 21
    np.testing.assert_array_equal(space.numbers(space.nth(numbers)), numbers)
    assert space.standing_for(np.array([13, 12])).tolist() == [12, 12]
    assert (space.numbers(np.array([1, 13])) == -1).all()
    with pytest.raises(ValueError, match=r"--idx got 17, which is not trained.*so point 16 stands for it"):
        Selection.of(space, 0, idx=[17])


def test_a_run_can_get_more_repeats_but_not_fewer(tmp_path):
    folder = RunFolder(tmp_path)
    assert repeats_of(folder) == 1
    folder.plan.write_text("repeats: 3")
    check_not_fewer(folder, 3)
    check_not_fewer(folder, 4)
    with pytest.raises(PlanError, match=r"repeats: 3, but the plan says repeats: 2.*Write repeats: 3"):
        check_not_fewer(folder, 2)
    for damaged in ("repeats: true", "[1]", "repeats: {", "repeats: x"):
        folder.plan.write_text(damaged)
        assert repeats_of(folder) == 1
