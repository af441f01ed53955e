"""A folder that a stranger made is only data: no command runs what is in it, no terminal obeys it."""

import json
import shutil
import subprocess
import sys

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest
import yaml

import results
from results.store import parquet
from sweep import Plan, run
from sweep.process.tally import Tally
from tests.help.commands import message, sweep
from tests.help.plans import small_plan
from tests.help.reports import make_run

ESCAPE = "\x1b]0;title\x07"
"""Which sets a terminal's title, and which click does not take out by itself."""


def test_what_a_stranger_wrote_is_not_obeyed_by_a_terminal(tmp_path):
    run = make_run(
        tmp_path / "out", {f"axis{ESCAPE}": [f"x{ESCAPE}", "y"], "rate": [0.1, 0.01]}, error=ESCAPE
    )
    last = Tally(asked=3, best={"loss_te": 1.0, "idx": 0, "config": ESCAPE}).to_dict()
    (run / "progress.json").write_text(json.dumps(last))
    for arguments in (
        ["status", run], ["top", run], ["top", run, "--by", "zzz"], ["effects", run, "zzz"],
        ["effects", run, "rate"], ["curves", run], ["importance", run, "--where", "rate == 0.1"],
        ["export", run, 0, tmp_path / "x.keras"],
    ):  # fmt: skip
        found = sweep(*arguments)
        assert "\x1b" not in found.output and "\x07" not in found.output, arguments
        assert "Traceback" not in found.output and found.exit_code in (0, 2), arguments
    assert "?]0;title?" in sweep("status", run).output


def test_the_name_of_a_stranger_s_objective_is_not_obeyed_either(tmp_path):
    name = f"mae{ESCAPE}"
    run = make_run(
        tmp_path / "out",
        {"units": [1, 2], "rate": [0.1, 0.01]},
        ("loss", name),
        objective={"metric": name, "mode": "max"},
    )
    for words in (
        ["top", run, "--where", "rate == 3"], ["importance", run, "--where", "units == 1"],
        ["curves", run, "--where", "idx == 3"], ["effects", run, "rate"],
        ["export-to", "tensorboard", run, tmp_path / "logs", "--points", "all"],
    ):  # fmt: skip
        found = sweep(*words)
        assert found.exit_code == 0 and "\x1b" not in found.output and "\x07" not in found.output, words


CANARY = "import pathlib; pathlib.Path({mark!r}).touch(); raise SystemExit"


@pytest.mark.heavy
def test_a_stranger_s_folder_is_only_data(grid_run, tmp_path):
    """Whatever lies in the folder and whatever the plan says: nothing of it is run."""
    folder, mark = tmp_path / "stranger", tmp_path / "mark"
    shutil.copytree(grid_run, folder)
    code = CANARY.format(mark=str(mark))
    plan = yaml.safe_load((folder / "plan.yaml").read_text())
    plan |= {"builder": "evil.py:build", "data": {"path": "evil.csv", "target": "y"}}
    (folder / "plan.yaml").write_text(yaml.safe_dump(plan))
    for name in (
        "evil.py",
        "sitecustomize.py",
        "pandas.py",
        "numpy.py",
        "yaml.py",
        "results.py",
        "conftest.py",
    ):
        (folder / name).write_text(code)
    (folder / "points" / "part.pkl").write_bytes(b"cos\nsystem\n(S'touch " + str(mark).encode() + b"'\ntR.")
    # One process runs all commands but the last, since each start of Python takes seconds.
    each = [
        ["status", "."], ["top", "."], ["importance", ".", "--where", "rate > 0.005"],
        ["curves", "."], ["effects", ".", "units"], ["report", "."],
    ]  # fmt: skip
    code = f"""
from sweep.commands.main import main
for arguments in {each}:
    print("ended with", main(arguments, standalone_mode=False))
"""
    ran = subprocess.run([sys.executable, "-P", "-c", code], cwd=folder, capture_output=True, text=True)
    assert ran.returncode == 0 and ran.stdout.count("ended with None\n") == len(each), ran.stderr
    assert not mark.exists()
    # A tag that would make an object in an unsafe reader is no plan.
    (folder / "plan.yaml").write_text(f"space: !!python/object/apply:os.system ['touch {mark}']")
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "sweep", "report", "."],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2 and "Traceback" not in ran.stderr and not mark.exists()


def test_curves_that_are_lost_are_one_message_with_the_remedy(grid_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(grid_run, folder)
    shutil.rmtree(folder / "curves")
    for words in (["curves", folder], ["curves", folder, "--per", "rate"], ["report", folder]):
        said = message(*words)
        assert f"{folder}/curves: the curves of " in said and f"`sweep run --out {folder}`" in said
    # So it is with a part of them. A point that never trained has no curve that could be lost.
    shutil.copytree(grid_run / "curves", folder / "curves")
    points = pd.read_parquet(folder / "points")
    assert (points["epochs"] == 0).any() and len(results.open(folder).curves())
    [part] = (folder / "curves").glob("*.parquet")
    curves = pq.read_table(part)
    part.write_bytes(parquet.to_bytes(curves.filter(pc.not_equal(curves["idx"], 1))))
    with pytest.raises(ValueError, match=r"the curves of 1 points \(idx 1\) are missing"):
        results.open(folder).curves([0, 1])
    assert len(results.open(folder).curves(iter([0, 2])))


@pytest.mark.ci
def test_what_is_lost_is_trained_again(workplace):
    out = workplace / "out"
    plan = Plan(**small_plan(keep_weights=True), base=workplace)

    def trained():
        return run(plan, out, points=2, cpus=1, show=False, in_process=True, verify=False).tally

    assert trained().done == 2
    for lost in ("curves", "weights"):
        shutil.rmtree(out / lost)
        with pytest.raises(ValueError, match=f"out/{lost}: the {lost} of .* Run the sweep again"):
            found = results.open(out)
            found.curves() if lost == "curves" else found.weights(int(found.points["idx"][0]))
        assert trained().done == 2
        found = results.open(out)
        assert len(found.curves()) and all(found.weights(int(idx)) for idx in found.points["idx"])


def test_a_folder_whose_plan_is_lost_says_so(grid_run, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(grid_run, folder)
    (folder / "plan.yaml").unlink()
    for words in (["curves", folder], ["effects", folder, "rate"], ["importance", folder]):
        assert f"{folder}/plan.yaml: there is no such file. It is the run's plan" in message(*words)
    assert "there is no sweep here" in message("curves", tmp_path / "none")
