"""The curves of a classification on the test rows: ROC, precision over recall, and how often its probabilities come true.

scikit-learn computes them. Their arguments are those of `results.diagnosis.classification`: the codes `y`, shape (rows,), or
the answers, shape (rows, classes); the probabilities `p`, shape (rows, classes); and the split, for its task and classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from results.diagnosis.probabilities import confidence as confidences
from results.diagnosis.probabilities import decided, names, scored, truth
from results.diagnosis.split import Split

BINS = 10
"""The number of bins of equal width from 0 to 1 that probabilities are sorted into."""

MOST_STEPS = 200
"""The most points of a curve; of more, this many are kept, evenly. Areas are those of the whole curve."""


def roc(y: np.ndarray, p: np.ndarray, split: Split) -> pd.DataFrame:
    """Return the ROC curve of each class against all others; of two classes, that of the second.

    Returns:
        `class`, `area` (the same in all its rows), `threshold`, `false_positive_rate`, `true_positive_rate`. Classes without
        test rows, or without others, have no curve.
    """
    from sklearn.metrics import roc_auc_score, roc_curve

    parts = []
    for name, one, p_one in _curves(y, p, split):
        false_rate, true_rate, threshold = roc_curve(one, p_one)
        rates = {"threshold": threshold, "false_positive_rate": false_rate, "true_positive_rate": true_rate}
        parts.append(_thinned({"class": name, "area": roc_auc_score(one, p_one), **rates}))
    columns = ["class", "area", "threshold", "false_positive_rate", "true_positive_rate"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def precision_recall(y: np.ndarray, p: np.ndarray, split: Split) -> pd.DataFrame:
    """Return the precision-recall curve of each class against all others; of two classes, that of the second.

    Returns:
        `class`, `area` (the average precision: the area under the curve's steps), `share` (of the class among the test rows,
        which is the precision of a model that guesses), `threshold` (infinite at the end), `recall`, `precision`.
    """
    from sklearn.metrics import average_precision_score, precision_recall_curve

    parts = []
    for name, one, p_one in _curves(y, p, split):
        precision, recall, threshold = precision_recall_curve(one, p_one, drop_intermediate=True)
        rates = {"threshold": np.append(threshold, np.inf), "recall": recall, "precision": precision}
        area = average_precision_score(one, p_one)
        parts.append(_thinned({"class": name, "area": area, "share": one.mean(), **rates}))
    columns = ["class", "area", "share", "threshold", "recall", "precision"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def confidence(y: np.ndarray, p: np.ndarray, split: Split, bins: int = BINS) -> pd.DataFrame:
    """Return how sure the model is of what it decides, and how often it is right.

    Returns:
        As `reliability`, without `class`: `predicted` is the mean confidence, `true` the share of right decisions.
    """
    sure = confidences(p, split)
    correct = decided(p, split) == y if sure.ndim == 1 else decided(p, split) == truth(y, split)
    return _binned(np.ravel(correct), np.ravel(sure), bins)


def reliability(y: np.ndarray, p: np.ndarray, split: Split, bins: int = BINS) -> pd.DataFrame:
    """Return, for each class and each range of its probability, how often a row is of the class.

    Returns:
        `class`, `low` and `high` (the bin), `count` (of rows), `predicted` (the mean probability), `true` (the share of
        rows that are of the class), `standard_error` (of `true`, if the probabilities were right). Bins without rows are
        left out.
    """
    true, labels = truth(y, split), names(split)
    parts = [
        _binned(true[:, code], p[:, code], bins).assign(**{"class": labels[code]}) for code in scored(split)
    ]
    table = pd.concat(parts, ignore_index=True)
    return table[["class", *(name for name in table if name != "class")]]


def _binned(true: np.ndarray, p: np.ndarray, bins: int) -> pd.DataFrame:
    from sklearn.calibration import calibration_curve

    share, predicted = calibration_curve(true, p, pos_label=1, n_bins=bins, strategy="uniform")
    edges = np.linspace(0.0, 1.0, bins + 1)
    where = np.searchsorted(edges[1:-1], p)  # scikit-learn's bins: it does not return their counts
    counts = np.bincount(where, minlength=bins)
    used = np.flatnonzero(counts)
    error = np.sqrt(np.bincount(where, p * (1 - p), bins)[used]) / counts[used]
    return pd.DataFrame(
        {
            "low": edges[used],
            "high": edges[used + 1],
            "count": counts[used],
            "predicted": predicted,
            "true": share,
            "standard_error": error,
        }
    )


def _curves(y: np.ndarray, p: np.ndarray, split: Split) -> list[tuple[str, np.ndarray, np.ndarray]]:
    """Return label, truth and probability of each class with a curve."""
    true, labels = truth(y, split), names(split)
    return [
        (labels[code], true[:, code], p[:, code])
        for code in scored(split)
        if true[:, code].any() and not true[:, code].all()
    ]


def _thinned(columns: Mapping[str, Any]) -> pd.DataFrame:
    table = pd.DataFrame(columns)
    if len(table) <= MOST_STEPS:
        return table
    return table.iloc[np.linspace(0, len(table) - 1, MOST_STEPS).round().astype(int)]
