"""The scheduler of single points and the actor behind it, in a real Ray, against Ray's own ASHA."""

import pickle
from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
import pytest
import ray
from hypothesis import given
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from cluster.connect.local import started
from results import schema
from results.folder.run_folder import RunFolder
from results.store.store import Store
from sweep import Plan
from sweep.driver.rung_actor import RungScheduler, start_rungs
from sweep.driver.rungs import COLUMNS, Rungs
from sweep.plan.asha import Asha
from tests.help.plans import small_plan

# NumPy says so when a rung of Ray's holds NaN alone, or interpolates between infinities.
pytestmark = pytest.mark.filterwarnings("ignore:All-NaN slice", "ignore:invalid value encountered")

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


def begin_anew(actor, *arguments):
    """Make the actor's object anew; `arguments` as of `Rungs`."""
    ray.get(actor.__ray_call__.remote(lambda rungs, *given: rungs.__init__(*given), *arguments))


def trial(idx):
    return SimpleNamespace(trial_id=str(idx), config={"idx": idx})


def tune_tells(scheduler, idx, result, ends):
    """Tell a scheduler of a result as Tune does, and return whether the trial goes on."""
    if ends or scheduler.on_trial_result(None, trial(idx), result) == TrialScheduler.STOP:
        scheduler.on_trial_complete(None, trial(idx), result)
        return False
    return True


def columns_of(parts):
    """Return what was entered as one table; the types must be those that are stored."""
    stored = schema.to_arrow(schema.RUNGS)
    tables = [pa.table(part, schema=stored) for part in parts]
    return pa.concat_tables([stored.empty_table(), *tables])


def as_rows(columns):
    """Return what rungs have seen as a sorted list, NaN as text so that it equals itself."""
    rows = zip(*(columns[name].tolist() for name in COLUMNS), strict=True)
    return sorted((at, idx, str(value), passed) for at, idx, value, passed in rows)


@given(rule=RULES, arrivals=ARRIVALS, seed=st.integers(0, 99))
def test_points_are_stopped_as_by_rays_asha(actor, rule, arrivals, seed):
    begin_anew(actor, rule, EPOCHS, seed)
    milestones = rule.milestones(EPOCHS)
    ours = RungScheduler(actor, milestones)
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
        goes_on = tune_tells(ours, idx, result, ends)
        assert goes_on == tune_tells(theirs, idx, result, ends)
        passed[idx] += 1
        if not goes_on:
            over.add(idx)
    # All that was asked is there once, and put into other rungs it makes them the same.
    entered = columns_of(ours.entered)
    assert list(zip(entered["milestone"].to_pylist(), entered["idx"].to_pylist(), strict=True)) == told
    same.restore({name: entered[name].to_numpy() for name in COLUMNS})
    assert as_rows(same.entries()) == as_rows(ray.get(actor.entries.remote()))


def test_the_end_of_a_trial_counts_at_a_milestone_and_nowhere_else(actor):
    begin_anew(actor, Asha(5, 2), EPOCHS)
    scheduler = RungScheduler(actor, (5, 10, 20, 40))
    assert not tune_tells(scheduler, 1, {"epoch": 5, "val_loss": 1.0}, ends=True)
    assert not tune_tells(scheduler, 2, {"epoch": 7, "val_loss": 9.0}, ends=True)
    assert not tune_tells(scheduler, 3, {"epoch": 0, "val_loss": float("nan")}, ends=True)  # it has failed
    assert columns_of(scheduler.entered).to_pydict() == {
        "milestone": [5],
        "idx": [1],
        "value": [1.0],
        "passed": [True],
    }
    assert not tune_tells(scheduler, 4, {"epoch": 5, "val_loss": 2.0}, ends=False)  # worse than the first


def test_a_group_asks_for_itself(actor):
    begin_anew(actor, Asha(5, 2), EPOCHS)
    scheduler = RungScheduler(actor, (5, 10, 20, 40))
    group = SimpleNamespace(trial_id="a", config={"points": np.arange(3)})
    result = {"epoch": 5, "val_loss": float("nan")}
    assert scheduler.on_trial_result(None, group, result) == TrialScheduler.CONTINUE
    scheduler.on_trial_complete(None, group, result)
    assert scheduler.entered == [] and len(ray.get(actor.entries.remote())["idx"]) == 0


def test_a_point_whose_worker_died_is_told_the_same_again(actor):
    begin_anew(actor, Asha(5, 2), EPOCHS)
    scheduler = RungScheduler(actor, (5, 10, 20, 40))
    assert tune_tells(scheduler, 1, {"epoch": 5, "val_loss": 2.0}, ends=False)
    assert tune_tells(scheduler, 2, {"epoch": 5, "val_loss": 1.0}, ends=False)
    scheduler.on_trial_error(None, trial(1))
    again = SimpleNamespace(trial_id="another", config={"idx": 1})
    result = {"epoch": 5, "val_loss": 2.0}  # which the rung would stop now
    assert scheduler.on_trial_result(None, again, result) == TrialScheduler.CONTINUE
    assert as_rows(ray.get(actor.entries.remote())) == [(5, 1, "2.0", True), (5, 2, "1.0", True)]


def test_rungs_go_on_from_what_an_earlier_run_entered(ray_here, tmp_path):
    asha = Asha(grace_period=2, reduction_factor=3, max_t=30, brackets=3)
    plan = Plan(**{**Plan.load().to_dict(), "asha": vars(asha), "seed": 5})
    earlier, store = Rungs(asha, 30, seed=5), Store(_made(tmp_path / "a run é"), {})
    chance = np.random.default_rng(2)
    for points in np.split(np.arange(40), 4):
        for milestone in earlier.milestones:
            value = chance.normal(size=len(points))
            value[0] = np.nan
            passed = earlier.enter(milestone, points, value)
            at = np.full(len(points), milestone, "int32")
            store.commit([], [{"milestone": at, "idx": points, "value": value, "passed": passed}])
            points = points[passed]
    reopened = Store(RunFolder(tmp_path / "a run é"), {})
    rungs = start_rungs(plan, reopened.entered())
    assert as_rows(ray.get(rungs.entries.remote())) == as_rows(earlier.entries())
    # It has the plan's settings, so that points not seen yet are judged alike, too.
    assert ray.get(rungs.__ray_call__.remote(lambda made: made.milestones)) == plan.training.milestones
    value = chance.normal(size=80)
    for milestone in (2, 6, 18):
        expected = earlier.enter(milestone, np.arange(80), value)
        found = ray.get(rungs.enter.remote(milestone, np.arange(80), value))
        np.testing.assert_array_equal(found, expected)
        assert 0 < expected[40:].sum() < 40
    ray.kill(rungs)


def _made(path):
    folder = RunFolder(path)
    folder.create()
    return folder


def test_it_pickles_without_what_it_holds(workplace):
    plan = Plan(**small_plan(scheduler="asha"), base=workplace)
    scheduler = RungScheduler(lambda: "no pickle can hold me", plan.training.milestones)
    assert vars(pickle.loads(pickle.dumps(scheduler))) == {}
