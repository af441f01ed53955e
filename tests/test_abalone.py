"""The builder of the reference task makes the model of the reference for every setting."""

import keras
import numpy as np
import pytest

from sweep import Plan
from trainables.abalone import build_and_compile_model
from trainables.table.data import ABALONE, load

X = load(ABALONE).x_train
GRID = Plan.load().space.to_dict()


def build(**config):
    normalizer = keras.layers.Normalization()
    normalizer.adapt(X)
    return build_and_compile_model(**config, input_shape=(10,), normalizer=normalizer)


def test_the_default_model_is_the_references():
    model = build()
    kinds = [type(layer).__name__ for layer in model.layers]
    hidden = ["BatchNormalization", "Dense"]
    assert kinds == ["InputLayer", "Normalization", *hidden, *hidden, "Dense"]
    first = model.layers[3]
    assert (first.units, first.activation.__name__, first.kernel_regularizer) == (8, "relu", None)
    assert isinstance(first.kernel_initializer, keras.initializers.HeNormal)
    assert isinstance(model.optimizer, keras.optimizers.Adam) and model.loss == "mean_squared_error"
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-3)
    assert model.layers[-1].units == 1 and model.layers[-1].activation.__name__ == "linear"


@pytest.mark.parametrize("regularizer", GRID["kernel_regularizer"])
@pytest.mark.parametrize("initializer", GRID["kernel_init"])
def test_every_regularizer_and_initializer_builds(regularizer, initializer):
    model = build(kernel_regularizer=regularizer, kernel_init=initializer)
    dense = model.layers[3]
    # Keras' default strength is 0.01 for each norm.
    strengths = {"l1": {"l1"}, "l2": {"l2"}, "l1_l2": {"l1", "l2"}, None: set()}[regularizer]
    kernel = np.asarray(dense.kernel)
    expected = 0.01 * (("l1" in strengths) * abs(kernel).sum() + ("l2" in strengths) * (kernel**2).sum())
    found = dense.kernel_regularizer(dense.kernel) if regularizer else 0.0
    assert float(found) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("optimizer", GRID["optimizers"])
def test_every_optimizer_builds(optimizer):
    model = build(optimizers=optimizer, learning_rate=1e-4)
    assert type(model.optimizer).__name__.lower() == optimizer
    assert float(model.optimizer.learning_rate) == pytest.approx(1e-4)
    assert getattr(model.optimizer, "nesterov", True) is True


def test_dropout_comes_after_each_hidden_layer():
    kinds = [
        type(layer).__name__ for layer in build(hidden=[8, 16, 8], use_batch=False, dropout_rate=0.5).layers
    ]
    assert kinds == ["InputLayer", "Normalization", *["Dense", "Dropout"] * 3, "Dense"]


def test_an_unknown_optimizer_is_refused():
    with pytest.raises(ValueError, match="adagrad"):
        build(optimizers="adagrad")
