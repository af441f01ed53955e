"""Describes a built model: what determines its program, and the values that may differ within one program.

Terminology
    lane        one model of those that a program works on at once
    signature   everything on which the traced program depends: layers, their settings and connections, loss,
                metrics, shapes. Models with equal signatures can be lanes of one program.
    number      a float that may differ from lane to lane: a learning rate, a regularizer's strength, a dropout
                rate, an optimizer's momentum
    variant     the layers' activation functions: a program can switch between several
    optimizer   the optimizer's class and its other settings; a program can contain several
    initial     the values of all variables before training

None of these contains initializers, because they have no effect besides the initial values.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.keras import calls_of, decays, given_to_compile, layers_of, rate_of
from trainables.fused.model.tokens import is_plain, token

OPTIMIZER_NUMBERS = (
    "beta_1",
    "beta_2",
    "clipnorm",
    "clipvalue",
    "epsilon",
    "global_clipnorm",
    "momentum",
    "rho",
    "weight_decay",
)
"""Settings of optimizers that may differ from lane to lane, except that zero and None need optimizers of their own."""

LAYER_NUMBERS = {keras.layers.Dropout: "rate", keras.layers.GaussianNoise: "stddev"}
"""Settings of layers that may differ from lane to lane, if above zero."""

RATE = "learning_rate"

SEED = "seed_generator_state"
"""The end of the path of a variable that holds the seed of random draws."""

MAX_WEIGHTS = 250_000
"""The number of weights above which training several models at once is not faster."""


@dataclass(frozen=True)
class Described:
    """The description of one built model.

    Attributes:
        signature, variant, optimizer: see the module's terminology.
        numbers: by key: "learning_rate", "optimizer.momentum", "layer.3.rate", "penalty.0.l1". The number in
            a key is the position of the layer or of the trainable variable.
        initial: the values of the trainable variables, then those of the other variables.
    """

    signature: tuple[Hashable, ...]
    variant: Hashable
    optimizer: Hashable
    numbers: Mapping[str, float]
    initial: tuple[np.ndarray, ...]


def describe(model: keras.Model) -> Described:
    """Return the description of `model`, which must be as its builder returned it.

    Raises:
        UnfusableError: only the model's own `fit` can train it.
    """
    _refuse(model)
    numbers: dict[str, float] = {}
    layers = layers_of(model)
    signature = [token(type(model))]
    variant: list[Hashable] = []
    for position, layer in enumerate(layers):
        signature.append(_layer_token(layer, position, numbers, variant))
    signature += [_topology(item) for item in layers]
    for position, variable in enumerate(model.trainable_variables):
        signature.append((tuple(variable.shape), variable.dtype, token(variable.constraint)))
        signature.append(_penalty(variable.regularizer, position, numbers))
    signature += [(tuple(v.shape), v.dtype) for v in model.non_trainable_variables]
    signature.append(token(given_to_compile(model)))
    optimizer = _optimizer_token(model.optimizer, numbers), decayed(model)
    initial = tuple(v.numpy() for v in [*model.trainable_variables, *model.non_trainable_variables])
    return Described(tuple(signature), tuple(variant), optimizer, numbers, initial)


def _refuse(model: keras.Model) -> None:
    kind = type(model)
    for name in ("train_step", "test_step", "fit", "evaluate", "make_train_function", "make_test_function"):
        if getattr(kind, name) is not getattr(keras.Model, name):
            raise UnfusableError(f"the model has a {name} of its own")
    if model.run_eagerly:
        raise UnfusableError("the model is compiled with run_eagerly=True")
    if model.jit_compile and any(v.path.endswith(SEED) for v in model.variables):
        raise UnfusableError("the model is compiled with jit_compile=True, which changes its random numbers")
    if not model.built:
        raise UnfusableError("the model is not built before its first batch")
    if not model.trainable_variables:
        raise UnfusableError("the model has nothing to train")
    if (count := model.count_params()) > MAX_WEIGHTS:
        raise UnfusableError(f"a model of {count:,} weights keeps a core busy by itself")
    if any(v.dtype != "float32" for v in model.trainable_variables):
        raise UnfusableError("the model's weights are not all float32")
    for layer in layers_of(model):
        if isinstance(layer, keras.layers.RNN):
            raise UnfusableError(
                f"a recurrent layer ({type(layer).__name__}) cannot be vectorized over models"
            )
        if isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Conv3D):
            raise UnfusableError(
                f"a convolution ({type(layer).__name__}) cannot have a filter for each model"
            )
    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) or optimizer.loss_scale_factor:
        raise UnfusableError("the optimizer scales the loss")
    if optimizer.use_ema or optimizer.gradient_accumulation_steps:
        raise UnfusableError("the optimizer averages weights or accumulates gradients over steps")


def _layer_token(layer: Any, position: int, numbers: dict[str, float], variant: list[Hashable]) -> Hashable:
    """Return what a layer adds to the signature. Add its numbers to `numbers` and its activation to `variant`."""
    if isinstance(layer, keras.Model):  # its layers and their connections are described separately
        config: Any = {}
    else:
        try:
            config = dict(layer.get_config())
        except (NotImplementedError, TypeError, ValueError) as error:
            if type(layer).__module__.startswith("keras."):
                raise UnfusableError(
                    f'the layer "{layer.name}" has no usable get_config ({error})'
                ) from error
            config = {}
    for key in list(config):
        # The variable has a weight's regularizer too; `_penalty` describes it from there.
        if key.endswith("_regularizer") and key != "activity_regularizer":
            del config[key]
    if isinstance(layer, keras.layers.Embedding):  # else the gradient is sparse: optimizers differ
        config["is_regularized"] = layer.embeddings_regularizer is not None
    for kind, name in LAYER_NUMBERS.items():
        if type(layer) is kind and config.get(name, 0) > 0:
            numbers[f"layer.{position}.{name}"] = float(config.pop(name))
    if type(layer).__module__.startswith("keras."):
        if not isinstance(getattr(layer, "activation", None), keras.layers.Layer):  # which may have weights
            config.pop("activation", None)
            variant.append(token(getattr(layer, "activation", None)))
        if isinstance(layer, keras.layers.Lambda):  # its configuration has only the function's name
            config["function"] = token(layer.function)
        return token(type(layer)), token(config), layer.trainable
    return token(type(layer)), token(config), token(python_state(layer)), layer.trainable


def python_state(layer: Any) -> dict[str, Any]:
    """Return the attributes of a layer that are plain Python data and not Keras' own."""
    return {
        name: value
        for name, value in vars(layer).items()
        if not name.startswith("_") and name not in _KERAS_ATTRIBUTES and is_plain(value)
    }


_KERAS_ATTRIBUTES = {"name", "built", "seed", *vars(keras.layers.Layer())}


def _topology(model: Any) -> Hashable:
    """Return how the operations of a functional model are connected; empty for other models and for layers."""
    calls = calls_of(model)
    positions = (
        {id(operation): position for position, operation in enumerate(model.operations)} if calls else {}
    )
    found = []
    for call in calls:
        operation = call.operation
        own = () if isinstance(operation, keras.layers.Layer) else token(python_state(operation))
        found.append(
            (positions[id(operation)], token(type(operation)), own, call.sources, token(call.others))
        )
    return tuple(found)


def _penalty(regularizer: Any, position: int, numbers: dict[str, float]) -> Hashable:
    kinds = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
    if regularizer is not None and type(regularizer) not in kinds:
        return token(regularizer)
    for name in ("l1", "l2"):
        numbers[f"penalty.{position}.{name}"] = float(getattr(regularizer, name, 0.0))
    return ("l1l2",)


def _optimizer_token(optimizer: Any, numbers: dict[str, float]) -> Hashable:
    config = dict(optimizer.get_config())
    rate = config.pop(RATE)
    schedule = rate_of(optimizer)
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        config["schedule"] = schedule
        rate = float(schedule(0))
    elif not isinstance(schedule, keras.Variable):
        raise UnfusableError("the learning rate is a function")
    numbers[RATE] = float(rate)
    for name in OPTIMIZER_NUMBERS:
        value = config.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool):
            numbers[f"optimizer.{name}"] = float(value)
            config[name] = value != 0
    return token(type(optimizer)), token(config)


def decayed(model: keras.Model) -> tuple[bool, ...]:
    """Return which trainable variables the optimizer's weight decay applies to."""
    optimizer = model.optimizer
    return tuple(
        optimizer.weight_decay is not None and decays(optimizer, v) for v in model.trainable_variables
    )
