"""The probability from which a row is decided for the second of two classes, chosen on rows that the test does not have.

Terminology
    positive     of the second class, the one of code 1
    Youden's J   the true positive rate minus the false positive rate; 0 for a guess, 1 for a perfect decision
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.diagnosis.probabilities import probabilities
from results.diagnosis.split import Predict, Split


def thresholds(predict: Predict, split: Split, p: np.ndarray) -> pd.DataFrame:
    """Return thresholds, and what they decide on the test rows.

    Two are chosen on the validation rows, or on the fitted rows if the validation rows are not known or are of one class:
    the test rows that choose a threshold would flatter it.

    Args:
        predict: returns the model's probabilities for some rows.
        split: the rows; its task is binary.
        p: probabilities of the test rows, shape (rows, 2).

    Returns:
        One row for 0.5, for the highest F1 and for the highest Youden's J: `chosen_by` (`default`, `F1` or `Youden's J`),
        `chosen_on` (`validation rows`, `fitted rows`, or empty), `threshold`, and of the decisions on the test rows
        `accuracy`, `balanced_accuracy`, `precision`, `recall`, `specificity`, `f1`, `youden_j`. A row is positive from the
        threshold on; above it for 0.5, as in Keras.
    """
    where, x, y = "fitted rows", split.x_fitted, np.asarray(split.y_fitted)
    if split.x_validation is not None and split.y_validation is not None:
        known = np.asarray(split.y_validation)
        if (known == 0).any() and (known == 1).any():
            where, x, y = "validation rows", split.x_validation, known
    by_f1, by_j = chosen(y == 1, probabilities(predict, x, split)[:, 1])
    positive = np.asarray(split.y_test) == 1
    rows = [
        ["default", "", 0.5, *_decided(positive, p[:, 1] > 0.5)],
        ["F1", where, by_f1, *_decided(positive, p[:, 1] >= by_f1)],
        ["Youden's J", where, by_j, *_decided(positive, p[:, 1] >= by_j)],
    ]
    names = ["chosen_by", "chosen_on", "threshold"]
    names += ["accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "youden_j"]
    return pd.DataFrame(rows, columns=names)


def chosen(positive: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Return the thresholds with the highest F1 and the highest Youden's J; of equally good ones, the highest.

    Args:
        positive: shape (rows,), bool; some are true and some are false.
        p: the probability of the second class, shape (rows,).
    """
    from sklearn.metrics import precision_recall_curve, roc_curve

    precision, recall, at = precision_recall_curve(positive, p)
    both = precision[:-1] + recall[:-1]
    f1 = np.divide(2 * precision[:-1] * recall[:-1], both, out=np.zeros(len(at)), where=both > 0)
    false_rate, true_rate, levels = roc_curve(positive, p)
    # The first level is infinite: nothing is positive. Thresholds of the first rise, those of the second fall.
    best_j = 1 + int((true_rate - false_rate)[1:].argmax())
    return float(at[np.flatnonzero(f1 == f1.max())[-1]]), float(levels[best_j])


def _decided(positive: np.ndarray, given: np.ndarray) -> list[float]:
    from sklearn.metrics import (
        accuracy_score,
        balanced_accuracy_score,
        f1_score,
        precision_score,
        recall_score,
    )

    recall = recall_score(positive, given)
    specificity = recall_score(positive, given, pos_label=False)
    return [
        accuracy_score(positive, given),
        balanced_accuracy_score(positive, given),
        precision_score(positive, given, zero_division=np.nan),
        recall,
        specificity,
        f1_score(positive, given, zero_division=0),
        recall + specificity - 1,
    ]
