"""The verification at the end of a sweep, as the collector drives it: reports are made up here."""

import json
from types import SimpleNamespace

import pytest

from results.folder.errors import FolderError
from results.folder.run_folder import RunFolder
from results.store.store import Store
from results.verified import verification
from sweep import Plan
from sweep.driver import verifier
from sweep.driver.collector import Collector
from sweep.driver.searcher import PointSearcher
from sweep.driver.verifier import START_S, STOPPED, USED_UP, Verifier
from sweep.process.signals import StopRequested
from sweep.process.tally import Tally
from tests.help.plans import small_plan
from tests.help.rows import finished
from trainables.check import Check, Difference
from trainables.engine import Report
from trainables.trials.engines import VERIFY
from trainables.trials.trial import PAYLOAD

EPOCHS = 40


class Sweep:
    """A sweep of 12 points that are all in: point 0 is the best, then 1, and so on."""

    def __init__(self, workplace, spent_s=1000.0, workers=1, epochs=EPOCHS, **changes):
        self.plan = Plan(**small_plan(fit={"epochs": epochs}, **changes), base=workplace)
        self.folder = RunFolder(workplace / "out")
        self.folder.create()
        self.store = Store(self.folder, self.plan.space)
        if not len(self.store):
            points = [finished(idx, epochs=epochs, engine="fused") for idx in range(12)]
            for point in points:
                point.row["loss_va"] = float(point.row["idx"])
            self.store.commit(points)
        self.searcher = PointSearcher()
        self.tally = Tally(asked=12, counts={"completed": 12}, workers=workers, spent_s={"train": spent_s})
        self.stop, self.stages = False, []
        self.verifier = Verifier(self.plan, self.folder, self.tally, self.searcher)
        self.collector = Collector(
            self.plan, self.store, self.searcher, self.tally, lambda: None, lambda: self.stop,
            verifier=self.verifier, on_verify=lambda: self.stages.append("verifying"),
        )  # fmt: skip
        self.trials = {}

    def goes_on(self):
        """Let the collector end a step of Tune; return whether the sweep goes on."""
        try:
            self.collector.on_step_end(0, [])
        except StopRequested as stop:
            assert stop.error is None
            return False
        return True

    def next(self):
        """Return the point of the trial that the searcher hands out next, which begins; None for none."""
        config = self.searcher.suggest("trial")
        if config is None:
            return None
        assert config["engine"] == VERIFY
        [idx] = config["points"].tolist()
        assert config["given"]["found"].epochs == self.plan.fit.epochs
        trial = SimpleNamespace(trial_id=str(idx), config=config, error_file=None)
        self.collector.on_trial_start(0, [], trial)
        self.trials[idx] = trial
        return idx

    def report(self, idx, epochs, seconds, differences=(), note=""):
        of = self.plan.fit.epochs
        done = epochs == of or bool(differences) or bool(note)
        check = Check(idx, epochs, of, done, differences, note)
        report = Report(done=done, open=int(not done), timing={VERIFY: seconds}, check=check)
        self.collector.on_trial_result(0, [], self.trials[idx], {"done": done, PAYLOAD: report})

    def found(self):
        return verification(self.folder, self.verifier_rows())

    def verifier_rows(self):
        from results.store.read import read_points

        return read_points(self.folder)


def test_the_best_are_checked_one_after_the_other_and_kept(workplace):
    sweep = Sweep(workplace)  # 50 s, enough for all
    for idx in range(10):
        assert sweep.goes_on() and sweep.next() == idx and sweep.next() is None
        sweep.report(idx, EPOCHS, 2.0)
        assert sweep.found().entries[idx].agrees  # at once, since the driver may be killed
    assert not sweep.goes_on() and sweep.stages == ["verifying"]
    found = sweep.found()
    assert found.best == list(range(10)) and found.waiting == [] and found.why == ""
    assert sweep.tally.verified == "10 of the 10 best points are what Keras trains"
    assert sweep.tally.spent_s[VERIFY] == 20.0
    assert len(sweep.store) == 12  # a check is no row


def test_it_ends_in_the_middle_of_a_point_when_the_time_is_used(workplace):
    sweep = Sweep(workplace, spent_s=100.0)  # 5 s
    assert sweep.goes_on() and sweep.next() == 0
    sweep.report(0, 10, 1.0)
    assert sweep.goes_on() and sweep.next() is None
    sweep.report(0, EPOCHS, 2.0)
    assert sweep.goes_on() and sweep.next() == 1
    sweep.report(1, 10, 1.0)
    assert sweep.goes_on()
    sweep.report(1, 25, 1.1)
    assert not sweep.goes_on()
    found = sweep.found()
    assert found.entries[0].agrees and (found.entries[1].epochs, found.entries[1].whole) == (25, False)
    assert found.waiting == list(range(1, 10)) and found.why == USED_UP


def test_no_point_is_begun_that_would_end_after_the_time(workplace):
    sweep = Sweep(workplace, spent_s=100.0)  # 5 s
    sweep.goes_on()
    sweep.next()
    sweep.report(0, 10, 2.0)  # most of it to build and trace
    sweep.report(0, EPOCHS, 1.5)
    assert not sweep.goes_on() and sweep.next() is None


@pytest.mark.parametrize("epochs", [4, EPOCHS])
def test_ten_epochs_of_the_best_are_checked_however_short_the_sweep_was(workplace, epochs):
    sweep = Sweep(workplace, spent_s=0.0, epochs=epochs)
    assert sweep.goes_on() and sweep.goes_on() and sweep.next() == 0 and sweep.next() is None
    sweep.report(0, 2, 3.0)
    assert sweep.goes_on() and sweep.next() is None
    sweep.report(0, min(10, epochs), 3.0)
    assert not sweep.goes_on()
    assert sweep.found().entries[0].whole == (epochs == 4)


def test_two_are_checked_at_once_if_there_is_time_for_the_start_of_a_worker(workplace):
    sweep = Sweep(workplace, spent_s=2000.0, workers=2)  # 100 s
    assert sweep.goes_on() and sweep.next() == 0
    assert sweep.goes_on() and sweep.next() is None  # the best has to show what a check costs
    sweep.report(0, 10, 3.0)
    sweep.report(0, 20, 1.0)
    assert sweep.goes_on() and sweep.next() == 1
    assert sweep.goes_on() and sweep.next() is None
    assert sweep.verifier._spent_s == 4.0 + START_S
    short = Sweep(workplace, spent_s=500.0, workers=2)  # 25 s
    short.goes_on()
    short.next()
    short.report(0, 10, 3.0)
    assert short.goes_on() and short.next() is None


def test_a_stop_keeps_what_was_verified_so_far(workplace):
    sweep = Sweep(workplace)
    sweep.goes_on()
    sweep.next()
    sweep.report(0, EPOCHS, 1.0)
    sweep.goes_on()
    sweep.next()
    sweep.report(1, 10, 1.0)
    sweep.stop = True
    assert not sweep.goes_on()
    found = sweep.found()
    assert found.entries[0].agrees and found.entries[1].epochs == 10 and found.why == STOPPED


def test_what_was_verified_and_is_unchanged_is_not_verified_again(workplace):
    first = Sweep(workplace)
    for _ in range(2):
        first.goes_on()
        first.report(first.next(), EPOCHS, 1.0)
    first.stop = True
    first.goes_on()
    again = Sweep(workplace)
    assert again.goes_on() and again.next() == 2
    assert again.tally.verified == "2 of the 10 best points are what Keras trains"


def test_differences_are_kept_with_both_values(workplace):
    sweep = Sweep(workplace, verify=1)
    sweep.goes_on()
    sweep.next()
    nan = float("nan")
    sweep.report(
        0, 5, 1.0, [Difference("val_loss", 3, 1.5, nan), Difference("status", 0, "completed", "diverged")]
    )
    assert not sweep.goes_on()
    kept = json.loads(sweep.folder.verified.read_text(), parse_constant=pytest.fail)
    assert kept["points"]["0"]["differences"] == [
        ["val_loss", 3, 1.5, "nan"],
        ["status", 0, "completed", "diverged"],
    ]
    assert sweep.found().differing == [0] and "1 checked points are not" in sweep.tally.verified


def test_a_point_whose_worker_dies_is_tried_three_times(workplace):
    sweep = Sweep(workplace, verify=2)
    for _ in range(verifier.TRIES):
        assert sweep.goes_on() and sweep.next() == 0
        sweep.collector.on_trial_error(0, [], sweep.trials[0])
    assert sweep.goes_on() and sweep.next() == 1
    sweep.report(1, EPOCHS, 1.0)
    assert not sweep.goes_on()
    assert "died 3 times" in sweep.found().entries[0].note and sweep.tally.retried == 0


@pytest.mark.parametrize("changes", [{"verify": 0}, {"engine": "keras"}])
def test_without_points_to_check_the_sweep_ends_at_once(workplace, changes):
    sweep = Sweep(workplace, **changes)
    if changes == {"engine": "keras"}:
        table = sweep.folder.points
        for part in table.glob("*.parquet"):
            part.unlink()
        Store(sweep.folder, sweep.plan.space).commit([finished(0)])
    assert not sweep.goes_on() and sweep.stages == [] and not sweep.folder.verified.exists()


def test_a_folder_that_cannot_be_written_is_told(workplace, monkeypatch):
    sweep = Sweep(workplace)
    sweep.goes_on()
    sweep.next()

    def refuse(*arguments):
        raise FolderError("no room")

    monkeypatch.setattr(verifier, "write", refuse)
    with pytest.raises(StopRequested, match="no room"):
        sweep.report(0, EPOCHS, 1.0)
