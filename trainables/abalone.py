"""The builder of the reference task: a small dense network for the abalone table, compiled."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


def build_and_compile_model(
    hidden: Sequence[int] = (8, 4),
    activation: str = "relu",
    use_batch: bool = True,
    dropout_rate: float = 0.0,
    learning_rate: float = 1e-3,
    optimizers: str = "adam",
    kernel_init: str = "he_normal",
    kernel_regularizer: str | None = None,
    *,
    input_shape: tuple[int, ...],
    normalizer: keras.layers.Normalization,
) -> keras.Model:
    """Return the compiled model of one point of the reference grid.

    Args:
        hidden: width of each hidden layer, in units.
        activation: the activation of every hidden layer.
        use_batch: whether a BatchNormalization comes before each hidden layer.
        dropout_rate: share of units dropped after each hidden layer; 0 leaves the layer out.
        learning_rate: the optimizer's initial learning rate.
        optimizers: "adam", "rmsprop" or "sgd" (with Nesterov momentum on).
        kernel_init: initializer of the hidden kernels.
        kernel_regularizer: regularizer of the hidden kernels: None, "l1", "l2" or "l1_l2".
        input_shape: shape of one row, such as (10,).
        normalizer: the adapted Normalization layer that the input goes through.

    Raises:
        ValueError: Keras or this builder does not know a name.
    """
    inputs = keras.Input(input_shape)
    x: Any = normalizer(inputs)
    for width in hidden:
        if use_batch:
            x = keras.layers.BatchNormalization()(x)
        x = keras.layers.Dense(
            width,
            activation=activation,
            kernel_initializer=kernel_init,
            kernel_regularizer=_regularizer(kernel_regularizer),
        )(x)
        if dropout_rate > 0:
            x = keras.layers.Dropout(dropout_rate)(x)
    model = keras.Model(inputs, keras.layers.Dense(1)(x))
    model.compile(
        loss="mean_squared_error",
        metrics=[keras.metrics.MeanAbsoluteError(name="MAE")],
        optimizer=_optimizer(optimizers, learning_rate),
    )
    return model


def _regularizer(name: str | None) -> str | keras.regularizers.Regularizer | None:
    # Keras documents "l1_l2" as 0.01 for each norm, but Keras 3 knows only "l1l2", which is 0 for both.
    return keras.regularizers.L1L2(l1=0.01, l2=0.01) if name == "l1_l2" else name


def _optimizer(name: str, learning_rate: float) -> keras.optimizers.Optimizer:
    if name == "adam":
        return keras.optimizers.Adam(learning_rate)
    if name == "rmsprop":
        return keras.optimizers.RMSprop(learning_rate)
    if name == "sgd":
        return keras.optimizers.SGD(learning_rate, nesterov=True)
    raise ValueError(f'optimizers got "{name}", but needs "adam", "rmsprop" or "sgd".')
