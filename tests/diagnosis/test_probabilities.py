"""Probabilities are checked, and per-row scores are scikit-learn's when they are averaged."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, hamming_loss, log_loss

from results.diagnosis.probabilities import (
    LEAST,
    checked,
    confidence,
    decided,
    log_losses,
    names,
    probabilities,
    right,
    scored,
    truth,
)
from results.diagnosis.split import Split
from tests.help.classes import made


def tiny(task, classes, y):
    return Split(np.zeros((len(y), 1)), y, np.zeros((len(y), 1)), y, ["a"], {}, task, classes)


TWO = tiny("binary", ("no", "yes"), np.array([0, 1, 1.0]))
THREE = tiny("multiclass", (4.0, np.int64(5), "six"), np.array([0, 1, 2.0]))
LABELS = tiny("multilabel", ("wet", "cold"), np.array([[0, 1], [1, 1], [0, 0.0]]))


@pytest.mark.parametrize("name", ["binary", "multiclass", "iris", "digits"])
def test_losses_and_hits_average_to_scikit_learn_s(name):
    split, predict = made(name)
    p, y = probabilities(predict, split.x_test, split), split.y_test
    codes = list(range(len(split.classes)))
    given = predict(split.x_test)
    given = np.hstack([1 - given, given]) if name == "binary" else given
    assert p.dtype == "float64" and p.shape == (len(y), len(codes))
    assert log_losses(y, p, split).mean() == pytest.approx(log_loss(y, given, labels=codes), rel=1e-4)
    assert right(y, p, split).mean() == accuracy_score(y, given.argmax(1))
    assert (confidence(p, split) == p.max(1)).all() and (truth(y, split).argmax(1) == y).all()


def test_answers_are_counted_one_by_one():
    split, predict = made("multilabel")
    p, y = probabilities(predict, split.x_test, split), split.y_test
    each = [log_loss(y[:, i], p[:, i], labels=[0, 1]) for i in range(3)]
    assert log_losses(y, p, split).mean() == pytest.approx(np.mean(each))
    assert right(y, p, split).mean() == pytest.approx(1 - hamming_loss(y, decided(p, split)))
    assert (confidence(p, split) == np.maximum(p, 1 - p)).all()


def test_two_classes_have_one_output_or_two():
    x = np.zeros((3, 1))
    for given in ([0.2, 0.5, 0.9], [[0.2], [0.5], [0.9]], [[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]]):
        p = probabilities(lambda _, given=given: np.array(given, "float32"), x, TWO)
        np.testing.assert_allclose(p, [[0.8, 0.2], [0.5, 0.5], [0.1, 0.9]], atol=1e-7)
        assert list(decided(p, TWO)) == [0, 0, 1]  # 0.5 is not above 0.5, as in Keras
    assert scored(TWO) == [1] and scored(THREE) == [0, 1, 2] and names(THREE) == ["4", "5", "six"]


def test_a_sure_mistake_has_a_finite_loss():
    p = checked(np.array([[1.0], [0.0], [1.0]]), TWO)
    np.testing.assert_allclose(log_losses(np.array([0, 1, 1]), p, TWO), [-np.log(LEAST)] * 2 + [0], atol=1e-6)


@pytest.mark.parametrize(
    ("split", "given", "said"),
    [
        (
            THREE,
            [[0.5], [0.5], [0.5]],
            r"shape \(3, 1\) for 3 rows, but a multiclass task of 3 classes needs .*\(3, 3\)",
        ),
        (TWO, np.ones((3, 3)) / 3, r"shape \(3, 3\) for 3 rows, but a binary .*\(3, 1\)"),
        (LABELS, [[0.5], [0.5], [0.5]], r"multilabel task of 2 classes needs the shape \(3, 2\)"),
        (TWO, [[0.5], [np.nan], [0.5]], "not finite in 1 of 3 rows"),
        (TWO, [[0.5], [-3.2], [4.0]], "outputs are -3.2 to 4, which are no probabilities.*from_logits=True"),
        (THREE, np.full((3, 3), 0.9), "add up to 2.7 instead of 1 in 3 of 3 rows.*softmax"),
    ],
)
def test_what_is_no_probability_is_refused(split, given, said):
    with pytest.raises(ValueError, match=said):
        probabilities(lambda _: np.array(given), np.zeros((3, 1)), split)


def test_several_outputs_are_refused():
    with pytest.raises(ValueError, match=r"several outputs \(list\)"):
        probabilities(lambda x: [x, x], np.zeros((3, 1)), TWO)
