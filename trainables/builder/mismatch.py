"""Finds activations, losses and metrics that do not fit each other, although Keras trains and measures with them.

Only what is certain is told: a last layer of Keras' own, and losses and metrics of Keras.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from trainables.builder import target_range
from trainables.table.data import Table
from trainables.table.targets import MAX_CODES

_OF_ONEHOT = (keras.metrics.CategoricalAccuracy, keras.metrics.TopKCategoricalAccuracy)
_OF_CODES = (keras.metrics.SparseCategoricalAccuracy, keras.metrics.SparseTopKCategoricalAccuracy)
_HINGES = ("hinge", "squaredhinge")
_CHOSEN = ("accuracy", "acc")
"""Names for which Keras chooses the accuracy that fits the shapes."""
_FUNCTIONS: tuple[tuple[Any, type], ...] = (
    (keras.metrics.binary_accuracy, keras.metrics.BinaryAccuracy),
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
        The sentences by the metric's name, or by "the target", "the loss" or "the activation".
    """
    last = _last_keras_activation(model)
    return dict(
        [
            *_of_target(loss, width, table),
            *_of_loss(loss, width, shape, last),
            *_of_metrics(model, loss, width, shape, last, table),
        ]
    )


def _of_target(loss: Any, width: int, table: Table) -> Iterator[tuple[str, str]]:
    name, kind = target_range.name_of(loss), target_range.kind_of(loss, width)
    if target_range.are_unnamed(table, kind, width):
        yield (
            "the target",
            f'the loss {name} takes the target "{table.target}" for classes, but it is learned as amounts, because it has '
            f"more than {MAX_CODES} whole numbers. Write task: multiclass under data, so that predictions name the classes",
        )
    if width == 1 and loss is not None and not kind and target_range.are_names(table):
        yield (
            "the target",
            f"{target_range.codes_mean_nothing(table)} they mean nothing unless the loss {name} takes them for classes",
        )
    elif width == 1 and kind and target_range.takes_codes(kind, table):
        yield (
            "the target",
            f'the loss {name} takes the {len(table.classes)} classes of the target "{table.target}" for the amounts 0 to '
            f"{len(table.classes) - 1}. For classes without an order, use sparse_categorical_crossentropy, and give the "
            f"last layer {len(table.classes)} units with a softmax",
        )


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
    model: keras.Model, loss: Any, width: int, shape: str, last: str, table: Table
) -> Iterator[tuple[str, str]]:
    are_amounts = not table.classes and not _are_answers(table)
    for name, kind, threshold in _metrics_of(model, width, shape):
        called = kind.__name__ if name.lower() not in _CHOSEN else name
        if issubclass(kind, keras.metrics.FBetaScore):
            text = _of_f_score(called, threshold, loss, width, shape, last)
        elif issubclass(kind, keras.metrics.BinaryAccuracy):
            text = _of_binary_accuracy(called, threshold, loss, width, last, table) if width == 1 else ""
        elif issubclass(kind, (*_OF_ONEHOT, *_OF_CODES)) and width == 1:
            text = (
                f"the metric {called} looks for the largest output of a row, but the model has one output. Use "
                f"{'mae' if are_amounts else 'accuracy or BinaryAccuracy'}"
            )
        elif (
            issubclass(kind, _OF_ONEHOT) and shape == "columns" and table.task in ("regression", "multilabel")
        ):
            of_amounts = table.task == "regression"
            text = (
                f"the metric {called} asks which output of a row is the largest, but each output is "
                f"{'an amount. Use mae' if of_amounts else 'an answer of its own. Use BinaryAccuracy'}"
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
        if text:
            yield name, text


def _of_f_score(called: str, threshold: Any, loss: Any, width: int, shape: str, last: str) -> str:
    """Return what is wrong with an F score, which takes the largest output of a row for a yes unless it has a threshold."""
    if threshold is not None:
        return ""
    if width == 1:
        needs = "Give the last layer a sigmoid, and use" if last == "linear" and _from_logits(loss) else "Use"
        return (
            f"the metric {called} has no threshold, so it takes the largest output of a row for a yes. The model has one "
            f"output, so every row counts as a yes. {needs} {called}(threshold=0.5)"
        )
    if shape == "columns" and last == "sigmoid":
        return (
            f"the metric {called} has no threshold, so it takes only the largest output of a row for a yes, but each of the "
            f"{width} outputs is an answer of its own. Give it threshold=0.5"
        )
    return ""


def _of_binary_accuracy(called: str, threshold: Any, loss: Any, width: int, last: str, table: Table) -> str:
    """Return what is wrong with the accuracy of one output, which asks whether 0 or 1 equals the target."""
    name, is_hinge = target_range.name_of(loss), target_range.kind_of(loss, width) in _HINGES
    if not _are_answers(table):
        values = np.concatenate([table.y_train, table.y_test])
        odd = values[(values != 0) & (values != 1)]
        what = f"the metric {called} compares the target with 0 and 1, so a target of {odd.flat[0]:g} counts as wrong"
        if not np.isin(values, (-1, 1)).all():
            return f"{what}. Use mae"
        if is_hinge:
            # Keras itself turns 0 and 1 into -1 and 1 for these losses.
            also = f", which the loss {name} takes too"
            return f"{what}. Write task: binary under data{also}, and use BinaryAccuracy(threshold=0)"
        return f"{what}. Use mae, or write task: binary under data"
    if threshold == 0.5 and last in ("linear", "tanh") and (is_hinge or _from_logits(loss)):
        return (
            f"the metric {called} takes an output above 0.5 for a yes, but for the loss {name} it is one above 0. Use "
            "BinaryAccuracy(threshold=0)"
        )
    return ""


def _are_answers(table: Table) -> bool:
    """Return whether the target is 0 or 1 in every row."""
    return all(bool(np.isin(y, (0, 1)).all()) for y in (table.y_train, table.y_test))


def _metrics_of(model: keras.Model, width: int, shape: str) -> Iterator[tuple[str, type, Any]]:
    """Yield name, class and threshold of each metric of Keras that was given to `compile`; None for no threshold."""
    from trainables.fused.internals.models import given_to_compile

    given = given_to_compile(model)[1] or {}
    for leaf in keras.tree.flatten([given.get("metrics") or [], given.get("weighted") or []]):
        if leaf is None or str(leaf).lower() in ("crossentropy", "ce"):
            continue  # Keras chooses the one that fits
        if str(leaf).lower() in _CHOSEN:
            if width == 1:
                yield str(leaf), keras.metrics.BinaryAccuracy, 0.5
            elif shape == "columns":
                yield str(leaf), keras.metrics.CategoricalAccuracy, None
            continue
        try:
            found = keras.metrics.get(leaf)
        except (TypeError, ValueError):
            continue
        kind = next((kind for function, kind in _FUNCTIONS if found is function), type(found))
        if kind.__module__.startswith("keras."):
            threshold = 0.5 if found is keras.metrics.binary_accuracy else getattr(found, "threshold", None)
            name = leaf if isinstance(leaf, str) else getattr(found, "name", None) or found.__name__
            yield name, kind, threshold


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


def _last_keras_activation(model: Any) -> str:
    """Return the name of the last activation if a layer of Keras applies it; else empty."""
    if isinstance(model, keras.Sequential):
        return _last_keras_activation(model.layers[-1]) if model.layers else ""
    # Those of a functional model are in the order of the computation.
    if operations := getattr(model, "operations", None):
        return _last_keras_activation(operations[-1])
    if type(model) is keras.layers.Softmax:
        return "softmax"
    if type(model) in (keras.layers.Dense, keras.layers.Activation):
        return str(getattr(model.activation, "__name__", ""))
    return ""
