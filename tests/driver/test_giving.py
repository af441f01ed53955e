"""Who gives points away, and when; and every point has one row, whoever is killed at whatever moment."""

import random
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from results.folder.run_folder import RunFolder
from sweep import Plan
from sweep.driver.giving import LEAST_S, Giving
from sweep.driver.searcher import PointSearcher
from tests.help.plans import small_plan
from tests.help.tune import TuneHere


class Trials:
    """Trials in training, and those that were asked to give, in order."""

    def __init__(self, ready=0):
        self.searcher, self.asked = PointSearcher(waiting=ready), []
        self.giving = Giving(self.searcher)
        for number in range(ready):
            name = f"wait {number}"
            self.searcher.suggest(name)
            self.searcher.ready[name] = object()

    def begin(self, name, engine="fused"):
        give = SimpleNamespace(remote=lambda: self.asked.append(name))
        actor = SimpleNamespace(give=give)
        trial = SimpleNamespace(
            trial_id=name, config={"engine": engine}, temporary_state=SimpleNamespace(ray_actor=actor)
        )
        self.giving.begin(trial)
        return trial


def test_the_longest_trial_is_asked_once_for_each_worker_that_waits():
    trials = Trials(ready=1)
    short, long = trials.begin("short"), trials.begin("long")
    trials.giving.hear(long, 0.0)  # it does not know yet
    trials.giving.hear(short, LEAST_S + 1)
    assert trials.asked == ["short"]  # nobody is known to be longer
    trials.giving.hear(short, LEAST_S + 1)  # the answer, without points
    trials.giving.hear(long, LEAST_S + 9)
    assert trials.asked == ["short", "short"]  # the second question has no answer yet
    trials.giving.forget(short)
    trials.giving.hear(long, LEAST_S + 9)
    assert trials.asked == ["short", "short", "long"]
    other = trials.begin("other")
    trials.giving.hear(other, LEAST_S + 5)
    assert len(trials.asked) == 3


def test_a_shorter_trial_leaves_it_to_the_longer_one():
    trials = Trials(ready=1)
    short, long = trials.begin("short"), trials.begin("long")
    trials.searcher.add_group(np.array([1, 2]))  # there is other work for the worker
    trials.giving.hear(long, LEAST_S + 9)
    assert trials.asked == []
    trials.searcher.begun("none")
    assert trials.searcher.suggest("work")["points"].tolist() == [1, 2]
    trials.giving.hear(long, LEAST_S + 9)
    assert trials.asked == []  # it was handed out, and no worker has begun with it
    trials.searcher.begun("work")
    trials.giving.hear(short, LEAST_S + 1)
    assert trials.asked == []
    trials.giving.hear(long, LEAST_S + 9)
    assert trials.asked == ["long"]


def test_nobody_is_asked_for_what_saves_no_time_or_without_a_worker():
    trials = Trials(ready=1)
    trials.giving.hear(trials.begin("nearly over"), LEAST_S / 2)
    assert trials.asked == []
    trials = Trials(ready=0)
    trials.giving.hear(trials.begin("long"), 100.0)
    assert trials.asked == []


def test_as_many_workers_wait_as_are_free_and_may_get_points():
    trials = Trials()
    assert trials.giving.waits(5) == 0  # nothing is in training
    first = trials.begin("first")
    assert trials.giving.waits(5) == 4  # it may become several groups
    trials.searcher.add_group(np.array([1]))
    assert trials.giving.waits(5) == 3
    trials.giving.hear(first, LEAST_S / 2)
    assert trials.giving.waits(5) == 0  # it is nearly over
    trials.giving.hear(first, LEAST_S * 2)
    trials.begin("single", "keras")
    assert trials.giving.waits(5) == 2
    trials.giving.forget(first)
    assert trials.giving.waits(5) == 0  # a single point has nothing to give


def rows_of(folder):
    rows = pd.read_parquet(folder.points)
    assert rows["idx"].is_unique
    return rows.set_index("idx").sort_index()


@pytest.mark.parametrize("scheduler", ["none", "asha"])
@pytest.mark.parametrize("chance", range(12))
def test_each_point_has_one_row_whoever_is_killed(workplace, monkeypatch, scheduler, chance):
    monkeypatch.setenv("SWEEP_TEST_SAVES_S", "9")
    space = {"units": [2, 3, 4, 5, 6], "rate": [0.1, 0.2, 0.3, 0.4]}
    settings = small_plan(
        space=space, fit={"epochs": 5}, retries=99, scheduler=scheduler, asha={"grace_period": 2}
    )
    plan = Plan(**settings, base=workplace)
    made = TuneHere(plan, RunFolder(workplace / "out"), workers=4)
    random_ = random.Random(chance)
    kills, gave, rounds = 8, 0, 0
    while made.tally.open:
        made.fill()
        made.check()
        rounds += 1
        assert rounds < 2000
        action = random_.choice(["train"] * 4 + ["hear"] * 4 + ["kill", "commit", "kill the driver"])
        ready = [worker for worker in made.training if (worker.result is None) == (action == "train")]
        if action in ("train", "hear") and ready:
            worker = random_.choice(ready)
            if action == "hear":
                gave += worker.result.given is not None
            (made.train if action == "train" else made.hear)(worker)
        elif action == "commit":
            made.collector.commit()
        elif action == "kill" and made.training and kills:
            kills -= 1
            made.kill(random_.choice(made.training))
        elif action == "kill the driver" and kills:
            kills -= 1
            made.start()
    made.collector.commit()
    found = rows_of(made.folder)
    assert len(found) == len(plan.space) and gave
    if scheduler == "asha":  # who goes on depends on who came before
        entered = pd.concat([table.to_pandas() for table in made.store.entered()])
        # A point comes again after a crash, and the decision holds.
        assert (entered.groupby(["milestone", "idx"])["passed"].nunique() == 1).all()
        assert set(entered["idx"]) == set(found.index)
        pruned = found.index[found["status"] == "pruned"]
        assert set(pruned) == set(entered[~entered["passed"]]["idx"])
        return
    alone = TuneHere(plan, RunFolder(workplace / "alone"), workers=1)
    while alone.tally.open:
        alone.fill()
        alone.train(alone.training[0])
        alone.hear(alone.training[0])
    alone.collector.commit()
    pd.testing.assert_frame_equal(found, rows_of(alone.folder))
