"""Small real classifications: scikit-learn's tables, and a model of them that is good but not perfect."""

from functools import cache

import numpy as np
from sklearn import datasets
from sklearn.linear_model import LogisticRegression
from sklearn.multiclass import OneVsRestClassifier

from results.diagnosis.probabilities import probabilities
from results.diagnosis.split import Split

TABLES = {
    "binary": datasets.load_breast_cancer,
    "multiclass": datasets.load_wine,
    "iris": datasets.load_iris,
    "digits": datasets.load_digits,
}


@cache
def made(name):
    """The split of a table, and the function that predicts its probabilities; `multilabel` is made of the wines.

    The rows are shuffled: 60% are fitted, 15% validate, the others are the test.
    """
    found = TABLES["multiclass" if name == "multilabel" else name]()
    order = np.random.default_rng(0).permutation(len(found.target))[:600]
    x, y = found.data[order].astype("float32"), found.target[order].astype("float32")
    classes = tuple(str(label) for label in found.target_names)
    if name == "multilabel":
        alcohol, hue = x[:, 0] > 13, x[:, 10] > 1.2
        y, classes = np.stack([y == 1, alcohol, hue], 1).astype("float32"), ("second", "strong", "blue")
    fitted, train = int(0.6 * len(y)), int(0.75 * len(y))
    task = name if name in ("binary", "multilabel") else "multiclass"
    split = Split(
        x[:fitted], y[:fitted], x[train:], y[train:], [f"f{i}" for i in range(x.shape[1])], {}, task, classes,
        x[fitted:train], y[fitted:train],
    )  # fmt: skip
    few = slice(0, min(5, x.shape[1]))
    mean, scale = x[:fitted, few].mean(0), x[:fitted, few].std(0) + 1e-6
    # Overconfident: twice the logits of a regularized model of five features.
    model = LogisticRegression(C=0.1)
    model = OneVsRestClassifier(model) if task == "multilabel" else model
    model.fit((x[:fitted, few] - mean) / scale, y[:fitted])

    def predict(rows):
        p = model.predict_proba((rows[:, few] - mean) / scale)
        if task == "binary":
            return p[:, 1:]
        return p if task == "multilabel" else p**2 / (p**2).sum(1, keepdims=True)

    return split, predict


def judged(name):
    """The targets of the test rows, the probabilities that are predicted for them, and the split of a table."""
    split, predict = made(name)
    return split.y_test, probabilities(predict, split.x_test, split), split
