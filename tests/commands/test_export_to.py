"""`sweep export-to`: what it says, what it leaves out, and how it stops."""

import importlib.util
import json
import os
import signal
import subprocess
import time

import pytest

from tests.help.commands import sweep
from tests.help.exports import make_run
from tests.help.sweeps import SWEEP


def points_in(logs):
    return sorted(path.name for path in logs.glob("idx-*"))


def test_what_is_written_and_what_is_left_out_is_said(small_run, tmp_path):
    logs = tmp_path / "my logs"
    some = ["export-to", "tensorboard", small_run, logs, "--points", 3, "--others", 2, "--curves", 1]
    answer = sweep(*some)
    assert answer.exit_code == 0, answer.output
    assert "5 of 8 are in" in answer.output and "5 of them new" in answer.output
    assert "the best 3 by loss_va and 2 others; 1 have learning curves" in answer.output
    assert "Left out:  3 points and 4 of these points' learning curves" in answer.output
    assert "tensorboard --logdir '" in answer.output
    assert len(points_in(logs)) == 5 and len(list(logs.rglob("*curve"))) == 1
    assert "0 of them new" in sweep(*some).output
    everything = sweep("export-to", "tensorboard", small_run, logs, "--points", "all", "--curves", "all")
    assert "8 of 8 are in" in everything.output and "Left out" not in everything.output
    assert len(points_in(logs)) == 8 and len(list(logs.rglob("*curve"))) == 8


def test_the_answer_can_be_json(small_run, tmp_path):
    where = ["--where", "dropout_rate == 0", "--by", "MAE_te", "--points", "2", "--others", "1"]
    found = sweep("export-to", "tensorboard", small_run, tmp_path / "logs", *where, "--json")
    assert json.loads(found.stdout) == {
        "points": 3, "new": 3, "curves": 3, "left_out": 1, "stopped": False, "target": str(tmp_path / "logs")
    }  # fmt: skip


def test_points_without_a_rank_are_not_said_to_be_the_best(tmp_path):
    failed = [{"idx": idx, "status": "failed", "epochs": 0, "error": "no"} for idx in range(3, 30)]
    rows = [{"idx": idx, "epochs": 1, "weights": False} for idx in range(3)]
    run = make_run(tmp_path / "run", {"units": list(range(30))}, rows + failed)
    some = ["export-to", "tensorboard", run.folder.path, tmp_path / "logs", "--points", 20, "--others", 5]
    answer = sweep(*some)
    assert "8 of 30 are in" in answer.output, answer.output
    assert "They are the best 3 by loss_va and 5 others; 3 have learning curves" in answer.output
    assert "5 have no rank by loss_va, such as failed points, so their learning curves" in answer.output
    assert "Left out:  22 points. All" in answer.output
    fewer = sweep(*some, "--curves", 1)
    assert "Left out:  22 points and 2 of these points' learning curves. All" in fewer.output


@pytest.mark.heavy  # takes seconds
def test_by_default_it_stays_usable(tmp_path):
    rows = [{"idx": idx, "epochs": 1, "weights": False} for idx in range(1500)]
    run = make_run(tmp_path / "run", {"units": list(range(len(rows)))}, rows)
    answer = json.loads(
        sweep("export-to", "tensorboard", run.folder.path, tmp_path / "logs", "--json").stdout
    )
    assert (answer["points"], answer["curves"], answer["left_out"]) == (1000, 20, 500)
    best = [f"idx-{idx}" for idx in run.top(800)["idx"]]
    assert set(best) <= set(points_in(tmp_path / "logs"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--points", "-1"], "needs a number such as 1000, or the word all"),
        (["--curves", "some"], "the word all"),
        (["--where", "dropout == 0"], 'Did you mean "dropout_rate"'),
        (["--where", "idx < 0"], "no point to take"),
        (["--by", "loss_tee"], 'Did you mean "loss_te"'),
    ],
)
def test_bad_input_is_one_message_and_writes_nothing(small_run, tmp_path, words, said):
    answer = sweep("export-to", "tensorboard", small_run, tmp_path / "logs", *words)
    assert answer.exit_code == 2 and said in answer.output and "Traceback" not in answer.output
    assert not (tmp_path / "logs").exists()


def test_bad_folders_are_one_message(small_run, tmp_path):
    assert "no sweep here" in sweep("export-to", "tensorboard", tmp_path, tmp_path / "logs").output
    answer = sweep("export-to", "tensorboard", small_run, small_run)
    assert answer.exit_code == 2 and "is not empty" in answer.output
    (tmp_path / "file").touch()
    assert sweep("export-to", "tensorboard", small_run, tmp_path / "file").exit_code == 2


@pytest.mark.skipif(importlib.util.find_spec("mlflow") is not None, reason="MLflow is installed")
def test_without_mlflow_it_says_what_to_install(small_run):
    answer = sweep("export-to", "mlflow", small_run, "http://127.0.0.1:9")
    assert answer.exit_code == 2
    assert answer.output == 'Error: MLflow is not installed. Type: pip install "keras-grid-sweep[mlflow]"\n'


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="needs MLflow: pip install mlflow")
def test_an_mlflow_that_does_not_answer_is_one_message(small_run):
    answer = sweep("export-to", "mlflow", small_run, "http://127.0.0.1:9")
    assert answer.exit_code == 2 and answer.output.startswith("Error: MLflow at http://127.0.0.1:9 cannot")
    assert len(answer.output.splitlines()) == 1


@pytest.mark.heavy  # takes seconds
def test_ctrl_c_leaves_whole_points_and_the_same_command_goes_on(tmp_path):
    rows = [{"idx": idx, "epochs": 30, "weights": False} for idx in range(800)]
    run = make_run(tmp_path / "run", {"units": list(range(len(rows)))}, rows)
    logs = tmp_path / "logs"
    command = [*SWEEP, "export-to", "tensorboard", str(run.folder.path), str(logs)]
    command += ["--points", "all", "--curves", "all"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    deadline = time.monotonic() + 60
    while len(points_in(logs)) < 5:
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 3 and "the same command goes on" in output and "Traceback" not in output
    there = len(points_in(logs))
    assert 5 <= there < 800
    for name in points_in(logs):
        assert sorted(path.name[-5:] for path in (logs / name).glob("*tfevents*")) == ["curve", "point"]
    answer = json.loads(sweep(*command[len(SWEEP) :], "--json").stdout)
    assert (answer["points"], answer["new"]) == (800, 800 - there)
