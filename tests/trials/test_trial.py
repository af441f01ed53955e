"""A worker of Tune: its guard comes first, an engine is made once, and a worker that has grown takes no more points."""

import gc
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from results.space import Space
from tests.help.cohorts import small_table
from trainables.builder.find import Builder, find
from trainables.engine import Engine, Report, Work
from trainables.fused.internals.errors import InternalsError
from trainables.settings import Callbacks, Fit, Training
from trainables.trials import trial as module
from trainables.trials.trial import PAYLOAD, Trial


class Counting(Engine):
    """Needs two steps for whatever it is given."""

    def begin(self, points):
        self.points, self.steps = points, 0

    def step(self):
        self.steps += 1
        return Report(done=self.steps == 2, open=len(self.points))

    def give(self):
        self.points = self.points[:1]


BUILDER = Builder(
    "builders:build", "builders", "build", Path("builders.py"), Path(), "", (), frozenset(), False
)
SPACE = Space({"units": list(range(10))}, repeats=3)
WORK = Work(SPACE, BUILDER, None, Training(Fit(), Callbacks(), seed=7))  # type: ignore[arg-type]  # no engine reads it
WORK.maker.notes = ("a note",)


@dataclass
class Worker:
    """What a test sees of a worker."""

    trial: Any
    done: list[str]

    def take(self, points, engine="keras"):
        return self.trial.reset_config({"points": points, "engine": engine})


@pytest.fixture
def worker():
    """A worker outside of Tune, which has taken the points 4 and 2; what it did is noted."""
    done = []

    class Noted(Trial):
        def prepare(self):
            done.append("prepared")

        def make_engine(self, name):
            done.append(f"made {name}")
            return Counting(self.work)

    made = Noted.__new__(Noted)  # Tune's own constructor asks Ray for the node
    made.setup({"points": [4, 2], "engine": "keras"}, WORK, guard=lambda: done.append("guarded"))
    return Worker(made, done)


def test_a_trial_reports_until_its_engine_is_done(worker):
    assert worker.trial.work == WORK and worker.done == ["guarded", "prepared", "made keras"]
    results = [worker.trial.step() for _ in range(2)]
    assert [result["done"] for result in results] == [False, True]
    assert [result[PAYLOAD].open for result in results] == [2, 2]
    assert all(result[PAYLOAD].notes == ("a note",) for result in results)


def test_the_next_points_go_to_the_engine_that_is_there(worker):
    first = worker.trial._engine
    for engine, points in (("fused", [1]), ("keras", [7, 8, 9])):
        assert worker.take(points, engine)
    assert worker.done == ["guarded", "prepared", "made keras", "made fused"]
    assert worker.trial._engine is first and first.steps == 0
    np.testing.assert_array_equal(first.points, np.array([7, 8, 9], np.int64))
    assert first.points.dtype == np.int64


def test_a_worker_may_wait_before_its_first_points(worker):
    assert worker.take([], "wait")
    result = worker.trial.step()
    assert result["wait"] and not result["done"] and result[PAYLOAD].rows is None
    worker.take([3])
    assert not worker.trial.step()["wait"]


@pytest.mark.parametrize("method", ["prepare", "make_engine"])
def test_libraries_that_no_engine_can_work_with_are_reported(worker, monkeypatch, method):
    def fail(*arguments):
        raise InternalsError("this is another Keras")

    monkeypatch.setattr(type(worker.trial), method, fail)
    worker.trial.setup({"points": [4, 2], "engine": "keras"}, WORK)
    report = worker.trial.step()[PAYLOAD]
    assert report.done and report.broken == "this is another Keras"


def test_a_trial_is_asked_for_points_between_two_steps(worker):
    assert worker.trial.step()[PAYLOAD].open == 2
    worker.trial.give()
    assert worker.trial.step()[PAYLOAD].open == 1
    worker.take([], "wait")
    worker.trial.give()  # an engine that cannot give does nothing


def test_a_prepared_worker_collects_nothing_of_what_it_imported(monkeypatch):
    for name in ("XLA_FLAGS", "TF_XLA_FLAGS", "TF_CPP_MIN_LOG_LEVEL"):  # restored after the test
        monkeypatch.setenv(name, os.environ.get(name, ""))
    trial = Trial.__new__(Trial)
    builder = find("trainables.abalone:build_and_compile_model", Path.cwd())
    trial.work = Work(Space({"units": [1]}), builder, small_table(), Training(Fit(), Callbacks()))
    gc.unfreeze()
    try:
        trial.prepare()
        assert gc.get_freeze_count() > 100_000
        assert not any(getattr(one, "__name__", "") == "Dense" for one in gc.get_objects())
    finally:
        gc.unfreeze()


def test_garbage_is_collected_when_the_worker_has_grown(worker, monkeypatch):
    memory_mb, collections = [500.0], []
    monkeypatch.setattr(module, "resident_mb", lambda: memory_mb[0])
    monkeypatch.setattr(module.gc, "collect", lambda: collections.append(memory_mb[0]))
    for grown_mb in (0.0, module.COLLECT_AFTER_MB, 1.0, 0.0, module.COLLECT_AFTER_MB):
        memory_mb[0] += grown_mb
        worker.take([1])
        while not worker.trial.step()["done"]:
            pass
    assert collections == [500.0, 501.0 + module.COLLECT_AFTER_MB]


def test_the_points_of_a_repeat_have_a_seed_of_their_own_and_engines_of_their_own(worker, monkeypatch):
    monkeypatch.setattr(WORK.maker, "anew", True)
    seeds = {}
    for points in ([4, 2], [14, 12], [13], [29], [0]):
        worker.take(points)
        seeds[points[0]] = worker.trial._engine.work.training.seed
        assert worker.trial._engine.work.maker.anew  # what is known of the builder is true with every seed
        assert worker.trial._engine.work.maker._seed == seeds[points[0]]
    assert seeds == {4: 7, 14: 8, 13: 8, 29: 9, 0: 7}
    assert worker.done.count("made keras") == 4  # not again for the same seed
    with pytest.raises(ValueError):
        worker.take([9, 10])  # two seeds


def test_a_worker_that_may_not_train_prepares_nothing(worker):
    def guard():
        raise RuntimeError("other versions")

    worker.done.clear()
    with pytest.raises(RuntimeError, match="other versions"):
        worker.trial.setup({"points": [1], "engine": "keras"}, "work", guard)
    assert not worker.done


def test_a_worker_that_has_grown_ends_before_it_takes_points(worker, monkeypatch):
    memory_mb = [100.0]

    def end():
        raise SystemExit("the actor ends")

    monkeypatch.setattr(module, "resident_mb", lambda: memory_mb[0])
    monkeypatch.setattr(module.ray.actor, "exit_actor", end)
    memory_mb[0] = 10.0 * module.RETIRE_AFTER_MB
    assert worker.take([1])  # before its first trial has ended there is nothing to compare with
    for _ in range(2):
        worker.trial.step()
    memory_mb[0] += module.RETIRE_AFTER_MB
    assert worker.take([2])
    memory_mb[0] += 1
    with pytest.raises(SystemExit, match="the actor ends"):
        worker.take([3])
    assert worker.trial._engine.points.tolist() == [2]
