"""Few points are grouped by the description of each configuration, which is built once and tells everything."""

import itertools
from pathlib import Path

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from results.space import Space
from sweep import Plan
from tests.help.cohorts import small_table
from tests.help.made_up import MadeUp, assert_composed_as_described
from trainables.builder import find
from trainables.fused.compose.builds import PARTS, Failed, same, value_of
from trainables.fused.compose.few import FEW, Each, are_few, each
from trainables.fused.compose.interactions import Interactions
from trainables.fused.compose.learned import Learned
from trainables.fused.compose.members import Composer, Members, Refused
from trainables.fused.compose.points import Points
from trainables.fused.compose.split import Split
from trainables.fused.internals.errors import UnfusableError
from trainables.settings import Fit

FIT = Fit(epochs=3, batch_size=32)
BUILDER = find.find(f"{__file__}:layered", Path.cwd())
OF_FIT = type("Builder", (), {"parameters": ("a", "b", "c", "d", "e")})
"""A builder that takes the axes a to e; an axis `batch_size` goes to `fit`."""


def layered(depth=1, width=3, rate=0.1, optimizer="sgd", mood="fine"):
    if mood == "raises":
        raise RuntimeError("not today")
    inputs = x = keras.Input((10,))
    for _ in range(depth):
        x = keras.layers.Dense(width, activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    kind = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}[optimizer]
    model.compile(loss="mse", metrics=["mae"], optimizer=kind(rate))
    return model


def counted():
    """Return a composer and the list of the configurations whose models it builds."""
    composer, built = Composer(BUILDER.load(), BUILDER, small_table(), 0), []
    really = composer._builds.build
    composer._builds.build = lambda config: built.append(repr(sorted(config.items()))) or really(config)
    return composer, built


def assert_each_as_described(parts, space):
    """Group all points by their descriptions, and compare each with its own; return how often a model was described."""
    builds, waiting, seen = MadeUp(parts), [np.arange(len(space))], 0
    while waiting:
        part = waiting.pop()
        points = Points.of(space, part)
        names = [name for name in points.names if name != "batch_size"]
        found = each(builds, OF_FIT, points, names, FIT, 1e9)
        if isinstance(found, Split):
            assert len(found.parts) == len(found.costs) > 1
            waiting += [part[rows] for rows in found.parts]
            continue
        for row, idx in enumerate(part.tolist()):
            described = builds.describe({name: space[idx][name] for name in names})
            assert isinstance(described, Failed) == isinstance(found, Failed)
            if isinstance(found, Each):
                for key in dict.fromkeys((*PARTS, *found.columns, *described.numbers)):
                    value = found.columns[key][row] if key in found.columns else None
                    assert same(value_of(described, key), value), (space[idx], key)
        seen += len(part)
    assert seen == len(space)
    return len(builds.known)


def test_an_effect_of_four_axes_together_is_found_which_a_study_misses():
    space = Space({name: [0, 1, 2] for name in "abcd"})
    parts = {"optimizer.momentum": lambda c: 0.9 if c["a"] == c["b"] == c["c"] == c["d"] == 2 else 0.5}
    with pytest.raises(AssertionError):
        assert_composed_as_described(parts, space)
    assert assert_each_as_described(parts, space) == 81


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_effects_of_any_axes_on_any_part_are_found(data):
    sizes = data.draw(st.lists(st.integers(2, 3), min_size=2, max_size=4))
    axes = {name: list(range(size)) for name, size in zip("abcd", sizes, strict=False)}
    parts = {}
    for name in ("signature", "optimizer", "optimizer.momentum", "penalty.0.l2", "initial", "raises"):
        cells = list(itertools.product(*axes.values()))
        special = data.draw(st.lists(st.sampled_from(cells), max_size=4))
        parts[name] = lambda c, special=special: float(tuple(c[axis] for axis in axes) in special)
    space = Space({**axes, "batch_size": [16, 32]})
    assert assert_each_as_described(parts, space) == len(space) // 2


def test_each_model_is_built_once_and_those_of_the_program_come_from_the_same_ones():
    """Points that differ in the batch size share a description, and groups are those of equal models."""
    composer, built = counted()
    space = Space(
        {
            "depth": [1, 2],
            "width": [3, 4],
            "rate": [0.1, 0.2],
            "optimizer": ["sgd", "adam"],
            "batch_size": [16, 32],
        }
    )
    found = composer.compose(Points.of(space, range(len(space))), FIT)
    assert isinstance(found, Split) and len(found.parts) == 8
    assert len(set(built)) == len(built) == 16
    sizes = {
        space[int(rows[0])]["batch_size"]: cost for rows, cost in zip(found.parts, found.costs, strict=True)
    }
    assert sizes[16] > sizes[32]
    first = {
        repr({k: v for k, v in space[int(rows[0])].items() if k != "batch_size"}): rows
        for rows in found.parts
    }
    for rows in first.values():
        members = composer.compose(Points.of(space, rows), FIT)
        assert isinstance(members, Members) and len(members.optimizers) == 2
        # A proof takes those first whose models are left over.
        assert members.checked.sum() == 2 and not members.checked[0]
    assert len(built) == 16
    assert composer.known == Interactions(complete=True) and not composer.known.notes


def test_what_another_worker_described_is_built_only_for_the_program():
    first, built = counted()
    second, again = counted()
    space = Space({"rate": [0.1, 0.2, 0.3, 0.4, 0.5], "optimizer": ["sgd", "adam"]})
    points = Points.of(space, range(10))
    one = first.compose(points, FIT)
    second.know(first.learned())
    other = second.compose(points, FIT)
    assert len(built) == 10 and len(again) == 2
    for name in ("weights", "numbers", "optimizer", "variant"):
        np.testing.assert_array_equal(getattr(one.stack, name), getattr(other.stack, name))


def test_a_description_that_does_not_hold_in_this_worker_is_no_base_of_a_program(monkeypatch):
    first, _ = counted()
    second, _ = counted()
    space = Space({"rate": [0.1, 0.2]})
    points = Points.of(space, range(2))
    first.compose(points, FIT)
    second.know(first.learned())
    monkeypatch.setattr(second._builds, "_seed", 1)  # as a builder that depends on its process
    with pytest.raises(UnfusableError, match="differ from those that another worker's builder returned"):
        second.compose(points, FIT)


def test_points_whose_builder_raises_are_left_out_and_the_others_are_groups():
    composer, built = counted()
    space = Space({"mood": ["raises", "fine"], "depth": [1, 2], "rate": [0.1, 0.2]})
    found = composer.compose(Points.of(space, range(8)), FIT)
    assert isinstance(found, Split) and sorted(map(len, found.parts)) == [2, 2, 4]
    kinds = [(len(rows), composer.compose(Points.of(space, rows), FIT)) for rows in found.parts]
    for count, kind in kinds:
        if count == 4:
            assert isinstance(kind, Refused)
            assert kind.why == "building and describing it raised RuntimeError: not today"
        else:
            assert isinstance(kind, Members)
    assert len(built) == 8


def test_a_group_is_no_larger_than_the_memory_it_may_use():
    space = Space({"a": list(range(40)), "b": [1, 2]})
    points = Points.of(space, range(80))
    found = each(MadeUp({"optimizer": lambda c: c["b"]}), OF_FIT, points, ["a", "b"], FIT, 1.0)
    assert isinstance(found, Split) and [len(rows) for rows in found.parts] == [16] * 5
    assert "memory_mb" in found.why


def whole(*sizes):
    return Space({name: list(range(size)) for name, size in zip("abcdefg", sizes, strict=False)})


DEFAULT = Plan.load().space
COMPLETE, STUDIED = Interactions(complete=True), Interactions(models=30)


@pytest.mark.parametrize(
    ("space", "idx", "known", "expected"),
    [
        (DEFAULT, np.random.default_rng(1).permutation(17280)[:64], None, True),
        (DEFAULT, np.random.default_rng(1).permutation(17280)[:128], None, True),
        (DEFAULT, np.random.default_rng(1).permutation(17280)[:200], None, False),
        (DEFAULT, np.random.default_rng(1).permutation(17280)[:200], COMPLETE, False),
        (DEFAULT, np.random.default_rng(1).permutation(17280)[:8], STUDIED, True),
        (DEFAULT, np.random.default_rng(1).permutation(17280)[:64], STUDIED, False),
        (whole(2, 2, 2, 2), None, None, True),
        # A study of these builds some thirty models.
        (whole(2, 2, 2, 2, 2, 2, 2), None, None, False),
        (whole(2, 2, 2, 2, 2, 2, 2), None, COMPLETE, True),
        (whole(FEW), None, None, True),
        (whole(FEW + 1), None, None, False),
        (whole(1), None, None, True),
    ],
)
def test_points_are_few_if_a_study_would_build_as_many_models(space, idx, known, expected):
    points = Points.of(space, range(len(space)) if idx is None else idx)
    names = [name for name in points.names if name != "batch_size"]
    assert are_few(points, names, known, 0) is expected


def test_points_that_differ_in_arguments_of_fit_only_count_once():
    points = Points.of(Space({"a": [1, 2], "batch_size": list(range(1, 200))}), range(398))
    assert are_few(points, ["a"], None, 0)


def test_the_study_of_another_repeat_counts_for_more_than_none():
    studied = Interactions(frozenset({("optimizer", frozenset("ab"))}), models=12, pairs=0.5)
    nothing = Interactions()  # a study of one point
    for one in (studied, nothing):
        assert COMPLETE.joined(one) == one.joined(COMPLETE) == one
    assert nothing.joined(studied) == studied.joined(nothing) == studied


def test_many_points_are_studied_although_few_were_composed_before(monkeypatch):
    """A resumed sweep may have few open points of the first repeat, and all of the second."""
    composer, _ = counted()
    space = Space({"rate": [0.1, 0.2], "optimizer": ["sgd", "adam"]})
    composer.know(Learned(COMPLETE))
    monkeypatch.setattr("trainables.fused.compose.few.FEW", 3)
    composer.compose(Points.of(space, range(4)), FIT)
    assert not composer.known.complete and composer.known.models
    known = composer.known
    composer.compose(Points.of(space, range(2)), FIT)
    assert composer.known == known
