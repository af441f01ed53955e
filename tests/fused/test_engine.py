"""The engine `fused`: what it reports of a group, step by step."""

import shutil
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

from results.space import Space
from sweep.driver.rungs import Rungs
from sweep.plan.asha import Asha
from tests.help import zoo
from tests.help.cohorts import RULES, by_point, small_table
from tests.help.trials import LostRungs, RungsHere, reports_of, reports_to_the_end
from trainables.builder import find
from trainables.engine import Work
from trainables.fused import engine as engine_module
from trainables.fused.engine import ProgramEngine
from trainables.fused.training.cohort import Cohort
from trainables.settings import Callbacks, Fit, Training
from trainables.trials.checkpoints import LocalCheckpoints

pytestmark = pytest.mark.long(40)

TABLE = small_table()
SPACE = Space({"units": [4], "learning_rate": [0.01, 0.02, 0.03, 0.04, 0.05]})


def engine(training, builder="custom_layer", space=SPACE, file=zoo.__file__, **work):
    return ProgramEngine(Work(space, find.find(f"{file}:{builder}", Path.cwd()), TABLE, training, **work))


def of_chains(training, **work):
    """An engine whose program is native: nothing is traced, so it is for tests in which the program makes no difference."""
    return engine(training, "chain", Space({"rate": [0.001, 0.002, 0.004, 0.006, 0.008]}), __file__, **work)


def chain(rate):
    inputs = keras.Input((10,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(rate))
    return model


def finished(reports):
    found = {}
    for report in reports:
        if report.rows is not None:
            found |= by_point(report.rows)
    return found


def test_a_group_is_trained_to_its_end_in_one_trial():
    reports = reports_of(of_chains(Training(Fit(epochs=3, batch_size=32), RULES)), [0, 1, 2, 3])
    rows = finished(reports)
    assert sorted(rows) == [0, 1, 2, 3]
    assert all(row["status"] == "completed" and row["epochs"] == 3 for row, _, _ in rows.values())
    assert reports[-1].open == 0 and reports[-1].timing["compile"] > 0


def test_points_that_are_no_group_come_back_as_parts(monkeypatch):
    space = Space({"units": [4, 5], "learning_rate": [0.01, 0.02], "batch_size": [16, 32]})
    training = Training(Fit(epochs=3), RULES)
    [report] = reports_of(engine(training, space=space), range(8))
    assert sorted(part.tolist() for part in report.parts) == [[0, 2], [1, 3], [4, 6], [5, 7]]
    assert len(report.costs) == 4 and report.known.models
    monkeypatch.setattr(
        "trainables.fused.compose.few.FEW", 3
    )  # many points are studied, and split in two steps
    [report] = reports_of(engine(training, space=space), range(8))
    assert [part.tolist() for part in report.parts] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    [report] = reports_of(engine(training, space=space), report.parts[0])
    assert sorted(part.tolist() for part in report.parts) == [[0, 2], [1, 3]] and len(report.costs) == 2


@pytest.mark.parametrize(
    ("programs", "sizes"),
    [
        ("native", [3, 2, 2]),
        pytest.param("xla", [4, 3], marks=pytest.mark.slow),
        ("any", [3, 2, 2]),
    ],
)
def test_a_group_that_is_too_long_for_one_worker_comes_back_in_parts(monkeypatch, programs, sizes):
    """A program of XLA is cut less, since each part compiles it again."""
    monkeypatch.setattr(engine_module, "LEAST_COMPILED", 4)
    training = Training(Fit(epochs=2, batch_size=32), RULES, programs=programs)
    space = Space({"rate": [0.001 * number for number in range(1, 8)]})
    made = engine(training, "chain", space, __file__)
    made.begin(np.arange(7), None, most=3)
    report = made.step()
    assert report.done and report.rows is None and report.refused is None
    assert [len(part) for part in report.parts] == sizes
    np.testing.assert_array_equal(np.concatenate(report.parts), np.arange(7))
    found = {}
    for part in report.parts:
        made.begin(part, report.known, most=4)
        found |= finished(reports_to_the_end(made))
    whole = finished(reports_of(engine(training, "chain", space, __file__), range(7)))
    assert set(found) == set(whole) == set(range(7))
    for idx in whole:
        if programs != "xla":
            np.testing.assert_array_equal(found[idx][2], whole[idx][2])  # the same bits
        np.testing.assert_allclose(found[idx][2], whole[idx][2], rtol=1e-5)


@pytest.mark.parametrize(("name", "why"), [("lstm", "recurrent"), ("stateful_python", "Python attributes")])
def test_what_no_program_can_train_is_left_alone_with_the_reason(name, why):
    space = Space({"learning_rate": zoo.SPACES[name]["learning_rate"]})
    [report] = reports_of(engine(Training(Fit(epochs=3), RULES), builder=name, space=space), [0, 1])
    assert report.refused.tolist() == [0, 1] and why in report.why


def wrong_loss(learning_rate):
    """Its loss fits a whole batch of 32 rows alone, which no description of the model shows."""
    inputs = keras.Input((10,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    loss = lambda y, predicted: tf.reduce_mean(tf.reshape(y, (32,)) - tf.reshape(predicted, (32,)))  # noqa: E731
    model.compile(loss=loss, optimizer=keras.optimizers.SGD(learning_rate))
    return model


def test_the_cause_of_what_cannot_be_compiled_is_told():
    space = Space({"learning_rate": [0.01, 0.02]})
    training = Training(Fit(epochs=3, batch_size=32), RULES)
    [report] = reports_of(engine(training, "wrong_loss", space, __file__), [0, 1])
    assert report.refused.tolist() == [0, 1]
    assert report.why == (
        "Keras raises an error, too (InvalidArgumentError: Input to reshape is a tensor with 19 values, but the "
        "requested shape has 32)"
    )


def positions(rate):
    """Looks its last feature up, which is 0, 1, 2 or 3 in the table."""
    inputs = keras.Input((10,))
    found = keras.layers.Flatten()(keras.layers.Embedding(4, 2)(inputs[:, -1:]))
    outputs = keras.layers.Dense(1)(keras.layers.Concatenate()([inputs, found]))
    model = keras.Model(inputs, outputs)
    model.compile(loss="mse", optimizer=keras.optimizers.SGD(rate))
    return model


def with_position(part, row):
    """A table with a position beyond those of the model, in one row that is `train` or `test`."""
    x_train, x_test = TABLE.x_train.copy(), TABLE.x_test.copy()
    (x_train if part == "train" else x_test)[row, -1] = 7.0
    return replace(TABLE, x_train=x_train, x_test=x_test)


@pytest.mark.parametrize(
    ("part", "row"), [("train", -1), ("test", 5), pytest.param("train", 100, marks=pytest.mark.slow)]
)
def test_points_of_which_keras_raises_an_error_are_left_to_keras_before_they_are_trained(
    monkeypatch, part, row
):
    trained = []
    monkeypatch.setattr(Cohort, "train", lambda self: trained.append(self))
    training, space = Training(Fit(epochs=2, batch_size=32), RULES), Space({"rate": [0.01, 0.02]})
    builder = find.find(f"{__file__}:positions", Path.cwd())
    made = ProgramEngine(Work(space, builder, with_position(part, row), training))
    [report] = reports_of(made, [0, 1])
    assert report.refused.tolist() == [0, 1] and not trained
    assert report.why.startswith("Keras raises an error, too (InvalidArgumentError: ")
    assert "= 7 is not in [0, 4)" in report.why


@pytest.mark.parametrize("where", ["train", pytest.param("report", marks=pytest.mark.slow)])
def test_an_error_of_a_model_after_the_first_epoch_leaves_its_points_to_keras(monkeypatch, tmp_path, where):
    """Other errors, such as that memory has run out, end the trial, which another worker tries again."""

    def begun(error, folder):
        def fail(*_):
            raise error

        monkeypatch.setattr(engine_module, "STEP_S", 0.0)
        monkeypatch.setattr(engine_module, "CHECKPOINT_EVERY_S", 0.0)
        kept = LocalCheckpoints(str(tmp_path / folder))
        made = of_chains(Training(Fit(epochs=3, batch_size=32), RULES), checkpoints=kept)
        made.begin(np.arange(2))
        assert not made.step().done
        monkeypatch.setattr(Cohort, where, fail)
        return made

    with pytest.raises(tf.errors.ResourceExhaustedError):
        reports_to_the_end(begun(tf.errors.ResourceExhaustedError(None, None, "no memory"), "one"))
    monkeypatch.undo()
    error = tf.errors.InvalidArgumentError(None, None, "indices[3,0] = 8 is not in [0, 7)")
    report = reports_to_the_end(begun(error, "other"))[-1]
    assert report.done and report.refused.tolist() == [0, 1]
    assert report.why == (
        "a program of them raises an error (InvalidArgumentError: indices[3,0] = 8 is not in [0, 7))"
    )
    assert not list((tmp_path / "other").glob("*.npz"))


def test_a_model_too_large_to_gain_is_left_alone(monkeypatch):
    monkeypatch.setattr("trainables.fused.model.refuse.MAX_WEIGHTS", 10)
    [report] = reports_of(engine(Training(Fit(epochs=3), RULES)), [0, 1])
    assert report.refused.tolist() == [0, 1] and "keeps a core busy by itself" in report.why


def test_a_group_is_no_larger_than_the_memory_it_may_use(monkeypatch):
    monkeypatch.setattr("trainables.fused.compose.split.LEAST_POINTS", 1)
    [report] = reports_of(engine(Training(Fit(epochs=2, batch_size=32), RULES, memory_mb=0.02)), [0, 1, 2, 3])
    assert [part.tolist() for part in report.parts] == [[0, 1], [2, 3]] and "memory_mb" in report.why
    rows = finished(reports_of(engine(Training(Fit(epochs=2, batch_size=32), RULES, memory_mb=0.02)), [0, 1]))
    assert sorted(rows) == [0, 1]


@pytest.mark.slow
def test_a_trial_that_takes_over_goes_on_from_the_checkpoint(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_module, "STEP_S", 0.0)  # a step an epoch
    monkeypatch.setattr(engine_module, "CHECKPOINT_EVERY_S", 0.0)
    training, kept = (
        Training(Fit(epochs=6, batch_size=32), Callbacks()),
        LocalCheckpoints(str(tmp_path / "checkpoints")),
    )
    undisturbed = finished(reports_of(engine(training), range(5)))

    killed = engine(training, checkpoints=kept)
    killed.begin(np.arange(4))
    for _ in range(4):
        assert killed.step().rows is None
    also_kept = LocalCheckpoints(str(shutil.copytree(tmp_path / "checkpoints", tmp_path / "copy")))
    taken_over = engine(training, checkpoints=kept)
    taken_over.begin(np.arange(4))
    reports = [taken_over.step()]
    assert (
        taken_over._cohort.epoch == 4
    )  # three epochs were in the checkpoint: the fourth step wrote it first
    reports += reports_to_the_end(taken_over)
    for idx, (row, curve, values) in finished(reports).items():
        # The same program of the same shape: the same numbers to the last bit.
        np.testing.assert_array_equal(curve["val_loss"], undisturbed[idx][1]["val_loss"])
        assert row["loss_te"] == undisturbed[idx][0]["loss_te"]
        np.testing.assert_array_equal(values, undisturbed[idx][2])
    assert list((tmp_path / "checkpoints").iterdir()) == []

    # One of the points has a row by now, and another has never been begun.
    rows = finished(reports_of(engine(training, checkpoints=also_kept), [1, 2, 3, 4]))
    assert sorted(rows) == [1, 2, 3, 4]
    for idx, (_, curve, _) in rows.items():
        np.testing.assert_allclose(curve["val_loss"], undisturbed[idx][1]["val_loss"], rtol=1e-3)


def test_the_rungs_say_who_goes_on():
    asha = Asha(grace_period=2, reduction_factor=2)
    training = Training(Fit(epochs=6, batch_size=32), Callbacks(), milestones=asha.milestones(6))
    rungs = RungsHere(Rungs(asha, 6, 0))
    reports = reports_of(of_chains(training, rungs=rungs), [0, 1, 2, 3])
    rows = finished(reports)
    told = [row for report in reports if report.rungs is not None for row in report.rungs.to_pylist()]
    seen = pd.DataFrame(rungs.rungs.entries()).to_dict("records")
    assert sorted(told, key=str) == sorted(seen, key=str)
    # By hand: the better half goes past epoch 2, and of these the better half past epoch 4.
    lowest = {idx: np.minimum.accumulate(curve["val_loss"]) for idx, (_, curve, _) in rows.items()}
    first = sorted(rows, key=lambda idx: lowest[idx][1])
    assert [rows[idx][0]["epochs"] for idx in first[2:]] == [2, 2]
    second = sorted(first[:2], key=lambda idx: lowest[idx][3])
    assert [rows[idx][0]["epochs"] for idx in second] == [6, 4]
    assert [rows[idx][0]["status"] for idx in second] == ["completed", "pruned"]


def test_points_that_no_rung_can_judge_have_no_row():
    training = Training(Fit(epochs=6, batch_size=32), Callbacks(), milestones=(2,))
    *_, last = reports = reports_of(of_chains(training, rungs=LostRungs()), [0, 1])
    assert last.broken == "nobody can judge it" and not any(
        report.rows or report.refused for report in reports
    )


@pytest.mark.parametrize("where", ["a missing name", "an error of the engine's own code"])
def test_what_the_engine_itself_cannot_do_is_no_reason_to_leave_points_alone(monkeypatch, where):
    if where == "a missing name":
        monkeypatch.delattr("keras.src.trainers.trainer.Trainer._compute_loss")
    else:
        monkeypatch.delattr("trainables.fused.compose.members.assemble")
    [report] = reports_of(engine(Training(Fit(epochs=2, batch_size=32), RULES)), [0, 1])
    assert report.refused is None and "--engine keras" in report.broken and "fused engine" in report.broken


def adam_or_sgd(rate, optimizer, units=3):
    inputs = keras.Input((10,))
    x = keras.layers.BatchNormalization()(keras.layers.Dense(units, activation="tanh")(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Dropout(0.2, seed=3)(x)))
    model.compile({"adam": keras.optimizers.Adam, "sgd": keras.optimizers.SGD}[optimizer](rate), "mse")
    return model


@pytest.mark.parametrize(
    ("programs", "rtol"), [("native", 0.0), pytest.param("xla", 1e-4, marks=pytest.mark.slow)]
)
def test_a_trial_gives_half_of_its_points_to_another_worker(tmp_path, monkeypatch, programs, rtol):
    """The other one goes on where they were; the points that it takes are of one optimizer, so it has fewer slots."""
    monkeypatch.setattr(engine_module, "STEP_S", 0.0)  # a step an epoch
    monkeypatch.setattr(engine_module, "LANES", 4)
    monkeypatch.setattr("trainables.fused.training.pace.Pace.saves_s", lambda *_: 5.0)
    space = Space({"optimizer": ["adam", "sgd"], "rate": [0.001 * number for number in range(1, 6)]})
    training = Training(Fit(epochs=6, batch_size=32), RULES, programs=programs)
    kept = LocalCheckpoints(str(tmp_path / "checkpoints"))

    def made(**work):
        return engine(training, "adam_or_sgd", space, __file__, **work)

    undisturbed = finished(reports_of(made(), range(10)))
    giver = made(checkpoints=kept)
    giver.begin(np.arange(10))
    assert [giver.step().saves_s for _ in range(3)] == [5.0] * 3
    giver.give()
    report = giver.step()
    assert report.given.tolist() == [8, 9] and report.open == 8 and not report.done  # whole chunks are kept
    giver.give()
    assert giver.step().given.tolist() == [4, 5, 6, 7]
    found = finished(reports_to_the_end(giver))
    assert sorted(found) == [0, 1, 2, 3]
    for points in ([4, 5, 6, 7], [8, 9]):
        receiver = made(checkpoints=kept)
        receiver.begin(np.array(points))
        reports = [receiver.step()]
        assert receiver._cohort.epoch == 4 and receiver._cohort.idx.tolist() == points
        found |= finished([*reports, *reports_to_the_end(receiver)])
    assert not list((tmp_path / "checkpoints").iterdir())
    assert set(found) == set(undisturbed)
    for idx, (row, curve, weights) in undisturbed.items():
        assert found[idx][0]["epochs"] == row["epochs"] and found[idx][0]["best_epoch"] == row["best_epoch"]
        for one, other in ((found[idx][1]["val_loss"], curve["val_loss"]), (found[idx][2], weights)):
            np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol / 10)


def test_a_trial_keeps_points_that_cannot_be_handed_over(tmp_path, monkeypatch):
    monkeypatch.setattr(engine_module, "STEP_S", 0.0)
    monkeypatch.setattr(engine_module, "LANES", 2)
    monkeypatch.setattr("trainables.fused.training.pace.Pace.saves_s", lambda *_: 5.0)
    (tmp_path / "a file").touch()
    training = Training(Fit(epochs=4, batch_size=32), RULES)
    alone = of_chains(training)
    alone.begin(np.arange(4))
    assert alone.step().saves_s == 0.0  # nowhere to keep a checkpoint
    giver = of_chains(training, checkpoints=LocalCheckpoints(str(tmp_path / "a file")))
    giver.begin(np.arange(4))
    assert giver.step().saves_s == 5.0
    giver.give()
    report = giver.step()
    assert report.given is None and report.open == 4
    assert sorted(finished([report, *reports_to_the_end(giver)])) == [0, 1, 2, 3]
