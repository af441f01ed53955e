"""The sentences about classes say what the numbers are, whichever way they go."""

import pandas as pd
import pytest

from results.diagnosis import class_verdicts as verdicts
from results.diagnosis.baselines import THIS_MODEL
from results.diagnosis.class_baselines import METRICS, MOST_FREQUENT
from results.diagnosis.classification import confusion, diagnose_classes, per_class, scores
from results.diagnosis.probabilities import probabilities
from results.diagnosis.verdicts import verdicts as all_verdicts
from tests.help.classes import made
from tests.help.diagnoses import CURVE, ROW


def tables(support=(90, 10), recall=(0.9, 0.5), predicted=(86, 14)):
    names = [f"c{i}" for i in range(len(support))]
    total = sum(support)
    classes = pd.DataFrame({"class": names, "support": support, "recall": recall, "predicted": predicted})
    classes["share"] = classes["support"] / total
    found = pd.DataFrame(
        {"score": ["accuracy", "balanced accuracy"], "value": [0.86, classes["recall"].mean()]}
    )
    wrong = pd.DataFrame(
        {"true": ["c0", "c0", "c1", "c1"], "predicted": ["c0", "c1", "c0", "c1"], "count": [81, 9, 5, 5]}
    )
    return found, classes, wrong


def test_the_class_that_is_recognised_worst_is_named():
    said = verdicts.accuracy(*tables(), "binary")
    assert said == (
        "Accuracy on the test rows is 0.860, balanced accuracy (the mean recall of the classes) 0.700; class c1 is "
        "recognised worst: 5 of its 10 rows (recall 0.500)."
    )
    said = verdicts.accuracy(*tables(), "multiclass")
    assert said.endswith("(recall 0.500), and its others are most often taken for class c0 (5).")
    assert "the rows of every class are recognised" in verdicts.accuracy(*tables(recall=(1, 1)), "binary")
    odd = verdicts.accuracy(*tables((90, 10, 0), (0.9, 0, float("nan")), (100, 0, 0)), "multiclass")
    assert "no test row tells about c2; never predicted: c1." in odd


def test_accuracy_misleads_where_classes_are_imbalanced():
    found, classes, _ = tables()
    said = verdicts.imbalance(found, classes, "binary")
    assert (
        "class c0 has 90.0% of the test rows, class c1 10.0%. Always predicting class c0 has an accuracy of 0.900 "
        in said
    )
    assert "accuracy misleads; look at balanced accuracy (0.700, of a guess 0.500)" in said
    found, classes, _ = tables((60, 40))
    assert verdicts.imbalance(found, classes, "binary") == "No class has 3 times the test rows of another."
    rare = pd.DataFrame({"class": ["wet", "cold"], "share": [0.02, 0.5]})
    said = verdicts.imbalance(found, rare, "multilabel")
    assert "wet is yes in 2.0% of the test rows" in said and "is right in 74.0%, so accuracy misleads" in said
    assert "In no answer" in verdicts.imbalance(found, rare[1:], "multilabel")


@pytest.mark.parametrize(
    ("predicted", "true", "said"),
    [
        (
            0.95,
            0.85,
            "Its mean confidence is 0.950, and it is right in 0.850 of the decisions: it is overconfident;",
        ),
        (0.75, 0.85, "it is underconfident"),
        (0.86, 0.85, "a difference that may be due to chance (two standard errors are 0.02)"),
    ],
)
def test_confidence_is_compared_with_what_is_right(predicted, true, said):
    table = pd.DataFrame({"count": [100], "predicted": predicted, "true": true, "standard_error": 0.01})
    answer = verdicts.calibration(table)
    assert said in answer and f"differ by {abs(predicted - true):.3f} on average" in answer


def test_a_threshold_says_what_chose_it():
    rows = [["default", "", 0.5, 0.5, 0.4, 0.9, 0.3], ["F1", "validation rows", 0.2, 0.6, 0.7, 0.5, 0.4]]
    rows.append(["Youden's J", "validation rows", 0.1, 0.55, 0.9, 0.4, 0.45])
    names = ["chosen_by", "chosen_on", "threshold", "f1", "recall", "precision", "youden_j"]
    assert verdicts.threshold(pd.DataFrame(rows, columns=names), "ill") == (
        "Class ill is predicted above a probability of 0.5, with a test F1 of 0.500, recall 0.400 and precision 0.900. From "
        "0.2 on, which has the highest F1 on the validation rows, they are 0.600, 0.700 and 0.500. From 0.1 on, which has "
        "the highest Youden's J on the validation rows, test J is 0.450 instead of 0.300."
    )


def test_thresholds_of_answers_are_told_with_the_one_that_changes_most():
    rows = [["wet", "default", 0.5, 0.5], ["wet", "F1", 0.2, 0.7], ["wet", "Youden's J", 0.1, 0.9]]
    rows += [["cold", "default", 0.5, 0.6], ["cold", "F1", 0.4, 0.5], ["late", "default", 0.5, 0.1]]
    table = pd.DataFrame(rows, columns=["class", "chosen_by", "threshold", "f1"])
    said = verdicts.thresholds_of_answers(table)
    assert "with a mean test F1 of 0.550." in said and "it is 0.600." in said
    assert said.endswith("This changes wet most, whose test F1 is 0.500 and from 0.2 on 0.700.")
    assert verdicts.thresholds_of_answers(table.tail(1)).endswith("no rows can choose other thresholds.")


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        ((0.5, 0.1, 0.9), "has 0.5 more (+0.1 to +0.9), so this model is better"),
        ((-0.5, -0.9, -0.1), "has 0.5 less (-0.9 to -0.1), so this model is worse"),
        ((0.1, -0.3, 0.4), "has 0.1 more (-0.3 to +0.4), which may be due to chance"),
    ],
)
def test_baselines_are_told_by_log_loss_and_accuracy(difference, said):
    rows = [[THIS_MODEL, 1.0, 0.9, 1.1, 0.0, 0.0, 0.0], [MOST_FREQUENT, 3.0, 2, 4, 2, 1, 3]]
    rows.append(["random forest", 1 + difference[0], 0, 2, *difference])
    names = ["model", "value", "low", "high", "difference", "difference_low", "difference_high"]
    losses = pd.DataFrame(rows, columns=names).assign(metric=METRICS[0])
    hits = losses.assign(metric=METRICS[1], value=[0.8, 0.5, 0.7])
    answer = verdicts.baselines(pd.concat([losses, hits]))
    assert answer.startswith(
        "Test log loss is 1 (0.9 to 1.1); the best of the simpler models, random forest, "
    )
    assert said in answer and "always predicting the shares of the classes has 3." in answer
    assert "Accuracy is 0.800; the best of theirs, by random forest, is 0.700" in answer
    assert answer.endswith("by most frequent class it is 0.500.")


def test_sentences_are_those_of_real_tables():
    split, predict = made("digits")
    y, p = split.y_test, probabilities(predict, split.x_test, split)
    classes, counts = per_class(y, p, split), confusion(y, p, split)
    said = verdicts.accuracy(scores(y, p, split), classes, counts, "multiclass")
    worst = classes.loc[classes["recall"].idxmin()]
    assert (
        f"class {worst['class']} is recognised worst: {round(worst['recall'] * worst['support'])} of its"
        in said
    )


@pytest.mark.heavy  # takes seconds
@pytest.mark.long(10)
def test_a_classification_has_its_sentences():
    for name, some in (("multilabel", {"threshold"}), ("binary", {"threshold"}), ("multiclass", set())):
        split, predict = made(name)
        said = all_verdicts(diagnose_classes(predict, split, CURVE, ROW))
        assert {*said} == {
            "overfitting", "accuracy", "imbalance", "calibration", "sensitivity", "baselines", *some
        }  # fmt: skip
        assert "it raises the log loss by" in said["sensitivity"]
    # Squared and normalized probabilities are too sure of themselves.
    assert "nan" not in " ".join(said.values())
