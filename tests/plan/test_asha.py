"""The milestones of a plan are the rungs of Ray's ASHA, which decides the same at milestones as at every epoch."""

from types import SimpleNamespace

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from ray.tune.schedulers import ASHAScheduler, TrialScheduler

from sweep.plan.asha import Asha


@given(st.integers(1, 20), st.sampled_from([1.5, 2, 2.5, 3, 4]), st.integers(20, 300), st.integers(1, 3))
def test_every_rung_of_ray_is_a_milestone(grace_period, reduction_factor, epochs, brackets):
    milestones = Asha(grace_period, reduction_factor, brackets=brackets).milestones(epochs)
    assert list(milestones) == sorted(set(milestones)) and all(m < epochs for m in milestones)
    rays = ASHAScheduler(
        max_t=epochs, grace_period=grace_period, reduction_factor=reduction_factor, brackets=brackets
    )
    for bracket in rays._brackets:
        for rung, _ in bracket._rungs:
            # The first epoch that is not before the rung; at the last epoch the point ends anyway.
            assert any(m - 1 < rung <= m for m in milestones) or rung > epochs - 1


def test_the_reference_has_three():
    assert Asha().milestones(200) == (10, 40, 160)
    assert Asha(grace_period=5).milestones(5) == ()
    assert "asha.grace_period=5" in Asha(grace_period=5).note(5) and not Asha(grace_period=5).note(6)


def last_epoch(asha, name, curve, reported):
    """Report the lowest loss so far at the given epochs, and return the one at which ASHA stops the trial."""
    trial = SimpleNamespace(trial_id=name)
    asha.on_trial_add(None, trial)
    for epoch in reported:
        result = {"epoch": epoch, "val_loss": min(curve[:epoch])}
        if asha.on_trial_result(None, trial, result) == TrialScheduler.STOP:
            return epoch
    return len(curve)


@given(
    st.lists(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=30), min_size=1, max_size=12),
    st.builds(Asha, st.integers(1, 6), st.sampled_from([2, 2.5, 3, 4])),
)
def test_reporting_at_milestones_decides_as_reporting_every_epoch(curves, rule):
    epochs = 30
    sparse, dense = (
        ASHAScheduler(
            time_attr="epoch",
            metric="val_loss",
            mode="min",
            max_t=epochs,
            grace_period=rule.grace_period,
            reduction_factor=rule.reduction_factor,
        )
        for _ in range(2)
    )
    for number, values in enumerate(curves):
        curve = np.resize(values, epochs).tolist()
        at_milestones = last_epoch(sparse, str(number), curve, rule.milestones(epochs))
        assert at_milestones == last_epoch(dense, str(number), curve, range(1, epochs + 1))
