"""ASHA's account, against sums written out and SciPy's rank correlation."""

import numpy as np
import pandas as pd
import pytest
import yaml

import results
from results.analysis.account import check_comparable, epochs, rank_correlation, regret, rungs, saved


@pytest.fixture
def seen():
    return pd.DataFrame(
        {
            "milestone": [8, 8, 8, 8, 32, 32],
            "idx": [0, 1, 2, 3, 0, 2],
            "value": [1.0, np.nan, 2.0, 3.0, 0.5, 0.7],
            "passed": [True, False, True, False, True, False],
        }
    )


def test_rungs_count_who_came_and_who_went_on(seen):
    assert rungs(seen).to_dict("records") == [
        {"milestone": 8, "entered": 4, "passed": 2, "best": 1.0, "worst": 2.0},
        {"milestone": 32, "entered": 2, "passed": 1, "best": 0.5, "worst": 0.5},
    ]
    assert rungs(pd.DataFrame()).empty


def test_epochs_that_pruned_points_did_not_use():
    points = pd.DataFrame({"status": ["pruned", "completed", "pruned"], "epochs": [8, 200, 32]})
    assert epochs(points, 200) == {"spent": 240, "pruned": 2, "saved_at_most": 360}


def test_epochs_saved_are_those_of_points_in_both():
    points = pd.DataFrame({"idx": [3, 1, 9], "epochs": [10, 20, 50]})
    exhaustive = pd.DataFrame({"idx": [1, 2, 3], "epochs": [100, 7, 200]})
    assert saved(points, exhaustive) == 270


@pytest.mark.parametrize("key", ["space", "data", "builder", "fit", "callbacks", "seed"])
def test_runs_of_other_plans_are_not_compared(tmp_path, key):
    plan = {"space": {"rate": [1]}, "scheduler": "asha"}
    runs = []
    for name, changed in (("one", {}), ("whole", {"scheduler": "none"}), ("other", {key: {"rate": [2]}})):
        (tmp_path / name).mkdir()
        (tmp_path / name / "plan.yaml").write_text(yaml.safe_dump(plan | changed))
        runs.append(results.open(tmp_path / name))
    one, whole, other = runs
    check_comparable(one, whole)
    with pytest.raises(ValueError, match=f"another {key} than"):
        check_comparable(one, other)


def test_a_metric_is_a_column_of_numbers():
    points = pd.DataFrame({"idx": [1], "status": ["pruned"], "loss_va": [1.0]})
    with pytest.raises(ValueError, match=r'"status" holds no numbers.* are loss_va'):
        regret(points, points, "status")


def test_regret_is_measured_in_the_exhaustive_run():
    truth = pd.DataFrame({"idx": [0, 1, 2, 3], "loss_va": [3.0, 1.0, 2.0, np.nan]})
    pruned = pd.DataFrame({"idx": [0, 2], "loss_va": [3.1, 2.1]})
    found = regret(pruned, truth)
    assert (found.winner, found.best, found.lost, found.rank, found.points) == (2, 1, 1.0, 2, 3)
    with pytest.raises(ValueError, match="point 9"):
        regret(pd.DataFrame({"idx": [9], "loss_va": [0.0]}), truth)
    with pytest.raises(ValueError, match="no point with a loss_va"):
        regret(pruned.iloc[:0], truth)


def test_a_point_that_broke_wins_nowhere_whatever_its_value():
    status = ["completed", "diverged", "completed"]
    truth = pd.DataFrame({"idx": [0, 1, 2], "loss_va": [3.0, 0.1, 2.0], "status": status})
    pruned = truth.assign(status=["completed", "diverged", "pruned"])
    found = regret(pruned, truth)
    assert (found.winner, found.best, found.lost, found.rank, found.points) == (2, 2, 0.0, 1, 3)
    # The winner may break when it is trained again.
    found = regret(truth.assign(status="completed"), truth)
    assert (found.winner, found.best, found.lost, found.rank) == (1, 2, 0.0, 3)


def test_rank_correlation_is_spearman_s():
    from scipy.stats import spearmanr  # takes a second, which only this test needs

    chance = np.random.default_rng(0)
    early, end = chance.normal(size=30).round(1), chance.normal(size=30).round(1)
    seen = pd.DataFrame({"milestone": 8, "idx": range(30), "value": early, "passed": True})
    truth = pd.DataFrame({"idx": range(30), "loss_va": end}).sample(frac=1, random_state=1)
    [row] = rank_correlation(seen, truth).to_dict("records")
    assert row["points"] == 30 and row["correlation"] == pytest.approx(spearmanr(early, end).statistic)
    # A loss that is low early, and a score that is high at the end.
    [row] = rank_correlation(seen, truth, mode="max").to_dict("records")
    assert row["correlation"] == pytest.approx(-spearmanr(early, end).statistic)
    [row] = rank_correlation(seen, truth, mode="max", rung_mode="max").to_dict("records")
    assert row["correlation"] == pytest.approx(spearmanr(early, end).statistic)
    assert np.isnan(rank_correlation(seen.iloc[:2], truth)["correlation"].iloc[0])
