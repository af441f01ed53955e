"""A folder that a stranger made is only data: no command runs what is in it, no terminal obeys it."""

import json
import shutil
import subprocess
import sys

import pytest
import yaml

from sweep.process.tally import Tally
from tests.help.commands import sweep
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
