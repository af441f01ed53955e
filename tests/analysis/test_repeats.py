"""Configurations are ranked by the mean over their repeats, from rows that are made by hand."""

import numpy as np
import pandas as pd
import pytest

from results.analysis.repeats import about, configurations, noise, numbered
from results.errors import ResultsError

# Three configurations of a grid of 3, in three repeats; the second one has the best point, the third one the best mean.
LOSSES = {0: [3.0, 3.0, 6.0], 1: [0.5, 9.0, 9.0], 2: [2.0, 1.5, 1.0]}
ROWS = pd.DataFrame(
    [
        {
            "idx": repeat * 3 + number,
            "repeat": repeat,
            "units": number + 1,
            "status": "completed",
            "epochs": 10 + repeat,
            "loss_tr": loss / 2,
            "loss_va": loss,
            "loss_te": loss + 1,
            "seed": 7 + repeat,
        }
        for number, losses in LOSSES.items()
        for repeat, loss in enumerate(losses)
    ]
)


def test_the_best_mean_wins_with_its_best_repeat():
    found = configurations(ROWS, 3, axes=["units"]).sort_values("loss_va")
    assert list(found) == [
        "idx", "units", "status", "epochs", "loss_tr", "loss_va", "loss_va_std", "repeats", "loss_te", "seed",
    ]  # fmt: skip
    assert found["units"].tolist() == [3, 1, 2] and found["idx"].tolist() == [8, 0, 1]
    assert found["loss_va"].tolist() == [1.5, 4.0, pytest.approx(18.5 / 3)]
    assert found["loss_va_std"].tolist() == pytest.approx([np.std(LOSSES[n], ddof=1) for n in (2, 0, 1)])
    assert found["loss_te"].tolist() == [2.5, 5.0, pytest.approx(18.5 / 3 + 1)]
    assert found["epochs"].tolist() == [11.0] * 3 and found["repeats"].tolist() == [3] * 3
    assert found["seed"].tolist() == [9, 7, 7]  # of the best repeat


def test_a_higher_value_may_be_better():
    found = configurations(ROWS, 3, "loss_te", "max", axes=["units"]).set_index("units")
    assert found["idx"].to_dict() == {1: 6, 2: 4, 3: 2}  # the highest of each
    assert "loss_te_std" in found and "loss_va_std" not in found


def test_what_is_missing_is_not_in_the_mean_and_is_counted():
    rows = ROWS[~ROWS["idx"].isin([8, 5])].copy()
    rows.loc[rows["idx"] == 7, ["status", "loss_va"]] = "failed", np.nan
    rows.loc[rows["idx"] == 3, "status"] = "diverged"  # it has a value, but that of a training that broke
    rows.loc[rows["idx"] == 6, "status"] = "pruned"
    found = configurations(rows, 3).set_index("units")
    assert found["repeats"].to_dict() == {1: 2, 2: 2, 3: 1} or found["repeats"].to_dict() == {
        1: 2,
        2: 1,
        3: 1,
    }
    assert found.loc[1, "loss_va"] == 4.5 and found.loc[3, "loss_va"] == 2.0
    assert np.isnan(found.loc[3, "loss_va_std"])
    said = about(configurations(rows, 3), rows, 3, 3)
    assert "3 of these 3 means are over fewer than the 3 repeats" in said[0]
    assert "1 of these 3 means is over repeats of which ASHA stopped some" in said[1]
    assert about(configurations(ROWS, 3), ROWS, 3, 3) == []


def test_a_configuration_of_which_no_repeat_finished_well_is_there():
    rows = ROWS.assign(status=["diverged"] * 3 + ["completed"] * 6)
    found = configurations(rows, 3).set_index("units")
    assert found["status"].to_dict() == {1: "diverged", 2: "completed", 3: "completed"}
    assert found.loc[1, "repeats"] == 3


def test_it_needs_a_column_of_numbers():
    with pytest.raises(ResultsError, match='no column "los_va"'):
        configurations(ROWS, 3, "los_va")
    with pytest.raises(ResultsError, match="no numbers"):
        configurations(ROWS, 3, "status")


def test_the_noise_is_the_variance_between_repeats_of_one_configuration():
    whole = np.concatenate(list(LOSSES.values()))
    within = np.concatenate([np.array(one) - np.mean(one) for one in LOSSES.values()])
    assert noise(ROWS, 3) == pytest.approx((within**2).sum() / ((whole - whole.mean()) ** 2).sum())
    assert noise(ROWS[ROWS["idx"] < 3], 3) is None  # nothing to compare
    assert noise(ROWS.assign(loss_va=1.0), 3) is None


def test_rows_older_than_the_repeats_are_those_of_repeat_0():
    old = ROWS[ROWS["repeat"] == 0].drop(columns="repeat")
    assert numbered(old, 1, 3) is old
    assert numbered(old, 3, 3)["repeat"].tolist() == [0] * 3
    mixed = pd.concat([old, ROWS[ROWS["repeat"] == 1]])
    found = numbered(mixed, 3, 3)
    assert found["repeat"].tolist() == [0, 0, 0, 1, 1, 1] and found["repeat"].dtype == "int64"


def test_a_configuration_of_which_no_repeat_has_a_value_is_there_without_a_mean():
    lost = ROWS["idx"] % 3 == 1
    rows = ROWS.assign(
        status=np.where(lost, "failed", "completed"), loss_va=np.where(lost, np.nan, ROWS["loss_va"])
    )
    found = configurations(rows, 3, axes=["units"]).set_index("units")
    assert found["status"].to_dict() == {1: "completed", 2: "failed", 3: "completed"}
    assert np.isnan(found.loc[2, "loss_va"]) and found["repeats"].to_dict() == {1: 3, 2: 0, 3: 3}
    assert about(found, rows, 3, 3) == []
