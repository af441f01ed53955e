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
import yaml

from sweep import Plan, run
from sweep.driver import runner
from sweep.plan.form import PlanError
from sweep.plan.order import Selection
from tests.help.commands import answer, refused, sweep
from tests.help.exports import make_run
from tests.help.plans import small_plan, write_folder, write_plan
from tests.help.sweeps import Sweeps, is_trial, read_json

pytestmark = pytest.mark.timeout(600)

BEHAVIOURS = ["fine", "dies", "dies once", "nan", "sleeps"]


def test_the_cluster_of_a_job_is_no_way_to_resume(monkeypatch):
    given = "10.0.0.7:6379", True, 2, False
    assert runner._how(*given) == "--address 10.0.0.7:6379 --insecure --cpus 2 --no-verify"
    monkeypatch.setenv("SWEEP_RESUME", "sweep submit plan.yaml")
    assert runner._how(*given) == "--cpus 2 --no-verify"


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
@pytest.mark.long(35)
def test_every_point_has_its_row_whatever_its_worker_does(trouble):
    _, code, output, rows = trouble
    assert code == 1 and "2 points failed or ran out of time" in output and "Traceback" not in output, output
    expected = {"fine": "completed", "dies": "failed", "dies once": "completed", "nan": "diverged"}
    assert rows["status"].to_dict() == {**expected, "sleeps": "timeout"}
    assert rows.loc["dies", "error"].startswith("WorkerDied: the point's worker died 2 times")


@pytest.mark.heavy
def test_status_and_top_tell_it_from_the_files(trouble):
    out = trouble[0].out
    said = answer("status", out)
    assert said["state"] == "finished" and said["rows"] == len(BEHAVIOURS)
    assert said["counts_in_folder"] == {"completed": 2, "diverged": 1, "failed": 1, "timeout": 1}
    assert "5: 2 completed, 1 diverged, 1 failed, 1 timeout" in sweep("status", out).output
    assert {row["behaviour"] for row in answer("top", out, "--by", "MAE_te")} == {"fine", "dies once"}


@pytest.mark.heavy
def test_running_again_trains_nothing(trouble):
    sweeps = trouble[0]
    before = {path: path.stat().st_mtime_ns for path in sweeps.out.rglob("*.parquet")}
    begun = sweeps.begun()
    code, output = sweeps.run("run", "--out", "out", "--json")  # the plan is the folder's own
    said = json.loads(output.splitlines()[-1])
    assert code == 1 and said["folder"] == str(sweeps.out) and said["error"] is None
    assert {path: path.stat().st_mtime_ns for path in sweeps.out.rglob("*.parquet")} == before
    assert sweeps.begun() == begun


@pytest.mark.heavy
def test_a_changed_plan_is_refused_with_what_changed(trouble):
    sweeps = trouble[0]
    for arguments, said in [
        (["--seed", "5"], "seed: was 0, is 5"),
        (["--scheduler", "asha"], "was none, is asha"),
    ]:
        assert said in refused("run", "--out", sweeps.out, *arguments)
    assert len(sweeps.rows()) == len(BEHAVIOURS)


@pytest.mark.heavy
def test_the_folder_holds_the_resolved_plan(trouble):
    out = trouble[0].out
    assert Plan.load(out / "plan.yaml").table.sha256 == read_json(out / "fingerprint.json")["data"]["sha256"]
    assert os.access(out / "plan.yaml", os.R_OK)


ARGUMENTS = ("run", "plan.yaml", "--out", "out", "--points", "9", "--cpus", "1")
ORDER = [*Selection(12, 0, points=9)]
"""The points of that sweep, in the order in which they are trained."""


def held_after(count, sweeps):
    """Begin or resume a sweep of nine points, and return it when `count` have a row; the others do not end.

    What had a row before is not trained again.
    """
    kept = sweeps.rows()
    sweeps.hold.write_text(" ".join(map(str, ORDER[:count])))
    process = sweeps.start(*ARGUMENTS)
    sweeps.wait_for(lambda: len(sweeps.rows()) == count, process)
    check_kept(sweeps, kept)
    assert set(sweeps.rows()["idx"]) == set(ORDER[:count])
    return process


def check_kept(sweeps, kept):
    rows = sweeps.rows()
    assert rows["idx"].is_unique
    if len(kept):
        pd.testing.assert_frame_equal(rows.head(len(kept)), kept)


def check_resumed(sweeps, kept):
    """Let the sweep that was stopped go on to its end: what is kept is not trained again."""
    sweeps.hold.unlink()
    sweeps.record.unlink()
    code, output = sweeps.run(*ARGUMENTS)
    assert code == 0, output
    check_kept(sweeps, kept)
    assert not set(kept["idx"]) & {idx for trial in sweeps.begun() for idx in trial["points"]}
    # The first nine of the plan's order, whatever was stopped and resumed in between.
    rows = sweeps.rows()
    assert set(rows["idx"]) == set(ORDER) and (rows["status"] == "completed").all()
    curves = pd.read_parquet(sweeps.out / "curves")
    assert (curves.groupby("idx").size() == 4).all() and not curves.duplicated(["idx", "epoch"]).any()


def stop(sweeps, process):
    """Stop a sweep by Ctrl-C; before, others see that it runs, and no second one begins."""
    # Commands that train nothing are run in this process: to start Python takes longer.
    said = refused("run", sweeps.folder / "plan.yaml", "--out", sweeps.out)
    assert f"held by process {process.pid} on" in said and "since 20" in said
    assert "state      running, by process" in sweep("status", sweeps.out).output
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    assert f"Resume:  sweep {' '.join(ARGUMENTS)}" in output
    said = answer("status", sweeps.out)
    assert said["state"] == "stopped" and said["open"] == 9 - len(sweeps.rows())


def kill_ray(sweeps, process, name):
    """Kill a process of a sweep's Ray."""
    [ray] = [child for child in psutil.Process(process.pid).children() if child.name() == name]
    ray.kill()
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3, output
    assert f"Ray's process on this machine ended ({name} was killed by signal 9" in output
    assert f"Resume:  sweep {' '.join(ARGUMENTS)}" in output and "Traceback" not in output
    assert answer("status", sweeps.out)["state"] == "stopped"
    assert "Ray's process" in (sweeps.out / "sweep.log").read_text()


def kill_driver(sweeps, process):
    workers = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    trials = [worker for worker in workers if is_trial(worker)]
    assert not psutil.wait_procs(trials, timeout=60)[1]  # they end with the driver


def fill_disk(sweeps, process):
    """Let the points of a sweep end when its folder's disk has no room, and make room again when the sweep has ended."""
    filler = sweeps.out / "filler"
    with filler.open("wb", buffering=0) as file, pytest.raises(OSError):
        while True:
            file.write(bytes(4096))
    sweeps.hold.write_text(" ".join(map(str, range(12))))
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 3 and "No space left on device" in output, output
    assert re.search(r"out/\S+: cannot be written", output) and "Traceback" not in output
    filler.unlink()
    subprocess.run(["mount", "-o", "remount,size=16m", sweeps.out], check=True)


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.long(70)
@pytest.mark.xdist_group("a made-up sweep that is ended in many ways")
def test_a_sweep_that_is_ended_in_many_ways_loses_and_doubles_nothing(numpy_sweeps):
    """One sweep, which is stopped, loses Ray, is killed and finds its disk full; it is resumed after each of these ends."""
    sweeps = numpy_sweeps
    sweeps.out.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", sweeps.out]
    has_tiny_disk = not subprocess.run(mount, capture_output=True).returncode  # this needs root
    try:
        write_plan(sweeps.folder, engine="keras")
        stop(sweeps, held_after(2, sweeps))
        assert len(sweeps.rows()) == 2
        kill_ray(sweeps, held_after(4, sweeps), "raylet")
        assert len(sweeps.rows()) == 4
        kill_driver(sweeps, held_after(5, sweeps))
        if has_tiny_disk:
            fill_disk(sweeps, held_after(6, sweeps))
            assert 6 <= len(sweeps.rows()) < 9
        check_resumed(sweeps, sweeps.rows())
    finally:
        if has_tiny_disk:
            subprocess.run(["umount", "-l", sweeps.out], check=True)
    if not has_tiny_disk:
        pytest.skip("all but the full disk was tested; mounting a small disk needs root")


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.xdist_group("a made-up sweep that loses the head")
def test_a_sweep_whose_ray_has_lost_its_head_says_so_and_is_resumed(numpy_sweeps):
    write_plan(numpy_sweeps.folder, engine="keras")
    kill_ray(numpy_sweeps, held_after(3, numpy_sweeps), "gcs_server")
    check_resumed(numpy_sweeps, numpy_sweeps.rows())


@pytest.mark.slow
@pytest.mark.heavy
@pytest.mark.xdist_group("a made-up sweep with two signals")
def test_a_second_signal_ends_at_once(numpy_sweeps):
    write_plan(numpy_sweeps.folder, engine="keras")
    process = held_after(3, numpy_sweeps)
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


def numpy_trial():
    """Return the trial whose training is made up, for sweeps that are run from Python."""
    from tests.help.numpy_trial import NumpyTrial

    return NumpyTrial


@pytest.mark.heavy
def test_a_sweep_whose_reader_has_gone_away_trains_on(numpy_sweeps):
    write_plan(numpy_sweeps.folder, engine="keras")
    process = numpy_sweeps.start(*ARGUMENTS)
    process.stdout.close()  # as by `| head`
    assert process.wait(120) == 0
    assert len(numpy_sweeps.rows()) == 9
    said = answer("status", numpy_sweeps.out)
    assert (said["state"], said["options"]) == ("finished", "--cpus 1")


def test_an_error_of_tune_stops_the_run_and_keeps_what_has_finished(workplace, monkeypatch):
    from sweep.driver.collector import Collector

    on_step_end = Collector.on_step_end

    def find_no_room(self, iteration, trials, **info):
        if self._tally.done >= 3:
            raise OSError(28, "No space left on device")
        on_step_end(self, iteration, trials, **info)

    monkeypatch.setattr(Collector, "on_step_end", find_no_room)
    plan, out = Plan(**small_plan(engine="keras"), base=workplace), workplace / "out"
    outcome = run(plan, out, cpus=1, show=False, trainable=numpy_trial())
    assert outcome.exit_code == 3 and "No space left on device" in outcome.error
    assert len(pd.read_parquet(out / "points")) == outcome.tally.done == 3
    assert "Traceback" in (out / "sweep.log").read_text()


@pytest.mark.ci
@pytest.mark.long(40)
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


@pytest.mark.slow
@pytest.mark.xdist_group("a made-up sweep with rungs")
def test_each_repeat_is_a_trial_of_its_own_and_asha_judges_all_points(workplace):
    asked = small_plan(scheduler="asha", asha={"grace_period": 1, "reduction_factor": 2}, repeats=3, seed=4)
    plan, out = Plan(**asked, base=workplace), workplace / "out"
    first = run(plan, out, points=5, cpus=1, show=False, trainable=numpy_trial())
    assert first.exit_code == 0 and first.tally.done == 15
    some = [idx % 12 for idx in list(Selection.of(plan.space, plan.seed, points=5))]
    rows = pd.read_parquet(out / "points").set_index("idx")
    assert sorted(rows.index) == sorted(repeat * 12 + idx for repeat in range(3) for idx in set(some))
    outcome = run(plan, out, cpus=1, show=False, trainable=numpy_trial())
    assert outcome.exit_code == 0 and (outcome.tally.before, outcome.tally.done) == (15, 36)
    rows = pd.read_parquet(out / "points").set_index("idx")
    assert sorted(rows.index) == list(range(36))
    assert (rows["repeat"] == rows.index // 12).all() and (rows["seed"] == 4 + rows["repeat"]).all()
    rungs = pd.read_parquet(out / "rungs")
    assert set(rungs.loc[rungs["milestone"] == 1, "idx"]) == set(range(36))
    assert "pruned" in set(rows["status"])
    shown = sweep("top", out).output
    assert "by mean loss_va over 3 repeats" in shown and "ASHA stopped some" in shown


@pytest.mark.slow
@pytest.mark.xdist_group("a made-up sweep with rungs")
def test_a_worker_that_has_grown_makes_way_for_a_new_one(workplace):
    class Growing(numpy_trial()):
        def prepare(self):
            from trainables.trials import trial

            trial.RETIRE_AFTER_MB = -1e9  # at once
            (workplace / f"worker-{os.getpid()}").touch()

    plan = Plan(**small_plan(retries=0, engine="keras"), base=workplace)
    outcome = run(plan, workplace / "out", points=2, cpus=1, show=False, trainable=Growing)
    assert outcome.exit_code == 0 and outcome.tally.counts == {"completed": 2} and outcome.tally.retried == 0
    assert len(list(workplace.glob("worker-*"))) == 2


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


def test_a_damaged_part_of_another_plan_s_run_is_told_as_such(workplace):
    made = make_run(workplace / "out", {"units": [1, 2]}, [{"idx": 0}])
    [part] = made.folder.points.glob("*.parquet")
    part.write_bytes(part.read_bytes()[:-50])
    with pytest.raises(PlanError, match="holds the run of another plan"):
        run(Plan(**small_plan(), base=workplace), workplace / "out", show=False)


def test_a_gpu_that_is_not_there_is_said(workplace):
    if os.path.exists("/dev/nvidia0"):  # noqa: PTH110
        pytest.skip("this machine has a GPU")
    plan = Plan(**small_plan(resources={"gpu": 0.5}), base=workplace)
    with pytest.raises(PlanError, match=r"resources\.gpu=0\.5 is more than the 0 GPUs"):
        run(plan, workplace / "out", show=False)


def test_what_this_machine_lacks_is_said_at_once(workplace):
    resources = {"custom": {"big_disk": 1}, "labels": {"zone": "north"}}
    plan = Plan(**small_plan(resources=resources), base=workplace)
    with pytest.raises(PlanError, match=r"no big_disk: 1 .* and no label zone: north .*--address"):
        run(plan, workplace / "out", show=False, trainable=numpy_trial())


@pytest.mark.parametrize(
    "engine", [pytest.param("auto", marks=pytest.mark.slow), pytest.param("keras", marks=pytest.mark.slow)]
)
@pytest.mark.xdist_group("a made-up sweep with rungs")
def test_points_that_are_the_same_are_trained_once(workplace, engine):
    only = {"batch_size": "units > 2"}  # so of points 6 and 9, points 0 and 3 have the other batch size
    asha = {"scheduler": "asha", "asha": {"grace_period": 1}}
    write_plan(workplace, only=only, engine=engine, **asha)
    plan, out = Plan.load(workplace / "plan.yaml"), workplace / "out"
    assert run(plan, out, points=4, cpus=1, show=False, trainable=numpy_trial()).tally.done == 4
    assert run(plan, out, cpus=1, show=False, trainable=numpy_trial()).exit_code == 0
    rows = pd.read_parquet(out / "points").set_index("idx")
    assert sorted(rows.index) == [0, 1, 2, 3, 4, 5, 7, 8, 10, 11]
    assert sorted(rows.index[rows["batch_size"].isna()]) == [0, 3]
    progress = answer("status", out)
    assert progress["state"] == "finished" and (progress["asked"], progress["done"]) == (10, 10)
    assert yaml.safe_load((out / "plan.yaml").read_text())["only"] == only
    said = refused("run", workplace / "plan.yaml", "--out", out, "--idx", "6,1")
    assert "batch_size does not act there, so point 0 stands for it. Write --idx 1,0." in said
    write_plan(workplace, engine=engine, **asha)
    said = refused("run", workplace / "plan.yaml", "--out", out)
    assert "only.batch_size: was units > 2, is nothing" in said
