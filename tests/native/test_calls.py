"""An epoch is cut into calls that each take less than a second, and every step of every chunk is in one of them."""

import keras
import numpy as np
import pytest

from tests.help.native import Group
from trainables.native import calls as module
from trainables.native import program
from trainables.table.data import Table


def build(units, metric):
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dense(units)(inputs)))
    model.compile("sgd", "mse", metrics=[keras.metrics.R2Score()] if metric else [])
    return model


def areas(units, metric):
    inputs = keras.Input((4,))
    hidden = keras.layers.Dense(units)(inputs)
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(hidden))
    metrics = [keras.metrics.AUC(name="roc"), keras.metrics.AUC(20, curve="PR", name="pr")]
    model.compile("sgd", "mse", metrics=metrics)
    return model


def group_of(builder=f"{__file__}:build", metric=False):
    chance = np.random.default_rng(3)
    x = chance.normal(size=(510, 4)).astype("float32")
    table = Table(x[:500], x[:500, 0], x[500:], x[500:, 0], tuple("abcd"), "y", "0")
    return Group(builder, {"units": [3], "metric": [metric]}, table)


@pytest.fixture(scope="module")
def group():
    return group_of()


def cuts(made, seconds, chunks, steps, rows, name="train", most=2**30):
    """Return the cuts if a row of a chunk takes so many seconds; 0 if that is not known yet."""
    calls = made._calls[0]
    calls._seconds[name] = seconds
    return list(calls.cuts(name, chunks, steps, rows, most))


@pytest.mark.parametrize("name", ["train", "evaluate"])
@pytest.mark.parametrize("seconds", [0.0, 1e-12, 1e-7, 1e-5, 1e-3, 1.0, 1e4])
@pytest.mark.parametrize(
    ("chunks", "steps", "rows"), [(1, 1, 1), (3, 7, 32), (40, 1, 5000), (5, 1000, 128), (2, 3, 10**6)]
)
def test_every_step_of_every_chunk_is_in_one_call_and_steps_are_in_order(
    group, name, seconds, chunks, steps, rows
):
    done = np.zeros((chunks, steps), int)
    for some, first, last in cuts(group.program(), seconds, chunks, steps, rows, name):
        assert len(some) and 0 <= first < last <= steps
        assert (done[some.start : some.stop, :first] == 1).all(), "a step before was left out"
        done[some.start : some.stop, first:last] += 1
    assert (done == 1).all()


@pytest.mark.parametrize("seconds", [1e-9, 1e-7, 1e-6, 1e-5])
@pytest.mark.parametrize(("chunks", "steps", "rows"), [(1000, 10, 32), (3, 20_000, 100), (64, 500, 1000)])
def test_a_call_takes_about_as_long_as_it_may(group, seconds, chunks, steps, rows):
    found = cuts(group.program(), seconds, chunks, steps, rows)
    took = np.array([len(some) * (last - first) * rows * seconds for some, first, last in found])
    a_step = rows * seconds
    assert took.max() <= module.CALL_S + a_step
    least = int(np.ceil(chunks * steps * rows * seconds / module.CALL_S))
    assert len(found) <= 3 * least + chunks * (steps * rows * seconds > module.CALL_S)


def test_before_anything_is_known_a_call_is_one_chunk_of_at_most_100_000_rows(group):
    found = cuts(group.program(), 0.0, 2, 20_000, 100)
    assert {len(some) for some, _, _ in found} == {1}
    assert max((last - first) * 100 for _, first, last in found) <= 100_000


def test_few_outputs_are_kept_at_once(monkeypatch):
    """Where a metric needs the outputs of all rows."""
    made = group_of(metric=True).program()
    assert made._others.needed
    [calls] = made._calls  # what Keras computes is traced for one number of lanes
    lanes = calls.library.lanes
    monkeypatch.setattr(program, "MOST_OUTPUTS", 3 * 700 * lanes)
    assert made._most_chunks(700, lanes) == 3
    assert {len(some) for some, _, _ in cuts(made, 1e-9, 9, 7, 100, most=3)} == {3}


def test_few_counts_are_kept_at_once(monkeypatch):
    """Where areas under curves are computed from what the kernel counts: two areas of 200 and 20 thresholds."""
    made = group_of(f"{__file__}:areas").program()
    assert not made._others.keeps and made._net.structure.counts == 444
    lanes = made._calls[0].library.lanes
    monkeypatch.setattr(program, "MOST_OUTPUTS", 3 * 2 * 444 * lanes + 1)
    assert made._most_chunks(700, lanes) == 3
    monkeypatch.setattr(program, "MOST_OUTPUTS", 1)
    assert made._most_chunks(700, lanes) == 1


def test_an_epoch_calls_the_kernel_as_often_as_it_is_cut(group, monkeypatch):
    made, counted = group.program(), []
    one = made._calls[-1]  # the narrowest kernel has the only point
    call = one.call
    monkeypatch.setattr(
        one, "call", lambda name, *given, **kept: (counted.append(name), call(name, *given, **kept))
    )
    group.trained(1, program=made)
    assert counted == ["train", "evaluate"]
    counted.clear()
    monkeypatch.setattr(module, "CALL_S", 1e-9)
    group.trained(1, program=made)
    assert counted == ["train"] * made.steps + ["evaluate"] * 2  # 100 rows are two tiles


def test_a_call_costs_the_rows_that_it_computes(group, monkeypatch):
    """A last batch or tile of one row is no whole one."""
    fitted, validation = ([array[:65] for array in part] for part in (group.fitted, group.validation))
    made = program.NativeProgram(group.members.template, 64, fitted, validation, group.stack)
    costs, one = [], made._calls[-1]
    call = one.call
    monkeypatch.setattr(
        one,
        "call",
        lambda name, *given, cost, **more: (costs.append(cost), call(name, *given, cost=cost, **more)),
    )
    monkeypatch.setattr(module, "CALL_S", 1e-9)
    stack, _ = made.epoch(group.stack, np.arange(65))
    assert costs == [65, 65]  # nothing was known yet
    made.epoch(stack, np.arange(65))
    assert costs[2:] == [64, 1, 64, 1]


def test_a_short_call_does_not_make_the_next_one_long(group, monkeypatch):
    made = group.program()
    for calls in made._calls:
        calls._seconds["train"] = 1e6
    clock = iter(range(10**6))
    monkeypatch.setattr(module.time, "process_time", lambda: next(clock) * 1e-12)
    group.trained(1, program=made)
    assert made._calls[-1]._seconds["train"] == 1e6 / module.MOST_FALL**made.steps


def test_no_call_has_more_steps_than_may_be_computed_at_once(group):
    calls = group.program()._calls[0]
    calls._seconds["train"] = 1e-9
    found = list(calls.cuts("train", 3, 100, 16, 2**30, 7))
    assert max(last - first for _, first, last in found) <= 7
    assert sum(len(some) * (last - first) for some, first, last in found) == 300
