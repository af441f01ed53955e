"""The text of a compiled loss: equal where values can be compared, and only there."""

import functools

import keras
import numpy as np
import pytest

from trainables.builder.losses import compiled_loss, metric_names, note_loss, weighted_logs
from trainables.objective import Loss


def scaled(by):
    def mine(y, predicted):
        return by * keras.ops.mean(keras.ops.square(y - predicted), axis=-1)

    return mine


class Mine(keras.losses.Loss):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def call(self, y, predicted):
        return scaled(self.by)(y, predicted)


def power(y, predicted, by=2):
    return keras.ops.mean((y - predicted) ** by, axis=-1)


class Holder:
    """Two functions and a class with the names of others."""

    @staticmethod
    def scaled(by):
        def mine(y, predicted):
            return by * keras.ops.mean(keras.ops.abs(y - predicted), axis=-1)

        return mine

    @staticmethod
    def power(y, predicted, by=2):
        return keras.ops.mean(keras.ops.abs(y - predicted) ** by, axis=-1)

    class Mine(keras.losses.Loss):
        def __init__(self, by):
            super().__init__()
            self.by = by

        def call(self, y, predicted):
            return self.by * power(y, predicted)


class Keras:
    @staticmethod
    def mean_squared_error(y, predicted):
        return keras.ops.mean(keras.ops.square(y - predicted), axis=-1) / 2


def compiled(loss, metrics=None, **more):
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", loss, metrics=metrics, **more)
    return model


@pytest.mark.parametrize(
    "losses",
    [
        [
            "mse",
            "MSE",
            "mean_squared_error",
            keras.losses.mean_squared_error,
            keras.losses.MeanSquaredError(),
        ],
        ["huber", keras.losses.Huber(), keras.losses.Huber(delta=1.0, name="other")],
        ["binary_crossentropy", keras.losses.BinaryCrossentropy(from_logits=True)],
        [scaled(2), scaled(2)],
        [Mine(0.5), Mine(0.5)],
        [power, functools.partial(power, by=2)],
    ],
)
def test_one_loss_has_one_text(losses):
    assert len({compiled_loss(compiled(loss)) for loss in losses}) == 1


@pytest.mark.parametrize(
    "losses",
    [
        ["mse", "mae", "huber", keras.losses.Huber(delta=2.0), None],
        ["binary_crossentropy", keras.losses.BinaryCrossentropy(label_smoothing=0.1)],
        ["mse", keras.losses.MeanSquaredError(reduction="sum")],
        [scaled(1), scaled(2), Mine(1), Mine(2)],
        [power, functools.partial(power, by=4)],
        [scaled(2), Holder.scaled(2)],
        [power, Holder.power],
        [Mine(2), Holder.Mine(2)],
        [[power, "mse"], [Holder.power, "mse"]],
        [lambda y, p: keras.ops.square(y - p), lambda y, p: keras.ops.abs(y - p)],
        ["mse", Keras.mean_squared_error],
    ],
)
def test_other_losses_have_other_texts(losses):
    assert len({compiled_loss(compiled(loss)) for loss in losses}) == len(losses)


def test_the_text_names_the_loss():
    assert compiled_loss(compiled("mse")) == ("mean_squared_error", "")
    assert compiled_loss(compiled(keras.losses.Huber(delta=2.0))) == ("huber(delta=2.0)", "")
    assert compiled_loss(compiled(scaled(3))).text == "mine(by=3)"
    assert compiled_loss(compiled(Mine(0.5))).text == "Mine(by=0.5)"


def test_the_metrics_that_all_models_with_a_loss_have_are_noted():
    found = {}
    for metrics in (["mae", power, keras.metrics.AUC(name="auc")], ["auc", "mae"], None):
        model = compiled("mse", metrics)
        assert set(metric_names(model)) <= {"mae", "power", "auc"}
        note_loss(found, model)
    assert found == {Loss("mean_squared_error"): []}
    note_loss(found, compiled("mae", ["mae"]))
    assert found[Loss("mean_absolute_error")] == ["mae"]


def test_the_logs_that_weights_of_rows_change():
    inputs = keras.Input((2,))
    one = keras.Sequential([inputs, keras.layers.Dense(1)])
    one.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mse"])
    assert weighted_logs(one) == {"mse"} and metric_names(one) == ["mae", "mse"]
    heads = [keras.layers.Dense(1, name=name)(inputs) for name in ("size", "kind")]
    for metrics, weighted in (
        ({"size": "mae", "kind": ["mse"]}, {"kind": ["mae"]}),
        (["mae", ["mse"]], [None, "mae"]),
    ):
        two = keras.Model(inputs, heads)
        two.compile("sgd", ["mse", "mse"], metrics=metrics, weighted_metrics=weighted)
        logged = two.evaluate(np.ones((4, 2)), [np.ones(4), np.ones(4)], verbose=0, return_dict=True)
        assert metric_names(two) == ["size_mae", "kind_mse", "kind_mae"]
        assert weighted_logs(two) == {"size_loss", "kind_loss", "kind_mae"}
        named = keras.Model(inputs, {"b": heads[0], "a": heads[1]})
        named.compile("sgd", {"a": "mse", "b": "mse"}, weighted_metrics={"a": "mae"})
        assert weighted_logs(named) == {"a_loss", "b_loss", "a_mae"}
        assert {*metric_names(two), *weighted_logs(two), "loss"} == set(logged)
