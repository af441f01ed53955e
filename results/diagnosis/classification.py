"""Diagnoses a classification by the questions of `results.diagnosis.diagnose`, for classes instead of a range of numbers.

scikit-learn computes the scores. A row is decided for its most probable class; of two classes, the second needs a
probability above 0.5. Where this file speaks of a class, a multilabel task has an answer: yes or no.

Terminology
    task, code, fitted rows    see `results.diagnosis.split`
    probabilities, confidence  see `results.diagnosis.probabilities`
    support                    how many test rows are of a class
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from results.diagnosis.class_baselines import class_baselines
from results.diagnosis.class_curves import confidence, precision_recall, reliability, roc
from results.diagnosis.diagnose import gaps_at_end, gaps_over_epochs
from results.diagnosis.probabilities import decided, names, probabilities, scored, truth
from results.diagnosis.sensitivity import dependence, sensitivity
from results.diagnosis.split import Predict, Split
from results.diagnosis.thresholds import thresholds


@dataclass(frozen=True)
class Classification:
    """The answers, each as the function of the same name returns it.

    Attributes:
        gaps_over_epochs, gaps_at_end: does it over-fit?
        scores, per_class, confusion, roc, precision_recall: how good is it for each class?
        confidence, reliability: are its probabilities right?
        thresholds: which probability should decide? None if the task is multiclass.
        sensitivity, dependence: which features is it sensitive to?
        baselines: is it better than simpler models? As `class_baselines` returns it.
        task: binary, multiclass or multilabel.
        notes: sentences about what was diagnosed.
    """

    gaps_over_epochs: pd.DataFrame
    gaps_at_end: pd.DataFrame
    scores: pd.DataFrame
    per_class: pd.DataFrame
    confusion: pd.DataFrame
    roc: pd.DataFrame
    precision_recall: pd.DataFrame
    confidence: pd.DataFrame
    reliability: pd.DataFrame
    thresholds: pd.DataFrame | None
    sensitivity: pd.DataFrame
    dependence: pd.DataFrame
    baselines: pd.DataFrame
    task: str = "multiclass"
    notes: tuple[str, ...] = ()


def diagnose_classes(
    predict: Predict,
    split: Split,
    curve: pd.DataFrame,
    row: Mapping[str, Any] | pd.Series,
    seed: int = 0,
    notes: tuple[str, ...] = (),
) -> Classification:
    """Return the answers to the questions about a classification.

    Args:
        predict: returns the model's probabilities for some rows.
        split: the rows; its task is no regression.
        curve: of the point, as `Run.curves` returns it.
        row: of the point in `Run.points`.
        seed: of all shuffles, random samples and fits.
        notes: sentences about what is diagnosed.

    Raises:
        ValueError: the model does not return probabilities of these classes.
    """
    p, y = probabilities(predict, split.x_test, split), np.asarray(split.y_test)
    over_epochs = gaps_over_epochs(curve)
    return Classification(
        over_epochs,
        gaps_at_end(row, list(over_epochs["metric"].unique())),
        scores(y, p, split),
        per_class(y, p, split),
        confusion(y, p, split),
        roc(y, p, split),
        precision_recall(y, p, split),
        confidence(y, p, split),
        reliability(y, p, split),
        thresholds(predict, split, p) if split.task != "multiclass" else None,
        sensitivity(predict, split, seed=seed),
        dependence(predict, split, seed=seed),
        class_baselines(split, p, seed=seed),
        split.task,
        notes,
    )


def scores(y: np.ndarray, p: np.ndarray, split: Split) -> pd.DataFrame:
    """Return the scores of the model on the test rows.

    Args:
        y: codes, shape (rows,), or answers, shape (rows, classes).
        p: probabilities, shape (rows, classes).
        split: its task and classes.

    Returns:
        `score` and `value`. Means over classes weight all classes alike, and leave out those without test rows. The accuracy
        of a multilabel task is the share of right answers; its log loss is the mean over the answers.
    """
    from sklearn.metrics import accuracy_score, brier_score_loss, log_loss

    true, found, codes = truth(y, split), decided(p, split), list(range(len(split.classes)))
    table, chosen = per_class(y, p, split), scored(split)
    binary = split.task == "binary"
    several = "" if binary else ", mean over classes"
    one = f" of {names(split)[1]}" if binary else several
    if split.task == "multilabel":
        columns = range(true.shape[1])
        rows: dict[str, float] = {
            "accuracy": float(np.mean([accuracy_score(true[:, i], found[:, i]) for i in columns])),
            "rows with all answers right": accuracy_score(true, found),
            "log loss": float(np.mean([log_loss(true[:, i], p[:, i], labels=[0, 1]) for i in columns])),
        }
    else:
        present = [code for code in codes if true[:, code].any()]
        rows = {
            "accuracy": accuracy_score(y, found),
            "balanced accuracy": float(table["recall"].iloc[present].mean()),
            "log loss": log_loss(y, p, labels=codes),
        }
    known = [code for code in chosen if table["support"].iloc[code] > 0]
    rows[f"F1{one}"] = _mean(table["f1"].iloc[known])
    rows[f"ROC AUC{several}"] = _mean(table["roc_auc"].iloc[chosen])
    rows[f"average precision{one}"] = _mean(table["average_precision"].iloc[chosen])
    rows[f"Brier score{several}"] = float(
        np.mean([brier_score_loss(true[:, code], p[:, code], pos_label=1) for code in chosen])
    )
    return pd.DataFrame({"score": list(rows), "value": list(map(float, rows.values()))})


def per_class(y: np.ndarray, p: np.ndarray, split: Split) -> pd.DataFrame:
    """Return the scores of each class against all others on the test rows.

    Returns:
        `class`, `support`, `share` (of the test rows), `predicted` (how many rows are decided for it), `precision`,
        `recall`, `f1`, `roc_auc`, `average_precision`. A score that is not defined is NaN: the precision of a class that
        is never predicted; the others of a class without test rows, and the areas of one without other rows.
    """
    from sklearn.metrics import average_precision_score, precision_recall_fscore_support, roc_auc_score

    true, found = truth(y, split), decided(p, split)
    given = found if found.ndim == 2 else found[:, None] == np.arange(true.shape[1])
    table = []
    for code, name in enumerate(names(split)):
        one, p_one = true[:, code], p[:, code]
        precision, recall, f1, _ = precision_recall_fscore_support(
            one, given[:, code], average="binary", pos_label=True, zero_division=np.nan
        )
        both = one.any() and not one.all()
        area = roc_auc_score(one, p_one) if both else np.nan
        average = average_precision_score(one, p_one) if both else np.nan
        known = f1 if one.any() else np.nan
        table.append(
            [
                name,
                int(one.sum()),
                one.mean(),
                int(given[:, code].sum()),
                precision,
                recall,
                known,
                area,
                average,
            ]
        )
    columns = [
        "class",
        "support",
        "share",
        "predicted",
        "precision",
        "recall",
        "f1",
        "roc_auc",
        "average_precision",
    ]
    return pd.DataFrame(table, columns=columns)


def confusion(y: np.ndarray, p: np.ndarray, split: Split) -> pd.DataFrame:
    """Return how many test rows of each class are decided for each class.

    Returns:
        `true` and `predicted` (labels), `count`, and `share` of the rows with this true label (NaN if there are none). In a
        multilabel task the true labels are `LABEL: no` and `LABEL: yes`, and the predicted ones `no` and `yes`.
    """
    from sklearn.metrics import confusion_matrix

    labels = names(split)
    if split.task == "multilabel":
        true, found = truth(y, split), decided(p, split)
        counts = np.vstack(
            [confusion_matrix(true[:, i], found[:, i], labels=[0, 1]) for i in range(len(labels))]
        )
        rows, columns = [f"{label}: {answer}" for label in labels for answer in ("no", "yes")], ["no", "yes"]
    else:
        counts = confusion_matrix(y, decided(p, split), labels=range(len(labels)))
        rows = columns = labels
    totals = counts.sum(1, keepdims=True)
    share = np.divide(counts, totals, out=np.full(counts.shape, np.nan), where=totals > 0)
    return pd.DataFrame(
        {
            "true": np.repeat(np.array(rows, object), len(columns)),
            "predicted": columns * len(rows),
            "count": counts.ravel(),
            "share": share.ravel(),
        }
    )


def _mean(values: pd.Series) -> float:
    return float(values.mean()) if values.notna().any() else np.nan
