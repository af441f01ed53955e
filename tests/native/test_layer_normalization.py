"""Layer normalization by the native kernel against Keras' `fit`: the same weights and logs after two epochs."""

import keras
import numpy as np
import pytest

from tests.help.native import Group, small_table, weights_of

layers = keras.layers
LAYERS = {
    "plain": lambda: layers.LayerNormalization(),
    "axis": lambda: layers.LayerNormalization(axis=1, epsilon=0.1),
    "several_axes": lambda: layers.LayerNormalization(axis=(-1,)),
    "no_scale": lambda: layers.LayerNormalization(scale=False),
    "no_center": lambda: layers.LayerNormalization(center=False, gamma_initializer="random_normal"),
    "neither": lambda: layers.LayerNormalization(center=False, scale=False),
    "penalized": lambda: layers.LayerNormalization(
        gamma_regularizer="l2", beta_regularizer="l1", activity_regularizer="l2"
    ),
    "constrained": lambda: layers.LayerNormalization(gamma_constraint="unit_norm", beta_constraint="non_neg"),
    "frozen": lambda: layers.LayerNormalization(trainable=False, gamma_initializer="random_normal"),
}


def build(kind, place="inside", optimizer="adam"):
    made = LAYERS[kind]
    inputs = keras.Input((3,))
    if place == "table":
        x = layers.Dense(4, activation="tanh")(made()(inputs))
    elif place == "one":  # of a row of one number nothing is left
        x = layers.Add()([layers.Dense(1)(inputs), made()(layers.Dense(1)(inputs))])
    else:
        x = layers.Dense(6, activation="relu", bias_initializer="random_normal")(inputs)
        for activation in ("silu", "tanh"):  # blocks as those of a transformer
            y = layers.Dense(6, activation=activation)(made()(x))
            x = layers.Add()([x, layers.Dropout(0.1)(y)])
        x = made()(x)
    model = keras.Model(inputs, layers.Dense(1)(x))
    optimizers = {"adam": keras.optimizers.Adam(0.01), "sgd": keras.optimizers.SGD(0.02, momentum=0.5)}
    model.compile(optimizers[optimizer], "mse", metrics=["mae"])
    return model


PLACES = [*((kind, "inside") for kind in LAYERS), ("plain", "table"), ("plain", "one")]


@pytest.mark.parametrize(
    ("kind", "place"),
    [pytest.param(*one, marks=() if one[0] == "plain" else pytest.mark.slow) for one in PLACES],
)
def test_normalized_rows_train_as_by_keras(kind, place):
    optimizers = ["adam", "sgd"] if (kind, place) == ("plain", "inside") else ["adam"]
    group = Group(
        f"{__file__}:build", {"kind": [kind], "place": [place], "optimizer": optimizers}, small_table()
    )
    result = group.trained()
    for row in range(len(optimizers)):
        model, logs = group.by_keras(row)
        np.testing.assert_allclose(result.stack.weights[row], weights_of(model), rtol=1e-4, atol=2e-6)
        np.testing.assert_allclose(result.logs[row], logs, rtol=1e-4, atol=1e-6)
