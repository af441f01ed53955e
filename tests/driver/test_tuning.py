"""Tuning: what a trial asks Ray for is what the plan says."""

from sweep.driver.tuning import placement
from sweep.plan.resources import Resources


def test_a_trial_asks_for_cores_and_nothing_that_it_does_not_need():
    asked = placement(Resources())
    assert asked.bundles == [{"CPU": 1.0}] and "bundle_label_selector" not in asked._kwargs


def test_a_trial_asks_for_what_the_plan_says():
    asked = placement(
        Resources(cpu=2, gpu=0.25, custom={"big_disk": 1, "licence": 0.5}, labels={"zone": "north"})
    )
    assert asked.bundles == [{"CPU": 2.0, "GPU": 0.25, "big_disk": 1, "licence": 0.5}]
    assert asked._kwargs["bundle_label_selector"] == [{"zone": "north"}]
