"""The commands that show a run: their answers are those of the tables, and bad input is told."""

import io
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner

import results
from results.folder.run_folder import RunFolder
from results.store.store import Store
from sweep.commands.main import main
from sweep.process.tally import Tally
from tests.help.http import get
from tests.help.reports import make_run

AXES = {"units": [2, 4], "rate": [0.1, 0.01, 0.001]}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "out", AXES)


def ask(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def answer(*arguments):
    found = ask(*arguments, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def test_curves_are_of_the_points_asked_for_or_of_the_best(run, tmp_path):
    assert [row["idx"] for row in answer("curves", run, 3, 1)] == [1, 3]
    best = results.open(run).top(2, "MAE_te")["idx"]
    assert {row["idx"] for row in answer("curves", run, "--top", 2, "--by", "MAE_te")} == set(best)
    rows = pd.read_csv(io.StringIO(ask("curves", run, 3, "--csv").stdout))
    assert list(rows["epoch"]) == [1, 2, 3, 4] and list(rows["val_loss"]) == [4, 3, 2, 1]
    bands = answer("curves", run, "--per", "rate")
    assert {row["value"] for row in bands} == set(AXES["rate"]) and len(bands) == 12
    drawn = ask("curves", run, "--html", tmp_path / "curves.html")
    assert drawn.exit_code == 0 and "Plotly.newPlot" in (tmp_path / "curves.html").read_text()
    assert "best_epoch" in drawn.output


def test_effects_are_distributions_and_pairs(run):
    found = answer("effects", run, "units")
    assert [row["value"] for row in found["values"]] == [2, 4]
    [pair] = found["pairs"]
    assert pair["pairs"] == 2 and 0.8 < pair["mean"] < 1.2  # the third pair has a point that failed
    assert "all other axes equal" in ask("effects", run, "units").output


@pytest.fixture(scope="module")
def pruned(tmp_path_factory):
    """The same grid with rungs: point 1 stopped at epoch 1."""
    path = make_run(tmp_path_factory.mktemp("runs") / "asha", AXES, pruned=[1])
    store = Store(RunFolder(path), AXES, keep_weights=False)
    seen = {"milestone": [1, 1, 2], "idx": [0, 1, 0], "value": [1.0, 2.0, 0.5], "passed": [True, False, True]}
    store.commit([], [{name: np.array(values) for name, values in seen.items()}])
    return path


def test_the_account_is_of_rungs_and_of_an_exhaustive_run(run, pruned):
    found = answer("account", pruned)
    assert [(row["milestone"], row["entered"], row["passed"]) for row in found["rungs"]] == [
        (1, 2, 1),
        (2, 1, 1),
    ]
    assert found["pruned"] == 1 and found["saved_at_most"] == 3
    found = answer("account", pruned, "--against", run)
    assert found["saved"] == 3 and found["regret"]["rank"] == 1 and found["regret"]["lost"] == 0
    assert "number 1 of 5" in ask("account", pruned, "--against", run).output


def test_what_cannot_be_told_is_said(run, pruned, tmp_path):
    other = make_run(tmp_path / "other", {"units": [2, 4], "rate": [0.1, 0.01]})
    for arguments, said in [
        (("account", run), "without ASHA"),
        (("account", pruned, "--against", other), "has another space"),
        (("curves", run, 99), "99 has no row"),
        (("curves", run, "--per", "unit"), 'Did you mean "units"'),
        (("effects", run, "rat"), 'Did you mean "rate"'),
        (("effects", run, "idx"), 'no axis "idx"'),
        (("curves", run, "--per", "idx"), 'no axis "idx"'),
        (("curves", run, "--by", "status"), "holds no numbers"),
        (("effects", run, "rate", "--by", "status"), "holds no numbers"),
        (("importance", run, "--by", "status"), "holds no numbers"),
        (("report", run, "--by", "status"), "holds no numbers"),
        (("report", pruned, "--against", other), "has another space"),
        (("report", run, "--by", "los_va"), 'Did you mean "loss_va"'),
        (("report", run, tmp_path / "no/report.html"), "there is no folder"),
        (("report", run, "x.html", "--watch"), "writes no file"),
        (("report", tmp_path), "there is no sweep here"),
    ]:
        found = ask(*arguments)
        assert found.exit_code == 2 and said in found.output and "Traceback" not in found.output, found.output


def test_bands_leave_pruned_points_out_and_say_so(pruned):
    said = ask("curves", pruned, "--per", "units")
    assert "Note: 1 pruned points are left out" in said.output
    counts = {row["value"]: row["points"] for row in answer("curves", pruned, "--per", "units")}
    assert counts == {2: 2, 4: 2}  # one was pruned, one failed
    assert "are in it" in ask("curves", pruned, "--per", "units", "--with-pruned").output
    none = ask("curves", pruned, "--per", "units", "--where", "idx == 1")
    assert none.exit_code == 2 and "no point that was trained to its end" in none.output


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
        found = ask(*arguments)
        assert "\x1b" not in found.output and "\x07" not in found.output, arguments
        assert "Traceback" not in found.output and found.exit_code in (0, 2), arguments
    assert "?]0;title?" in ask("status", run).output


def test_a_report_is_one_file_that_fetches_nothing(run, pruned, tmp_path):
    assert ask("report", run).exit_code == 0
    text = (run / "report.html").read_text()
    assert "default-src 'none'" in text and not re.search(
        r"<(script|link|img)[^>]+(src|href)=", text.split("<script>")[0]
    )
    assert ask("report", pruned, tmp_path / "asha.html", "--against", run).exit_code == 0
    content = (tmp_path / "asha.html").read_text()
    assert "ASHA's account" in content and "is number 1 of 5" in content


def test_a_watched_report_is_served_until_it_is_stopped(run, tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "sweep", "report", "--watch", run],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        address = re.search(r"http://127\.0\.0\.1:\d+/", process.stdout.readline())[0]
        code, body, _ = get(address)
        assert code == 200 and f'"version":"{get(address, "/version")[1]}"' in body
        process.send_signal(2)
        assert process.wait(60) == 0
    finally:
        process.kill()


CANARY = "import pathlib; pathlib.Path({mark!r}).touch(); raise SystemExit"


def test_a_stranger_s_folder_is_only_data(run, tmp_path):
    """Whatever lies in the folder and whatever the plan says: nothing of it is run."""
    folder, mark = tmp_path / "stranger", tmp_path / "mark"
    shutil.copytree(run, folder)
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
    for arguments in (
        ["status", "."], ["top", "."], ["importance", ".", "--where", "rate > 0.005"],
        ["curves", "."], ["effects", ".", "units"], ["report", "."],
    ):  # fmt: skip
        ran = subprocess.run(
            [sys.executable, "-P", "-m", "sweep", *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert ran.returncode == 0, ran.stderr
        assert not mark.exists(), arguments
    # A tag that would make an object in an unsafe reader is no plan.
    (folder / "plan.yaml").write_text(f"space: !!python/object/apply:os.system ['touch {mark}']")
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "sweep", "report", "."],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 2 and "Traceback" not in ran.stderr and not mark.exists()
