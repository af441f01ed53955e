"""What the driver does around the training, which is made up here; sweeps that really train are in test_real_sweeps.py.

Ray, its workers, the signals, the kills and the files are real. While the file `hold` is there only the points end that
it lists, so that a sweep is stopped when it has just so many rows.
"""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest

from sweep import Plan, run
from sweep.plan.form import PlanError
from sweep.plan.order import Selection
from tests.help.plans import small_plan, write_folder, write_plan
from tests.help.sweeps import Sweeps, is_trial, read_json

pytestmark = pytest.mark.timeout(600)

BEHAVIOURS = ["fine", "dies", "dies once", "nan", "sleeps"]


@pytest.fixture(scope="module")
def trouble(tmp_path_factory):
    """One sweep over workers that die, watched by a plain reader; returns what it left."""
    folder = tmp_path_factory.mktemp("a folder é") / "in side"
    write_folder(folder)
    space = {"units": [2], "rate": [0.01], "behaviour": BEHAVIOURS}
    write_plan(folder, space=space, retries=1, engine="keras")
    sweeps = Sweeps(folder, by_numpy=True)
    mark = {"SWEEP_TEST_MARK": str(folder / "mark")}
    process = sweeps.start("run", "plan.yaml", "--out", "out", "--cpus", "1", **mark)
    seen = []
    while process.poll() is None:
        rows = sweeps.rows()
        assert rows["idx"].is_unique
        seen.append(len(rows))
        time.sleep(0.1)
    assert seen == sorted(seen)
    output = process.communicate()[0]
    assert len(sweeps.rows()) == len(BEHAVIOURS), output
    return sweeps, process.returncode, output, sweeps.rows().set_index("behaviour")


@pytest.mark.heavy
def test_every_point_has_its_row_whatever_its_worker_does(trouble):
    _, code, output, rows = trouble
    assert code == 1 and "2 points failed or ran out of time" in output and "Traceback" not in output, output
    expected = {"fine": "completed", "dies": "failed", "dies once": "completed", "nan": "diverged"}
    assert rows["status"].to_dict() == {**expected, "sleeps": "timeout"}
    assert rows.loc["dies", "error"].startswith("WorkerDied: the point's worker died 2 times")


@pytest.mark.heavy
def test_status_and_top_tell_it_from_the_files(trouble):
    sweeps = trouble[0]
    code, output = sweeps.run("status", "out", "--json")
    said = json.loads(output)
    assert code == 0 and said["state"] == "finished" and said["rows"] == len(BEHAVIOURS)
    assert said["counts_in_folder"] == {"completed": 2, "diverged": 1, "failed": 1, "timeout": 1}
    code, output = sweeps.run("status", "out")
    assert code == 0 and "5: 2 completed, 1 diverged, 1 failed, 1 timeout" in output
    code, output = sweeps.run("top", "out", "--json", "--by", "MAE_te")
    assert code == 0 and {row["behaviour"] for row in json.loads(output)} == {"fine", "dies once"}


@pytest.mark.heavy
def test_running_again_trains_nothing(trouble):
    sweeps = trouble[0]
    before = {path: path.stat().st_mtime_ns for path in sweeps.out.rglob("*.parquet")}
    begun = sweeps.begun()
    code, output = sweeps.run("run", "--out", "out", "--json")  # the plan is the folder's own
    answer = json.loads(output.splitlines()[-1])
    assert code == 1 and answer["folder"] == str(sweeps.out) and answer["error"] is None
    assert {path: path.stat().st_mtime_ns for path in sweeps.out.rglob("*.parquet")} == before
    assert sweeps.begun() == begun


@pytest.mark.heavy
def test_a_changed_plan_is_refused_with_what_changed(trouble):
    sweeps = trouble[0]
    for arguments, said in [
        (["--seed", "5"], "seed: was 0, is 5"),
        (["--scheduler", "asha"], "was none, is asha"),
    ]:
        code, output = sweeps.run("run", "--out", "out", *arguments)
        assert code == 2 and said in output and "Traceback" not in output
    assert len(sweeps.rows()) == len(BEHAVIOURS)


@pytest.mark.heavy
def test_the_folder_holds_the_resolved_plan(trouble):
    out = trouble[0].out
    assert Plan.load(out / "plan.yaml").table.sha256 == read_json(out / "fingerprint.json")["data"]["sha256"]
    assert os.access(out / "plan.yaml", os.R_OK)


ARGUMENTS = ("run", "plan.yaml", "--out", "out", "--points", "9", "--cpus", "1")


def held_after_three(sweeps):
    """Start a sweep of nine points, and return it when three of them have a row; the others do not end."""
    write_plan(sweeps.folder, engine="keras")
    first = [*Selection(12, 0, points=9)][:3]
    sweeps.hold.write_text(" ".join(map(str, first)))
    process = sweeps.start(*ARGUMENTS)
    sweeps.wait_for(lambda: len(sweeps.rows()) == 3, process)
    assert set(sweeps.rows()["idx"]) == set(first)
    return process


def check_resumed(sweeps, kept):
    """Let the sweep that was stopped go on to its end: what is kept is not trained again."""
    sweeps.hold.unlink()
    sweeps.record.unlink()
    code, output = sweeps.run(*ARGUMENTS)
    assert code == 0, output
    assert not set(kept["idx"]) & {idx for trial in sweeps.begun() for idx in trial["points"]}
    rows = sweeps.rows()
    pd.testing.assert_frame_equal(rows.head(len(kept)), kept)
    # The first nine of the plan's order, whatever was stopped and resumed in between.
    assert rows["idx"].is_unique and set(rows["idx"]) == set(Selection(12, 0, points=9))
    assert (rows["status"] == "completed").all()
    curves = pd.read_parquet(sweeps.out / "curves")
    assert (curves.groupby("idx").size() == 4).all() and not curves.duplicated(["idx", "epoch"]).any()


@pytest.mark.heavy
@pytest.mark.xdist_group("a made-up sweep that is stopped")
def test_a_stop_keeps_what_is_finished_and_is_resumed(numpy_sweeps):
    process = held_after_three(numpy_sweeps)
    code, output = numpy_sweeps.run("run", "plan.yaml", "--out", "out")  # a second run on the folder
    assert code == 2 and f"held by process {process.pid} on" in output and "since 20" in output
    code, output = numpy_sweeps.run("status", "out")
    assert "state      running, by process" in output
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    assert f"Resume:  sweep {' '.join(ARGUMENTS)}" in output
    kept = numpy_sweeps.rows()
    assert len(kept) == 3
    code, output = numpy_sweeps.run("status", "out", "--json")
    assert json.loads(output)["state"] == "stopped" and json.loads(output)["open"] == 6
    check_resumed(numpy_sweeps, kept)


@pytest.mark.heavy
@pytest.mark.xdist_group("a made-up sweep with two signals")
def test_a_second_signal_ends_at_once(numpy_sweeps):
    process = held_after_three(numpy_sweeps)
    # A file that cannot be opened before somebody reads it: no stop comes to its end now.
    os.mkfifo(numpy_sweeps.out / ".progress.json.tmp")
    process.send_signal(signal.SIGINT)
    numpy_sweeps.wait_for(lambda: not is_pending(signal.SIGINT, process.pid), process)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 3 and "Resume:" not in output, output
    assert len(numpy_sweeps.rows()) == 3


def is_pending(number, pid):
    """Return whether the signal was sent to the process, which has not received it yet."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return any(int(status[name], 16) >> (number - 1) & 1 for name in ("SigPnd", "ShdPnd"))


@pytest.mark.heavy
@pytest.mark.xdist_group("a made-up sweep that loses Ray")
@pytest.mark.parametrize("name", ["raylet", pytest.param("gcs_server", marks=pytest.mark.slow)])
def test_a_sweep_whose_ray_is_killed_says_so_and_is_resumed(numpy_sweeps, name):
    process = held_after_three(numpy_sweeps)
    kept = numpy_sweeps.rows()
    [ray] = [child for child in psutil.Process(process.pid).children() if child.name() == name]
    ray.kill()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    assert f"Ray's process on this machine ended ({name} was killed by signal 9" in output
    assert f"Resume:  sweep {' '.join(ARGUMENTS)}" in output and "Traceback" not in output
    code, output = numpy_sweeps.run("status", "out", "--json")
    assert code == 0 and json.loads(output)["state"] == "stopped"
    assert "Ray's process" in (numpy_sweeps.out / "sweep.log").read_text()
    check_resumed(numpy_sweeps, kept)


@pytest.mark.heavy
@pytest.mark.xdist_group("a made-up sweep that is killed")
def test_a_killed_driver_loses_and_doubles_nothing(numpy_sweeps):
    process = held_after_three(numpy_sweeps)
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    trials = [worker for worker in workers if is_trial(worker)]
    assert not psutil.wait_procs(trials, timeout=60)[1]  # they end with the driver
    check_resumed(numpy_sweeps, numpy_sweeps.rows())


@pytest.mark.heavy
@pytest.mark.xdist_group("a made-up sweep with a full disk")
def test_a_full_disk_stops_the_sweep_and_room_resumes_it(numpy_sweeps):
    sweeps = numpy_sweeps
    sweeps.out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "none", sweeps.out]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a small disk needs root")
    try:
        process = held_after_three(sweeps)
        filler = sweeps.out / "filler"
        with filler.open("wb", buffering=0) as file, pytest.raises(OSError):
            while True:
                file.write(bytes(4096))
        sweeps.hold.write_text(" ".join(map(str, range(12))))
        output, _ = process.communicate(timeout=120)
        assert process.returncode == 3 and "No space left on device" in output, output
        assert re.search(r"out/\S+: cannot be written", output) and "Traceback" not in output
        kept = sweeps.rows()
        assert 3 <= len(kept) < 9
        filler.unlink()
        subprocess.run(["mount", "-o", "remount,size=16m", sweeps.out], check=True)
        check_resumed(sweeps, kept)
    finally:
        subprocess.run(["umount", "-l", sweeps.out], check=True)


def numpy_trial():
    """Return the trial whose training is made up, for sweeps that are run from Python."""
    from tests.help.numpy_trial import NumpyTrial

    return NumpyTrial


@pytest.mark.xdist_group("a made-up sweep with rungs")
def test_a_sweep_that_is_resumed_goes_on_pruning(workplace):
    trial = numpy_trial()
    asha = {"grace_period": 1, "reduction_factor": 2}
    asked = small_plan(scheduler="asha", asha=asha, fit={"epochs": 6}, engine="keras")
    plan, out = Plan(**asked, base=workplace), workplace / "out"
    first = run(plan, out, idx=range(8), cpus=1, show=False, trainable=trial)
    assert first.exit_code == 0 and first.tally.done == 8
    kept = pd.read_parquet(out / "points").set_index("idx")
    second = run(plan, out, cpus=1, show=False, trainable=trial)
    rows = pd.read_parquet(out / "points").set_index("idx")
    assert second.exit_code == 0 and second.tally.before == 8 and len(rows) == 12
    pd.testing.assert_frame_equal(rows.loc[kept.index], kept)  # a pruned point stays pruned
    rungs = pd.read_parquet(out / "rungs")
    assert not rungs.duplicated(["milestone", "idx"]).any()
    entered = rungs[rungs["milestone"] == 1].set_index("idx")
    assert set(entered.index) == set(range(12))
    # The rungs remember the first run: into an empty rung the first to come would have been let through.
    later = [idx for idx in Selection(12, 0) if idx >= 8]
    for place, idx in enumerate(later):
        seen = entered.loc[[*range(8), *later[: place + 1]], "value"]
        assert entered.loc[idx, "passed"] == (entered.loc[idx, "value"] <= np.percentile(seen, 50))
    ended = rungs[~rungs["passed"]].set_index("idx")["milestone"]
    pruned = rows[rows["status"] == "pruned"]
    assert len(pruned) and pruned["epochs"].to_dict() == ended.to_dict()


@pytest.mark.xdist_group("a made-up sweep with rungs")
def test_a_worker_that_has_grown_makes_way_for_a_new_one(workplace):
    class Growing(numpy_trial()):
        def prepare(self):
            from trainables.trials import trial

            trial.RETIRE_AFTER_MB = -1e9  # at once
            (workplace / f"worker-{os.getpid()}").touch()

    plan = Plan(**small_plan(retries=0, engine="keras"), base=workplace)
    outcome = run(plan, workplace / "out", points=3, cpus=1, show=False, trainable=Growing)
    assert outcome.exit_code == 0 and outcome.tally.counts == {"completed": 3} and outcome.tally.retried == 0
    assert len(list(workplace.glob("worker-*"))) == 3


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


def test_a_gpu_that_is_not_there_is_said(workplace):
    if os.path.exists("/dev/nvidia0"):  # noqa: PTH110
        pytest.skip("this machine has a GPU")
    plan = Plan(**small_plan(resources={"gpu": 0.5}), base=workplace)
    with pytest.raises(PlanError, match=r"resources\.gpu=0\.5 is more than the 0 GPUs"):
        run(plan, workplace / "out", show=False)
