"""Turns the numbers of a diagnosis into sentences: one for each of a regression's four questions, some more for classes."""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.diagnosis import class_verdicts
from results.diagnosis.baselines import THIS_MODEL
from results.diagnosis.classification import Classification
from results.diagnosis.diagnose import Diagnosis


def verdicts(found: Diagnosis | Classification) -> dict[str, str]:
    """Return the sentences by what they answer: `overfitting`, `accuracy`, `sensitivity`, `baselines`.

    A classification has `imbalance` and `calibration`, too, and `threshold` unless it is of several classes.
    """
    if isinstance(found, Classification):
        said = {
            "overfitting": overfitting(found.gaps_over_epochs, found.gaps_at_end),
            "accuracy": class_verdicts.accuracy(found.scores, found.per_class, found.confusion, found.task),
            "imbalance": class_verdicts.imbalance(found.scores, found.per_class, found.task),
            "calibration": class_verdicts.calibration(found.confidence),
        }
        if found.thresholds is not None and found.task == "multilabel":
            said["threshold"] = class_verdicts.thresholds_of_answers(found.thresholds)
        elif found.thresholds is not None:
            said["threshold"] = class_verdicts.threshold(found.thresholds, found.per_class["class"].iloc[-1])
        return said | {
            "sensitivity": sensitivity(found.sensitivity),
            "baselines": class_verdicts.baselines(found.baselines),
        }
    return {
        "overfitting": overfitting(found.gaps_over_epochs, found.gaps_at_end),
        "accuracy": accuracy(found.residuals_by_bin, found.calibration),
        "sensitivity": sensitivity(found.sensitivity),
        "baselines": baselines(found.baselines),
    }


def overfitting(over_epochs: pd.DataFrame, at_end: pd.DataFrame) -> str:
    """Return how much the losses differ at the end, and how the validation loss has changed since it was lowest."""
    end = at_end.iloc[0]  # Keras logs the loss first
    name = end["metric"]
    if np.isfinite(end["test_ratio"]):
        text = (
            f"Test {name} is {end['test_ratio']:.2f}x the train {name}, validation {name} "
            f"{end['validation_ratio']:.2f}x; "
        )
    else:
        text = (
            f"Train {name} is {end['train']:.4g}, validation {name} {end['validation']:.4g}, "
            f"test {name} {end['test']:.4g}; "
        )
    curve = over_epochs[over_epochs["metric"] == name].dropna(subset="validation")
    if curve.empty:
        return text + f"validation {name} was never finite."
    best, last = curve.iloc[curve["validation"].argmin()], curve.iloc[-1]
    text += f"validation {name} was lowest at epoch {best['epoch']} of {last['epoch']}"
    if best["epoch"] == last["epoch"]:
        return text + ", the last one, so that more epochs may help."
    return (
        text
        + f" and {_moved(best['validation'], last['validation'])} since, while train {name} "
        + (f"{_moved(best['train'], last['train'])}.")
    )


def accuracy(by_bin: pd.DataFrame, calibrated: pd.DataFrame) -> str:
    """Return how error and bias change over the target's range, and whether predictions are right on average."""
    best, worst = by_bin.iloc[by_bin["mae"].argmin()], by_bin.iloc[by_bin["mae"].argmax()]
    difference = (calibrated["predicted"] - calibrated["true"]).abs()
    mean = np.average(difference, weights=calibrated["count"])
    known = calibrated["standard_error"].notna()
    good = (difference <= 2 * calibrated["standard_error"])[known].sum()
    low, high = by_bin.iloc[0], by_bin.iloc[-1]
    return (
        f"Targets of {_range(best)} are predicted best (MAE {best['mae']:.3g}), those of {_range(worst)} worst "
        f"({worst['mae']:.3g}); the bias goes from {low['bias']:+.3g} at the low end to {high['bias']:+.3g} at the high; "
        f"in bins of the prediction, its mean differs from the true mean by {mean:.3g} on average, and by at most two "
        f"standard errors in {good} of {known.sum()} bins."
    )


def sensitivity(table: pd.DataFrame) -> str:
    """Return which feature matters most, and which ones have no measurable effect."""
    metric = "MSE" if "metric" not in table else table["metric"].iloc[0]
    has_effect = table["increase"] > 2 * table["spread"]
    none = table[~has_effect]["feature"]
    if not has_effect.any():
        return (
            f"Shuffling no feature raises the {metric} by more than two standard deviations of the shuffles."
        )
    first, *others = table[has_effect].to_dict("records")
    text = (
        f"{first['feature']} matters most: shuffled, it raises the {metric} by {first['increase']:.3g} "
        f"(+-{first['spread']:.2g})"
    )
    if others:
        text += f", {others[0]['feature']} by {others[0]['increase']:.3g}"
    return text + (
        f"; no measurable effect of {', '.join(none)}." if len(none) else "; all features have an effect."
    )


def baselines(table: pd.DataFrame) -> str:
    """Return how the model compares with the best of the simpler models and with predicting the mean."""
    rows = table[table["metric"] == "MSE"].set_index("model")
    this, others = rows.loc[THIS_MODEL], rows.drop(THIS_MODEL)
    best, mean = others.iloc[others["value"].argmin()], others.loc["mean"]
    if best["difference_low"] > 0:
        conclusion = "so this model is better"
    elif best["difference_high"] < 0:
        conclusion = "so this model is worse"
    else:
        conclusion = "which may be due to chance"
    return (
        f"Test MSE is {this['value']:.4g} ({this['low']:.4g} to {this['high']:.4g}); the best of the simpler models, "
        f"{best.name}, has {abs(best['difference']):.3g} {'more' if best['difference'] >= 0 else 'less'} "
        f"({best['difference_low']:+.3g} to {best['difference_high']:+.3g}), {conclusion}; "
        f"always predicting the mean has {mean['value']:.4g}."
    )


def _moved(before: float, now: float) -> str:
    if not (before > 0 and np.isfinite(now)):
        return f"went from {before:.4g} to {now:.4g}"
    change = now / before - 1
    return f"{'rose' if change >= 0 else 'fell'} by {abs(change):.1%}"


def _range(row: pd.Series) -> str:
    low, high = f"{row['low']:.4g}", f"{row['high']:.4g}"
    return low if low == high else f"{low} to {high}"
