"""Chooses the probability above which a row counts as the second of two classes, or an answer as yes.

It is chosen on rows that the test does not have.

Terminology
    positive     of the second class, the one of code 1; in a multilabel task, yes
    Youden's J   the true positive rate minus the false positive rate; 0 for a guess, 1 for a perfect decision
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.diagnosis.probabilities import names, probabilities, scored, truth
from results.diagnosis.split import Predict, Split


def thresholds(predict: Predict, split: Split, p: np.ndarray) -> pd.DataFrame:
    """Return thresholds, and what they decide on the test rows.

    Two are chosen on the validation rows, or on the fitted rows if the validation rows are not known or are of one class:
    the test rows that choose a threshold would flatter it. Each answer of a multilabel task has thresholds of its own.

    Args:
        predict: returns the model's probabilities for some rows.
        split: the rows; its task is binary or multilabel.
        p: probabilities of the test rows, shape (rows, classes).

    Returns:
        One row for 0.5, for the highest F1 and for the highest Youden's J: `chosen_by` (`default`, `F1` or `Youden's J`),
        `chosen_on` (`validation rows`, `fitted rows`, or empty), `threshold`, and of the decisions on the test rows
        `accuracy`, `balanced_accuracy`, `precision`, `recall`, `specificity`, `f1`, `youden_j`. A row is positive from the
        threshold on; above it for 0.5, as in Keras. In a multilabel task, each answer has these rows, and `class` is its
        label; only 0.5 if it is the same in all rows that could choose. A score that is not defined is NaN.
    """
    choosing = [("fitted rows", split.x_fitted, split.y_fitted)]
    if split.x_validation is not None and split.y_validation is not None:
        choosing.insert(0, ("validation rows", split.x_validation, split.y_validation))
    known: dict[str, np.ndarray] = {}  # the probabilities of the rows that choose
    test, rows = truth(split.y_test, split), []
    for code in scored(split):
        positive, p_one, label = test[:, code], p[:, code], names(split)[code]
        rows.append([label, "default", "", 0.5, *_decided(positive, p_one > 0.5)])
        for where, x, y in choosing:
            one = truth(y, split)[:, code]
            if one.any() and not one.all():
                if where not in known:
                    known[where] = probabilities(predict, x, split)
                for name, at in zip(("F1", "Youden's J"), chosen(one, known[where][:, code]), strict=True):
                    rows.append([label, name, where, at, *_decided(positive, p_one >= at)])
                break
    columns = ["class", "chosen_by", "chosen_on", "threshold"]
    columns += ["accuracy", "balanced_accuracy", "precision", "recall", "specificity", "f1", "youden_j"]
    table = pd.DataFrame(rows, columns=columns)
    return table if split.task == "multilabel" else table.drop(columns="class")


def chosen(positive: np.ndarray, p: np.ndarray) -> tuple[float, float]:
    """Return the thresholds with the highest F1 and the highest Youden's J; of equally good ones, the highest.

    Args:
        positive: shape (rows,), bool; some are true and some are false.
        p: the probability of being positive, shape (rows,).
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
    from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score

    recall = recall_score(positive, given, zero_division=np.nan)
    specificity = recall_score(positive, given, pos_label=False, zero_division=np.nan)
    return [
        accuracy_score(positive, given),
        (recall + specificity) / 2,
        precision_score(positive, given, zero_division=np.nan),
        recall,
        specificity,
        f1_score(positive, given, zero_division=0) if positive.any() else np.nan,
        recall + specificity - 1,
    ]
