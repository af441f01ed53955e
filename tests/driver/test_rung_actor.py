"""The rungs that an actor holds, in a real Ray, against Ray's own ASHA."""

from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import ray
from hypothesis import given
from ray.exceptions import RayError
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from cluster.connect.local import started
from results import schema
from results.folder.run_folder import RunFolder
from results.store.store import Store
from sweep import Plan
from sweep.driver.rung_actor import start_rungs
from sweep.driver.rungs import Rungs
from sweep.plan.asha import Asha
from tests.help.rows import AXES
from trainables.engine import RungsLostError

# NumPy says so when a rung of Ray's holds NaN alone, or interpolates between infinities.
pytestmark = pytest.mark.filterwarnings("ignore:All-NaN slice", "ignore:invalid value encountered")

NAMES = [column.name for column in schema.RUNGS]
EPOCHS = 60
FEW = [0.0, 1.0, 1.5, 2.0, float("nan"), float("inf")]
VALUES = st.one_of(st.sampled_from(FEW), st.floats(-1e6, 1e6))  # the first for ties
RULES = st.builds(
    Asha,
    grace_period=st.integers(1, 6),
    reduction_factor=st.sampled_from([2, 2.5, 3, 4]),
    brackets=st.integers(1, 2),
)
# The point, its loss at its next milestone, and whether the trial ends there of itself: early stopping, say.
ARRIVALS = st.lists(st.tuples(st.integers(0, 9), VALUES, st.integers(0, 9).map(lambda n: n < 2)), max_size=40)


@pytest.fixture(scope="module")
def ray_here():
    with started(cpus=1):
        yield


@pytest.fixture(scope="module")
def actor(ray_here):
    """One actor for all examples: to start a process for each would take a second each."""
    return start_rungs(Plan.load(), ())


def begin_anew(rungs, *arguments):
    """Make the actor's object anew; `arguments` as of `Rungs`."""
    ray.get(rungs._actor.__ray_call__.remote(lambda held, *given: held.__init__(*given), *arguments))
    rungs.entered()


def seen_by(rungs):
    return as_rows(ray.get(rungs._actor.entries.remote()))


def trial(idx):
    return SimpleNamespace(trial_id=str(idx), config={"idx": idx})


def tune_tells(scheduler, idx, result, ends):
    """Tell a scheduler of a result as Tune does, and return whether the trial goes on."""
    if ends or scheduler.on_trial_result(None, trial(idx), result) == TrialScheduler.STOP:
        scheduler.on_trial_complete(None, trial(idx), result)
        return False
    return True


def as_rows(columns):
    """Return what rungs have seen as a sorted list, NaN as text so that it equals itself."""
    rows = zip(*(columns[name].tolist() for name in NAMES), strict=True)
    return sorted((at, idx, str(value), passed) for at, idx, value, passed in rows)


@given(rule=RULES, arrivals=ARRIVALS, seed=st.integers(0, 99))
def test_points_are_stopped_as_by_rays_asha(actor, rule, arrivals, seed):
    begin_anew(actor, rule, EPOCHS, seed)
    milestones = rule.milestones(EPOCHS)
    theirs = ASHAScheduler(
        time_attr="epoch",
        metric="val_loss",
        mode="min",
        max_t=EPOCHS,
        grace_period=rule.grace_period,
        reduction_factor=rule.reduction_factor,
        brackets=rule.brackets,
    )
    same = Rungs(rule, EPOCHS, seed)
    for idx in range(10):
        theirs._trial_info[str(idx)] = theirs._brackets[same.bracket(idx)]
    passed, over, told = dict.fromkeys(range(10), 0), set(), []
    for idx, value, ends in arrivals:
        if idx in over or passed[idx] == len(milestones):
            continue
        result = {"epoch": milestones[passed[idx]], "val_loss": value}
        told.append((result["epoch"], idx))
        [judged] = actor.enter(result["epoch"], np.array([idx]), np.array([value]), together=False)
        goes_on = bool(judged) and not ends
        assert goes_on == tune_tells(theirs, idx, result, ends)
        passed[idx] += 1
        if not goes_on:
            over.add(idx)
    # All that was asked is there once, and put into other rungs it makes them the same.
    entered = actor.entered() or schema.to_arrow(schema.RUNGS).empty_table()
    assert entered.schema.equals(schema.to_arrow(schema.RUNGS))
    assert list(zip(entered["milestone"].to_pylist(), entered["idx"].to_pylist(), strict=True)) == told
    same.restore({name: entered[name].to_numpy(zero_copy_only=False) for name in NAMES})
    assert as_rows(same.entries()) == seen_by(actor)
    assert actor.entered() is None


def test_a_point_whose_worker_died_is_told_the_same_again(actor):
    begin_anew(actor, Asha(5, 2), EPOCHS)
    for idx, value in (
        (1, 2.0),
        (2, 1.0),
        (1, 2.0),
    ):  # at last the rung would stop the first, which comes again
        assert actor.enter(5, np.array([idx]), np.array([value]), together=False).all()
    assert seen_by(actor) == [(5, 1, "2.0", True), (5, 2, "1.0", True)]


def test_points_that_enter_together_are_judged_by_all_of_them(actor):
    begin_anew(actor, Asha(5, 2), EPOCHS)
    value = np.array([3.0, 1.0, 2.0, 4.0])
    assert actor.enter(5, np.arange(4), value, together=True).tolist() == [False, True, True, False]
    assert actor.entered().to_pydict() == {
        "milestone": [5] * 4,
        "idx": [0, 1, 2, 3],
        "value": value.tolist(),
        "passed": [False, True, True, False],
    }


def test_rungs_go_on_from_what_an_earlier_run_entered(ray_here, tmp_path):
    asha = Asha(grace_period=2, reduction_factor=3, max_t=30, brackets=3)
    plan = Plan(**{**Plan.load().to_dict(), "asha": vars(asha), "seed": 5})
    earlier, store = Rungs(asha, 30, seed=5), Store(_made(tmp_path / "a run é"), AXES)
    chance = np.random.default_rng(2)
    for points in np.split(np.arange(40), 4):
        for milestone in earlier.milestones:
            value = chance.normal(size=len(points))
            value[0] = np.nan
            passed = earlier.enter(milestone, points, value)
            at = np.full(len(points), milestone, "int32")
            columns = dict(zip(NAMES, (at, points, value, passed), strict=True))
            store.commit([], [pa.record_batch(columns)])
            points = points[passed]
    reopened = Store(RunFolder(tmp_path / "a run é"), AXES)
    rungs = start_rungs(plan, reopened.entered())
    assert seen_by(rungs) == as_rows(earlier.entries())
    # It has the plan's settings, so that points not seen yet are judged alike, too.
    assert ray.get(rungs._actor.__ray_call__.remote(lambda made: made.milestones)) == plan.training.milestones
    value = chance.normal(size=80)
    for milestone in (2, 6, 18):
        expected = earlier.enter(milestone, np.arange(80), value)
        found = rungs.enter(milestone, np.arange(80), value, together=True)
        np.testing.assert_array_equal(found, expected)
        assert 0 < expected[40:].sum() < 40
    ray.kill(rungs._actor)


def test_rungs_that_have_died_end_the_sweep_and_stop_no_point(ray_here):
    rungs = start_rungs(Plan.load(), ())
    ray.kill(rungs._actor)
    with pytest.raises(RungsLostError, match="ASHA's rungs are lost"):
        rungs.enter(10, np.array([0]), np.array([1.0]), together=False)
    assert rungs.entered() is None


def test_rungs_that_cannot_be_read_again_are_not_begun_with(ray_here):
    with pytest.raises(RayError, match="milestone"):
        start_rungs(Plan.load(), [pa.table({"idx": [1]})])


def _made(path):
    folder = RunFolder(path)
    folder.create()
    return folder
