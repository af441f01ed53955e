"""Scores, classes and confusions are scikit-learn's on the same predictions; the whole diagnosis holds together."""

import dataclasses

import numpy as np
import pytest
from sklearn import metrics

from results.diagnosis.classification import confusion, diagnose_classes, per_class, scores
from results.diagnosis.diagnose import diagnose, tables
from tests.help.classes import judged, made
from tests.help.diagnoses import CURVE, ROW


def values(name):
    return scores(*judged(name)).set_index("score")["value"]


def test_scores_of_two_classes():
    y, p, split = judged("binary")
    found, given = values("binary"), p[:, 1] > 0.5
    assert dict(found) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(y, given),
            "balanced accuracy": metrics.balanced_accuracy_score(y, given),
            "log loss": metrics.log_loss(y, p),
            f"F1 of {split.classes[1]}": metrics.f1_score(y, given),
            "ROC AUC": metrics.roc_auc_score(y, p[:, 1]),
            f"average precision of {split.classes[1]}": metrics.average_precision_score(y, p[:, 1]),
            "Brier score": metrics.brier_score_loss(y, p[:, 1]),
        }
    )


@pytest.mark.parametrize("name", ["multiclass", "iris", "digits"])
def test_scores_of_several_classes(name):
    y, p, _ = judged(name)
    found, given = values(name), p.argmax(1)
    one_hot = np.eye(p.shape[1])[y.astype(int)]
    assert dict(found) == pytest.approx(
        {
            "accuracy": metrics.accuracy_score(y, given),
            "balanced accuracy": metrics.balanced_accuracy_score(y, given),
            "log loss": metrics.log_loss(y, p),
            "F1, mean over classes": metrics.f1_score(y, given, average="macro"),
            "ROC AUC, mean over classes": metrics.roc_auc_score(y, p, multi_class="ovr"),
            "average precision, mean over classes": metrics.average_precision_score(one_hot, p),
            "Brier score, mean over classes": np.mean((p - one_hot) ** 2),
        }
    )


def test_scores_of_answers():
    y, p, _ = judged("multilabel")
    found, given = values("multilabel"), p > 0.5
    assert found["accuracy"] == pytest.approx(1 - metrics.hamming_loss(y, given))
    assert found["rows with all answers right"] == metrics.accuracy_score(y, given)
    assert found["F1, mean over classes"] == pytest.approx(metrics.f1_score(y, given, average="macro"))
    assert found["ROC AUC, mean over classes"] == pytest.approx(metrics.roc_auc_score(y, p))
    assert found["log loss"] == pytest.approx(np.mean([metrics.log_loss(y[:, i], p[:, i]) for i in range(3)]))


@pytest.mark.parametrize("name", ["binary", "multiclass", "digits"])
def test_classes_are_scikit_learn_s_report(name):
    y, p, split = judged(name)
    table = per_class(y, p, split)
    expected = metrics.precision_recall_fscore_support(y, p.argmax(1), zero_division=np.nan)
    np.testing.assert_allclose(table[["precision", "recall", "f1", "support"]].T, expected)
    assert list(table["class"]) == list(split.classes) and table["predicted"].sum() == len(y)
    assert table["share"].sum() == pytest.approx(1)
    assert table["roc_auc"].iloc[0] == pytest.approx(metrics.roc_auc_score(y == 0, p[:, 0]))
    assert table["average_precision"].iloc[0] == pytest.approx(
        metrics.average_precision_score(y == 0, p[:, 0])
    )
    counts = confusion(y, p, split)
    assert (counts.pivot(index="true", columns="predicted", values="count").to_numpy().sum()) == len(y)
    np.testing.assert_array_equal(
        counts["count"].to_numpy().reshape(len(split.classes), -1), metrics.confusion_matrix(y, p.argmax(1))
    )
    np.testing.assert_allclose(counts.groupby("true")["share"].sum(), 1)


def test_answers_are_classes_of_their_own():
    y, p, split = judged("multilabel")
    expected = metrics.precision_recall_fscore_support(y, p > 0.5, zero_division=np.nan)
    np.testing.assert_allclose(per_class(y, p, split)[["precision", "recall", "f1", "support"]].T, expected)
    counts = confusion(y, p, split)
    assert list(counts["true"].unique())[:2] == ["second: no", "second: yes"]
    np.testing.assert_array_equal(
        counts["count"].to_numpy().reshape(3, 2, 2), metrics.multilabel_confusion_matrix(y, p > 0.5)
    )
    table = per_class(y, p, split)
    np.testing.assert_allclose(table["roc_auc"], metrics.roc_auc_score(y, p, average=None))
    np.testing.assert_allclose(
        table["average_precision"], metrics.average_precision_score(y, p, average=None)
    )


def test_what_is_not_defined_is_no_number():
    y, p, split = judged("multiclass")
    rows = y != 1
    y, p = (
        y[rows],
        np.eye(3)[np.zeros(rows.sum(), int)] * 0.8 + 0.2 / 3,
    )  # everything is taken for the first class
    fewer = dataclasses.replace(split, x_test=split.x_test[rows], y_test=y)
    table = per_class(y, p, fewer)
    assert list(table["recall"].fillna(-1)) == [1, -1, 0] and list(table["f1"].isna()) == [False, True, False]
    assert table["precision"].isna().tolist() == [False, True, True]
    assert table["roc_auc"].isna().tolist() == [False, True, False]
    assert table.loc[2, "f1"] == 0
    found = scores(y, p, fewer).set_index("score")["value"]
    assert found["balanced accuracy"] == 0.5 and found["ROC AUC, mean over classes"] == 0.5
    assert confusion(y, p, fewer).query("true == @split.classes[1]")["share"].isna().all()


@pytest.mark.heavy  # takes long
@pytest.mark.parametrize("name", ["binary", "multilabel"])
@pytest.mark.long(20)
def test_a_diagnosis_has_every_table(name):
    split, predict = made(name)
    found = diagnose_classes(predict, split, CURVE, ROW, notes=("A note.",))
    assert found.thresholds is not None and found.notes == ("A note.",)
    assert len(tables(found)) == 13
    assert all(len(table) for table in tables(found).values())
    log_loss = found.scores.set_index("score").loc["log loss", "value"]
    assert found.baselines.loc[0, "value"] == pytest.approx(log_loss)
    # The model sees five features only, so the others move nothing.
    assert set(found.sensitivity.query("increase != 0")["feature"]) <= {f"f{i}" for i in range(5)}
    assert (found.sensitivity["metric"] == "log loss").all() and found.sensitivity["accuracy_drop"].max() > 0
    assert set(found.dependence["class"]) == (
        {"benign"} if name == "binary" else {"second", "strong", "blue"}
    )
    assert found.dependence["prediction"].between(0, 1).all()


def test_the_diagnosis_of_numbers_refuses_classes():
    split, predict = made("binary")
    with pytest.raises(ValueError, match="task is binary, which diagnose_classes"):
        diagnose(predict, split, CURVE, ROW)
