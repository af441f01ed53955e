import hypothesis.strategies as st
from hypothesis import given
from ray.tune.schedulers import ASHAScheduler

from sweep.asha import Asha


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
