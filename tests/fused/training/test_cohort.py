"""The fused engine against the Keras trial: the same points, the same numbers.

Tolerance: both do the same float32 operations, in another order of summation. Rounding differs by about 1e-7 an
operation and grows with the epochs, so a learning curve is compared to 1e-3, and stopping epochs may differ only
where two losses tie within that. Some points are chaotic: there Keras departs from itself by a rounding, too.
"""

import numpy as np
import pyarrow.compute as pc
import pytest

from tests.help import zoo
from tests.help.cohorts import (
    ABALONE_TABLE,
    PLAN,
    RULES,
    Fused,
    assert_equal,
    by_point,
    engine_of,
)
from trainables.fused.compose.members import Members, Refused
from trainables.fused.compose.points import Points
from trainables.fused.compose.split import Split
from trainables.fused.internals.errors import UnfusableError
from trainables.settings import Fit, Training
from trainables.single.compare import RTOL

pytestmark = pytest.mark.long(90)


def assert_equal_or_chaotic(fused, engine, idx, seed):
    """As the verification of a sweep does it, but with more nudges: six need a smaller factor than one."""
    alone = engine.alone(idx)
    if engine.differences(fused, alone):
        nudged = [engine.alone(idx, seed) for seed in range(1, 7)]
        differences = engine.differences(fused, alone, nudged, factor=3.0)
        assert not differences, f"seed {seed}, idx {idx}: {engine.space[idx]}: {differences}"


def unless_quick(names):
    """CI has time for some; `test_the_zoo_is_proven` compares all with Keras, for two short epochs."""
    marks = {name: pytest.mark.ci if name in zoo.IN_CI else pytest.mark.slow for name in names}
    return [name if name in zoo.QUICK else pytest.param(name, marks=marks[name]) for name in names]


@pytest.mark.parametrize("name", unless_quick(zoo.FUSABLE))
def test_builders_of_every_kind_train_as_by_keras(name):
    engine = engine_of(name)
    points = two_of_one_program(engine, np.random.default_rng(len(name)).permutation(len(engine.space)))
    fused = engine.train(points)
    assert set(fused) == set(points)
    assert_equal(fused[points[0]], engine.alone(points[0]), engine)


def two_of_one_program(engine, points):
    """Return the first of the points and the next one that can share its program."""
    first, *others = points.tolist()
    for other in others:
        if isinstance(
            engine.composer.compose(Points.of(engine.space, [first, other]), engine.training.fit), Members
        ):
            return [first, other]
    raise AssertionError(f"no other point shares the program of {engine.space[first]}")


def test_a_table_of_an_embedding_trains_as_by_keras():
    """Its gradient is sparse: optimizers square the rows' parts one by one, and a dense one is 1e-2 off."""
    engine = engine_of("embedding")
    like = {"l2": None, "learning_rate": 0.01, "units": 4}
    points = [idx for idx in range(len(engine.space)) if like.items() <= engine.space[idx].items()]
    fused = engine.train(points)
    for idx in points:
        assert_equal(fused[idx], engine.alone(idx), engine)


@pytest.mark.parametrize("name", zoo.FALLING_BACK)
def test_what_cannot_be_fused_says_why(name):
    engine = engine_of(name)
    waiting, refused = [np.arange(len(engine.space))], []
    while waiting:
        part = waiting.pop()
        try:
            found = engine.composer.compose(Points.of(engine.space, part), engine.training.fit)
        except UnfusableError as error:
            found = Refused(str(error))
        if isinstance(found, Split):
            waiting += [part[rows] for rows in found.parts]
        else:
            assert isinstance(found, Refused)
            refused.append((len(part), found.why))
    reason = {
        "custom_train_step": "train_step",
        "stateful_python": "Python attributes",
        "lstm": "recurrent",
        "conv1d": "convolution",
    }
    assert all(reason[name] in why for _, why in refused)
    assert sum(count for count, _ in refused) == len(engine.space)


def reference(epochs, rules=RULES, **changes):
    training = Training(Fit(epochs=epochs), rules, **changes)
    return Fused(PLAN.found_builder, PLAN.space, ABALONE_TABLE, training)


def test_points_of_the_reference_task_train_as_by_keras():
    engine = reference(epochs=6)
    like = {"hidden": [8, 16, 8], "use_batch": True, "dropout_rate": 0.5, "batch_size": 128}
    points = [idx for idx in range(0, len(PLAN.space), 7) if like.items() <= PLAN.space[idx].items()]
    few = {PLAN.space[idx]["activation"] for idx in points[:2]}  # each of them is traced
    points = [idx for idx in points if PLAN.space[idx]["activation"] in few]
    fused = engine.train(points)
    for idx in np.random.default_rng(1).permutation(points)[:1].tolist():
        assert_equal(fused[idx], engine.alone(idx), engine)


@pytest.mark.slow
def test_random_points_of_the_reference_task_train_as_by_keras_to_their_end():
    """Other points in each run; the seed is in the message if it fails."""
    seed = np.random.SeedSequence().entropy
    engine = reference(epochs=200, rules=PLAN.callbacks)
    points = np.random.default_rng(seed).permutation(len(PLAN.space))[:6].tolist()
    fused = engine.train(points)
    for idx in points:
        assert_equal_or_chaotic(fused[idx], engine, idx, seed)


@pytest.mark.slow
@pytest.mark.parametrize("name", zoo.FUSABLE)
def test_random_points_of_every_builder_train_as_by_keras(name):
    seed = np.random.SeedSequence().entropy
    engine = engine_of(name, epochs=30)
    fused = engine.train(range(len(engine.space)))
    for idx in np.random.default_rng(seed).permutation(len(engine.space))[:4].tolist():
        assert_equal_or_chaotic(fused[idx], engine, idx, seed)


def test_a_point_has_the_same_numbers_in_any_company():
    """Other members mean other shapes of the program, so other orders of summation: RTOL, not equality."""
    engine = engine_of("prelu_noise", epochs=4)
    (row, curve, _), (row_alone, curve_alone, _) = engine.train(range(24))[3], engine.train([3])[3]
    np.testing.assert_allclose(curve_alone["val_loss"], curve["val_loss"], rtol=RTOL)
    np.testing.assert_allclose(row_alone["loss_te"], row["loss_te"], rtol=RTOL)


def test_a_point_that_diverges_leaves_its_neighbours_alone():
    engine = engine_of("scheduled", epochs=4, programs="native")
    [cohort] = engine.cohorts([0])
    assert len(cohort.idx) == 1
    cohorts = {len(c.idx): c for c in engine.cohorts(range(len(engine.space)))}
    sick, well = cohorts[max(cohorts)], next(iter(engine.cohorts(cohorts[max(cohorts)].idx)))
    sick._stack.weights[1] = np.nan
    while not (sick.finished and well.finished):
        for cohort in (sick, well):
            if not cohort.finished:
                cohort.train()
    assert sick.status[1] == "diverged" and sick.epoch == 4
    rows = np.flatnonzero(np.arange(len(sick.idx)) != 1)
    one, other = sick.report(rows), well.report(rows)
    assert one.curves.select(["val_loss"]) == other.curves.select(["val_loss"])
    assert one.points.select(["idx", "loss_te"]) == other.points.select(["idx", "loss_te"])
    diverged = by_point(sick.report(np.array([1])))[sick.idx[1]]
    assert diverged[0]["epochs"] == 1 and diverged[0]["best_epoch"] is None and "loss_te" not in diverged[0]


def test_a_cohort_goes_on_from_a_checkpoint_as_if_nothing_had_happened():
    engine = engine_of("clipped", epochs=6, programs="native")
    whole = max(engine.cohorts(range(len(engine.space))), key=lambda cohort: len(cohort.idx))
    for _ in range(2):
        whole.train()
    whole.prune(np.array([0]))
    state = {name: np.array(array) for name, array in whole.state().items()}
    left = whole.idx[1:]
    [resumed] = engine.cohorts(left)
    resumed.restore(state)
    while not (whole.finished and resumed.finished):
        for cohort in (whole, resumed):
            if not cohort.finished:
                cohort.train()
    one, other = whole.report(np.arange(1, len(whole.idx))), resumed.report(np.arange(len(left)))
    np.testing.assert_allclose(one.curves["val_loss"], other.curves["val_loss"], rtol=RTOL)
    assert one.points.select(["idx", "epochs"]) == other.points.select(["idx", "epochs"])
    assert one.curves.select(["learning_rate"]) == other.curves.select(["learning_rate"])
    with pytest.raises(ValueError, match="is not in the checkpoint"):
        next(iter(engine.cohorts([whole.idx[0]]))).restore({**state, "idx": state["idx"][1:]})


def test_early_stopped_points_do_no_more_work():
    engine = engine_of("custom_layer", epochs=40)
    like = {"units": 6, "steepness": 2.0, "kernel_init": "he_normal"}
    points = [idx for idx, point in enumerate(engine.space) if like.items() <= point.items()]
    [cohort] = engine.cohorts(points)
    trained = []
    while not cohort.finished:
        trained.append(int(cohort.alive.sum()))
        cohort.train()
    report = cohort.report(np.arange(len(cohort.idx)))
    assert sum(trained) == pc.sum(report.points["epochs"]).as_py()
    assert trained[-1] < len(cohort.idx), "no point stopped early, so the test says nothing"


def test_a_point_that_takes_too_long_is_out_of_time():
    engine = engine_of("custom_layer", epochs=4, timeout_s=1e-9)
    [cohort] = engine.cohorts([0])
    assert cohort.train().tolist() == [0] and cohort.finished
    row, curve, _ = by_point(cohort.report(np.array([0])))[0]
    assert (
        row["status"] == "timeout" and row["epochs"] == 1 == len(curve["val_loss"]) and "loss_te" not in row
    )
