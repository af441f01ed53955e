"""Says of a built model which of its parts are the user's, for every engine."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any

import keras
import tensorflow as tf

from trainables.fused.internals.models import given_to_compile, layers_of, rate_of
from trainables.fused.model.code import home_of, is_foundation

_WRAPPERS = (keras.metrics.MeanMetricWrapper, keras.layers.Lambda)
"""Classes of Keras whose objects hold a function."""


def leaves_of(given: Any) -> list[Any]:
    """Return the losses or metrics among what was passed to `compile`, without the weights of losses."""
    if isinstance(given, Mapping):
        given = [value for key, value in given.items() if key != "weights"]
    if isinstance(given, list | tuple):
        return [leaf for item in given for leaf in leaves_of(item)]
    return [] if given is None else [given]


def metrics_of(model: keras.Model) -> list[Any]:
    """Return the metrics that were passed to `compile`."""
    return leaves_of(given_to_compile(model)[1])


def has_users_parts(model: keras.Model) -> bool:
    """Return whether the model has a layer, a function, a loss, a metric or an optimizer that is not Keras' own."""
    parts = [part for part in leaves_of(given_to_compile(model)) if not isinstance(part, str)]
    for layer in layers_of(model):
        parts += [layer, getattr(layer, "activation", None), layer.activity_regularizer]
    for variable in model.trainable_variables:
        parts += [variable.regularizer, variable.constraint]
    parts += [model.optimizer, rate_of(model.optimizer)]
    return any(map(is_users, parts))


def has_operations(model: keras.Model) -> bool:
    """Return whether the model applies functions of `keras.ops` outside of layers, such as the maximum of a batch."""
    functional = [layer for layer in layers_of(model) if isinstance(layer, keras.Model)]
    operations = [operation for one in functional for operation in getattr(one, "operations", ())]
    return not all(isinstance(operation, keras.layers.Layer) for operation in operations)


def may_refuse_rows(model: keras.Model) -> bool:
    """Return whether the model may raise an error for some values of the features, as an Embedding does."""
    has_positions = any(isinstance(layer, keras.layers.Embedding) for layer in layers_of(model))
    return has_positions or has_users_parts(model) or has_operations(model)


def is_users(part: Any) -> bool:
    """Return whether a part of a model is not Keras' own, or wraps a function that may not be. None is no part."""
    if isinstance(part, tf.types.experimental.PolymorphicFunction) or type(part) in _WRAPPERS:
        return True
    return part is not None and not is_foundation(_module_of(part))


def _module_of(part: Any) -> str:
    kind = part if isinstance(part, type | types.FunctionType) else type(part)
    return home_of(kind)
