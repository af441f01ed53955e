"""`sweep export`: what it prints, and that bad input writes no file."""

import json
import shutil
import subprocess

import pytest
import yaml

from tests.help.commands import refused, sweep
from tests.help.exports import make_run
from tests.help.sweeps import SWEEP
from trainables.table.data import ABALONE_COLUMNS

pytestmark = pytest.mark.long(30)


def test_an_export_prints_what_it_did_and_nothing_of_tensorflow(small_run, tmp_path):
    target = tmp_path / "my.weights.h5"
    command = [*SWEEP, "export", small_run, "1", target, "--format", "weights", "--json"]
    ran = subprocess.run(command, capture_output=True, text=True)
    assert ran.returncode == 0 and json.loads(ran.stdout)["metrics"]["loss"] > 0
    assert {path.name for path in tmp_path.iterdir()} == {target.name, f"{target.name}.card.md"}
    assert ran.stderr.splitlines() == [
        "Point 1 is made by the builder trainables.abalone:build_and_compile_model."
    ]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([99, "x.keras"], "the grid has the points 0 to 7"),
        ([0, "x.h5"], "has to end with .keras"),
        ([0, "nowhere/x.keras"], "there is no folder"),
    ],
)
def test_bad_exports_are_one_message_and_write_nothing(small_run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in refused("export", small_run, *words)
    assert not list(tmp_path.iterdir())


@pytest.mark.heavy
@pytest.mark.parametrize("words", [["export", 1, "x.keras"], ["diagnose", 1], ["verify", 1]])
def test_a_table_that_was_moved_is_told_with_what_to_do(small_run, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    shutil.copytree(small_run, "run")
    plan = yaml.safe_load((tmp_path / "run/plan.yaml").read_text())
    data = {"target": "Rings", "header": False, "columns": list(ABALONE_COLUMNS)}
    moved = tmp_path / "moved.data"
    (tmp_path / "run/plan.yaml").write_text(yaml.safe_dump(plan | {"data": {**data, "path": str(moved)}}))
    name, idx, *more = words
    said = refused(name, "run", idx, *more)
    assert f"{moved}: there is no such file" in said and "data.path in run/plan.yaml" in said
    assert not (tmp_path / "x.keras").exists()


@pytest.mark.parametrize(
    ("row", "keep", "said"),
    [
        (
            {"status": "failed", "epochs": 0, "weights": False},
            True,
            "the point is failed, and had a finite loss_va in no",
        ),
        (
            {"status": "diverged", "best_epoch": None, "weights": False},
            True,
            "the point is diverged, and had",
        ),
        ({"weights": False}, False, "the plan says keep_weights: false. Write keep_weights: true"),
        ({"weights": False}, 5, "it was not among the best 5 when it finished"),
        ({}, True, "the weights of point 0 are missing, though"),
    ],
)
def test_the_reason_why_there_are_no_weights_is_the_true_one(tmp_path, row, keep, said):
    run = make_run(tmp_path / "run", {"units": [1, 2]}, [{"idx": 0, **row}], keep_weights=keep)
    if not row:
        shutil.rmtree(run.folder.weights)
    told = refused("export", run.folder.path, 0, tmp_path / "x.keras", "--trust")
    assert said in told and ("Run the sweep again" in told) == (not row)
    if "--where" in told:
        assert sweep("top", run.folder.path, "--where", "has_weights").exit_code == 0
