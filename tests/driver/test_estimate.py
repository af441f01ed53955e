"""`sweep plan` shows the groups that the trials of a sweep find one by one."""

import numpy as np
import pytest

from sweep import Plan
from sweep.commands.plan import _about_one_by_one
from sweep.driver import estimate
from tests.help.plans import small_plan, write_table
from trainables.engine import Work
from trainables.fused.compose import split
from trainables.fused.engine import ProgramEngine
from trainables.fused.internals import devices

pytestmark = pytest.mark.long(60)

BUILDER = """
import keras
import tensorflow as tf


def wide(units, rate):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(units)(keras.layers.Dense(32)(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(hidden))
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(rate))
    return model


def build(units, rate, optimizer="sgd", momentum=0.0, loss="mse"):
    # The momentum counts for one optimizer alone, which no axis shows that is varied alone.
    rule = keras.optimizers.SGD(rate, momentum=momentum) if optimizer == "sgd" else keras.optimizers.Adam(rate)
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(units)(inputs)))
    model.compile(loss=globals().get(loss, loss), optimizer=rule)
    return model


def own(y, predicted):
    return tf.reduce_mean(tf.sin(y - predicted) ** 2, axis=-1)


def refused(units, rate):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Reshape((units, units))])  # units**2 is not 4
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(rate))
    return model


def checked(y, predicted):
    return tf.debugging.check_numerics(tf.reduce_mean((y - predicted) ** 2), "the loss")


def spelt(y, predicted):
    # XLA has no text.
    length = tf.strings.length(tf.strings.as_string(y))
    return tf.reduce_mean((y - predicted) ** 2) + tf.cast(tf.reduce_min(length), "float32")
"""
RATES = [0.01, 0.02]


@pytest.fixture
def plan_of(workplace):
    (workplace / "fused.py").write_text(BUILDER)

    def make(space, **changes):
        changes = {"builder": "fused.py:build", "fit": {"epochs": 1}, **changes}
        return Plan(**small_plan(space=space, **changes), base=workplace)

    return make


def trained(plan, points):
    """Return the groups of `points` that the trials of a sweep train, by the way that their answers take."""
    waiting, found = [np.array(points)], []
    work = Work(plan.space, plan.found_builder, plan.table, plan.training)
    while waiting:
        engine = ProgramEngine(work)
        points = waiting.pop()
        engine.begin(points)
        report = engine.step()
        assert not report.broken
        if report.parts:
            waiting += report.parts
        else:
            found.append((points.tolist(), report.why))
    return sorted(found)


def engines_of(plan, points):
    """Yield each point with the engine that its row has, from the trials that a sweep makes of `points`."""
    waiting = [np.array(points)]
    while waiting:
        engine = ProgramEngine(Work(plan.space, plan.found_builder, plan.table, plan.training))
        engine.begin(waiting.pop())
        report = engine.step()
        waiting += report.parts
        while report.rows is None and not report.done:
            report = engine.step()
        if report.rows is not None:
            rows = report.rows.points.to_pydict()
            yield from zip(rows["idx"], rows["engine"], strict=True)


def planned(plan, points):
    """Return the groups of `points` that `sweep plan` shows."""
    found, times = estimate.groups(plan, points), []
    for engine in ("native", "fused"):
        found, timed = estimate._timed(plan, found, engine)
        times += [timed] if timed else []
    assert times
    return sorted((group.points.tolist(), group.why) for group in found)


def test_axes_that_act_together_are_seen_as_the_trials_see_them(plan_of):
    plan = plan_of({"units": [3], "rate": RATES, "momentum": [0.5, 0.9], "optimizer": ["adam", "sgd"]})
    groups = planned(plan, range(8))
    assert [len(points) for points, _ in groups] == [8] and groups == trained(plan, range(8))
    answer = estimate.estimate(plan, range(8), 1, workers=1)
    assert answer["cohorts"] == [{"points": 8, "engine": "native", "why": ""}] and answer["at_most_s"] > 0


@pytest.mark.slow
def test_a_group_that_cannot_be_compiled_is_told_and_another_one_is_timed(plan_of):
    plan = plan_of({"rate": [0.01, 0.02, 0.03, 0.04], "loss": ["mse", "spelt"], "units": [3]})
    points = [idx for idx in range(8) if plan.space[idx]["loss"] == "spelt" or plan.space[idx]["rate"] < 0.03]
    groups = planned(plan, points)
    assert sorted((len(part), why[:23]) for part, why in groups) == [(2, ""), (4, "it cannot be compiled (")]
    assert groups == trained(plan, points)


def test_each_cohort_has_its_engine_and_why_it_is_not_a_faster_one(plan_of):
    space = {"rate": RATES, "loss": ["mse", "own"], "units": [3, 200]}
    cohorts = estimate.estimate(plan_of(space), range(8), 1, workers=1)["cohorts"]
    by_reason = {}
    for one in cohorts:
        assert one["points"] == 2
        by_reason.setdefault((one["engine"], one["why"].rpartition(": ")[2]), []).append(one)
    assert {key: len(some) for key, some in by_reason.items()} == {
        ("native", ""): 2,
        ("fused", "the loss `own` has the operation Sin, which the kernel lacks"): 2,
    }
    [alone] = estimate.estimate(
        plan_of({**space, "loss": ["mse"], "units": [3]}, engine="fused"), range(2), 1, 1
    )["cohorts"]
    assert alone == {"points": 2, "engine": "fused", "why": ""}
    native = estimate.estimate(plan_of({**space, "units": [3]}, engine="native"), range(4), 1, workers=1)[
        "cohorts"
    ]
    assert sorted(one["engine"] for one in native) == ["keras", "native"]


def test_wide_layers_are_trained_by_the_engine_that_the_plan_names(plan_of, workplace):
    write_table(workplace / "table.csv", rows=2000)  # in batches of 1,024 rows, XLA is faster than the kernel
    space = {"units": [3, 600], "rate": RATES, "batch_size": [1024]}
    plan = plan_of(space, builder="fused.py:wide")
    found = estimate.groups(plan, range(4))
    named = {idx: estimate._engine_of(plan, group) for group in found for idx in group.points.tolist()}
    assert {plan.space[idx]["units"]: engine for idx, engine in named.items()} == {3: "native", 600: "fused"}
    assert {group.why_not_native.partition(" with")[0] for group in found} == {"", "XLA is faster"}
    assert named == dict(engines_of(plan, range(4)))


@pytest.mark.parametrize("engine", ["auto", "fused", "native"])
def test_points_without_a_program_are_keras_s_in_the_plan_and_in_its_trials(plan_of, engine):
    """A loss that checks its values has no program, which only making the program shows."""
    plan = plan_of({"rate": RATES, "loss": ["mse", "checked"], "units": [3]}, engine=engine)
    groups = sorted((group.points.tolist(), group.why) for group in estimate.groups(plan, range(4)))
    assert sorted(bool(why) for _, why in groups) == [False, True] and groups == trained(plan, range(4))


@pytest.mark.parametrize(("gpu", "sizes"), [pytest.param(0, [2, 2], marks=pytest.mark.slow), (1, [4])])
def test_a_group_is_bounded_by_the_memory_of_what_trains_it(plan_of, monkeypatch, gpu, sizes):
    """This machine may have no GPU, so its memory is the test's."""
    monkeypatch.setattr(split, "LEAST_POINTS", 1)
    monkeypatch.setattr(devices, "gpu_memory_mb", lambda: 1024.0)
    # So many epochs make a learning curve of half a MiB, of which one is the least that a plan may allow.
    plan = plan_of(
        {"units": [3], "rate": [0.01, 0.02, 0.03, 0.04]},
        resources={"gpu": gpu, "memory_mb": 1},
        fit={"epochs": 15_000},
    )
    groups = planned(plan, range(4))
    assert [len(points) for points, _ in groups] == sizes and groups == trained(plan, range(4))


def test_asha_halves_what_a_point_trains_on_average(plan_of):
    space = {"units": [3], "rate": RATES}
    assert estimate.expected_epochs(plan_of(space, fit={"epochs": 40})) == 40
    asha = {"grace_period": 10, "reduction_factor": 4}
    plan = plan_of(space, fit={"epochs": 100}, scheduler="asha", asha=asha)
    assert plan.training.milestones == (10, 40)
    assert estimate.expected_epochs(plan) == 10 + 30 / 4 + 60 / 16


def test_the_guess_grows_with_epochs_and_batches(plan_of):
    def guess(batch_size, epochs):
        space = {"units": [3], "rate": RATES, "batch_size": batch_size}
        return estimate.guessed_point_s(plan_of(space, fit={"epochs": epochs}))

    # 96 train rows, of which 76.8 are fitted.
    assert guess([8], 10) == pytest.approx(2.5 + 10 * (0.04 + 9.6 * 0.0005))
    assert guess([8, 16], 10) == pytest.approx(2.5 + 10 * (0.04 + 7.2 * 0.0005))
    assert guess([8], 20) > guess([8], 10) > guess([16], 10)


def test_points_that_leave_the_fused_engine_are_told_with_what_they_cost(plan_of):
    space = {"rate": [0.01, 0.02, 0.03, 0.04], "loss": ["mse", "spelt"], "units": [3]}
    plan = plan_of(space, fit={"epochs": 7})
    points = [idx for idx in range(8) if plan.space[idx]["loss"] == "spelt" or plan.space[idx]["rate"] < 0.03]
    answer = estimate.estimate(plan, points, 1, workers=1)
    assert answer["by_keras_s"] > 0
    said = _about_one_by_one({**answer, "by_keras_s": 60.0, "points": 6, "workers": 2})
    assert said.startswith("4 of 6 points (67%) leave the fused engine") and "XLA can compile" in said
    assert "about 2 min more. Why: it cannot be compiled (" in said


def test_an_error_of_a_timed_point_is_told_in_one_line(plan_of):
    """Keras' own error has three lines: its words, the cause, and the arguments of the call."""
    plan = plan_of({"units": [3], "rate": [0.01]}, builder="fused.py:refused", engine="keras")
    with pytest.raises(ValueError) as error:
        estimate.estimate(plan, [0], 1, workers=1)
    assert str(error.value).startswith("The point 0, {'rate': 0.01, 'units': 3}, raised ValueError: ")
    assert "\n" not in str(error.value) and "target_shape" in str(error.value)


def test_points_that_are_trained_one_by_one_take_whole_rounds():
    one_by_one = estimate.Estimate(setup_s=2.0, setups=5, epoch_s=0.5, points=5)
    assert one_by_one.at_most_s(epochs=3, workers=4) == 2 * (2.0 + 2 * 0.5)  # the second round has one point
    together = estimate.Estimate(setup_s=2.0, setups=1, epoch_s=0.5, points=5)
    assert together.at_most_s(epochs=3, workers=2) == (2.0 + 5 * 2 * 0.5) / 2
