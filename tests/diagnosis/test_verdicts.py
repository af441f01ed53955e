"""The sentences say what the numbers are, whichever way they go."""

import pandas as pd
import pytest

from results.diagnosis import verdicts
from results.diagnosis.baselines import THIS_MODEL
from results.diagnosis.diagnose import gaps_at_end, gaps_over_epochs
from tests.help.diagnoses import CURVE, ROW


def test_over_fitting_is_told_by_ratio_and_by_what_came_since():
    said = verdicts.overfitting(gaps_over_epochs(CURVE), gaps_at_end(ROW, ["loss", "MAE"]))
    assert said == (
        "Test loss is 2.50x the train loss, validation loss 1.50x; validation loss was lowest at epoch 2 of 3 and rose by "
        "16.7% since, while train loss fell by 50.0%."
    )


def test_over_fitting_of_a_model_that_still_improves_or_has_no_ratio():
    short = gaps_over_epochs(CURVE[:2])
    assert "lowest at epoch 2 of 2, the last one" in verdicts.overfitting(short, gaps_at_end(ROW, ["loss"]))
    said = verdicts.overfitting(short, gaps_at_end({**ROW, "loss_tr": -1.0}, ["loss"]))
    assert said.startswith("Train loss is -1, validation loss 3, test loss 5; ")
    lost = gaps_over_epochs(CURVE.assign(val_loss=float("nan")))
    assert "was never finite" in verdicts.overfitting(lost, gaps_at_end(ROW, ["loss"]))


def test_accuracy_is_told_by_best_and_worst_bin():
    by_bin = pd.DataFrame(
        {"low": [1.0, 4, 9], "high": [3.0, 4, 20], "count": 10, "bias": [0.5, 0, -2.5], "mae": [1.0, 0.5, 3]}
    )
    calibrated = pd.DataFrame(
        {"count": [10, 30], "predicted": [1.0, 2], "true": [1.4, 2], "standard_error": [0.1, 0.1]}
    )
    said = verdicts.accuracy(by_bin, calibrated)
    assert "Targets of 4 are predicted best (MAE 0.5), those of 9 to 20 worst (3)" in said
    assert "from +0.5 at the low end to -2.5 at the high" in said
    assert "by 0.1 on average, and by at most two standard errors in 1 of 2 bins" in said


def test_sensitivity_names_the_first_and_those_without_effect():
    table = pd.DataFrame(
        {"feature": ["w", "h", "s"], "increase": [8.0, 1, 0.1], "spread": [0.5, 0.1, 0.2], "columns": 1}
    )
    assert verdicts.sensitivity(table) == (
        "w matters most: shuffled, it raises the MSE by 8 (+-0.5), h by 1; no measurable effect of s."
    )
    assert "all features have an effect" in verdicts.sensitivity(table[:2])
    assert "Shuffling no feature" in verdicts.sensitivity(table[2:])


def test_sensitivity_names_no_feature_both_as_important_and_as_without_effect():
    table = pd.DataFrame(
        {"feature": ["w", "h", "s"], "increase": [8.0, 1, 0.5], "spread": [0.5, 0.9, 0.1], "columns": 1}
    )
    assert verdicts.sensitivity(table) == (
        "w matters most: shuffled, it raises the MSE by 8 (+-0.5), s by 0.5; no measurable effect of h."
    )
    assert verdicts.sensitivity(table.assign(spread=[5.0, 0.9, 0.1])) == (
        "s matters most: shuffled, it raises the MSE by 0.5 (+-0.1); no measurable effect of w, h."
    )
    assert verdicts.sensitivity(table[:2]).endswith("by 8 (+-0.5); no measurable effect of h.")


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ((0.5, 0.1, 0.9), "has 0.5 more (+0.1 to +0.9), so this model is better"),
        ((-0.5, -0.9, -0.1), "has 0.5 less (-0.9 to -0.1), so this model is worse"),
        ((0.1, -0.3, 0.4), "has 0.1 more (-0.3 to +0.4), which may be due to chance"),
    ],
)
def test_baselines_are_told_by_the_best_of_them(difference, said):
    rows = [[THIS_MODEL, 4.0, 3.5, 4.5, 0.0, 0.0, 0.0], ["mean", 9.0, 8, 10, 5, 4, 6]]
    rows.append(["random forest", 4 + difference[0], 3, 5, *difference])
    names = ["model", "value", "low", "high", "difference", "difference_low", "difference_high"]
    table = pd.DataFrame(rows, columns=names).assign(metric="MSE")
    worse_by_mae = table.assign(metric="MAE", value=[1.0, 0.1, 2.0])
    answer = verdicts.baselines(pd.concat([table, worse_by_mae]))
    assert answer.startswith("Test MSE is 4 (3.5 to 4.5); the best of the simpler models, random forest, ")
    assert said in answer and answer.endswith("always predicting the mean has 9.")
