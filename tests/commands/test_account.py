"""`sweep account`: the rungs, and what an exhaustive run adds to them."""

import shutil

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


def test_a_run_without_points_has_no_account_yet(tmp_path):
    run = make_run(tmp_path / "run", {"units": [1, 2]}, [{"idx": 0}])
    shutil.rmtree(run.folder.points)
    assert "no point has a row" in message("account", run.folder.path)
