"""`sweep account`: the rungs, and what an exhaustive run adds to them."""

import shutil

import pytest

from tests.help.commands import answer, message, sweep
from tests.help.exports import make_run


def test_the_account_is_of_rungs_and_of_an_exhaustive_run(grid_run, pruned_run):
    found = answer("account", pruned_run)
    assert [(row["milestone"], row["entered"], row["passed"]) for row in found["rungs"]] == [
        (1, 2, 1),
        (2, 1, 1),
    ]
    assert found["rungs"][0]["worst"] == 1.0  # of two records the first counts
    assert found["pruned"] == 1 and found["saved_at_most"] == 3
    found = answer("account", pruned_run, "--against", grid_run)
    assert found["saved"] == 3 and found["regret"]["rank"] == 1 and found["regret"]["lost"] == 0
    assert "number 1 of 5" in sweep("account", pruned_run, "--against", grid_run).output


def test_what_cannot_be_told_is_said(grid_run, pruned_run, other_run):
    assert "without ASHA" in message("account", grid_run)
    assert "has another space" in message("account", pruned_run, "--against", other_run)


@pytest.mark.parametrize(
    ("epochs", "asha", "said"),
    [
        (8, {"grace_period": 10}, "Its 8 epochs end before the first milestone, 10, so"),
        (10, {"grace_period": 10}, "Its 10 epochs end at the first milestone, 10, so"),
        (20, {"grace_period": 5, "max_t": 5}, "Its 5 epochs end at the first milestone, 5, so"),
        (20, {"grace_period": 10}, "has just begun, or all its points ended before the first milestone, 10."),
    ],
)
def test_a_run_whose_points_reach_no_milestone_says_why(tmp_path, epochs, asha, said):
    changes = {"fit": {"epochs": epochs}, "scheduler": "asha", "asha": asha}
    run = make_run(tmp_path / "run", {"units": [1]}, [{"idx": 0}], **changes)
    found = message("account", run.folder.path)
    assert said in found and "without ASHA" not in found


def test_a_run_without_points_has_no_account_yet(tmp_path):
    run = make_run(tmp_path / "run", {"units": [1, 2]}, [{"idx": 0}])
    shutil.rmtree(run.folder.points)
    assert "no point has a row" in message("account", run.folder.path)


@pytest.mark.parametrize(("scheduler", "expected"), [("asha", 5), ("none", 20)])
def test_the_budget_ends_where_asha_ends_every_point(tmp_path, scheduler, expected):
    asha = {"grace_period": 1, "max_t": 5}
    changes = {"fit": {"epochs": 20}, "scheduler": scheduler, "asha": asha}
    run = make_run(tmp_path / "run", {"units": [1]}, [{"idx": 0}], **changes)
    assert run.budget == expected
