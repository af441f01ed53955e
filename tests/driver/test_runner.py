"""Real sweeps: real Ray, real Keras, real kills. Each sweep costs some fifteen seconds of start-up.

The long tests are groups of their own, so that other processes can take them than the rest of the file.
"""

import json
import os
import re
import signal
import subprocess
import time

import numpy as np
import pandas as pd
import psutil
import pytest

from sweep import Plan, run
from sweep.plan.form import PlanError
from sweep.plan.order import Selection
from tests.help.plans import small_plan, write_plan
from tests.help.sweeps import Sweeps, read_json

pytestmark = pytest.mark.timeout(1200)  # several sweeps in one test, and three tests at a time

BEHAVIOURS = ["fine", "raises", "exits", "uncompiled", "nan", "sleeps", "hangs", "dies", "dies once"]


@pytest.fixture(
    scope="module", params=["keras", pytest.param("auto", marks=[pytest.mark.slow, pytest.mark.ci])]
)
def trouble(request, tmp_path_factory):
    """One sweep over every kind of trouble, watched by a plain reader; returns what it left."""
    folder = tmp_path_factory.mktemp("a folder é") / "in side"
    folder.mkdir()
    from tests.help.plans import BUILDER, write_table

    write_table(folder / "table.csv")
    (folder / "model.py").write_text(BUILDER)
    space = {"units": [2], "rate": [0.01], "behaviour": BEHAVIOURS}
    write_plan(folder, space=space, timeout_s=12, retries=1, engine=request.param)
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
        "sleeps": "timeout",
        "hangs": "timeout",
    }
    assert rows["status"].to_dict() == expected


def test_errors_tell_type_and_message(trouble):
    errors = trouble[3]["error"]
    assert errors["raises"] == "RuntimeError: cannot build 2 units"
    assert errors["exits"] == "SystemExit: leaving"
    assert errors["uncompiled"].startswith("TypeError: The builder returned a model that is not compiled")
    assert errors["dies"].startswith("WorkerDied: the point's worker died 2 times")
    assert "timeout_s=12" in errors["sleeps"] and "did not answer" in errors["hangs"]
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
    assert "The best by loss_te" in output and "6 points failed or ran out of time" in output
    assert "1 x RuntimeError: cannot build 2 units" in output
    assert "sweep top" in output and "Traceback" not in output
    assert "port.cc" not in output  # the noise is in the log
    assert (sweeps.out / "sweep.log").stat().st_size > 0


def test_status_and_top_tell_it_from_the_files(trouble):
    sweeps = trouble[0]
    code, output = sweeps.run("status", "out", "--json")
    said = json.loads(output)
    assert code == 0 and said["state"] == "finished" and said["rows"] == len(BEHAVIOURS)
    assert said["counts_in_folder"] == {"failed": 4, "timeout": 2, "completed": 2, "diverged": 1}
    code, output = sweeps.run("top", "out", "--json", "--by", "mae_te")
    assert code == 0 and {row["behaviour"] for row in json.loads(output)} == {"fine", "dies once"}


def test_running_again_trains_nothing(trouble):
    sweeps = trouble[0]
    before = {path: path.stat().st_mtime_ns for path in sweeps.out.rglob("*.parquet")}
    code, _ = sweeps.run("run", "--out", "out")  # the plan is the folder's own
    assert code == 1
    assert {path: path.stat().st_mtime_ns for path in sweeps.out.rglob("*.parquet")} == before


def test_a_changed_plan_is_refused_with_what_changed(trouble):
    sweeps = trouble[0]
    for arguments, said in [
        (["--seed", "5"], "seed: was 0, is 5"),
        (["--scheduler", "asha"], "was none, is asha"),
    ]:
        code, output = sweeps.run("run", "--out", "out", *arguments)
        assert code == 2 and said in output and "Traceback" not in output
    assert len(sweeps.rows()) == len(BEHAVIOURS)


def sweep_is_training(sweeps):
    def condition():
        rows = sweeps.rows()
        return len(rows) > 0

    return condition


@pytest.mark.xdist_group("a stop")
@pytest.mark.parametrize(
    ("number", "engine"),
    [
        (signal.SIGINT, "auto"),
        pytest.param(signal.SIGTERM, "keras", marks=[pytest.mark.slow, pytest.mark.ci]),
    ],
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
    if number == signal.SIGINT:
        return  # resuming costs as much again
    code, output = sweeps.run(*arguments)
    assert code == 0, output
    rows = sweeps.rows()
    assert len(rows) == 9 and rows["idx"].is_unique
    pd.testing.assert_frame_equal(rows.head(len(kept)), kept)  # not trained again
    # The first nine of the plan's order, whatever was stopped and resumed in between.
    assert set(rows["idx"]) == set(Selection(12, 0, points=9))


@pytest.mark.xdist_group("a lost Ray")
@pytest.mark.parametrize("name", ["raylet", pytest.param("gcs_server", marks=pytest.mark.slow)])
def test_a_sweep_whose_ray_is_killed_says_so_and_is_resumed(sweeps, name):
    write_plan(
        sweeps.folder, engine="keras", space={"units": [2, 3], "rate": [0.01], "batch_size": [8, 16, 24]}
    )
    arguments = ("run", "plan.yaml", "--out", "out", "--cpus", "1")
    process = sweeps.start(*arguments)
    sweeps.wait_for(sweep_is_training(sweeps), process)
    kept = sweeps.rows()
    [rays] = [child for child in psutil.Process(process.pid).children() if child.name() == name]
    rays.kill()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    assert f"Ray's process on this machine ended ({name} was killed by signal 9" in output
    assert f"Resume:  sweep {' '.join(arguments)}" in output and "Traceback" not in output
    assert set(kept["idx"]) <= set(sweeps.rows()["idx"]) < set(range(6))
    code, output = sweeps.run("status", "out", "--json")
    assert code == 0 and json.loads(output)["state"] == "stopped"
    assert "Ray's process" in (sweeps.out / "sweep.log").read_text()
    if name == "raylet":
        return  # resuming costs as much again
    code, output = sweeps.run(*arguments)
    assert code == 0 and sorted(sweeps.rows()["idx"]) == list(range(6)), output


@pytest.mark.slow
@pytest.mark.ci
def test_a_second_signal_ends_at_once(sweeps):
    write_plan(sweeps.folder)
    process = sweeps.start("run", "plan.yaml", "--out", "out", "--cpus", "1")
    sweeps.wait_for(sweep_is_training(sweeps), process)
    process.send_signal(signal.SIGINT)
    time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 3
    assert len(sweeps.rows()) > 0 and sweeps.rows()["idx"].is_unique


def _is_trial(process):
    try:
        return any(word in " ".join(process.cmdline()) for word in ("Trainable", "Trial"))
    except psutil.Error:
        return False


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
        trials = [worker for worker in workers if _is_trial(worker)]
        assert not psutil.wait_procs(trials, timeout=60)[1]
    code, output = sweeps.run("run", "plan.yaml", "--out", "out", "--cpus", cpus)
    assert code == 0, output
    rows = sweeps.rows()
    assert sorted(rows["idx"]) == list(range(12))
    assert (rows["status"] == "completed").all()
    curves = pd.read_parquet(sweeps.out / "curves")
    assert (curves.groupby("idx").size() == 4).all() and not curves.duplicated(["idx", "epoch"]).any()


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.xdist_group("killed driver")
def test_a_killed_driver_loses_and_doubles_nothing(sweeps):
    kill_and_resume(sweeps, kills=1, seed=1, engine="auto", cpus="1")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["fused", "keras"])
def test_a_driver_killed_ten_times_loses_and_doubles_nothing(sweeps, engine):
    kill_and_resume(sweeps, kills=10, seed=None, engine=engine)


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.xdist_group("full disk")
def test_a_full_disk_stops_the_sweep_and_room_resumes_it(workplace):
    sweeps = Sweeps(workplace)
    write_plan(workplace)
    sweeps.out.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "none", sweeps.out], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        process = sweeps.start("run", "plan.yaml", "--out", "out", "--cpus", "1")
        sweeps.wait_for(sweep_is_training(sweeps), process)
        filler = sweeps.out / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        full_at = time.monotonic()
        output, _ = process.communicate(timeout=120)
        assert time.monotonic() - full_at < 100
        assert process.returncode == 3 and "No space left on device" in output, output
        assert re.search(r"out/\S+: cannot be written", output) and "Traceback" not in output
        kept = sweeps.rows()
        assert 0 < len(kept) < 12
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=16m", sweeps.out], check=True)
        code, output = sweeps.run("run", "plan.yaml", "--out", "out", "--cpus", "1")
        assert code == 0, output
        assert sorted(sweeps.rows()["idx"]) == list(range(12))
    finally:
        subprocess.run(["umount", "-l", sweeps.out], check=True)


@pytest.mark.slow
@pytest.mark.xdist_group("asha")
@pytest.mark.parametrize("engine", [pytest.param("fused", marks=pytest.mark.ci), "keras"])
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


def test_bad_choices_are_refused_before_anything_is_made(workplace):
    plan = Plan(**small_plan(), base=workplace)
    for wrong in ({"cpus": 0}, {"points": 0}, {"idx": [12]}, {"idx": [0], "points": 1}):
        with pytest.raises(PlanError):
            run(plan, workplace / "out", show=False, **wrong)
    with pytest.raises(PlanError, match="more than the 1 cores"):
        run(Plan(**small_plan(resources={"cpu": 2}), base=workplace), workplace / "out", cpus=1, show=False)
    assert not (workplace / "out").exists()


def test_rows_without_a_fingerprint_are_not_touched(workplace):
    plan = Plan(**small_plan(), base=workplace)
    points = workplace / "out" / "points"
    points.mkdir(parents=True)
    pd.DataFrame({"idx": [1]}).to_parquet(points / "part-00000.parquet")
    with pytest.raises(OSError, match=r"no fingerprint\.json"):
        run(plan, workplace / "out", show=False)
    assert list(pd.read_parquet(points)["idx"]) == [1]


def test_the_folder_holds_the_resolved_plan(trouble):
    out = trouble[0].out
    assert Plan.load(out / "plan.yaml").table.sha256 == read_json(out / "fingerprint.json")["data"]["sha256"]
    assert os.access(out / "plan.yaml", os.R_OK)


def test_a_gpu_that_is_not_there_is_said(workplace):
    if os.path.exists("/dev/nvidia0"):  # noqa: PTH110
        pytest.skip("this machine has a GPU")
    plan = Plan(**small_plan(resources={"gpu": 0.5}), base=workplace)
    with pytest.raises(PlanError, match=r"resources\.gpu=0\.5 is more than the 0 GPUs"):
        run(plan, workplace / "out", show=False)


@pytest.mark.slow
def test_a_worker_that_has_grown_makes_way_for_a_new_one(workplace):
    model = workplace / "model.py"
    source = model.read_text()
    model.write_text(
        source.replace("import keras\n", "import keras\nimport trainables.trials.trial as trial\n").replace(
            'def build(units, rate, behaviour="fine", normalizer=None):\n',
            'def build(units, rate, behaviour="fine", normalizer=None):\n'
            "    trial.RETIRE_AFTER_MB = -1e9  # at once\n"
            '    open(f"worker-{os.getpid()}", "w").close()\n',
        )
    )
    plan = Plan(**small_plan(retries=0, engine="keras"), base=workplace)
    here = os.getcwd()  # noqa: PTH109
    os.chdir(workplace)
    try:
        outcome = run(plan, workplace / "out", points=3, cpus=1, show=False)
    finally:
        os.chdir(here)
    assert outcome.exit_code == 0 and outcome.tally.counts == {"completed": 3} and outcome.tally.retried == 0
    assert len(list(workplace.glob("worker-*"))) == 3


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


@pytest.mark.slow
@pytest.mark.ci
@pytest.mark.xdist_group("killed worker")
def test_a_killed_worker_s_cohort_goes_on_from_its_checkpoint(workplace):
    space = {"units": [3], "rate": [0.01, 0.02, 0.03], "batch_size": [32]}
    plan = Plan(**small_plan(space=space, fit={"epochs": 300}, engine="fused"), base=workplace)
    undisturbed = run(plan, workplace / "whole", cpus=1, show=False)
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
