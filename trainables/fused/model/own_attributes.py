"""Says which attributes of layers and models are not Keras' own."""

from __future__ import annotations

import functools
from types import FunctionType
from typing import Any

import keras
import tensorflow as tf

from trainables.fused.internals.models import specimen
from trainables.fused.model.code import home_of, is_library, names_in
from trainables.fused.model.reads import read_by_users
from trainables.fused.model.tokens import token
from trainables.fused.model.values import attributes_of


@functools.cache
def _attributes_of_keras(are_models: bool) -> frozenset[str]:
    """Return the names of the attributes that Keras gives to models, or to layers."""
    made: list[Any] = [keras.layers.Layer(name="specimen_layer")]
    if are_models:
        inputs = keras.Input((1,), name="specimen_input")
        made += [specimen(), keras.Sequential([inputs], name="specimen")]
    return frozenset(name for layer in made for name in vars(layer))


def own_names(layer: Any) -> set[str]:
    """Return the names of the attributes that a user's layer or model has besides those of Keras.

    An attribute of Keras counts as well if a class of the user sets it: it may have another meaning there.
    """
    kind, set_by_users = type(layer), set[str]()
    for base in kind.__mro__:
        if not is_library(home_of(base)):
            functions = [value.__code__ for value in vars(base).values() if isinstance(value, FunctionType)]
            set_by_users.update(*(names_in(code).stored for code in functions))
    of_keras = _attributes_of_keras(isinstance(layer, keras.Model)) - {"name", "_name"} - set_by_users
    return read_by_users(kind, attributes_of(layer).keys() - of_keras)


def python_state(layer: Any) -> dict[str, Any]:
    """Return tokens of the attributes of a layer that are not Keras' own, without those that hold tensors."""
    return {
        name: token(value, f'the layer "{layer.name}"')
        for name, value in attributes_of(layer).items()
        if name in own_names(layer) and not _holds_tensors(value)
    }


def _holds_tensors(value: Any) -> bool:
    kinds = (
        keras.Variable,
        keras.layers.Layer,
        keras.KerasTensor,
        tf.Tensor,
        tf.Variable,
        keras.random.SeedGenerator,
    )
    return any(isinstance(leaf, kinds) for leaf in keras.tree.flatten(value))
