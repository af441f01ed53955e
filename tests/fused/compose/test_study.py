"""Axes that act only together are found, whatever the effect and whatever the base point."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from results.space import Space
from tests.help.made_up import assert_composed_as_described, composer_of, groups
from trainables.fused.compose import study
from trainables.fused.compose.learned import Learned
from trainables.fused.compose.members import MAX_COMBINATIONS

NAMES = "abcdef"
NUMBERS = ["optimizer.momentum", "penalty.0.l2", "penalty.2.l2", "variant", "optimizer", "initial"]


@st.composite
def spaces(draw):
    sizes = draw(st.lists(st.integers(2, 4), min_size=3, max_size=5))
    return Space({name: list(range(size)) for name, size in zip(NAMES, sizes, strict=False)})


@st.composite
def effects(draw, space):
    """An effect of one axis or of two together: constant but for some combinations of their values."""
    axes = draw(st.lists(st.sampled_from([a.name for a in space.axes]), min_size=1, max_size=2, unique=True))
    sizes = [len(next(a for a in space.axes if a.name == name).values) for name in axes]
    cells = list(itertools.product(*map(range, sizes)))
    table = dict.fromkeys(cells, 1.0)
    for cell in draw(st.lists(st.sampled_from(cells), min_size=1, max_size=len(cells))):
        table[cell] = draw(st.sampled_from([2.0, 3.0]))
    return lambda config: table[tuple(config[name] for name in axes)]


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_effects_of_one_axis_or_two_together_are_found_with_certainty(data):
    space = data.draw(spaces())
    chosen = data.draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=4, unique=True))
    assert_composed_as_described({name: data.draw(effects(space)) for name in chosen}, space)


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_effects_on_the_layers_are_found_with_those_on_numbers(data):
    space = data.draw(spaces())
    parts = {"signature": data.draw(effects(space)), "optimizer.momentum": data.draw(effects(space))}
    assert_composed_as_described(parts, space)


def under(effect, name, value):
    """The effect where an axis has a value; none elsewhere."""
    return lambda config: effect(config) if config[name] == value else 1.0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_effects_of_two_axes_under_one_value_of_an_axis_that_changes_the_layers_are_found(data):
    space = data.draw(spaces())
    structural, *others = data.draw(st.permutations(space.axes))
    layers = {v: ("layer",) * data.draw(st.integers(1, 3)) for v in structural.values}
    value = data.draw(
        st.sampled_from([v for v in layers if list(layers.values()).count(layers[v]) == 1] or [0])
    )
    parts = {"signature": lambda c: layers[c[structural.name]]}
    rest = Space({axis.name: list(axis.values) for axis in others})
    for name in data.draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3, unique=True)):
        effect = data.draw(effects(rest))
        if list(layers.values()).count(layers[value]) == 1:
            effect = under(effect, structural.name, value)
        parts[name] = effect
    assert_composed_as_described(parts, space)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_effects_of_two_axes_are_found_where_an_axis_changes_the_layers_under_a_value_only(data):
    space = data.draw(spaces())
    outer, inner = data.draw(st.permutations(space.axes))[:2]
    value = data.draw(st.sampled_from(outer.values))
    parts = {"signature": lambda c: (c[outer.name], c[inner.name] if c[outer.name] == value else -1)}
    for name in data.draw(st.lists(st.sampled_from(NUMBERS), min_size=1, max_size=3, unique=True)):
        parts[name] = data.draw(effects(space))
    assert_composed_as_described(parts, space)


def test_a_penalty_that_only_models_of_one_kind_have_is_found_with_its_strength():
    space = Space(
        {"a": [True, False], "b": ["none", "l1", "l2"], "c": [0.01, 0.0005], "d": [1, 2, 3], "e": [1, 2]}
    )
    parts = {
        "signature": lambda c: ("layer", "batch") if c["a"] else ("layer",),
        "penalty.0.l2": lambda c: c["c"] if not c["a"] and c["b"] == "l2" else 0.0,
        "initial": lambda c: c["d"],
    }
    assert_composed_as_described(parts, space)


def test_structures_that_a_study_leaves_out_are_told(monkeypatch):
    space = Space({"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2]})
    parts = {"signature": lambda c: ("layer",) * c["a"], "optimizer": lambda c: c["b"]}
    assert assert_composed_as_described(parts, space).known.notes == ()
    monkeypatch.setattr(study, "MOST_MODELS", 6)
    [note] = assert_composed_as_described(parts, space).known.notes
    assert note.startswith("2 of the structures that models have were left out")


def test_a_momentum_that_only_one_optimizer_has_is_found_from_any_base():
    for order in (["adam", "sgd"], ["sgd", "adam"]):
        space = Space({"a": order, "b": [0.0, 0.5, 0.9], "c": [1, 2], "d": [1, 2, 3]})
        parts = {
            "optimizer": lambda c: c["a"],
            "optimizer.momentum": lambda c: c["b"] if c["a"] == "sgd" else None,
            "learning_rate.x": lambda c: float(c["c"]),
        }
        assert_composed_as_described(parts, space)


def test_a_builder_that_refuses_two_values_together_is_found():
    space = Space({"a": [1, 2, 3], "b": [1, 2], "c": [1, 2]})
    assert_composed_as_described(
        {"raises": lambda c: c["a"] == 3 and c["b"] == 2, "optimizer": lambda c: c["c"]}, space
    )


def test_an_axis_of_a_layer_that_the_first_point_lacks_is_studied_with_the_layer():
    # The rate of the second layer acts only with its kind, and both only if there is a second layer.
    space = Space({"a": [1, 2], "b": ["none", "drop"], "c": [0.1, 0.2, 0.3], "d": [1, 2]})
    parts = {
        "signature": lambda c: (c["a"], "layer") if c["a"] == 1 else (c["a"], "layer", "layer"),
        "layer.3.rate": lambda c: c["c"] if c["a"] == 2 and c["b"] == "drop" else 0.0,
    }
    parts["signature"] = lambda c, f=parts["signature"]: f(c)
    assert_composed_as_described(parts, space)


def test_pairs_that_did_not_meet_are_told(monkeypatch):
    space = Space({"a": [1, 2, 3], "b": [1, 2, 3], "c": [1, 2]})
    parts = {"optimizer": lambda c: c["a"]}
    assert assert_composed_as_described(parts, space).known.notes == ()
    monkeypatch.setattr(study, "MOST_MODELS", 3)
    [note] = assert_composed_as_described(parts, space).known.notes
    assert "of the pairs of values of two axes were tried together, in 3 models" in note


def test_an_axis_of_many_values_is_sampled_and_its_effect_is_found():
    rates = [i / 100 for i in range(1, 41)]
    space = Space({"a": ["adam", "sgd"], "b": rates, "c": [1, 2, 3]})
    parts = {"optimizer.momentum": lambda c: c["b"] if c["a"] == "sgd" else 0.0}
    composer = assert_composed_as_described(parts, space)
    assert composer.known.sampled == {"b"} and composer.known.models <= 6 * study.STAND_INS
    assert "b had many values" in composer.known.notes[0]


def test_the_study_is_made_once_and_later_groups_use_it():
    space = Space({"a": [1, 2], "b": [1, 2, 3], "c": [1, 2, 3], "d": [1, 2, 3]})
    parts = {"optimizer.momentum": lambda c: float(c["c"]) if c["b"] == 3 else 0.0}
    first = assert_composed_as_described(parts, space)
    later = composer_of(parts)
    later.know(Learned(first.known))
    built = len(later._builds.known)
    list(groups(later, space))
    assert later.known.sets == first.known.sets
    assert len(later._builds.known) - built <= MAX_COMBINATIONS
    assert len(later._builds.known) < len(first._builds.known)


def test_an_axis_that_changes_the_layers_by_some_values_only_acts_together_by_the_others():
    # The kinds 1 to 3 are one structure, 4 is another with more weights; the strength counts for 2 and 3 only.
    space = Space({"a": [1, 2, 3, 4], "b": [0.1, 0.2, 0.3], "c": [1, 2], "d": [1, 2, 3]})
    parts = {
        "signature": lambda c: ("layer",) * (2 if c["a"] == 4 else 1),
        "penalty.0.l2": lambda c: c["b"] if c["a"] in (2, 3) else 0.0,
    }
    assert_composed_as_described(parts, space)
