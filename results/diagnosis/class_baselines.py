"""Compares a classification with simpler classifiers fitted on the same rows, with intervals for the differences.

It does for classes what `results.diagnosis.baselines` does for numbers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from results.diagnosis.baselines import MAX_FITTED, RESAMPLES, THIS_MODEL
from results.diagnosis.probabilities import checked, log_losses, right, scored, truth
from results.diagnosis.split import Split, drawn

MOST_FREQUENT = "most frequent class"
"""The name of the model that always predicts the most frequent class, with the classes' shares as probabilities."""

METRICS = ("log loss", "accuracy", "ROC AUC")

_MOST_NUMBERS = 200_000_000
"""The most numbers that the resamples of one model have in all; of large tables, fewer resamples are drawn."""


def class_baselines(split: Split, p: np.ndarray, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Return how the model compares on the test rows with simpler, untuned models that were fitted on the same rows.

    Intervals hold 95%, over bootstrap samples of the test rows, the same samples for every model. Features are standardized
    for the logistic regression and the nearest neighbours.

    Args:
        split: the rows; its task is no regression.
        p: the model's probabilities for the test rows, shape (rows, classes).
        resamples: the number of bootstrap samples; of large tables fewer are drawn, but at least 100.
        seed: of the samples and of the random models.

    Returns:
        The columns of `baselines`, for log loss (lower is better), accuracy and ROC AUC (higher is better), each of which is
        the mean over the answers or classes where a score of one class has to be made one of several. Classes without test
        rows, or without others, have no ROC AUC and are left out of its mean; in a resample, too.
    """
    y = np.asarray(split.y_test)
    # The trees of a gradient boosting are as many as the classes.
    most = max(min(MAX_FITTED, 10 * MAX_FITTED // len(split.classes)), MAX_FITTED // 10)
    rows = drawn(len(split.y_fitted), most, seed)
    x_fitted, y_fitted = (
        split.x_fitted[rows].astype("float64"),
        np.asarray(split.y_fitted)[rows].astype("int64"),
    )
    x_test, given = split.x_test.astype("float64"), {THIS_MODEL: p}
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of answers that are the same in all rows, and of fits that have not converged
        for name, model in _simpler(y_fitted, split.task, seed).items():
            model.fit(x_fitted, y_fitted)
            given[name] = checked(_all_classes(model, x_test, split), split)
    true, chosen = truth(y, split), scored(split)
    numbers = len(y) * len(chosen)
    resamples = max(min(resamples, _MOST_NUMBERS // numbers), min(resamples, 100))
    losses = np.stack([log_losses(y, one, split) for one in given.values()], 1)
    hits = np.stack([right(y, one, split) for one in given.values()], 1)
    curves = [[_Area(true[:, code], one[:, code]) for code in chosen] for one in given.values()]
    value = np.stack([losses.mean(0), hits.mean(0), _areas(curves, np.ones((1, len(y))))[0]])
    found = []
    for counts in _resampled(len(y), resamples, seed):
        found.append(np.stack([counts @ losses / len(y), counts @ hits / len(y), _areas(curves, counts)], 1))
    drawn_values = np.concatenate(found)  # (resamples, metrics, models)
    low, high = _interval(drawn_values)
    less, more = _interval(drawn_values - drawn_values[:, :, :1])
    parts = {"value": value, "low": low, "high": high, "difference": value - value[:, :1]}
    parts |= {"difference_low": less, "difference_high": more}
    keys = {
        "metric": np.repeat(METRICS, len(given)),
        "model": [*given] * len(METRICS),
        "fitted": [len(split.y_fitted), *[len(rows)] * (len(given) - 1)] * len(METRICS),
    }
    return pd.DataFrame({**keys, **{name: part.ravel() for name, part in parts.items()}})


class _Area:
    """The area under the ROC curve of resampled rows: the rows are sorted once for all resamples."""

    def __init__(self, true: np.ndarray, p: np.ndarray) -> None:
        self.order = np.argsort(p, kind="stable")
        self.positive = true[self.order].astype("float64")
        ranked = p[self.order]
        self.starts = np.flatnonzero(np.append(True, ranked[1:] != ranked[:-1]))

    def of(self, counts: np.ndarray) -> np.ndarray:
        """Return the area for each resample, NaN where a class is absent.

        Args:
            counts: how often each row was drawn, shape (resamples, rows).
        """
        counts = counts[:, self.order]
        # Rows of equal probability count as half above and half below each other.
        positive = np.add.reduceat(counts * self.positive, self.starts, axis=1)
        negative = np.add.reduceat(counts * (1 - self.positive), self.starts, axis=1)
        below = np.cumsum(negative, axis=1) - negative / 2
        pairs = positive.sum(1) * negative.sum(1)
        return np.divide((positive * below).sum(1), pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)


def _areas(curves: list[list[_Area]], counts: np.ndarray) -> np.ndarray:
    """Return the mean area over the classes, shape (resamples, models)."""
    found = []
    for model in curves:
        each = np.stack([area.of(counts) for area in model])
        known = np.isfinite(each)
        number = known.sum(0)
        total = np.where(known, each, 0).sum(0)
        found.append(np.divide(total, number, out=np.full(len(total), np.nan), where=number > 0))
    return np.stack(found, 1)


def _resampled(rows: int, resamples: int, seed: int) -> Iterator[np.ndarray]:
    """Yield how often each row is in each resample, in parts of shape (some resamples, rows)."""
    chance, at_once = np.random.default_rng(seed), max(1, 2_000_000 // rows)
    for start in range(0, resamples, at_once):
        count = min(at_once, resamples - start)
        drawn_rows = [np.bincount(chance.integers(0, rows, rows), minlength=rows) for _ in range(count)]
        yield np.stack(drawn_rows).astype("float64")


def _interval(values: np.ndarray) -> np.ndarray:
    """Return the 2.5% and the 97.5% quantile over the resamples that have a value; NaN if none has one."""
    known = np.isfinite(values).all((1, 2))
    if known.all():
        return np.quantile(values, [0.025, 0.975], axis=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a metric without any value
        return np.nanquantile(values, [0.025, 0.975], axis=0)


def _all_classes(model: Any, x: np.ndarray, split: Split) -> np.ndarray:
    """Return probabilities of shape (rows, classes): 0 for the classes that the fitted rows do not have."""
    p = model.predict_proba(x)
    if split.task == "multilabel":
        return p[
            :, -len(split.classes) :
        ]  # of a single answer scikit-learn gives the probability of "no", too
    whole = np.zeros((len(x), len(split.classes)))
    whole[:, model.classes_] = p
    return whole


def _simpler(y: np.ndarray, task: str, seed: int) -> dict[str, Any]:
    from sklearn.dummy import DummyClassifier
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    columns = y.T if y.ndim == 2 else y[None]
    rarest = min(np.unique(column, return_counts=True)[1].min() for column in columns)
    # Early stopping splits the rows by class, for which each class needs two of them.
    stopping: Any = "auto" if rarest >= 2 else False
    models: dict[str, Any] = {
        MOST_FREQUENT: DummyClassifier(),
        "logistic regression": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
        "nearest neighbours": make_pipeline(StandardScaler(), KNeighborsClassifier(min(5, len(y)))),
        "random forest": RandomForestClassifier(random_state=seed),
        "gradient boosting": HistGradientBoostingClassifier(random_state=seed, early_stopping=stopping),
    }
    if task == "multilabel":
        return {name: OneVsRestClassifier(model) for name, model in models.items()}
    return models
