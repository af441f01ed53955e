"""`sweep report`: one file that fetches nothing, or a page that is served until it is stopped."""

import re
import shutil
import subprocess

import pytest

import results
from results.report.page import page
from tests.help.commands import message, refused, sweep
from tests.help.exports import make_run
from tests.help.http import get
from tests.help.sweeps import SWEEP


@pytest.mark.heavy  # takes seconds
def test_a_report_is_one_file_that_fetches_nothing(grid_run, pruned_run, tmp_path):
    assert sweep("report", grid_run).exit_code == 0
    text = (grid_run / "report.html").read_text()
    assert "default-src 'none'" in text and not re.search(
        r"<(script|link|img)[^>]+(src|href)=", text.split("<script>")[0]
    )
    assert sweep("report", pruned_run, tmp_path / "asha.html", "--against", grid_run).exit_code == 0
    content = (tmp_path / "asha.html").read_text()
    assert "ASHA's account" in content and "is number 1 of 5" in content


@pytest.mark.heavy  # takes seconds
def test_a_watched_report_is_served_until_it_is_stopped(grid_run, tmp_path):
    process = subprocess.Popen(
        [*SWEEP, "report", "--watch", grid_run],
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


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--by", "status"], "holds no numbers"),
        (["--by", "los_va"], 'Did you mean "loss_va"'),
        (["no/report.html"], "there is no folder"),
        (["x.html", "--watch"], "writes no file"),
        (["--target", "y"], "Add --diagnose"),
    ],
)
def test_what_cannot_be_told_is_said(grid_run, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert said in message("report", grid_run, *words)
    assert not list(tmp_path.iterdir())


def test_one_of_several_targets_is_diagnosed(grid_run, tmp_path, monkeypatch):
    asked = []

    def told(run, idx, trust, target):
        asked.append(target)
        raise ValueError("enough")

    monkeypatch.setattr("sweep.commands.report.diagnosed", told)
    for words in ([], ["--target", "rent"]):
        assert "enough" in refused("report", grid_run, tmp_path / "x.html", "--diagnose", *words)
    assert asked == [None, "rent"]


@pytest.mark.heavy
def test_a_target_that_is_not_there_is_told(small_run, tmp_path):
    words = ("report", small_run, tmp_path / "x.html", "--diagnose", "--target", "rent")
    assert '--target got "rent", but the table has one target, Rings.' in refused(*words)


def test_a_run_of_another_plan_is_refused(pruned_run, other_run):
    assert "has another space" in message("report", pruned_run, "--against", other_run)


@pytest.mark.heavy  # takes long
def test_a_run_with_conditional_axes_has_a_report(layers_run, tmp_path):
    sweep("report", layers_run, "--out", tmp_path / "report.html")
    run = results.open(layers_run)
    assert run.size == 7 and run.conditional.different == 7
    assert "of 7 different points in the grid" in page(run)


def test_a_run_without_its_points_is_one_message(tmp_path):
    run = make_run(tmp_path / "run", {"units": [1, 2]}, [{"idx": 0}])
    shutil.rmtree(run.folder.points)
    assert "no point has a row" in message("report", run.folder.path)
