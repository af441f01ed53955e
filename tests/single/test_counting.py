"""Weighted metrics that count rows: their names are Keras', and one row that flips is no difference."""

import dataclasses

import keras
import numpy as np
import pytest

from results.space import Space
from tests.help.batches import batches
from tests.help.often import slow_but
from trainables.builder import find
from trainables.engine import Work
from trainables.settings import Callbacks, Fit, Training
from trainables.single.counting import largest_shares
from trainables.single.point import Point
from trainables.single.verify import VerifyEngine, trained
from trainables.table.data import Table
from trainables.table.weights import RowWeights

ROWS = {"fitted": 3, "tr": 3, "va": 3, "te": 3}


def mine(y, p):
    return keras.ops.cast(keras.ops.equal(y, keras.ops.round(p)), "float32")


@pytest.mark.parametrize(
    ("metrics", "weighted", "names"),
    [
        (["accuracy"], [], set()),
        ([], ["accuracy", "mae"], {"accuracy"}),
        (["accuracy", "mae"], ["accuracy"], {"weighted_accuracy"}),
        (["mae"], ["acc", keras.metrics.BinaryAccuracy(name="right"), keras.metrics.AUC(name="auc")], {"acc", "right"}),
        ([], [keras.metrics.binary_accuracy, mine, "AUC"], {"binary_accuracy"}),
        (None, None, set()),
    ],
)  # fmt: skip
@pytest.mark.parametrize("outputs", slow_but([1], [1, 2]))
def test_the_names_are_those_that_keras_logs(metrics, weighted, names, outputs):
    inputs = keras.Input((2,))
    heads = [keras.layers.Dense(1, activation="sigmoid", name=f"head{i}")(inputs) for i in range(outputs)]
    model = keras.Model(inputs, heads if outputs > 1 else heads[0])
    if outputs > 1:
        metrics, weighted = (given and [given, []] for given in (metrics, weighted))
        names = {f"head0_{name}" for name in names}
    losses = ["mse"] * outputs if outputs > 1 else "mse"
    model.compile("sgd", losses, metrics=metrics, weighted_metrics=weighted)
    y = np.array([[0.0], [1.0], [1.0]])
    given = (np.ones((3, 2)), (y,) * outputs if outputs > 1 else y)
    logs = model.fit(batches(given, 3), verbose=0).history
    found = largest_shares(model, RowWeights(), ROWS)
    assert names <= set(found) and set(found) & set(logs) == names


def test_the_share_is_that_of_the_heaviest_row():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", weighted_metrics=["accuracy"])
    model.fit(np.ones((3, 2)), np.ones(3), verbose=0)
    weights = RowWeights(fitted=np.array([1.0, 2.0, 5.0], "float32"), test=np.zeros(3, "float32"))
    found = largest_shares(model, weights, ROWS)["accuracy"]
    assert found == pytest.approx({"fitted": 5 / 8, "tr": 1 / 3, "va": 1 / 3, "te": 1.0})


BUILDER = """
import keras

def build(rate, input_shape=None):
    layers = [keras.Input(input_shape), keras.layers.Dense(1, "sigmoid", kernel_initializer="zeros")]
    model = keras.Sequential(layers)
    model.compile("sgd", "binary_crossentropy", weighted_metrics=["accuracy"])
    return model
"""


@pytest.mark.slow
@pytest.mark.parametrize("fit", [{"weight": "w"}, {"class_weight": {"0": 1.0, "1": 3.7}}])
def test_a_row_at_the_threshold_may_flip(tmp_path, fit):
    """A rounding moves a row over the threshold: the weighted accuracy then differs by the share of this row."""
    chance = np.random.default_rng(3)
    x = chance.normal(size=(90, 3)).astype("float32")
    y = (x @ [1, -2, 0.5] > 0).astype("float32")
    w = chance.uniform(0.5, 4, 90).astype("float32")
    table = Table(
        x[:70], y[:70], x[70:], y[70:], ("a", "b", "c"), "y", "0", task="binary", classes=(0, 1),
        weights={"w": (w[:70], w[70:])},
    )  # fmt: skip
    (tmp_path / "model.py").write_text(BUILDER)
    training = Training(Fit(epochs=3, **fit), Callbacks())
    work = Work(Space({"rate": [0.1]}), find.find("model.py:build", tmp_path), table, training)
    point = Point(work.builder.load(), work.builder, work.space[0], table, training)
    point.advance(3)
    keras_ = trained(point)
    rows = 70 - 56
    share = {"weight": w[56:70].max() / w[56:70].sum(), "class_weight": 1 / rows}[next(iter(fit))]
    of_fitted = np.where(y[:56] == 1, 3.7, 1.0) if "class_weight" in fit else w[:56]
    heaviest = of_fitted.max() / of_fitted.sum()

    def differences(log, by):
        curve = {**keras_.curve, log: keras_.curve[log] - by}
        engine = VerifyEngine(work)
        engine.begin(np.array([0]), dataclasses.replace(keras_, curve=curve))
        report = engine.step()
        while not report.done:
            report = engine.step()
        return [one.column for one in report.check.differences]

    assert differences("val_accuracy", share) == [] == differences("accuracy", heaviest)
    assert differences("accuracy", 2 * heaviest) == []
    assert differences("accuracy", 3 * heaviest) == ["accuracy"]
    assert differences("val_accuracy", 3 * share) == ["val_accuracy"]
