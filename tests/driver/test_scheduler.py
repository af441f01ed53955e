"""Which trial Tune runs next: never one whose worker is being started, so that no worker is ended while it starts."""

from types import SimpleNamespace

import pytest
from ray.tune.experiment import Trial

from sweep.driver.scheduler import WaitingFirst


class Controller:
    """What a scheduler sees of Tune, with the parts that `ray_internals` reads.

    Args:
        trials: of each trial its status, and whether a worker with its resources is being started.
    """

    def __init__(self, *trials):
        self.trials = [SimpleNamespace(status=status) for status, _ in trials]
        actors = {id(trial): starting for trial, (_, starting) in zip(self.trials, trials, strict=True)}
        self._tune_controller = SimpleNamespace(
            _trial_to_actor=SimpleNamespace(get=lambda trial: id(trial)),
            _actor_manager=SimpleNamespace(is_actor_started=actors.get),
        )

    def get_trials(self):
        return self.trials


@pytest.mark.parametrize(
    ("trials", "chosen"),
    [
        ([(Trial.RUNNING, True), (Trial.PENDING, True), (Trial.PENDING, False), (Trial.PENDING, False)], 2),
        ([(Trial.TERMINATED, False), (Trial.PENDING, False)], 1),
        ([(Trial.PENDING, True)], None),
        ([], None),
    ],
)
def test_the_oldest_trial_without_a_worker_is_next(trials, chosen):
    controller = Controller(*trials)
    found = WaitingFirst().choose_trial_to_run(controller)
    assert found is (None if chosen is None else controller.trials[chosen])
