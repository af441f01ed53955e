"""All workers train, also while trials end faster than a worker starts."""

import pytest

from tests.help.plans import write_plan


@pytest.mark.slow
@pytest.mark.heavy
def test_short_trials_use_every_worker(numpy_sweeps):
    """A trial takes half a second here, and a worker takes five seconds to start."""
    space = {"units": list(range(1, 101)), "rate": [0.001 * number for number in range(1, 301)]}
    write_plan(numpy_sweeps.folder, space=space, fit={"epochs": 4}, resources={"cpu": 1})
    code, output = numpy_sweeps.run(
        "run", "plan.yaml", "--out", "out", "--cpus", "2", SWEEP_TEST_PREPARE_S="5", SWEEP_TEST_STEP_S="0.5"
    )
    assert code == 0, output
    begun = numpy_sweeps.begun()
    assert len(begun) > 30 and len({trial["process"] for trial in begun}) == 2
    assert len(numpy_sweeps.rows()) == 30_000
