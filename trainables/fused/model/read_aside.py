"""Makes tokens of what only users' code may read: Keras has no use for it in a program, or each lane has its own of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import keras

from trainables.fused.model.tokens import Tokens


def names_of(model: keras.Model, layers: Sequence[Any]) -> Hashable:
    """Return the names that users' code can read from what a program has only once, although Keras has no use for them."""
    variables = [*model.variables, *model.optimizer.variables]
    return (
        tuple(layer.name for layer in layers),
        model.optimizer.name,
        tuple((v.name, v.path) for v in variables),
    )


def regularizers_of(layers: Sequence[Any], tokens: Tokens) -> Hashable:
    """Return tokens of the regularizers of all layers and weights, with their strengths."""
    of_layers = [
        {name: value for name, value in vars(layer).items() if name.endswith("regularizer")}
        for layer in layers
    ]
    of_weights = [[v.regularizer for v in layer.trainable_variables] for layer in layers]
    return tokens.of((of_layers, of_weights), "the regularizers")
