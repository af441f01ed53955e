"""A builder whose losses hold penalties of every kind."""

from __future__ import annotations

from typing import Any

import keras

KINDS = ["none", "l1", "l2", "both", "heavy", "activity", "add_loss", "orthogonal"]


class Costly(keras.layers.Layer):
    """Adds a loss of its inputs."""

    def call(self, inputs: Any) -> Any:
        self.add_loss(0.1 * keras.ops.mean(keras.ops.abs(inputs)))
        return inputs


def penalized(
    kind: str = "none",
    strength: float = 0.1,
    learning_rate: float = 0.01,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    """Return a model with one kind of penalty; "heavy" is thousands of times as large as the rest of the loss."""
    regularizers = keras.regularizers
    kernel = {
        "l1": regularizers.L1(strength),
        "l2": regularizers.L2(strength),
        "both": regularizers.L1L2(strength, strength),
        "heavy": regularizers.L2(strength * 1e5),
        "orthogonal": regularizers.OrthogonalRegularizer(strength),
    }.get(kind)
    inputs = keras.Input(input_shape)
    x = normalizer(inputs)
    x = keras.layers.Dense(
        6,
        activation="tanh",
        kernel_regularizer=kernel,
        bias_regularizer="l2" if kind == "both" else None,
        activity_regularizer=regularizers.L2(strength) if kind == "activity" else None,
    )(x)
    if kind == "add_loss":
        x = Costly()(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(keras.optimizers.Adam(learning_rate), loss="mse", metrics=["mae"])
    return model
