"""Makes tokens of what only users' code may read: Keras has no use for it in a program, or each lane has its own of it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import keras

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.model.extras import extras_of
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


def extras_of_all(model: keras.Model, layers: Sequence[Any], every: Sequence[Tokens]) -> Hashable:
    """Return tokens of the attributes that the builder has set on parts of Keras' own classes, as far as code names them.

    Args:
        model: the model.
        layers: the model and all layers in it.
        every: what has read users' code: what makes the tokens of layers, of models, and maybe of the optimizer.

    Raises:
        UnfusableError: code reads an attribute of a weight that a program gives it in another form.
    """
    if not any(some.reads_others for some in every):
        return ()
    tokens, of_models, *of_optimizer = every
    for variable in model.variables:
        _refuse_read_otherwise(variable, every, of_optimizer)

    def may_read(name: str) -> bool:
        return any(some.may_read(name) for some in every)

    def read() -> Hashable:
        found: list[Hashable] = []
        parts = [(f'the layer "{layer.name}"', layer) for layer in layers]
        parts += [(f'the weight "{variable.path}"', variable) for variable in model.variables]
        for position, (what, part) in enumerate(parts):
            if extras := extras_of(part, may_read):
                its = of_models if isinstance(part, keras.Model) else tokens
                found.append((position, its.of(extras, what)))
        return tuple(found)

    found, before = read(), None
    while found != before:  # functions among them may name further ones
        found, before = read(), found
    return found


def _refuse_read_otherwise(variable: Any, every: Sequence[Tokens], of_optimizer: Sequence[Tokens]) -> None:
    """Raise if code reads an attribute of a weight that it finds in `fit` only, or in a program only.

    To update a weight, `fit` gives an optimizer the variable of TensorFlow that is in the weight, and a program the weight.
    """
    both = ((variable, of_optimizer), (variable.value, every))
    for part, readers in both:
        for name in extras_of(part, lambda name: any(one.may_read(name) for one in readers)):  # noqa: B023
            raise UnfusableError(
                f"its code may read the attribute `{name}` of the weight {variable.path}, which a program gives it in "
                "another form than Keras' fit"
            )
