"""A run takes no folder with files of something else, and says which option makes the plan the one of the folder."""

import json

import pytest

from results.folder.run_folder import RunFolder
from results.store.store import Store
from sweep import Plan, run
from sweep.driver.claim import check_free, claim
from sweep.models import preparation
from sweep.models.preparation import Preparation
from sweep.plan.fingerprint import fingerprint
from sweep.plan.form import PlanError
from tests.help.commands import refused
from tests.help.plans import small_plan, write_plan
from tests.help.rows import entered, finished

OTHERS = {
    "plan.yaml": "space: {mine: [1]}",
    "lock": "my own",
    "progress.json": "{}",
    "metrics.json": "{}",
    "verified.json": "{}",
    "preparation.json": "{}",
    "checkpoints/best.keras": "mine",
    "points/a.csv": "mine",
    "curves/a.csv": "mine",
    "weights/a.h5": "mine",
    "rungs/a.txt": "mine",
    "damaged/a.txt": "mine",
    "weights": "a file",
}
LOCK = json.dumps({"host": "here", "pid": 1, "since": "2026-01-01T00:00:00+00:00"})
LEFT = {
    "lock": LOCK,
    "sweep.log": "what Ray printed",
    "checkpoints/0123456789abcdef01234567.npz": "of ours",
    "checkpoints/.0123456789abcdef01234567.tmp": "of ours",
    "notes.txt": "mine",
}
"""What may be in a folder that a start of a run left, and a file whose name no run uses."""


def written(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(content)
    return RunFolder(folder)


@pytest.mark.parametrize("name", OTHERS)
def test_files_of_something_else_are_neither_overwritten_nor_removed(tmp_path, name):
    folder = written(tmp_path, {name: OTHERS[name]})
    with pytest.raises(OSError, match=f"has {name.partition('/')[0]}. .*--out runs/NAME"):
        check_free(folder, "space: {}")
    assert [path.name for path in tmp_path.iterdir()] == [name.partition("/")[0]]
    assert (tmp_path / name).read_text() == OTHERS[name]


def test_a_folder_that_a_start_left_is_used(tmp_path):
    check_free(RunFolder(tmp_path / "none"), "space: {}")
    for name in ("points", "curves"):
        (tmp_path / name).mkdir()
    check_free(written(tmp_path, LEFT), "space: {}")
    check_free(written(tmp_path, {"plan.yaml": "space: {}", "lock": ""}), "space: {}")
    # A run's own folder is not looked at any further.
    check_free(written(tmp_path, {"fingerprint.json": "{}", "plan.yaml": "space: {a: [1]}"}), "space: {}")


@pytest.mark.parametrize("out", [".", "", "plan.yaml"])
def test_the_plan_beside_which_a_run_is_asked_for_stays_as_it_is(workplace, monkeypatch, out):
    monkeypatch.chdir(workplace)
    before = {path.name: path.read_bytes() for path in [write_plan(workplace), *workplace.glob("*.*")]}
    (workplace / "checkpoints").mkdir()
    (workplace / "checkpoints" / "best.h5").write_text("mine")
    said = refused("run", "plan.yaml", "--out", out)
    assert "runs/NAME" in said
    assert {path.name: path.read_bytes() for path in workplace.glob("*.*")} == before
    assert (workplace / "checkpoints" / "best.h5").read_text() == "mine"
    assert not (workplace / "lock").exists()
    with pytest.raises((OSError, PlanError), match="runs/NAME"):
        run("plan.yaml", out, show=False)


def test_the_missing_option_is_proposed_and_what_follows_from_it_is_not_listed(workplace):
    plan = Plan(**small_plan(), base=workplace)
    folder = RunFolder(workplace / "out")
    folder.create()
    claim(folder, plan.to_yaml(), fingerprint(plan))
    points = folder.points
    points.mkdir()
    (points / "part-00000.parquet").write_bytes(b"damaged, so it was something")

    def said(**changes):
        other = Plan(**small_plan(**changes), base=workplace)
        with pytest.raises(PlanError) as error:
            claim(folder, other.to_yaml(), fingerprint(other))
        return str(error.value)

    of_both = said(scheduler="asha", seed=5)
    assert "Add --scheduler none --seed 0 to the command, or run it into another folder" in of_both
    assert "budget.scheduler: was none, is asha" in of_both and "budget.asha" not in of_both
    assert "Put the plan back as it was" in said(scheduler="asha", fit={"epochs": 5})


def test_a_run_that_has_trained_nothing_takes_another_plan(workplace):
    """Even if it was stopped before its first file of points."""
    folder = RunFolder(workplace / "out")
    folder.create()
    for changes in ({}, {"fit": {"epochs": 5}}):
        plan = Plan(**small_plan(**changes), base=workplace)
        claim(folder, plan.to_yaml(), fingerprint(plan))
        assert Plan.load(folder.plan).fit == plan.fit


@pytest.mark.parametrize("others", ["failed", "completed", "timeout", "rungs"])
def test_a_run_whose_points_all_failed_takes_another_plan(workplace, others):
    """So a builder with an error is mended, and the same command runs again."""
    plan, folder = Plan(**small_plan(), base=workplace), RunFolder(workplace / "out")
    folder.create()
    assert not claim(folder, plan.to_yaml(), fingerprint(plan))
    statuses = ["failed", "failed", others if others in ("completed", "timeout") else "failed"]
    rows = [finished(idx, status, 0, weights=False) for idx, status in enumerate(statuses)]
    Store(folder, plan.space).commit(rows, [entered(0)] if others == "rungs" else ())
    mended = Plan(**small_plan(fit={"epochs": 5}), base=workplace)
    if others == "failed":
        [note] = claim(folder, mended.to_yaml(), fingerprint(mended))
        assert "all 3 points" in note and "deleted" in note
        assert not len(Store(folder, mended.space)) and Plan.load(folder.plan).fit == mended.fit
    else:
        with pytest.raises(PlanError, match="another plan"):
            claim(folder, mended.to_yaml(), fingerprint(mended))
        assert len(Store(folder, plan.space)) == 3 and Plan.load(folder.plan).fit == plan.fit


def test_a_plan_that_takes_a_folder_has_the_preparation_of_its_own_table(workplace):
    """Else predictions would have the names and scales of the other plan's columns."""
    plan, folder = Plan(**small_plan(), base=workplace), RunFolder(workplace / "out")
    folder.create()
    claim(folder, plan.to_yaml(), fingerprint(plan))
    preparation.keep(folder, plan.table)
    Store(folder, plan.space).commit([finished(0, "failed", 0, weights=False)])
    for path in (folder.metrics, folder.verified):
        path.write_text("{}")
    other = Plan(**small_plan(data={"path": "table.csv", "target": "b"}), base=workplace)
    claim(folder, other.to_yaml(), fingerprint(other))
    assert not folder.metrics.exists() and not folder.verified.exists()
    preparation.keep(folder, other.table)
    assert preparation.of_run(folder, other) == Preparation.of(other.table) != Preparation.of(plan.table)


@pytest.mark.parametrize("others", ["failed", "completed"])
def test_fewer_repeats_are_taken_only_if_all_points_failed(workplace, others):
    plan, folder = Plan(**small_plan(repeats=3), base=workplace), RunFolder(workplace / "out")
    folder.create()
    claim(folder, plan.to_yaml(), fingerprint(plan), 3)
    rows = [
        finished(idx, status, 0, weights=False)
        for idx, status in [(0, "failed"), (12, "failed"), (24, others)]
    ]
    Store(folder, plan.space).commit(rows)
    mended = Plan(**small_plan(), base=workplace)
    if others == "failed":
        [note] = claim(folder, mended.to_yaml(), fingerprint(mended), 1)
        assert "all 3 points" in note and not len(Store(folder, mended.space))
    else:
        with pytest.raises(PlanError, match=r"repeats: 3, but the plan says repeats: 1"):
            claim(folder, mended.to_yaml(), fingerprint(mended), 1)
        assert len(Store(folder, plan.space)) == 3
