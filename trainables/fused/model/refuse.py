"""Finds out whether a program can train a built model at all, and says why not."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.keras import clip_of
from trainables.fused.internals.models import given_to_compile, rate_of
from trainables.fused.model.parts import leaves_of
from trainables.fused.model.proven import ELEMENTWISE, why_unproven

SEED = "seed_generator_state"
"""The end of the path of a variable that holds the seed of random draws."""

MAX_WEIGHTS = 250_000
"""The number of weights above which training several models at once is not faster."""


def refuse(model: keras.Model, layers: Sequence[Any]) -> None:
    """Raise if a program cannot train `model`; `layers` are the model and all layers in it.

    Raises:
        UnfusableError: the message is the reason for the user.
    """
    kind = type(model)
    for name in ("train_step", "test_step", "fit", "evaluate", "make_train_function", "make_test_function"):
        if getattr(kind, name) is not getattr(keras.Model, name):
            raise UnfusableError(f"the model has a {name} of its own")
    if model.run_eagerly:
        raise UnfusableError("the model is compiled with run_eagerly=True")
    if tf.config.functions_run_eagerly():
        raise UnfusableError("tf.config.run_functions_eagerly(True) is set, and a program is a graph")
    for name in ("max_epochs", "max_steps_per_epoch"):
        if limit := getattr(keras.config, name)():
            raise UnfusableError(f"keras.config.{name}() is {limit}, and only Keras' own fit keeps to that")
    if model.jit_compile and any(v.path.endswith(SEED) for v in model.variables):
        raise UnfusableError("the model is compiled with jit_compile=True, which changes its random numbers")
    if not model.built:
        raise UnfusableError("the model is not built before its first batch")
    if not model.trainable_variables:
        unbuilt = [layer.name for layer in layers if not layer.built]
        if unbuilt:
            raise UnfusableError(f'the layer "{unbuilt[0]}" is not built before its first batch')
        raise UnfusableError("the model has nothing to train")
    if (count := model.count_params()) > MAX_WEIGHTS:
        raise UnfusableError(f"a model of {count:,} weights keeps a core busy by itself")
    _refuse_other_dtypes(model, layers)
    for layer in layers:
        if isinstance(layer, keras.layers.RNN):
            raise UnfusableError(
                f"a recurrent layer ({type(layer).__name__}) cannot be vectorized over models"
            )
        if isinstance(layer, keras.layers.Conv1D | keras.layers.Conv2D | keras.layers.Conv3D):
            raise UnfusableError(
                f"a convolution ({type(layer).__name__}) cannot have a filter for each model"
            )
    for layer in layers:
        if isinstance(layer, keras.layers.Normalization) and _is_changed(layer):
            raise UnfusableError(f'the mean or the variance of the layer "{layer.name}" was set by hand')
    _refuse_unproven(model, layers)
    optimizer = model.optimizer
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer) or optimizer.loss_scale_factor:
        raise UnfusableError("the optimizer scales the loss")
    if optimizer.use_ema or optimizer.gradient_accumulation_steps:
        raise UnfusableError("the optimizer averages weights or accumulates gradients over steps")
    if int(optimizer.iterations.numpy()):
        raise UnfusableError("the builder has trained the model already")
    clips = clip_of(optimizer) is not None
    if any(map(_has_sparse_gradient, layers)) and (clips or type(optimizer) not in ELEMENTWISE):
        does = "clips gradients" if clips else f"({type(optimizer).__name__}) is not elementwise"
        raise UnfusableError(f"the optimizer {does}, and the gradient of an Embedding is sparse")


def moments_of(layer: keras.layers.Normalization) -> tuple[np.ndarray | None, np.ndarray | None]:
    """Return the mean and the variance that a normalization computes with; None for one that has none yet."""
    found = (getattr(layer, name, None) for name in ("mean", "variance"))
    mean, variance = (
        None if part is None else np.asarray(keras.ops.convert_to_numpy(part)) for part in found
    )
    return mean, variance


def _is_changed(layer: keras.layers.Normalization) -> bool:
    """Return whether an adapted normalization computes with other numbers than those that it keeps."""
    kept = getattr(layer, "adapt_mean", None), getattr(layer, "adapt_variance", None)
    return any(
        variable is not None
        and part is not None
        and not np.array_equal(np.ravel(variable.numpy()), np.ravel(part))
        for variable, part in zip(kept, moments_of(layer), strict=True)
    )


def _refuse_other_dtypes(model: keras.Model, layers: Sequence[Any]) -> None:
    if (floatx := keras.config.floatx()) != "float32":
        raise UnfusableError(f"keras.config.floatx() is {floatx}, and a program computes in float32")
    for layer in layers:
        if (dtype := layer.compute_dtype) not in (None, "float32"):
            raise UnfusableError(
                f'the layer "{layer.name}" computes in {dtype} ({layer.dtype_policy.name}), and a program in float32'
            )
    if any(v.dtype != "float32" for v in model.trainable_variables):
        raise UnfusableError("the model's weights are not all float32")


def _refuse_unproven(model: keras.Model, layers: Sequence[Any]) -> None:
    parts: list[tuple[str, Any]] = [("optimizer", model.optimizer), ("schedule", rate_of(model.optimizer))]
    for layer in layers:
        parts += [("layer", layer), ("regularizer", layer.activity_regularizer)]
        if isinstance(activation := getattr(layer, "activation", None), types.FunctionType):
            parts.append(("activation", activation))
    for variable in model.trainable_variables:
        parts += [("regularizer", variable.regularizer), ("constraint", variable.constraint)]
    for word, items in zip(("loss", "metric"), given_to_compile(model), strict=True):
        parts += [(word, item) for item in leaves_of(items)]
    for word, item in parts:
        if isinstance(item, keras.Variable) or item is None:
            continue
        if why := why_unproven(word, item):
            raise UnfusableError(why)


def _has_sparse_gradient(layer: Any) -> bool:
    if not isinstance(layer, keras.layers.Embedding):
        return False
    return layer.trainable and layer.embeddings_regularizer is None
