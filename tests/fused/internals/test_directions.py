"""The mode of each logged name, against the rule of Keras' own callbacks."""

import keras
import numpy as np
import pytest

from tests.help.batches import batches
from trainables.fused.internals.directions import modes_of


def mine(y, predicted):
    return keras.ops.mean(y - predicted, axis=-1)


class Mine(keras.metrics.MeanMetricWrapper):
    def __init__(self):
        super().__init__(mine, "mean")


METRICS = [
    "mae",
    "accuracy",
    keras.metrics.AUC(name="auc"),
    "r2_score",
    mine,
    Mine(),
    keras.metrics.Recall(),
]


def trained(metrics, outputs=1):
    inputs = keras.Input((2,))
    heads = [keras.layers.Dense(1, activation="sigmoid", name=f"head{i}")(inputs) for i in range(outputs)]
    model = keras.Model(inputs, heads if outputs > 1 else heads[0])
    model.compile("sgd", ["mse"] * outputs if outputs > 1 else "mse", metrics=metrics)
    y = np.array([[0.0], [1.0], [1.0]])
    given = (np.ones((3, 2)), (y,) * outputs if outputs > 1 else y)
    logs = model.fit(batches(given, 3), verbose=0).history
    return model, list(logs)


def test_each_logged_name_has_the_mode_of_keras_own_rule():
    model, logs = trained(METRICS)
    found = modes_of(model)
    assert set(found) == set(logs) == {"loss", "mae", "accuracy", "auc", "r2_score", "mine", "mean", "recall"}
    for name in logs:
        callback = keras.callbacks.EarlyStopping(monitor=f"val_{name}")
        callback.set_model(model)
        if found[name] is None:
            with pytest.raises(ValueError, match="isn't able to automatically determine"):
                callback._set_monitor_op()
        else:
            callback._set_monitor_op()
            assert callback.monitor_op == {"min": keras.ops.less, "max": keras.ops.greater}[found[name]]
    assert (found["mine"], found["mean"], found["auc"], found["mae"]) == (None, None, "max", "min")


def test_the_metrics_of_several_outputs_have_modes_by_their_logged_names():
    model, logs = trained([["mae"], ["accuracy"]], outputs=2)
    assert {name: modes_of(model)[name] for name in logs} == {
        "loss": "min",
        "head0_loss": "min",
        "head1_loss": "min",
        "head0_mae": "min",
        "head1_accuracy": "max",
    }
