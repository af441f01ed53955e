"""What Tune calls, against Ray's own ASHA."""

from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
import pyarrow as pa
from conftest import small_plan
from hypothesis import given
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from sweep import Plan
from sweep.asha import Asha
from sweep.tuning import PointSearcher, _fill_rungs, scheduler


def test_the_searcher_hands_out_each_point_once_and_lists_none():
    asked = []

    def points():
        for idx in (5, 2, 9):
            asked.append(idx)
            yield idx

    searcher = PointSearcher(points())
    assert asked == []
    assert searcher.suggest("a") == {"idx": 5} and asked == [5]
    assert [searcher.suggest("b"), searcher.suggest("c")] == [{"idx": 2}, {"idx": 9}]
    assert searcher.suggest("d") is None  # not "finished": a point may come back
    searcher.give_back(2)
    assert searcher.suggest("e") == {"idx": 2} and searcher.suggest("f") is None


CURVES = st.lists(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=30), min_size=1, max_size=12)
RULES = st.builds(
    Asha,
    grace_period=st.integers(1, 6),
    reduction_factor=st.sampled_from([2, 2.5, 3, 4]),
    brackets=st.just(1),
)


def trial(name):
    return SimpleNamespace(trial_id=name)


def fresh(rule, epochs):
    return ASHAScheduler(
        time_attr="epoch",
        metric="val_loss",
        mode="min",
        max_t=epochs,
        grace_period=rule.grace_period,
        reduction_factor=rule.reduction_factor,
    )


def decide(asha, name, curve, epochs_reported):
    """Report the lowest loss so far at the given epochs, until ASHA stops it; return the last epoch."""
    asha.on_trial_add(None, trial(name))
    for epoch in epochs_reported:
        result = {"epoch": epoch, "val_loss": min(curve[:epoch])}
        if asha.on_trial_result(None, trial(name), result) == TrialScheduler.STOP:
            return epoch
    return len(curve)


@given(CURVES, RULES)
def test_reporting_at_milestones_decides_as_reporting_every_epoch(curves, rule):
    epochs = 30
    curves = [np.resize(curve, epochs).tolist() for curve in curves]
    sparse, dense = fresh(rule, epochs), fresh(rule, epochs)
    milestones = rule.milestones(epochs)
    for number, curve in enumerate(curves):
        ours = decide(sparse, str(number), curve, milestones)
        rays = decide(dense, str(number), curve, range(1, epochs + 1))
        assert ours == rays


@given(CURVES, RULES)
def test_filled_rungs_are_those_of_an_undisturbed_run(curves, rule):
    epochs = 30
    undisturbed, resumed = fresh(rule, epochs), fresh(rule, epochs)
    parts = []
    for idx, curve in enumerate(curves):
        curve = [float(np.float32(value)) for value in curve]  # as the store keeps them
        undisturbed.on_trial_add(None, trial(str(idx)))
        for epoch in range(1, len(curve) + 1):
            result = {"epoch": epoch, "val_loss": min(curve[:epoch])}
            undisturbed._trial_info[str(idx)].on_result(trial(str(idx)), epoch, -result["val_loss"])
        parts.append(pa.table({"idx": [idx] * len(curve), "val_loss": curve}))
    _fill_rungs(resumed, parts)
    for (milestone, ours), (again, theirs) in zip(
        resumed._brackets[0]._rungs, undisturbed._brackets[0]._rungs, strict=True
    ):
        assert milestone == again
        assert sorted(ours.values()) == sorted(theirs.values())


def test_a_diverged_point_does_not_move_the_cutoff():
    asha = fresh(Asha(grace_period=1), 10)
    nan = float("nan")
    _fill_rungs(
        asha,
        [
            pa.table({"idx": [1, 1, 2, 2], "val_loss": [3.0, nan, 5.0, 4.0]}),
            pa.table({"idx": [3], "val_loss": [4.0]}),
        ],
    )
    first_rung = asha._brackets[0]._rungs[-1][1]
    assert np.nanmax(list(first_rung.values())) == -4.0 and len(first_rung) == 3
    assert np.isfinite(asha._brackets[0].cutoff(first_rung))


def test_a_trial_whose_worker_died_leaves_no_record():
    asha = scheduler(Plan.load(), ())
    for name, loss in (("a", 3.0), ("b", 4.0)):
        asha.on_trial_add(None, trial(name))
        asha.on_trial_result(None, trial(name), {"epoch": 10, "val_loss": loss})
    asha.on_trial_error(None, trial("a"))
    assert [list(recorded) for _, recorded in asha._brackets[0]._rungs] == [[], [], ["b"]]


def test_a_budget_below_the_grace_period_is_not_pruned(workplace):
    plan = Plan(**small_plan(scheduler="asha", fit={"epochs": 5}), base=workplace)
    assert plan.training.milestones == () and isinstance(scheduler(plan, ()), FIFOScheduler)


def test_scheduler_none_never_stops():
    plan = Plan.load()
    assert isinstance(scheduler(Plan(**{**plan.to_dict(), "scheduler": "none"}), ()), FIFOScheduler)
    assert isinstance(scheduler(plan, ()), ASHAScheduler)
