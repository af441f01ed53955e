"""Which trial Tune runs next: never one whose worker is being started, so that no worker is ended while it starts."""

from types import SimpleNamespace

import numpy as np
import pytest
from ray.tune.experiment import Trial
from ray.tune.schedulers import TrialScheduler

from sweep.driver.scheduler import WaitingFirst
from sweep.driver.searcher import PointSearcher


class Controller:
    """What a scheduler sees of Tune, with the parts that `ray_internals` reads.

    Args:
        trials: of each trial its status, whether a worker with its resources is being started, and its engine.
        free: workers whose trial has ended.
    """

    def __init__(self, *trials, free=0):
        self.trials = [
            SimpleNamespace(status=status, trial_id=str(number), config={"engine": engine})
            for number, (status, _, engine) in enumerate(trials)
        ]
        actors = {id(trial): starting for trial, (_, starting, _) in zip(self.trials, trials, strict=True)}
        self._tune_controller = SimpleNamespace(
            _trial_to_actor=SimpleNamespace(get=lambda trial: id(trial)),
            _actor_manager=SimpleNamespace(is_actor_started=actors.get),
            _actor_cache=SimpleNamespace(num_cached_objects=free),
        )
        self.stopped = []

    def get_trials(self):
        return self.trials

    def stop_trial(self, trial):
        self.stopped.append(trial)


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
    controller = Controller(*((*trial, "fused") for trial in trials))
    found = WaitingFirst(PointSearcher()).choose_trial_to_run(controller)
    assert found is (None if chosen is None else controller.trials[chosen])


def ready(controller, *numbers):
    """Return a scheduler that has heard of the waits with these numbers that their workers are ready."""
    searcher = PointSearcher(waiting=9)
    scheduler = WaitingFirst(searcher)
    for number in numbers:
        trial = controller.trials[number]
        assert scheduler.on_trial_result(controller, trial, {"wait": True}) == TrialScheduler.NOOP
    return scheduler, searcher


WAITS = [(Trial.RUNNING, True, "wait"), (Trial.RUNNING, True, "wait"), (Trial.PENDING, False, "wait")]


def test_a_trial_with_points_goes_on():
    result = {"wait": False}
    assert WaitingFirst(PointSearcher()).on_trial_result(None, None, result) == TrialScheduler.CONTINUE


def test_one_wait_ends_for_work_which_comes_before_another_wait():
    controller = Controller(*WAITS, (Trial.PENDING, False, "fused"))
    scheduler, searcher = ready(controller, 0, 1)
    assert scheduler.choose_trial_to_run(controller) is controller.trials[3]
    assert controller.stopped == controller.trials[:1] and list(searcher.ready) == ["1"]


def test_no_wait_ends_while_there_is_a_free_worker_or_no_work():
    for trials, free, chosen in (([*WAITS, (Trial.PENDING, False, "fused")], 1, 3), (WAITS, 0, 2)):
        controller = Controller(*trials, free=free)
        scheduler, searcher = ready(controller, 0, 1)
        assert scheduler.choose_trial_to_run(controller) is controller.trials[chosen]
        assert not controller.stopped and len(searcher.ready) == 2


def test_a_wait_ends_for_work_that_tune_may_not_ask_for_yet():
    """With --cpus, no more trials are asked for than may run at once; a wait is one of them."""
    controller = Controller(*WAITS[:2])
    scheduler, searcher = ready(controller, 0, 1)
    searcher.add_group(np.array([1, 2]))
    assert scheduler.choose_trial_to_run(controller) is None
    assert controller.stopped == controller.trials[:1]
