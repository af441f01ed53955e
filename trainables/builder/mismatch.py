"""Finds activations, losses and metrics that do not fit each other, where Keras trains or measures nonsense in silence.

Only what is certain is told: a last layer of Keras' own, and losses and metrics of Keras.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from trainables.builder import target_range
from trainables.table.data import Table

_OF_ONEHOT = (keras.metrics.CategoricalAccuracy, keras.metrics.TopKCategoricalAccuracy)
_OF_CODES = (keras.metrics.SparseCategoricalAccuracy, keras.metrics.SparseTopKCategoricalAccuracy)
_FUNCTIONS: tuple[tuple[Any, type], ...] = (
    (keras.metrics.categorical_accuracy, _OF_ONEHOT[0]),
    (keras.metrics.top_k_categorical_accuracy, _OF_ONEHOT[1]),
    (keras.metrics.sparse_categorical_accuracy, _OF_CODES[0]),
    (keras.metrics.sparse_top_k_categorical_accuracy, _OF_CODES[1]),
)


def mismatches(model: keras.Model, loss: Any, width: int, shape: str, table: Table) -> dict[str, str]:
    """Return a sentence, without its period, for each part of a compiled model that does not fit the others.

    Args:
        model: it has one output.
        loss: as passed to `compile`.
        width: of the output; 0 if it is unknown.
        shape: in which the model takes the target, as in `trainables.builder.target`.
        table: the data.

    Returns:
        The sentences by the metric's name, or by "the loss" or "the activation".
    """
    last = _last_activation(model)
    return dict([*_of_loss(loss, width, shape, last), *_of_metrics(model, width, shape, last, table)])


def _of_loss(loss: Any, width: int, shape: str, last: str) -> Iterator[tuple[str, str]]:
    name, kind = target_range.name_of(loss), target_range.kind_of(loss, width)
    if last == "softmax" and width == 1:
        yield (
            "the activation",
            "the last activation is a softmax of one output, which is 1 in every row. Use a sigmoid for two classes, or "
            "give the last layer a unit for each class",
        )
    if kind in target_range.BINARY and last == "softmax" and width > 1:
        instead = "Use a sigmoid" if shape == "columns" else "For classes, use categorical_crossentropy"
        yield (
            "the loss",
            f"the loss {name} takes each of the {width} outputs for an answer of its own, yes or no, but the outputs of a "
            f"softmax add up to 1. {instead}",
        )
    if kind.endswith("crossentropy") and last == "linear" and _from_logits(loss) is False:
        layer = "sigmoid" if kind in target_range.BINARY else "softmax"
        yield (
            "the loss",
            f'the loss {name} needs probabilities, but the last layer has no activation. Give it activation="{layer}", or '
            f"compile with keras.losses.{_class_of(kind)}(from_logits=True)",
        )


def _of_metrics(
    model: keras.Model, width: int, shape: str, last: str, table: Table
) -> Iterator[tuple[str, str]]:
    for name, kind in _metrics_of(model):
        called = kind.__name__
        if issubclass(kind, (*_OF_ONEHOT, *_OF_CODES)) and width == 1:
            text = (
                f"the metric {called} looks for the largest output of a row, but the model has one output. Use accuracy or "
                "BinaryAccuracy"
            )
        elif issubclass(kind, _OF_ONEHOT) and shape == "flat" and width > 1:
            others = "accuracy or " if issubclass(kind, keras.metrics.CategoricalAccuracy) else ""
            text = (
                f"the metric {called} needs a one-hot target, but the loss takes codes, so its values mean nothing. Use "
                f"{others}Sparse{called}"
            )
        elif kind is keras.metrics.Accuracy and last in ("sigmoid", "softmax") and table.classes:
            text = (
                "the metric Accuracy asks whether outputs equal the target, which probabilities do not. Use accuracy in "
                'small letters: metrics=["accuracy"]'
            )
        else:
            continue
        yield name, text


def _metrics_of(model: keras.Model) -> Iterator[tuple[str, type]]:
    """Yield name and class of each metric of Keras that was given to `compile`."""
    from trainables.fused.internals.keras import given_to_compile

    given = given_to_compile(model)[1] or {}
    for leaf in keras.tree.flatten([given.get("metrics") or [], given.get("weighted") or []]):
        if leaf is None or str(leaf).lower() in ("accuracy", "acc", "crossentropy", "ce"):
            continue  # Keras chooses the ones that fit
        try:
            found = keras.metrics.get(leaf)
        except (TypeError, ValueError):
            continue
        kind = next((kind for function, kind in _FUNCTIONS if found is function), type(found))
        if kind.__module__.startswith("keras."):
            yield leaf if isinstance(leaf, str) else getattr(found, "name", None) or found.__name__, kind


def _from_logits(loss: Any) -> bool | None:
    """Return whether a loss of Keras takes its predictions for logits; None if that is not known."""
    if not isinstance(loss, keras.losses.Loss):
        return False  # the default of Keras' functions
    try:
        found = loss.get_config().get("from_logits")
    except (NotImplementedError, TypeError, ValueError):
        return None
    return None if found is None else bool(found)


def _class_of(kind: str) -> str:
    """Return the class of a loss by its name in small letters."""
    return next(name for name in dir(keras.losses) if name.lower() == kind)


def _last_activation(model: Any) -> str:
    """Return the name of the last activation if a layer of Keras applies it; else empty."""
    if isinstance(model, keras.Sequential):
        return _last_activation(model.layers[-1]) if model.layers else ""
    # Those of a functional model are in the order of the computation.
    if operations := getattr(model, "operations", None):
        return _last_activation(operations[-1])
    if type(model) is keras.layers.Softmax:
        return "softmax"
    if type(model) in (keras.layers.Dense, keras.layers.Activation):
        return str(getattr(model.activation, "__name__", ""))
    return ""
