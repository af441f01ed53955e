"""Reads private parts of models and optimizers that every engine needs, also the one that trains a point by Keras' `fit`.

It also has the small model on which the names are looked up that only objects have. What only programs need is in `keras`.
Based on the source of Keras 3.15.1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any

import keras
import numpy as np

from trainables.fused.internals.errors import lacks
from trainables.fused.internals.private import Private, check

_COMPILED = "keras.src.trainers.compile_utils"

NAMES = (
    Private("keras:Model", "_flatten_layers", "`Model.layers`, with the layers inside layers"),
    Private(
        f"{_COMPILED}:CompileLoss", "metrics", "the logged mean of each loss of several outputs; forgotten"
    ),
    Private(
        f"{_COMPILED}:CompileMetrics",
        "build",
        "makes the metrics, as the first batch does; for the small model",
    ),
)

OBJECT_NAMES = (
    Private("a model", "_compile_loss", "what `compile` made of its losses"),
    Private("a model", "_compile_metrics", "what `compile` made of its metrics"),
    Private("a model's losses", "built", "whether it knows the shapes of a batch; forgotten"),
    Private("a model's losses", "_user_loss", "`compile(loss=...)`"),
    Private("a model's losses", "_user_loss_weights", "`compile(loss_weights=...)`"),
    Private("a model's metrics", "built", "whether it knows the shapes of a batch; forgotten"),
    Private("a model's metrics", "_user_metrics", "`compile(metrics=...)`"),
    Private("a model's metrics", "_user_weighted_metrics", "`compile(weighted_metrics=...)`"),
    Private("a loss of a function", "fn", "the function"),
    Private("a loss of a function", "_fn_kwargs", "its other arguments"),
    Private(
        "an AUC",
        "_direction",
        "up or down: what `mode='auto'` of Keras' callbacks goes by; other metrics lack it",
    ),
    Private("an optimizer", "_learning_rate", "the variable, schedule or function behind `learning_rate`"),
)
"""Names that objects have but their classes do not, so that they are looked up on a small model."""

check(NAMES, every_engine=True)


def specimen() -> keras.Model:
    """Return a compiled model of one layer that draws no random numbers and uses no automatic name.

    It has its metrics, which Keras makes with the first batch.
    """
    inputs = keras.Input((1,), name="specimen_input")
    layer = keras.layers.Dense(1, kernel_initializer="zeros", name="specimen_layer")
    model = keras.Model(inputs, layer(inputs), name="specimen")
    optimizer = keras.optimizers.SGD(0.1, name="specimen_optimizer")
    optimizer.exclude_from_weight_decay(var_names=["specimen"])
    loss = keras.losses.MeanSquaredError(name="specimen_loss")
    mean = keras.metrics.MeanMetricWrapper(keras.losses.mean_absolute_error, name="specimen_mean")
    model.compile(optimizer, loss, metrics=[mean, keras.metrics.AUC(name="specimen_area")])
    model._compile_metrics.build(*np.zeros((2, 1, 1), "float32"))
    return model


OBJECTS: dict[str, Callable[[Any], Any]] = {
    "a model": lambda model: model,
    "a model's losses": lambda model: model._compile_loss,
    "a model's metrics": lambda model: model._compile_metrics,
    "a loss of a function": lambda model: model._compile_loss._user_loss,
    "a metric of a function": lambda model: model._compile_metrics._user_metrics[0],
    "an AUC": lambda model: model._compile_metrics._user_metrics[1],
    "a symbolic tensor": lambda model: model.outputs[0],
    "a layer": lambda model: model.layers[-1],
    "a call": lambda model: model.layers[-1]._inbound_nodes[0],
    "a call's arguments": lambda model: model.layers[-1]._inbound_nodes[0].arguments,
    "an optimizer": lambda model: model.optimizer,
    "a tracker": lambda model: model.optimizer._tracker,
    "a tracked set": lambda model: model.optimizer._exclude_from_weight_decay,
}
"""For each owner in the lists of object names: a function that returns it from the small model."""


@functools.cache
def check_objects() -> None:
    """Look up `OBJECT_NAMES`, once in a process and before the first model. This starts TensorFlow.

    Raises:
        InternalsError: one is missing; the message says which.
    """
    look_up(OBJECT_NAMES, every_engine=True)


def look_up(names: Iterable[Private], every_engine: bool = False) -> None:
    """Look up names that only objects have, on the small model.

    Args:
        names: to look up; the owner of each is in `OBJECTS`.
        every_engine: whether also the engine `keras` needs them.

    Raises:
        InternalsError: one is missing; the message says which.
    """
    model = specimen()
    for name in names:
        try:
            getattr(OBJECTS[name.owner](model), name.name)
        except AttributeError as error:
            raise lacks(name.library, str(name), every_engine) from error


def layers_of(model: keras.Model) -> list[Any]:
    """Return the model and all layers in it, including those inside layers."""
    return [model, *model._flatten_layers(include_self=False, recursive=True)]


def given_to_compile(model: keras.Model) -> list[Any]:
    """Return the losses and the metrics that the user passed to `compile`; None for each that is missing."""
    found: list[Any] = [None, None]
    if (losses := model._compile_loss) is not None:
        found[0] = {"loss": losses._user_loss, "weights": losses._user_loss_weights}
    if (metrics := model._compile_metrics) is not None:
        found[1] = {"metrics": metrics._user_metrics, "weighted": metrics._user_weighted_metrics}
    return found


def forget_shapes(model: keras.Model) -> None:
    """Let a model build its losses and metrics again with its next batch, as if it had seen none."""
    if (losses := model._compile_loss) is not None:
        losses.built = False
        losses.metrics.clear()
    if (metrics := model._compile_metrics) is not None:
        metrics.built = False


def rate_of(optimizer: Any) -> Any:
    """Return an optimizer's learning rate, which is a variable, a schedule or a function."""
    return optimizer._learning_rate
