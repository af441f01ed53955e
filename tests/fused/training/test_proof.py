"""A program is proven by training members of it by Keras too."""

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from results.space import Space
from tests.benchmarks.proofs import Scaled, Signed, pinball
from tests.help.cohorts import RULES, engine_of, small_table
from tests.help.often import slow_but
from trainables.builder import find
from trainables.builder.build import fit_of
from trainables.fused.compose.members import Composer, Members
from trainables.fused.compose.points import Points
from trainables.fused.compose.split import Split
from trainables.fused.internals import kernels
from trainables.fused.program import late
from trainables.fused.training import proof
from trainables.fused.training.cohort import Cohort
from trainables.settings import Fit, Training


def mixed(optimizer="sgd", rate=0.05, normalize=False, dropout=0.0):
    inputs = keras.Input((10,))
    x = keras.layers.Dense(4, activation="tanh" if not normalize else None)(inputs)
    if (
        normalize
    ):  # the bias before it has no effect, and its gradient is nothing but rounding, which Adam amplifies
        x = keras.layers.BatchNormalization()(x)
    if dropout:
        x = keras.layers.Dropout(dropout, seed=1)(x)
    kinds = {"sgd": keras.optimizers.SGD, "adam": keras.optimizers.Adam}
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(kinds[optimizer](rate), "mse", metrics=["mae"])
    return model


class InAGraph(keras.optimizers.SGD):
    """An optimizer that cannot be run eagerly."""

    def update_step(self, gradient, variable, learning_rate):
        if tf.executing_eagerly():
            raise RuntimeError("This optimizer is for graphs.")
        super().update_step(gradient, variable, learning_rate)


def twice_if_eager(y_true, y_pred):
    factor = 2.0 if tf.executing_eagerly() else 1.0
    return factor * keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)


def with_own_part(units, rate, part):
    inputs = keras.Input((10,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(units, "relu")(inputs)))
    kind = InAGraph if part == "optimizer" else keras.optimizers.SGD
    model.compile(kind(rate), twice_if_eager if part == "loss" else "mse")
    return model


class Group:
    """A group of all points of a space of `mixed`, and its program."""

    def __init__(self, space, programs="xla", builder="mixed", batch_size=32):
        self.space, table = Space(space), small_table()
        builder = find.find(f"{__file__}:{builder}", find.Path.cwd())
        self.composer = Composer(builder.load(), builder, table, 0)
        points = np.arange(len(self.space))
        fit = Fit(epochs=3, batch_size=batch_size)
        self.members = self.composer.compose(Points.of(self.space, points), fit)
        assert isinstance(self.members, Members), self.members
        self.cohort = Cohort(points, self.members, fit, table, Training(fit, RULES), 8, programs)

    def refused(self, proven=None):
        build = lambda row: self.composer.build(self.space[row])  # noqa: E731
        proven = proof.Proven() if proven is None else proven
        return proof.refused(self.cohort.program, self.members, build, proven, 0)

    def wrong(self, stack, rows=(0,)):
        build = lambda row: self.composer.build(self.space[row])  # noqa: E731
        return proof.prove(self.cohort.program, stack, list(rows), build, 0, proof.Proven())


@pytest.fixture(scope="module")
def group():
    return Group({"optimizer": ["adam", "sgd"], "rate": [0.01, 0.05]})


@pytest.mark.parametrize("programs", ["xla", "native"])
def test_right_members_are_proven_and_the_program_is_left_as_it_was(programs):
    group = Group({"optimizer": ["adam", "sgd"], "rate": [0.01, 0.05], "dropout": [0.3]}, programs)
    before = [np.array(v) for v in group.cohort.program.shared], group.cohort.program.iterations
    rows, why = group.refused()
    assert not rows.any() and why == ""
    assert before[1] == group.cohort.program.iterations == 0
    for one, other in zip(before[0], group.cohort.program.shared, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("part", ["rate", pytest.param("optimizer", marks=pytest.mark.slow)])
def test_a_member_with_another_value_is_found(group, part):
    stack = group.members.stack.take(np.arange(4))
    if part == "rate":
        stack.numbers[0, 0] *= 1.01
    else:
        stack.optimizer[0] = 1 - stack.optimizer[0]
    wrong = group.wrong(stack, rows=[0, 1])
    assert list(wrong) == [0] and "Keras' fit" in wrong[0]


def test_an_error_that_only_the_first_rows_show_is_found(monkeypatch):
    """A loss may have a case that is rare among the rows. The second attempt must not forgive it for lack of such rows."""
    group = Group({"rate": [0.01, 0.05]}, "native")
    program, orders = group.cohort.program, []
    epoch = program.epoch

    def altered(stack, order):
        stack, logs = epoch(stack, order)
        orders.append(order)
        if np.array_equal(order, orders[0]):
            stack.weights[0] *= 1.001
        return stack, logs

    monkeypatch.setattr(program, "epoch", altered)
    assert list(group.wrong(group.members.stack)) == [0]


def test_a_value_at_a_kink_is_no_difference(monkeypatch):
    """Here the program differs at the very weights of the first attempt only."""
    group = Group({"rate": [0.01, 0.05]}, "native")
    program, starts = group.cohort.program, []
    epoch = program.epoch

    def altered(stack, order):
        starts.append(stack.weights.copy())
        stack, logs = epoch(stack, order)
        if len(starts) == 1:
            stack.weights[0] *= 1.001
        return stack, logs

    monkeypatch.setattr(program, "epoch", altered)
    assert not group.wrong(group.members.stack)
    assert len(starts) == proof.ATTEMPTS * proof.EPOCHS
    np.testing.assert_allclose(starts[0], starts[proof.EPOCHS], rtol=1e-5)
    assert (starts[0] != starts[proof.EPOCHS]).any()


def test_a_model_that_is_built_otherwise_is_no_measure_of_rounding(group):
    """A builder keeps state of which nobody knows: the models after the first of an attempt have another rate."""
    stack = group.members.stack.take(np.arange(4))
    stack.numbers[0, 0] *= 1.01
    built = []

    def build(row):
        built.append(group.composer.build(group.space[row]))
        if len(built) > proof.ATTEMPTS:
            built[-1].optimizer.learning_rate = 0.5
        return built[-1]

    wrong = proof.prove(group.cohort.program, stack, [0], build, 0, proof.Proven())
    assert list(wrong) == [0] and len(built) > proof.ATTEMPTS


@pytest.mark.parametrize("wrong", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_an_axis_whose_effect_was_overlooked_is_found_whichever_member_is_first(wrong):
    group = Group({"rate": [0.01, 0.05]})
    group.members.stack.numbers[wrong, 0] *= 1.01
    group.members = dataclasses.replace(group.members, checked=np.arange(2) != wrong)
    rows, why = group.refused()
    assert rows.all() and "does not train them as Keras does" in why


def test_only_the_points_of_what_differs_are_refused(group, monkeypatch):
    """Here the second optimizer is made to differ."""
    update = group.members.template.updates.each[1]
    program = Cohort(
        np.arange(4),
        group.members,
        Fit(epochs=3, batch_size=32),
        small_table(),
        Training(Fit(), RULES),
        8,
        "xla",
    ).program
    apply = update.apply
    monkeypatch.setattr(update, "apply", lambda *given: (apply(*given)[0] * 1.001, apply(*given)[1]))
    build = lambda row: group.composer.build(group.space[row])  # noqa: E731
    rows, why = proof.refused(program, group.members, build, proof.Proven(), 0)
    assert np.flatnonzero(rows).tolist() == np.flatnonzero(group.members.stack.optimizer == 1).tolist() != []
    assert "does not train them as Keras does" in why


@pytest.mark.slow
def test_rounding_that_adam_amplifies_is_no_difference():
    rows, why = Group({"optimizer": ["adam"], "rate": [0.01, 0.05], "normalize": [True]}).refused()
    assert not rows.any(), why


def test_keras_own_optimizers_are_proven_once():
    group = Group({"optimizer": ["adam", "sgd"], "rate": [0.01, 0.05]})
    proven = proof.Proven()
    built = []
    build = lambda row: built.append(row) or group.composer.build(group.space[row])  # noqa: E731
    for expected in (3, 1):  # the third has the rate that the others lack
        built.clear()
        assert not proof.refused(group.cohort.program, group.members, build, proven, 0)[0].any()
        assert len(built) == expected


@pytest.fixture
def modes(monkeypatch):
    """Whether each training by Keras was eager."""
    found, by_keras = [], proof._by_keras
    monkeypatch.setattr(proof, "_by_keras", lambda *given: found.append(given[-1]) or by_keras(*given))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("part", ["optimizer", "loss"])
def test_a_graph_is_traced_once_for_the_same_users_code(part, modes):
    """Later proofs run it eagerly, and trace a graph again where the code has other values there."""
    proven = proof.Proven()
    for units, expected in ((4, [False]), (5, [True, False])):
        modes.clear()
        group = Group({"units": [units], "rate": [0.01], "part": [part]}, builder="with_own_part")
        rows, why = group.refused(proven)
        assert not rows.any() and modes == expected, why


def test_other_users_code_has_a_graph_of_its_own(modes):
    proven = proof.Proven()
    for part in ("loss", "optimizer"):
        group = Group({"units": [4], "rate": [0.01], "part": [part]}, builder="with_own_part")
        assert not group.refused(proven)[0].any()
    assert modes == [False, False]


class CountsTwice(keras.optimizers.SGD):
    """Counts each step as two, which only a schedule shows, and that later."""

    def apply(self, grads, trainable_variables=None):
        super().apply(grads, trainable_variables)
        self.iterations.assign_add(1)


def counting_twice(rate):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(1)])
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([100], [rate, 0.1 * rate])
    model.compile(CountsTwice(schedule), "mse")
    return model


def test_the_steps_that_an_optimizer_has_counted_are_compared():
    rows, why = Group({"rate": [0.01, 0.02]}, builder="counting_twice").refused()
    assert rows.all() and "the optimizer's steps is" in why


def test_a_model_of_keras_own_parts_is_run_eagerly(modes):
    group = Group({"units": [4], "rate": [0.01], "part": [None]}, builder="with_own_part")
    assert not group.refused()[0].any() and modes == [True]


def test_a_wrong_kernel_is_found(monkeypatch):
    """The proof trains by the compiled program, so a wrong gradient in the engine's own kernels is seen."""

    @tf.custom_gradient
    def product(a, b):
        return tf.matmul(a, b), lambda up: (
            tf.matmul(up, b, transpose_b=True),
            1.1 * tf.matmul(a, up, transpose_a=True),
        )

    monkeypatch.setattr(kernels, "_product", product)
    rows, _ = Group({"optimizer": ["sgd"], "rate": [0.01, 0.05]}).refused()
    assert rows.all()


@pytest.mark.ci
def test_the_zoo_is_proven():
    engine = engine_of("attention")
    points = np.arange(len(engine.space))
    while isinstance(
        found := engine.composer.compose(Points.of(engine.space, points), engine.training.fit), Split
    ):
        points = points[found.parts[0]]
    fit = fit_of(engine.space[int(points[0])], engine.builder, engine.training.fit)
    cohort = Cohort(points, found, fit, engine.table, engine.training, 8, "xla")
    build = lambda row: engine.composer.build(engine.space[int(points[row])])  # noqa: E731
    rows, why = proof.refused(cohort.program, found, build, proof.Proven(), 0)
    assert not rows.any(), why


@pytest.fixture
def steps(monkeypatch):
    """For each training by Keras, whether it was brief, and its rows."""
    found, by_keras = [], proof._by_keras

    def counted(model, program, start, sample, eager):
        found.append((sample.is_brief, len(sample.order)))
        return by_keras(model, program, start, sample, eager)

    monkeypatch.setattr(proof, "_by_keras", counted)
    return found


def sized(units, rate, activation="relu", loss="mse", bias=True):
    inputs = keras.Input((10,))
    hidden = keras.layers.Dense(units, activation, use_bias=bias)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile(keras.optimizers.SGD(rate), loss)
    return model


FULL, BRIEF = (False, 32 + 147 % 32), (True, 147 % 32)
"""Epochs of a whole batch and the smaller last one, and a step on the smaller last one."""


def test_a_program_that_differs_only_in_its_sizes_from_a_proven_one_is_proven_briefly(steps):
    proven = proof.Proven()
    for space, is_full in (
        ({"units": [4]}, True),
        ({"units": [5]}, False),
        ({"units": [4], "loss": ["mae"]}, True),
        ({"units": [5], "bias": [False]}, True),
        ({"units": [6], "bias": [False]}, False),
        ({"units": [5], "activation": ["tanh"]}, True),
        ({"units": [6], "activation": ["tanh"]}, False),
    ):
        steps.clear()
        group = Group({"rate": [0.01], **space}, "native", "sized")
        rows, why = group.refused(proven)
        assert not rows.any(), why
        assert steps == [FULL if is_full else BRIEF], space
    steps.clear()
    assert (
        not Group({"rate": [0.01], "units": [6]}, "native", "sized", batch_size=64).refused(proven)[0].any()
    )
    assert steps == [(False, 64 + 147 % 64)]  # as with other layers, a full one


def test_further_members_have_values_that_were_not_shown():
    codes = np.array([[0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 1, 1], [0, 2, 1]])
    shown = proof._values([1], codes)
    assert shown == {(0, 0), (1, 1), (2, 0)}
    assert proof._with_unseen([0, 1, 2, 3, 4], [], set(), codes) == [0, 1, 2, 4]
    assert proof._with_unseen([0, 1, 2, 3, 4], [3], shown, codes) == [0, 4]
    assert proof._with_unseen([0, 1], [], set(), None) == [0, 1]


def with_momentum(units, rate, momentum):
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(units, "relu"), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate, momentum=momentum), "mse")
    return model


@pytest.mark.slow
def test_values_of_axes_are_shown_once_by_programs_without_users_parts(steps):
    proven, values = proof.Proven(), [0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08]
    for units, batch_size, full in ((4, 32, FULL), (4, 64, (False, 64 + 147 % 64))):
        before = set(proven.shown)
        steps.clear()
        space = {"units": [units], "rate": values, "momentum": values}
        group = Group(space, "native", "with_momentum", batch_size)
        assert not group.refused(proven)[0].any()
        assert steps == ([full] if full else [BRIEF]) + ([] if before else [BRIEF] * 3)
    assert [sum(axis == one for axis, _ in proven.shown) for one in range(3)] == [4, 4, 1]


@pytest.mark.parametrize("what", slow_but(["weights"], ["weights", "loss", "val_loss"]))
def test_a_brief_proof_finds_what_differs(steps, monkeypatch, what):
    proven = proof.Proven()
    assert not Group({"units": [4], "rate": [0.01]}, "native", "sized").refused(proven)[0].any()
    group = Group({"units": [5], "rate": [0.01]}, "native", "sized")
    program = group.cohort.program
    epoch = program.epoch

    def altered(stack, order):
        stack, logs = epoch(stack, order)
        if what == "weights":
            stack.weights[0, 3] *= 1.001
        else:
            logs = logs * np.where(np.arange(logs.shape[1]) == ["loss", "val_loss"].index(what), 1.001, 1)
        return stack, logs

    monkeypatch.setattr(program, "epoch", altered)
    rows, why = group.refused(proven)
    assert rows.all() and "does not train them as Keras does" in why
    assert steps == [FULL, BRIEF, BRIEF, BRIEF, BRIEF]  # moved, built anew, and nudged


def with_users(units, rate, what):
    hidden = keras.layers.Dense(units, _bent if what == "activation" else "tanh")
    layers = [keras.Input((10,)), hidden, *([Scaled()] if what == "layer" else []), keras.layers.Dense(1)]
    model = keras.Sequential(layers)
    kinds = {"optimizer": Signed, "other optimizer": keras.optimizers.RMSprop}
    loss = pinball if what in ("loss", "other optimizer") else "mse"
    model.compile(kinds.get(what, keras.optimizers.SGD)(rate), loss)
    return model


def _bent(x):
    return keras.ops.tanh(x) + 0.1 * x


@pytest.mark.parametrize("what", slow_but(["loss"], ["loss", "optimizer", "activation", "layer"]))
def test_users_parts_are_proven_in_full_once_for_each_kind(steps, what):
    """The code of a layer may read the sizes of what it gets. An optimizer of the user's own has a state for each weight."""
    proven = proof.Proven()
    for units, is_full in (
        (4, True),
        (5, what in ("layer", "optimizer")),
        (6, what in ("layer", "optimizer")),
    ):
        steps.clear()
        group = Group(
            {"units": [units], "rate": [0.01], "what": [what]},
            "native" if what == "loss" else "xla",
            "with_users",
        )
        rows, why = group.refused(proven)
        assert not rows.any(), why
        assert steps == [FULL if is_full else BRIEF], units
    if what == "loss":
        steps.clear()
        group = Group({"units": [6], "rate": [0.01], "what": ["other optimizer"]}, "native", "with_users")
        assert not group.refused(proven)[0].any() and steps == [FULL]


def result(*numbers):
    return {"the variable 3": np.array(numbers, "float32")}


def test_rounding_is_no_difference_and_more_is():
    plain = result(1.0, -3.0)
    assert proof._difference(result(1.0, -3.00001), plain, plain) == ""
    assert (
        proof._difference(result(1.0, -3.001), plain, plain)
        == "the variable 3 is -3.001, but -3 by Keras' fit"
    )
    assert proof._difference(result(1.0, np.nan), plain, plain) != ""
    assert proof._difference(result(1.0), plain, plain) == "the variable 3 has 1 numbers, but 2 by Keras' fit"
    assert proof._difference({}, plain, plain) == "only Keras' fit has the variable 3"
    nans = result(np.nan, np.inf)
    assert proof._difference(nans, nans, nans) == ""


def test_a_difference_is_measured_by_that_of_keras_nudged():
    plain, nudged = result(1.0, 2.0), result(1.0, 2.001)
    assert proof._difference(result(1.01, 2.0), plain, nudged) == ""
    assert proof._difference(result(1.03, 2.0), plain, nudged) != ""


def test_the_validation_of_the_compiled_epoch_is_compared_too(group, monkeypatch):
    program = group.cohort.program
    epoch = program.epoch

    def altered(stack, order):
        done, logs = epoch(stack, order)
        logs = logs.copy()
        logs[:, -1] *= 1.01
        return done, logs

    monkeypatch.setattr(program, "epoch", altered)
    [why] = set(group.wrong(group.members.stack).values())
    assert "on all rows" in why


def test_only_counts_are_those_of_a_late_step():
    group = Group({"rate": [0.01], "normalize": [True]})
    member = group.members.stack.take(np.array([0]))
    member.state.append(np.zeros(1, np.float32))
    counts = {len(member.state) - 1}
    *statistics, count = proof._perturbed(member, np.random.default_rng(0), counts).state
    assert count == late.LATE and statistics
    assert all(value.max() < 10.0 for value in statistics)
    assert group.members.template.counts == set()
