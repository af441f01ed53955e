"""`sweep status` counts the rows and says how to go on."""

import json
import shutil

import pytest

from results.folder.files import write_json
from results.schema import Status
from sweep.process.tally import Tally
from tests.help.commands import answer, sweep


def test_a_run_that_nobody_holds_is_stopped(grid_run):
    found = answer("status", grid_run)
    assert (found["state"], found["rows"], found["kept_here"]) == ("stopped", 6, 0)
    assert found["counts_in_folder"] == {"completed": 5, "failed": 1}
    said = sweep("status", grid_run).output
    assert "rows       6: 5 completed, 1 failed" in said and f"sweep run --out {grid_run}" in said


def test_points_of_every_status_are_counted_and_those_without_a_row_are_open(ended_run):
    found = answer("status", ended_run)
    assert (found["state"], found["rows"], found["done"], found["open"]) == ("stopped", 7, 7, 2)
    assert found["counts_in_folder"] == dict.fromkeys(Status, 1) | {"completed": 2}
    said = sweep("status", ended_run).output.splitlines()
    counts = "2 completed, 1 early_stopped, 1 pruned, 1 diverged, 1 failed, 1 timeout"
    assert said[:3] == ["state      stopped", f"rows       7: {counts}", "asked for  9 points, 2 open"]
    assert "best       val loss 0.5000, test loss 0.6000 at idx 1: {'units': 2}" in said
    assert said[-1] == f"Resume:    sweep run --out {ended_run} --points 9"


def test_a_run_without_open_points_is_finished_also_if_some_diverged_or_ran_out_of_time(ended_run, tmp_path):
    shutil.copytree(ended_run, tmp_path / "out")
    write_json(tmp_path / "out" / "progress.json", Tally(asked=7).to_dict())
    assert answer("status", tmp_path / "out")["state"] == "finished"
    said = sweep("status", tmp_path / "out").output
    assert "state      finished" in said and "7 points, 0 open" in said and "Resume" not in said


@pytest.mark.parametrize(
    ("options", "shown"),
    [
        ("--address head-1:6379 --insecure --cpus 2 --no-verify", True),
        ("--cpus 2", True),
        ("--cpus 2; rm -r ~", False),
        ("--address $(reboot)", False),
        (["--cpus"], False),
    ],
)
def test_a_run_is_resumed_as_it_was_started_and_a_stranger_adds_nothing(ended_run, tmp_path, options, shown):
    shutil.copytree(ended_run, tmp_path / "out")
    last = json.loads((tmp_path / "out" / "progress.json").read_text())
    write_json(tmp_path / "out" / "progress.json", {**last, "options": options})
    said = sweep("status", tmp_path / "out").output.splitlines()[-1]
    plain = f"Resume:    sweep run --out {tmp_path / 'out'} --points 9"
    assert said == (f"{plain} {options}" if shown else plain)
