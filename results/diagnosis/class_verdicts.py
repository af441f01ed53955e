"""Turns the numbers of a classification's diagnosis into a few plain sentences, by the names of what they answer.

`results.diagnosis.verdicts` has the sentences that classifications share with regressions.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from results.diagnosis.baselines import THIS_MODEL
from results.diagnosis.class_baselines import MOST_FREQUENT

IMBALANCED = 3.0
"""From how many times more rows in the most frequent class than in the rarest on, the classes are called imbalanced."""


def accuracy(scores: pd.DataFrame, per_class: pd.DataFrame, confusion: pd.DataFrame, task: str) -> str:
    """Return how often the model is right, and which class it recognises worst, and for what it takes it."""
    value = scores.set_index("score")["value"]
    if task == "multilabel":
        text = (
            f"{value['accuracy']:.1%} of the answers are right, and all answers in "
            f"{value['rows with all answers right']:.1%} of the test rows"
        )
    else:
        text = (
            f"Accuracy on the test rows is {value['accuracy']:.3f}, balanced accuracy (the mean recall of the classes) "
            f"{value['balanced accuracy']:.3f}"
        )
    known = per_class[per_class["support"] > 0]
    if known.empty:
        return f"{text}; no test row has a yes."
    worst = known.iloc[known["recall"].argmin()]
    found = round(worst["recall"] * worst["support"])
    if found == worst["support"]:
        text += "; the rows of every class are recognised"
    else:
        text += f"; class {worst['class']} is recognised worst: {found:,} of its {worst['support']:,} rows"
        text += f" (recall {worst['recall']:.3f})"
        wrong = confusion[(confusion["true"] == worst["class"]) & (confusion["predicted"] != worst["class"])]
        if task == "multiclass" and len(wrong) and wrong["count"].max() > 0:
            most = wrong.iloc[wrong["count"].argmax()]
            text += f", and its others are most often taken for class {most['predicted']} ({most['count']:,})"
    if len(known) < len(per_class):
        absent = per_class[per_class["support"] == 0]["class"]
        text += f"; no test row tells about {_listed(absent)}"
    never = known[known["predicted"] == 0]["class"]
    if len(never):
        text += f"; never predicted: {_listed(never)}"
    return text + "."


def imbalance(scores: pd.DataFrame, per_class: pd.DataFrame, task: str) -> str:
    """Return whether some classes are much rarer than others, so that accuracy misleads."""
    value = scores.set_index("score")["value"]
    if task == "multilabel":
        rarer = np.minimum(per_class["share"], 1 - per_class["share"])
        if (rarer >= 1 / (1 + IMBALANCED)).all():
            return f"In no answer, yes is {IMBALANCED:g} times as frequent as no, or no as yes."
        guess = float(np.maximum(per_class["share"], 1 - per_class["share"]).mean())
        rarest = per_class.iloc[int(rarer.argmin())]
        return (
            f"Answers are imbalanced ({rarest['class']} is yes in {rarest['share']:.1%} of the test rows): always giving "
            f"each answer's more frequent value is right in {guess:.1%}, so accuracy misleads; look at recall and average "
            "precision."
        )
    known = per_class[per_class["support"] > 0]
    most, least = known.iloc[known["support"].argmax()], known.iloc[known["support"].argmin()]
    if most["support"] < IMBALANCED * least["support"]:
        return f"No class has {IMBALANCED:g} times the test rows of another."
    return (
        f"The classes are imbalanced: class {most['class']} has {most['share']:.1%} of the test rows, class "
        f"{least['class']} {least['share']:.1%}. Always predicting class {most['class']} has an accuracy of "
        f"{most['share']:.3f} (this model: {value['accuracy']:.3f}), so accuracy misleads; look at balanced accuracy "
        f"({value['balanced accuracy']:.3f}, of a guess {1 / len(known):.3f}) and at each class."
    )


def calibration(confidence: pd.DataFrame) -> str:
    """Return whether the model is as often right as it believes."""
    count = confidence["count"].sum()
    says = np.average(confidence["predicted"], weights=confidence["count"])
    is_right = np.average(confidence["true"], weights=confidence["count"])
    error = np.sqrt(((confidence["standard_error"] * confidence["count"]) ** 2).sum()) / count
    away = np.average((confidence["predicted"] - confidence["true"]).abs(), weights=confidence["count"])
    text = f"Its mean confidence is {says:.3f}, and it is right in {is_right:.3f} of the decisions"
    if abs(says - is_right) <= 2 * error:
        text += f", a difference that may be due to chance (two standard errors are {2 * error:.2g})"
    elif says > is_right:
        text += ": it is overconfident"
    else:
        text += ": it is underconfident"
    return f"{text}; confidence and share of right decisions differ by {away:.3f} on average over the bins."


def threshold(table: pd.DataFrame, positive: str) -> str:
    """Return what a chosen threshold does on the test rows, beside 0.5."""
    half, by_f1, by_j = (
        table[table["chosen_by"] == name].iloc[0] for name in ("default", "F1", "Youden's J")
    )
    return (
        f"Class {positive} is predicted above a probability of 0.5, with a test F1 of {half['f1']:.3f}, recall "
        f"{half['recall']:.3f} and precision {half['precision']:.3f}. From {by_f1['threshold']:.3g} on, which has the "
        f"highest F1 on the {by_f1['chosen_on']}, they are {by_f1['f1']:.3f}, {by_f1['recall']:.3f} and "
        f"{by_f1['precision']:.3f}. From {by_j['threshold']:.3g} on, which has the highest Youden's J on the "
        f"{by_j['chosen_on']}, test J is {by_j['youden_j']:.3f} instead of {half['youden_j']:.3f}."
    )


def thresholds_of_answers(table: pd.DataFrame) -> str:
    """Return what a chosen threshold for each answer does on the test rows, beside 0.5 for all."""
    f1 = (
        table.pivot(index="class", columns="chosen_by", values="f1")
        .reindex(columns=["default", "F1"])
        .dropna()
    )
    if f1.empty:
        return "An answer is yes above a probability of 0.5; no rows can choose other thresholds."
    position = int((f1["F1"] - f1["default"]).abs().argmax())
    most, (half, own) = f1.index[position], f1.iloc[position]
    [at] = table.loc[(table["class"] == most) & (table["chosen_by"] == "F1"), "threshold"]
    return (
        f"An answer is yes above a probability of 0.5, with a mean test F1 of {f1['default'].mean():.3f}. With thresholds "
        f"of their own, which have the highest F1 on rows that the test does not have, it is {f1['F1'].mean():.3f}. This "
        f"changes {most} most, whose test F1 is {half:.3f} and from {at:.3g} on {own:.3f}."
    )


def baselines(table: pd.DataFrame) -> str:
    """Return how the model compares with the best of the simpler models and with the most frequent class."""
    rows = table[table["metric"] == "log loss"].set_index("model")
    right = table[table["metric"] == "accuracy"].set_index("model")
    this, others = rows.loc[THIS_MODEL], rows.drop(THIS_MODEL)
    best = others.iloc[others["value"].argmin()]
    if best["difference_low"] > 0:
        conclusion = "so this model is better"
    elif best["difference_high"] < 0:
        conclusion = "so this model is worse"
    else:
        conclusion = "which may be due to chance"
    hits = right.drop(THIS_MODEL)
    top = hits.iloc[hits["value"].argmax()]
    return (
        f"Test log loss is {this['value']:.4g} ({this['low']:.4g} to {this['high']:.4g}); the best of the simpler models, "
        f"{best.name}, has {abs(best['difference']):.3g} {'more' if best['difference'] >= 0 else 'less'} "
        f"({best['difference_low']:+.3g} to {best['difference_high']:+.3g}), {conclusion}; "
        f"always predicting the shares of the classes has {rows['value'][MOST_FREQUENT]:.4g}. "
        f"Accuracy is {right['value'][THIS_MODEL]:.3f}; the best of theirs, by {top.name}, is {top['value']:.3f} "
        f"(difference {top['difference_low']:+.3f} to {top['difference_high']:+.3f}); by {MOST_FREQUENT} it is "
        f"{right['value'][MOST_FREQUENT]:.3f}."
    )


def _listed(labels: pd.Series, most: int = 5) -> str:
    shown = ", ".join(map(str, labels.head(most)))
    return shown if len(labels) <= most else f"{shown} and {len(labels) - most} more"
