"""Sweeps that really train, and real kills; what the driver does around the training is in test_runner.py.

Each test is a group of its own, so that any process can take it.
"""

import json
import os
import signal
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from sweep import Plan, run
from sweep.plan.order import Selection
from tests.help.plans import small_plan, write_folder, write_plan
from tests.help.sweeps import Sweeps, is_trial

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),  # several sweeps in one test, and several tests at a time
]

BEHAVIOURS = ["fine", "raises", "exits", "uncompiled", "nan", "dies", "dies once"]


@pytest.fixture(scope="module", params=[pytest.param("auto", marks=pytest.mark.ci), "keras"])
def trouble(request, tmp_path_factory):
    """One sweep over every kind of trouble, watched by a plain reader; returns what it left."""
    folder = tmp_path_factory.mktemp("a folder é") / "in side"
    write_folder(folder)
    space = {"units": [2], "rate": [0.01], "behaviour": BEHAVIOURS}
    write_plan(folder, space=space, timeout_s=1000, retries=1, engine=request.param)
    sweeps = Sweeps(folder)
    process = sweeps.start(
        "run", "plan.yaml", "--out", "out", "--cpus", "1", SWEEP_TEST_MARK=str(folder / "mark")
    )
    seen = []
    while process.poll() is None:
        rows = sweeps.rows()
        assert rows["idx"].is_unique
        seen.append(len(rows))
        time.sleep(0.2)
    assert seen == sorted(seen) and len(set(seen)) > 2
    rows = sweeps.rows()
    return sweeps, process.returncode, process.communicate()[0], rows.set_index("behaviour")


def test_every_point_has_its_row(trouble):
    _, code, _, rows = trouble
    assert sorted(rows.index) == sorted(BEHAVIOURS)
    assert code == 1
    expected = dict.fromkeys(BEHAVIOURS, "failed") | {
        "fine": "completed",
        "dies once": "completed",
        "nan": "diverged",
    }
    assert rows["status"].to_dict() == expected


def test_errors_tell_type_and_message(trouble):
    errors = trouble[3]["error"]
    assert errors["raises"] == "RuntimeError: cannot build 2 units"
    assert errors["exits"] == "SystemExit: leaving"
    assert errors["uncompiled"].startswith("TypeError: The builder returned a model that is not compiled")
    assert errors["dies"].startswith("WorkerDied: the point's worker died 2 times")
    assert errors[["fine", "dies once", "nan"]].isna().all()


def test_numbers_of_the_others_are_whole(trouble):
    rows = trouble[3]
    well = rows.loc[["fine", "dies once"]]
    numbers = ["loss_tr", "mae_tr", "loss_va", "mae_va", "loss_te", "mae_te", "params", "best_epoch"]
    assert well[numbers].notna().all(axis=None)
    # Retried or not, in whichever worker: the same point is the same numbers.
    assert well[numbers].nunique().eq(1).all()
    assert (well["epochs"] == 4).all() and (well["engine"] == "keras").all()
    curves = pd.read_parquet(trouble[0].out / "curves")
    assert set(curves["idx"]) == set(rows.loc[["fine", "dies once", "nan"], "idx"])
    assert set(pd.read_parquet(trouble[0].out / "weights")["idx"]) == set(well["idx"])


def test_the_end_says_what_happened(trouble):
    sweeps, _, output, _ = trouble
    assert "The best by loss_va" in output and "4 points failed" in output
    assert "1 x RuntimeError: cannot build 2 units" in output
    assert "sweep top" in output and "Traceback" not in output
    assert "port.cc" not in output  # the noise is in the log
    assert (sweeps.out / "sweep.log").stat().st_size > 0


@pytest.mark.xdist_group("late points")
@pytest.mark.parametrize(("engine", "retries"), [("auto", 0), ("keras", 1)])
def test_points_that_take_too_long_are_ended(sweeps, engine, retries):
    """No point of this sweep can end in time, so that a busy machine changes nothing."""
    space = {"units": [2], "rate": [0.01], "behaviour": ["sleeps", "hangs"]}
    write_plan(sweeps.folder, space=space, timeout_s=3, retries=retries, engine=engine)
    code, output = sweeps.run("run", "plan.yaml", "--out", "out", "--cpus", "1")
    assert code == 1 and "2 points failed or ran out of time" in output, output
    rows = sweeps.rows().set_index("behaviour")
    assert rows["status"].to_dict() == {"sleeps": "timeout", "hangs": "timeout"}
    assert rows.loc["sleeps", "error"] == "The point took longer than timeout_s=3."
    assert rows.loc["hangs", "error"] == "The point took longer than timeout_s=3 and did not answer."


def sweep_is_training(sweeps):
    def condition():
        rows = sweeps.rows()
        return len(rows) > 0

    return condition


@pytest.mark.xdist_group("a stop")
@pytest.mark.parametrize(
    ("number", "engine"),
    [(signal.SIGINT, "auto"), (signal.SIGTERM, "keras")],
)
def test_a_stop_keeps_what_is_finished_and_is_resumed(sweeps, number, engine):
    # Cohorts enough for not all to be trained before the signal is sent, on a busy machine either.
    space = {"units": [2, 3], "rate": [0.01], "batch_size": [8, 16, 24, 32, 40, 48]}
    write_plan(sweeps.folder, engine=engine, space=space)
    arguments = ("run", "plan.yaml", "--out", "out", "--points", "9", "--cpus", "1")
    process = sweeps.start(*arguments)
    sweeps.wait_for(sweep_is_training(sweeps), process)

    code, output = sweeps.run("run", "plan.yaml", "--out", "out")  # a second run on the folder
    assert code == 2 and f"held by process {process.pid} on" in output and "since 20" in output
    code, output = sweeps.run("status", "out")
    assert "state      running, by process" in output

    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    kept = sweeps.rows()
    assert 0 < len(kept) < 9
    assert f"Resume:  sweep {' '.join(arguments)}" in output
    code, output = sweeps.run("status", "out", "--json")
    said = json.loads(output)
    assert said["state"] == "stopped" and said["open"] == 9 - len(kept)
    code, output = sweeps.run(*arguments)
    assert code == 0, output
    rows = sweeps.rows()
    assert len(rows) == 9 and rows["idx"].is_unique
    pd.testing.assert_frame_equal(rows.head(len(kept)), kept)  # not trained again
    # The first nine of the plan's order, whatever was stopped and resumed in between.
    assert set(rows["idx"]) == set(Selection(12, 0, points=9))


def kill_and_resume(sweeps, kills, seed, engine, cpus="2"):
    """Kill the driver at random moments, then let it finish; 0 lost, 0 doubled."""
    chance = np.random.default_rng(seed)
    write_plan(sweeps.folder, engine=engine)
    committed: set[int] = set()
    for kill in range(kills):
        process = sweeps.start("run", "plan.yaml", "--out", "out", "--cpus", cpus)
        in_training = kills == 1 or kill % 2
        if in_training:  # half of the moments in training, half anywhere
            before = len(committed)
            sweeps.wait_for(lambda before=before: len(sweeps.rows()) > before, process)
        time.sleep(chance.uniform(0, 1.5) if in_training else chance.uniform(0, 12))
        workers = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGKILL)
        process.communicate()
        rows = sweeps.rows()
        assert rows["idx"].is_unique
        assert committed <= set(rows["idx"]), "a committed row was lost"
        committed = set(rows["idx"])
        if process.returncode == 0:
            break
        # Ray's processes end with the driver; two helpers of it take a minute, and the test does not wait for them.
        trials = [worker for worker in workers if is_trial(worker)]
        assert not psutil.wait_procs(trials, timeout=60)[1]
    code, output = sweeps.run("run", "plan.yaml", "--out", "out", "--cpus", cpus)
    assert code == 0, output
    rows = sweeps.rows()
    assert sorted(rows["idx"]) == list(range(12))
    assert (rows["status"] == "completed").all()
    curves = pd.read_parquet(sweeps.out / "curves")
    assert (curves.groupby("idx").size() == 4).all() and not curves.duplicated(["idx", "epoch"]).any()


@pytest.mark.ci
@pytest.mark.xdist_group("killed driver")
def test_a_killed_driver_loses_and_doubles_nothing(sweeps):
    kill_and_resume(sweeps, kills=1, seed=1, engine="auto", cpus="1")


@pytest.mark.parametrize("engine", ["native", "fused", "keras"])
def test_a_driver_killed_ten_times_loses_and_doubles_nothing(sweeps, engine):
    kill_and_resume(sweeps, kills=10, seed=None, engine=engine)


@pytest.mark.xdist_group("asha")
@pytest.mark.parametrize("engine", [pytest.param("native", marks=pytest.mark.ci), "keras"])
def test_asha_prunes_and_a_resumed_sweep_goes_on_pruning(workplace, engine):
    """Run in this process, from Python, as a script would."""
    # Rates of which most learn nothing, so that the rungs tell good from bad.
    space = {"units": [3], "rate": [0.05, 0.02, 1e-7, 2e-7, 3e-7, 4e-7, 5e-7, 6e-7]}
    asha = {"grace_period": 1, "reduction_factor": 2}
    asked = small_plan(space=space, scheduler="asha", asha=asha, fit={"epochs": 6}, engine=engine)
    plan = Plan(**asked, base=workplace)
    out = workplace / "out"
    first = run(plan, out, idx=[0, 1, 2, 3], cpus=1, show=False)
    assert first.exit_code == 0 and first.tally.done == 4
    kept = pd.read_parquet(out / "points").set_index("idx")
    # With Ray's rule: whoever is not in the best half of a rung when it gets there ends at that milestone.
    pruned = kept[kept["status"] == "pruned"]
    assert set(pruned["epochs"]) <= {1, 2, 4}
    assert pruned["loss_te"].notna().all()

    second = run(plan, out, cpus=1, show=False)
    rows = pd.read_parquet(out / "points").set_index("idx")
    assert second.exit_code == 0 and len(rows) == 8
    assert second.tally.before == 4 and second.tally.best["idx"] in (0, 1)
    pd.testing.assert_frame_equal(rows.loc[kept.index], kept)  # a pruned point stays pruned
    # The rungs remember the first run: into an empty rung the first to come would have been let through.
    assert (rows.loc[[4, 5, 6, 7], "status"] == "pruned").all()
    if engine == "keras":  # which takes them one by one
        first_to_come = next(idx for idx in Selection(8, 0) if idx >= 4)
        assert rows.loc[first_to_come, "epochs"] == 1
    rungs = pd.read_parquet(out / "rungs")
    assert not rungs.duplicated(["milestone", "idx"]).any()
    assert set(rungs.loc[rungs["milestone"] == 1, "idx"]) == set(range(8))
    ended = rungs[~rungs["passed"]].set_index("idx")["milestone"]
    pruned = rows[rows["status"] == "pruned"]
    assert pruned["epochs"].to_dict() == ended.to_dict()
    assert (rows["engine"] == engine).all()
    weights = pd.read_parquet(out / "weights")
    assert sorted(weights["idx"]) == list(range(8))


KILLER = """
import pathlib, threading, time
import trainables.fused.engine as engine
from trainables.fused.training.cohort import Cohort

engine.STEP_S = engine.CHECKPOINT_EVERY_S = 0.0  # a step and a checkpoint each epoch
HERE = pathlib.Path(__file__).parent
restore = Cohort.restore

def restored(self, arrays):
    restore(self, arrays)
    (HERE / "went on").write_text(str(self.epoch))

def kill_once():
    while not (HERE / "killed").exists():
        if list((HERE / "out" / "checkpoints").glob("*.npz")):
            (HERE / "killed").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.001)

Cohort.restore = restored
threading.Thread(target=kill_once, daemon=True).start()
"""


WITHOUT_A_NAME = """
import sys
from importlib.machinery import PathFinder


class Finder:
    def find_spec(self, name, path, target=None):
        if name != "keras":
            return None
        spec = PathFinder.find_spec(name, path, target)
        load = spec.loader.exec_module

        def exec_module(module):
            load(module)
            del sys.modules["keras.src.optimizers.base_optimizer"].BaseOptimizer._use_weight_decay

        spec.loader.exec_module = exec_module
        return spec


sys.meta_path.insert(0, Finder())
"""
"""Takes a private name from Keras that the engine needs, and that Keras needs only for weight decay."""


@pytest.mark.xdist_group("a name of Keras is missing")
def test_a_keras_without_a_private_name_stops_the_sweep_unless_keras_trains(sweeps, tmp_path):
    write_plan(sweeps.folder, space={"units": [2], "rate": [0.01]})
    (tmp_path / "sitecustomize.py").write_text(WITHOUT_A_NAME)
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    code, text = sweeps.run("run", "plan.yaml", "--out", "out", PYTHONPATH=path)
    assert code == 3, text
    assert "this Keras is not the one the fused engine knows" in text
    assert "or run with `--engine keras`" in text
    assert "Traceback" not in text
    assert sweeps.rows().empty
    code, text = sweeps.run("run", "plan.yaml", "--out", "out", "--engine", "keras", PYTHONPATH=path)
    assert code == 0, text


@pytest.mark.ci
@pytest.mark.xdist_group("killed worker")
def test_a_killed_worker_s_cohort_goes_on_from_its_checkpoint(workplace):
    space = {"units": [3], "rate": [0.01, 0.02, 0.03], "batch_size": [32]}
    plan = Plan(**small_plan(space=space, fit={"epochs": 300}, engine="fused"), base=workplace)
    undisturbed = run(plan, workplace / "whole", in_process=True, show=False)
    (workplace / "model.py").write_text((workplace / "model.py").read_text() + KILLER)
    plan = Plan(**small_plan(space=space, fit={"epochs": 300}, engine="fused"), base=workplace)
    outcome = run(plan, workplace / "out", cpus=1, show=False)
    assert (workplace / "killed").exists() and outcome.tally.retried == 1
    assert int((workplace / "went on").read_text()) > 0
    assert outcome.exit_code == undisturbed.exit_code == 0
    for dataset in ("points", "curves", "weights"):
        one, other = (
            pd.read_parquet(workplace / out / dataset).drop(columns="seconds", errors="ignore")
            for out in ("whole", "out")
        )
        pd.testing.assert_frame_equal(one, other, check_exact=True)
    assert not (workplace / "out" / "checkpoints").exists()


@pytest.mark.slow
@pytest.mark.xdist_group("verified")
def test_the_best_points_are_trained_again_by_keras_within_the_time(sweeps):
    """The first run has no time for more than the best; `sweep verify` checks the rest, and finds what was altered."""
    space = {"units": [2, 3], "rate": [0.01, 0.02], "batch_size": [16]}
    write_plan(sweeps.folder, space=space, fit={"epochs": 14})
    code, output = sweeps.run("run", "plan.yaml", "--out", "out", "--cpus", "1")
    assert code == 0, output
    assert "verifying" in output
    found = json.loads((sweeps.out / "verified.json").read_text())
    [best] = found["points"]
    assert int(best) == sweeps.rows().sort_values("loss_va")["idx"].iloc[0]
    assert found["points"][best]["epochs"] >= 10 and found["points"][best]["differences"] == []
    assert "5% of the sweep's time was used; `sweep verify out --trust` checks the rest" in output
    assert (sweeps.rows()["engine"] == "native").all() and len(sweeps.rows()) == 4

    code, output = sweeps.run("verify", "out")
    assert code == 2 and "--trust" in output
    code, output = sweeps.run("verify", "out", "--trust")
    assert code == 0 and "4 of the 4 best points are what Keras trains." in output, output
    code, output = sweeps.run("run", "plan.yaml", "--out", "out")
    assert (
        code == 0 and "4 of the 4 best points are what Keras trains." in output and "verifying" not in output
    )
    (sweeps.folder / "model.py").write_text((sweeps.folder / "model.py").read_text() + "\nMORE = 1\n")
    code, output = sweeps.run("verify", "out", "--trust", best)
    assert code == 2 and "builder: its source changed" in output


@pytest.mark.slow
@pytest.mark.xdist_group("verified in time")
def test_all_of_the_best_are_verified_if_there_is_time(workplace, monkeypatch):
    from sweep.driver import verifier

    monkeypatch.setattr(verifier, "SHARE", 1e6)
    space = {"units": [2, 3], "rate": [0.01, 0.02], "batch_size": [16]}
    plan = Plan(**small_plan(space=space, fit={"epochs": 12}, verify=3), base=workplace)
    outcome = run(plan, workplace / "out", cpus=1, show=False)
    assert outcome.exit_code == 0 and outcome.verification.waiting == []
    assert (
        len(outcome.verification.best) == 3 and outcome.verification.agreeing(outcome.verification.best) == 3
    )
    assert outcome.tally.spent_s["verify"] > 0 and outcome.tally.done == 4
