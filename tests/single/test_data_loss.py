"""The loss without penalties, by both engines, against the compiled loss of Keras' predictions."""

import keras
import numpy as np
import pytest

from results.space import Space
from sweep import Plan
from tests.help import penalized
from tests.help.cohorts import RULES, Fused, small_table
from trainables.builder import find
from trainables.builder.maker import Maker
from trainables.settings import Callbacks, EarlyStopping, Fit, Objective, ReduceLROnPlateau, Training
from trainables.single.point import Point

BUILDER = find.find(f"{penalized.__file__}:penalized", Plan.load().base)
TABLE = small_table()
# The penalty is at most eight times as large as the data loss, and both engines round each to about 2e-7.
RTOL = 1e-5

STATEFUL = """
import keras
import tensorflow as tf
class Scaled(keras.losses.Loss):
    def __init__(self):
        super().__init__()
        self.scale, self.count = tf.Variable(1.0, trainable=False), keras.Variable(0.0, trainable=False)
    def call(self, y, p):
        error = tf.square(tf.reshape(y, [-1, 1]) - p)
        self.scale.assign(0.9 * self.scale + 0.1 * tf.reduce_mean(error))
        self.count.assign_add(0.01)
        return tf.reduce_mean(error / self.scale, -1) + self.count
def build(*, input_shape, normalizer):
    inputs = keras.Input(input_shape)
    x = keras.layers.Dense(6, activation="tanh", activity_regularizer="l2")(normalizer(inputs))
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(0.01), Scaled())
    return model
"""
"""A loss with state that Keras does not track, and a penalty for which each epoch is evaluated once more."""


def engine_of(axes, objective="loss", epochs=3, rules=RULES, programs="xla"):
    training = Training(Fit(epochs=epochs, batch_size=32), rules, objective=Objective(objective))
    return Fused(BUILDER, Space(axes), TABLE, training, programs=programs)


def by_hand(model, weights):
    """Return the mean squared error of Keras' predictions of the validation rows."""
    model.set_weights(weights)
    rows = int(len(TABLE.x_train) * 0.8)
    predicted = model.predict(TABLE.x_train[rows:], verbose=0)[:, 0]
    return float(np.mean((predicted.astype("float64") - TABLE.y_train[rows:]) ** 2))


def unpacked(flat, model):
    ends = np.cumsum([int(np.prod(v.shape)) for v in model.weights])[:-1]
    return [part.reshape(v.shape) for part, v in zip(np.split(flat, ends), model.weights, strict=True)]


WITH_BOTH = [
    ("none", "loss"),
    ("l2", "loss"),
    ("activity", "loss"),
    *((kind, "data_loss") for kind in penalized.KINDS),
]
QUICK = [("l2", "data_loss")]


def unless_quick(cases):
    marks = [pytest.mark.slow]
    return [case if case in QUICK else pytest.param(*case, marks=marks) for case in cases]


@pytest.mark.parametrize(("kind", "objective"), unless_quick(WITH_BOTH))
def test_both_engines_give_the_compiled_loss_of_the_predictions(kind, objective):
    engine = engine_of({"kind": [kind]}, objective, epochs=2)
    [(row, curve, weights)] = engine.train([0]).values()
    point = engine.alone(0)
    metrics, logs = point.metrics(), point.recorder.curve
    assert not engine.differences((row, curve, weights), point)
    np.testing.assert_allclose(row["data_loss_va"], metrics["data_loss_va"], rtol=RTOL)
    best = by_hand(point.model, point.recorder.best_weights)
    np.testing.assert_allclose(metrics["data_loss_va"], best, rtol=RTOL)
    of_fused = by_hand(point.model, unpacked(weights, point.model))
    np.testing.assert_allclose(row["data_loss_va"], of_fused, rtol=RTOL)
    for numbers in (row, metrics):
        assert (numbers["data_loss_va"] == numbers["loss_va"]) is (kind == "none")
    assert ("val_data_loss" in curve) is ("val_data_loss" in logs[0]) is (objective == "data_loss")
    if objective == "data_loss":
        assert row["data_loss_va"] == curve["val_data_loss"].min()
        assert metrics["data_loss_va"] == min(epoch["val_data_loss"] for epoch in logs)


@pytest.mark.slow
def test_a_sweep_by_another_objective_has_the_same_other_numbers():
    kinds = ["none", "l2", "activity"]
    # The rules watch the loss in both, and the only epoch is the best one.
    rules = Callbacks(None, ReduceLROnPlateau(patience=1, monitor="val_loss"))
    found = [engine_of({"kind": kinds}, objective, 1, rules) for objective in ("loss", "data_loss")]
    for idx, kind in enumerate(kinds):
        without, with_it = (engine.alone(idx) for engine in found)
        a, b = without.metrics(), with_it.metrics()
        assert a == b, kind
        logs = dict(with_it.recorder.curve[0])
        del logs["val_data_loss"]
        assert logs == without.recorder.curve[0]
        for one, other in zip(without.model.get_weights(), with_it.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_objective_decides_which_epoch_is_best():
    ends = {}
    for objective in ("loss", "data_loss"):
        axes = {"kind": ["l2"], "strength": [3.0], "learning_rate": [0.1]}
        engine = engine_of(axes, objective, epochs=14, rules=Callbacks(None, None), programs="native")
        [(row, curve, _)] = engine.train([0]).values()
        assert row["best_epoch"] == engine.alone(0).recorder.best_epoch
        assert row["best_epoch"] == 1 + np.argmin(curve[f"val_{objective}"])
        ends[objective] = row
    assert ends["data_loss"]["best_epoch"] != ends["loss"]["best_epoch"]
    assert ends["data_loss"]["data_loss_va"] < ends["loss"]["data_loss_va"]
    assert ends["data_loss"]["loss_va"] > ends["loss"]["loss_va"]


def test_a_rule_alone_may_watch_it():
    rules = Callbacks(EarlyStopping(patience=2, monitor="val_data_loss"), None)
    axes = {"kind": ["l2"], "strength": [3.0], "learning_rate": [0.1]}
    engine = engine_of(axes, rules=rules, epochs=20, programs="native")
    [(row, curve, _)] = engine.train([0]).values()
    point = engine.alone(0)
    assert (row["status"], row["epochs"]) == (point.status, point.epoch) and point.status == "early_stopped"
    assert row["epochs"] == 1 + np.argmin(curve["val_data_loss"]) + 2
    assert row["best_epoch"] == 1 + np.argmin(curve["val_loss"]) == point.recorder.best_epoch


@pytest.mark.slow
def test_without_regularizers_nothing_is_evaluated(monkeypatch):
    calls = []
    evaluate = keras.Model.evaluate
    monkeypatch.setattr(
        keras.Model, "evaluate", lambda *args, **kwargs: calls.append(1) or evaluate(*args, **kwargs)
    )
    for kind, times in {"none": 2, "l2": 2, "activity": 3}.items():
        calls.clear()
        engine_of({"kind": [kind]}, epochs=1).alone(0).metrics()
        fits = 1  # `fit` evaluates the validation rows
        assert len(calls) == fits + times, kind


def test_an_evaluation_without_penalties_leaves_the_state_of_a_loss(tmp_path):
    (tmp_path / "model.py").write_text(STATEFUL)
    builder = find.find("model.py:build", tmp_path)
    curves = []
    for objective in ("loss", "data_loss"):
        training = Training(Fit(epochs=3, batch_size=32), RULES, objective=Objective(objective))
        point = Point(Maker(builder, 0), builder, {}, TABLE, training)
        point.advance(3)
        curves.append([(epoch["loss"], epoch["val_loss"]) for epoch in point.recorder.curve])
    assert "val_data_loss" in point.recorder.curve[0]
    assert curves[0] == curves[1]
