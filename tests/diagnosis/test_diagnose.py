"""Gaps, residuals and calibration against pandas and closed forms; the whole diagnosis of a model that is known."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from results.diagnosis import diagnose as diagnosis
from results.diagnosis.diagnose import (
    Diagnosis,
    calibration,
    diagnose,
    gaps_at_end,
    gaps_over_epochs,
    residuals_by_bin,
)
from tests.help.diagnoses import CURVE, ROW, split


def test_gaps_are_those_of_each_epoch_and_metric():
    found = gaps_over_epochs(CURVE)
    assert list(found["metric"]) == ["loss"] * 3 + ["MAE"] * 3 and list(found["epoch"]) == [1, 2, 3] * 2
    assert list(found["train"]) == [4, 2, 1, 2, 1.5, 1] and list(found["validation"]) == [
        4.5,
        3,
        3.5,
        2.5,
        1.5,
        2,
    ]
    assert list(found["gap"]) == [0.5, 1, 2.5, 0.5, 0, 1]
    with pytest.raises(ValueError, match="no metric on validation rows"):
        gaps_over_epochs(CURVE[["epoch", "loss", "learning_rate"]])


def test_gaps_at_the_end_are_those_of_the_row():
    found = gaps_at_end(ROW, ["loss", "MAE"]).set_index("metric")
    assert list(found.loc["loss"]) == [2, 3, 5, 1.5, 2.5]
    # Times a value that is not above 0 means nothing.
    assert list(found.loc["MAE"][:3]) == [-1, 1.5, 2] and found.loc["MAE"][3:].isna().all()


def test_residuals_are_predicted_less_true():
    y, predicted = np.arange(100.0), np.arange(100.0) + np.tile([1, -3], 50)
    found = residuals_by_bin(y, predicted, bins=4)
    assert list(found["low"]) == [0, 25, 50, 75] and list(found["high"]) == [24, 49, 74, 99]
    assert list(found["count"]) == [25] * 4
    first = pd.Series((predicted - y)[:25])
    assert found.loc[0, "bias"] == pytest.approx(first.mean()) == -0.92
    assert found.loc[0, "mae"] == pytest.approx(first.abs().mean())
    assert list(found.loc[0, ["q05", "q50", "q95"]]) == [-3, 1, 1] == list(first.quantile([0.05, 0.5, 0.95]))


numbers = st.one_of(
    st.lists(st.integers(0, 5), min_size=1, max_size=80),
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=80),
)


@given(y=numbers, bins=st.integers(1, 12), seed=st.integers(0, 99))
def test_bins_hold_every_row_once_and_never_none(y, bins, seed):
    y = np.array(y, "float64")
    predicted = y + np.random.default_rng(seed).normal(size=len(y))
    found = residuals_by_bin(y, predicted, bins)
    assert 1 <= len(found) <= bins and (found["count"] > 0).all() and found["count"].sum() == len(y)
    # Bins do not overlap, so that equal targets are in one.
    assert (found["low"].to_numpy()[1:] > found["high"].to_numpy()[:-1]).all()
    assert found["low"].iloc[0] == y.min() and found["high"].iloc[-1] == y.max()
    for row in found.itertuples():
        inside = (y >= row.low) & (y <= row.high)
        assert inside.sum() == row.count
        assert row.bias == pytest.approx((predicted - y)[inside].mean(), abs=1e-9)
    if len(np.unique(y)) == len(y) and len(y) >= bins:
        assert len(found) == bins and found["count"].max() - found["count"].min() <= 1


def test_whole_numbers_that_differ_are_not_thrown_together():
    y = np.repeat([1.0, 2.0, 3.0], [30, 30, 40])
    assert list(residuals_by_bin(y, y)["high"]) == [1, 2, 3]
    assert list(residuals_by_bin(y[:60], y[:60], 2)["count"]) == [30, 30]


def test_a_constant_target_is_one_bin():
    [row] = residuals_by_bin(np.full(50, 7.0), np.arange(50.0)).to_dict("records")
    assert (row["low"], row["high"], row["count"], row["bias"]) == (7, 7, 50, 17.5)
    [row] = calibration(np.arange(50.0), np.full(50, 7.0)).to_dict("records")
    assert (row["predicted"], row["true"], row["count"]) == (7, 24.5, 50)


def test_calibration_compares_means_by_bin_of_the_prediction():
    chance = np.random.default_rng(1)
    predicted = chance.uniform(0, 10, 1000)
    y = 2 * predicted + chance.normal(size=1000)
    found = calibration(y, predicted)
    assert list(found["count"]) == [100] * 10 and found["predicted"].is_monotonic_increasing
    np.testing.assert_allclose(found["true"], 2 * found["predicted"], atol=0.5)  # five standard errors
    frame = pd.DataFrame({"y": y, "p": predicted}).sort_values("p", ignore_index=True)
    part = frame[:100]
    assert found.loc[0, "true"] == pytest.approx(part["y"].mean())
    assert found.loc[0, "standard_error"] == pytest.approx((part["p"] - part["y"]).std() / 10)
    assert calibration(y[:1], predicted[:1])["standard_error"].isna().all()


@pytest.mark.parametrize("table", [residuals_by_bin, calibration])
def test_numbers_that_do_not_fit_are_refused(table):
    with pytest.raises(ValueError, match="3 true values, but 2 predictions"):
        table(np.arange(3.0), np.arange(2.0))
    with pytest.raises(ValueError, match=r"predicts is not finite in 1 of 3"):
        table(np.arange(3.0), np.array([1, np.nan, 2]))
    with pytest.raises(ValueError, match="needs one number for each row"):
        table(np.array([]), np.array([]))


def test_a_diagnosis_holds_what_its_functions_give():
    data = split()
    found = diagnose(lambda x: x[:, :1], data, CURVE, pd.Series(ROW))
    assert [field.name for field in dataclasses.fields(Diagnosis)] == list(vars(found))
    pd.testing.assert_frame_equal(found.gaps_over_epochs, gaps_over_epochs(CURVE))
    pd.testing.assert_frame_equal(found.gaps_at_end, gaps_at_end(ROW, ["loss", "MAE"]))
    pd.testing.assert_frame_equal(found.residuals_by_bin, residuals_by_bin(data.y_test, data.x_test[:, 0]))
    for name in ("calibration", "sensitivity", "dependence", "baselines"):
        assert len(getattr(found, name)) and hasattr(diagnosis, name)
    assert (found.residuals_by_bin["mae"] == 0).all()  # the target is the feature
    assert found.sensitivity.loc[0, "feature"] == "a" and found.sensitivity.loc[1, "increase"] == 0


def test_what_is_no_regression_of_one_output_is_refused():
    with pytest.raises(ValueError, match="a regression needs one number for each row"):
        diagnose(lambda x: x, split(), CURVE, ROW)
    with pytest.raises(ValueError, match="not finite in 4 of 4 rows"):
        diagnose(lambda x: np.full(len(x), np.nan), split(), CURVE, ROW)
