"""The small network of most cases."""

from typing import Any

import keras
from keras import layers


def hidden(x: Any, units: int = 6, activation: Any = "relu", **given: Any) -> Any:
    """Return a hidden layer of `x`."""
    return layers.Dense(units, activation=activation, **given)(x)


def compiled(
    inputs: Any, x: Any, optimizer: Any, loss: Any = "mse", metrics: Any = ("mae",), **head: Any
) -> keras.Model:
    """Return a compiled model with a head of one number on `x`."""
    model = keras.Model(inputs, layers.Dense(1, **head)(x))
    model.compile(optimizer=optimizer, loss=loss, metrics=list(metrics))
    return model
