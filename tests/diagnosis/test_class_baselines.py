"""The simpler classifiers and their intervals: against scikit-learn, and against resamples written out."""

import dataclasses

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from sklearn.preprocessing import StandardScaler

from results.diagnosis import class_baselines as module
from results.diagnosis.baselines import THIS_MODEL
from results.diagnosis.class_baselines import METRICS, MOST_FREQUENT, class_baselines
from results.diagnosis.probabilities import probabilities
from tests.help.classes import made
from tests.help.diagnoses import of_metric


def of(name):
    split, predict = made(name)
    return split, probabilities(predict, split.x_test, split)


@pytest.fixture
def few_models(monkeypatch):
    """Two of the simpler models, which are fitted at once."""
    every = module._simpler
    monkeypatch.setattr(
        module,
        "_simpler",
        lambda *given: {name: every(*given)[name] for name in (MOST_FREQUENT, "logistic regression")},
    )


@pytest.mark.parametrize("name", ["binary", "multiclass"])
def test_each_model_is_fitted_on_the_fitted_rows_and_judged_on_the_test_rows(name):
    split, p = of(name)
    table, y = class_baselines(split, p, resamples=20), split.y_test
    assert tuple(table["metric"].unique()) == METRICS and len(table) == 18
    assert table["model"].iloc[0] == THIS_MODEL and set(table["fitted"]) == {len(split.y_fitted)}
    scaler = StandardScaler().fit(split.x_fitted.astype(float))
    model = LogisticRegression(max_iter=1000).fit(
        scaler.transform(split.x_fitted.astype(float)), split.y_fitted
    )
    for who, given in (
        (THIS_MODEL, p),
        ("logistic regression", model.predict_proba(scaler.transform(split.x_test.astype(float)))),
        (MOST_FREQUENT, np.tile(np.bincount(split.y_fitted.astype(int)) / len(split.y_fitted), (len(y), 1))),
    ):
        one = given[:, 1] if name == "binary" else given
        expected = [
            log_loss(y, given),
            accuracy_score(y, given.argmax(1)),
            roc_auc_score(y, one, multi_class="ovr"),
        ]
        found = [of_metric(table, metric).loc[who, "value"] for metric in METRICS]
        assert found == pytest.approx(expected, rel=1e-5)


@pytest.mark.heavy  # takes long
def test_intervals_are_percentiles_over_the_same_resamples(few_models):
    split, p = of("multiclass")
    table, y = class_baselines(split, p, resamples=60, seed=9), split.y_test
    chance = np.random.default_rng(9)
    rows = [chance.integers(0, len(y), len(y)) for _ in range(60)]
    prior = np.tile(np.bincount(split.y_fitted.astype(int)) / len(split.y_fitted), (len(y), 1))

    def drawn(p):
        return np.array(
            [
                [
                    log_loss(y[one], p[one], labels=[0, 1, 2]),
                    accuracy_score(y[one], p[one].argmax(1)),
                    roc_auc_score(y[one], p[one], multi_class="ovr"),
                ]
                for one in rows
            ]
        )

    this, other = drawn(p), drawn(prior)
    for number, metric in enumerate(METRICS):
        part = of_metric(table, metric)
        assert list(part.loc[THIS_MODEL, ["low", "high"]]) == pytest.approx(
            list(np.quantile(this[:, number], [0.025, 0.975]))
        )
        expected = list(np.quantile(other[:, number] - this[:, number], [0.025, 0.975]))
        assert list(part.loc[MOST_FREQUENT, ["difference_low", "difference_high"]]) == pytest.approx(
            expected, abs=1e-12
        )


def test_areas_count_equal_probabilities_half(few_models):
    split, p = of("binary")
    table = class_baselines(split, p.round(1), resamples=5)
    expected = roc_auc_score(split.y_test, p.round(1)[:, 1])
    assert of_metric(table, "ROC AUC").loc[THIS_MODEL, "value"] == pytest.approx(expected)


def test_resamples_without_a_class_are_passed_over(few_models):
    split, p = of("binary")
    few = np.r_[np.flatnonzero(split.y_test == 0)[:1], np.flatnonzero(split.y_test == 1)[:4]]
    small = dataclasses.replace(split, x_test=split.x_test[few], y_test=split.y_test[few])
    found = of_metric(class_baselines(small, p[few], resamples=50), "ROC AUC")
    assert np.isfinite(found[["value", "low", "high", "difference_low", "difference_high"]]).all(axis=None)


def test_answers_have_a_classifier_each_even_where_they_never_change(recwarn):
    split, p = of("multilabel")
    y = split.y_fitted.copy()
    y[:, 2] = 0
    table = class_baselines(dataclasses.replace(split, y_fitted=y), p, resamples=10)
    assert np.isfinite(table["value"]).all() and not recwarn.list
    found = of_metric(table, "log loss")
    assert found.loc["logistic regression", "value"] < 10 and set(found["fitted"]) == {len(y)}


def test_classes_that_were_not_fitted_are_never_predicted():
    split, p = of("multiclass")
    rows = split.y_fitted != 1
    fewer = dataclasses.replace(split, x_fitted=split.x_fitted[rows], y_fitted=split.y_fitted[rows])
    found = of_metric(class_baselines(fewer, p, resamples=10), "accuracy")["value"]
    assert (found.drop(THIS_MODEL) <= (split.y_test != 1).mean()).all()


def test_a_large_table_is_sampled_and_resampled_less(few_models, monkeypatch):
    split, p = of("binary")
    monkeypatch.setattr(module, "MAX_FITTED", 50)
    monkeypatch.setattr(module, "_MOST_NUMBERS", 0)
    drawn = []
    monkeypatch.setattr(
        module, "_resampled", lambda rows, count, seed: drawn.append(count) or iter([np.ones((1, rows))])
    )
    table = of_metric(class_baselines(split, p), "log loss")
    assert drawn == [100] and table.loc[THIS_MODEL, "fitted"] == len(split.y_fitted)
    assert set(table["fitted"].drop(THIS_MODEL)) == {50}
