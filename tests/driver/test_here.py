"""Training in this process: the rows are those of plain Keras, a stop keeps what is finished, the process is as before."""

import random
import signal
import threading

import keras
import numpy as np
import pytest

import results
from results.folder.run_folder import RunFolder
from results.store.idx_set import IdxSet
from results.store.read import read_points
from sweep import Plan, run
from sweep.driver import here
from sweep.models.verify import verified
from sweep.plan.form import PlanError
from tests.help.plans import small_plan

pytestmark = pytest.mark.long(40)

SPACE = {"units": [2, 3], "rate": [0.01], "batch_size": [32]}


def plan_in(workplace, **changes):
    return Plan.from_mapping(
        small_plan(**{"space": SPACE, "engine": "native", "fit": {"epochs": 2}} | changes), base=workplace
    )


def here_run(plan, out):
    return run(plan, out, in_process=True, show=False)


@pytest.mark.parametrize("engine", ["auto", pytest.param("keras", marks=pytest.mark.slow)])
def test_rows_are_what_keras_trains(workplace, engine):
    plan, out = plan_in(workplace, engine=engine), workplace / "out"
    assert here_run(plan, out).exit_code == 0
    opened = results.open(out)
    assert set(opened.points["engine"]) == {"keras" if engine == "keras" else "native"}
    checks = [entry for _, entry, done in verified(opened, plan, [0, 1]) if done]
    assert len(checks) == 2 and not any(entry.differences for entry in checks)
    assert here_run(plan, out).tally.before == 2  # nothing is left to train


def test_a_point_that_fails_has_a_row_and_the_others_go_on(workplace):
    space = {"units": [2], "rate": [0.01], "behaviour": ["fine", "raises"]}
    outcome = here_run(plan_in(workplace, space=space), workplace / "out")
    assert outcome.tally.counts == {"completed": 1, "failed": 1} and outcome.exit_code == 1


def test_failed_points_are_trained_again_on_request(workplace):
    """The cause is outside of the builder: a file that was not there."""
    needs = (workplace / "model.py").read_text()
    needs += """
of_any_units = build

def build(units, rate, normalizer):
    if units == 3:
        open(__file__.replace("needs.py", "units.txt")).close()
    return of_any_units(units, rate, normalizer=normalizer)
"""
    (workplace / "needs.py").write_text(needs)
    plan = plan_in(workplace, builder="needs.py:build", engine="keras")
    assert here_run(plan, workplace / "out").tally.counts == {"completed": 1, "failed": 1}
    before = read_points(RunFolder(workplace / "out"))
    assert here_run(plan, workplace / "out").tally.before == 2
    (workplace / "units.txt").touch()
    outcome = run(plan, workplace / "out", in_process=True, show=False, retry_failed=True)
    assert outcome.tally.counts == {"completed": 2} and outcome.tally.before == 1 and outcome.exit_code == 0
    rows = read_points(RunFolder(workplace / "out"))
    assert rows[rows["idx"] == 0].equals(before[before["idx"] == 0].astype(rows.dtypes))


def test_what_cannot_be_fused_is_trained_one_by_one_or_fails(workplace):
    space = {"units": [2], "rate": [0.01], "behaviour": ["raises"]}
    outcome = here_run(plan_in(workplace, space=space, engine="auto"), workplace / "out")
    assert outcome.tally.counts == {"failed": 1}
    assert sum(lot["points"] for lot in outcome.tally.one_by_one.values()) == 1
    outcome = here_run(plan_in(workplace, space=space, engine="fused"), workplace / "fused")
    assert outcome.tally.counts == {"failed": 1}


LOSSES = """
import keras

def squared():
    def mine(y, p):
        return keras.ops.mean(keras.ops.square(y - p), axis=-1)
    return mine

def absolute():
    def mine(y, p):
        return keras.ops.mean(keras.ops.abs(y - p), axis=-1)
    return mine

def build(units, loss):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile("sgd", loss={"squared": squared, "absolute": absolute}[loss](), metrics=["mae"])
    return model
"""


@pytest.mark.parametrize("engine", ["auto", pytest.param("keras", marks=pytest.mark.slow)])
def test_losses_of_one_name_and_different_code_are_not_compared(workplace, engine):
    (workplace / "losses.py").write_text(LOSSES)
    space = {"units": [2, 3], "loss": ["squared", "absolute"]}
    asha = {"scheduler": "asha", "asha": {"grace_period": 1}}
    plan = plan_in(workplace, space=space, engine=engine, builder="losses.py:build", **asha)
    with pytest.raises(PlanError, match="2 losses called mine, whose code or numbers differ") as caught:
        here_run(plan, workplace / "out")
    assert str(caught.value).endswith("\n  objective: mae")
    plan = plan_in(workplace, space={**space, "loss": ["absolute"]}, engine=engine, builder="losses.py:build")
    assert here_run(plan, workplace / "one").tally.counts == {"completed": 2}


def test_asha_prunes_and_its_records_are_stored(workplace):
    asha = {"grace_period": 1, "reduction_factor": 2}
    space = {"units": [2], "rate": [0.01, 0.001, 1e-4, 1e-5]}
    plan = plan_in(workplace, space=space, scheduler="asha", asha=asha, fit={"epochs": 3})
    outcome = here_run(plan, workplace / "out")
    assert outcome.exit_code == 0 and outcome.tally.counts.get("pruned", 0) >= 1
    rungs = results.open(workplace / "out").rungs()
    assert set(rungs.query("milestone == 1")["idx"]) == {0, 1, 2, 3}


def test_ctrl_c_keeps_what_is_finished_and_the_same_call_resumes(workplace, monkeypatch):
    plan, out = plan_in(workplace), workplace / "out"
    before, commit = signal.getsignal(signal.SIGINT), here.Intake.add

    def finish_and_interrupt(self, rows):
        commit(self, rows)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(here.Intake, "add", finish_and_interrupt)
    outcome = here_run(plan, out)
    assert outcome.exit_code == 3 and outcome.error is None
    assert len(read_points(RunFolder(out))) == 1
    monkeypatch.setattr(here.Intake, "add", commit)
    assert here_run(plan, out).exit_code == 0
    assert sorted(read_points(RunFolder(out))["idx"]) == [0, 1]
    assert signal.getsignal(signal.SIGINT) is before


CATCHES = """
of_any_units = build

def build(units, rate, normalizer):
    mark = __file__.replace("catches.py", "asked")
    if not os.path.exists(mark):
        open(mark, "w").close()
        try:
            signal.raise_signal(signal.SIGINT)
        except:
            pass
    return of_any_units(units, rate, normalizer=normalizer)
"""


def test_a_stop_that_a_builder_catches_stops_after_its_point(workplace):
    (workplace / "catches.py").write_text((workplace / "model.py").read_text() + CATCHES)
    outcome = here_run(plan_in(workplace, builder="catches.py:build", engine="keras"), workplace / "out")
    assert outcome.exit_code == 3 and outcome.error is None
    assert len(read_points(RunFolder(workplace / "out"))) == 1


def test_a_stop_while_rows_are_written_stores_each_once(workplace, monkeypatch):
    add, asked = IdxSet.add, []

    def interrupt_and_add(self, idx):
        if len(idx) and not asked:  # the rows are in their file, and the store does not know it yet
            asked.append(True)
            signal.raise_signal(signal.SIGINT)
        add(self, idx)

    monkeypatch.setattr(IdxSet, "add", interrupt_and_add)
    outcome = here_run(plan_in(workplace), workplace / "out")
    rows = read_points(RunFolder(workplace / "out"))["idx"]
    assert asked and rows.is_unique and len(rows) == outcome.tally.done


def test_the_process_is_as_before(workplace):
    random.seed(3), np.random.seed(4)
    python, numpy = random.getstate(), np.random.get_state()[1].tolist()
    epsilon = keras.config.epsilon()
    keras.config.set_epsilon(1e-5)
    try:
        here_run(plan_in(workplace), workplace / "out")
        assert keras.config.epsilon() == 1e-5
    finally:
        keras.config.set_epsilon(epsilon)
    assert random.getstate() == python and np.random.get_state()[1].tolist() == numpy


def test_another_thread_can_train(workplace):
    found = []
    plan, out = plan_in(workplace), workplace / "out"
    thread = threading.Thread(target=lambda: found.append(here_run(plan, out)))
    thread.start()
    thread.join()
    assert found[0].exit_code == 0


def test_a_folder_that_cannot_be_written_stops_the_run(workplace, monkeypatch):
    from results.folder.errors import FolderError
    from results.store.store import Store

    def refuse(*_):
        raise FolderError("no room")

    monkeypatch.setattr(Store, "commit", refuse)
    outcome = here_run(plan_in(workplace), workplace / "out")
    assert outcome.exit_code == 3 and "no room" in outcome.error


def test_a_disk_that_is_full_for_the_progress_stops_the_run_and_keeps_its_rows(workplace, monkeypatch):
    from results.folder.errors import FolderError

    def refuse(self):
        if self._tally.done:
            raise FolderError("no room")

    monkeypatch.setattr(here.View, "update", refuse)
    outcome = here_run(plan_in(workplace), workplace / "out")
    assert outcome.exit_code == 3 and outcome.error == "no room"
    assert len(read_points(RunFolder(workplace / "out"))) == 1
