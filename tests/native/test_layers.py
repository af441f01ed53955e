"""Layers of the native kernel with numbers near one, of whose difference from one a float32 keeps few digits."""

import keras
import numpy as np

from tests.help.native import Group, small_table

layers = keras.layers


def normalized(momentum):
    inputs = keras.Input((3,))
    x = layers.BatchNormalization(momentum=momentum)(layers.Dense(4, "tanh")(inputs))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(keras.optimizers.SGD(0.01), "mse")
    return model


def test_moving_statistics_of_a_momentum_near_one_are_those_of_keras():
    """They begin at 0 and 1, so their change is compared."""
    group = Group(f"{__file__}:normalized", {"momentum": [0.9999]}, small_table())
    found = group.trained().stack.state
    model, _ = group.by_keras(0)
    _, _, normalization, _ = model.layers
    # Means of a batch are sums in another order; `1 - momentum` in float32 would be wrong by 1.7e-4 of it.
    np.testing.assert_allclose(found[0][0], normalization.moving_mean.numpy(), rtol=2e-5)
    # Of a number near 1 the last digits are lost.
    np.testing.assert_allclose(found[1][0], normalization.moving_variance.numpy(), atol=2e-7)


def dropped(rate, slope=0.01):
    inputs = keras.Input((3,))
    x = layers.Dropout(rate, seed=1)(layers.Dense(2000, kernel_initializer="ones")(inputs))
    model = keras.Model(inputs, layers.Dense(1)(x))
    model.compile(keras.optimizers.SGD(slope), "mae")
    return model


def test_what_a_dropout_near_one_keeps_is_scaled_as_by_keras():
    """The loss of a step is that of outputs that are a thousand times as large, and one step is compared."""
    for rates in ([0.999], [0.999, 0.9995]):  # a number of the program, and one of each point
        group = Group(f"{__file__}:dropped", {"rate": rates}, small_table(), batch_size=56)
        found = group.trained(1)
        for row in range(len(rates)):
            model, logs = group.by_keras(row, 1)
            np.testing.assert_allclose(found.logs[row, :, 0], logs[:, 0], rtol=2e-6)
            weights = np.concatenate([v.numpy().ravel() for v in model.trainable_variables])
            np.testing.assert_allclose(found.stack.weights[row], weights, rtol=2e-6, atol=1e-6)
