"""Reads from a built model which functions its loss and its metrics compute, and with which arguments.

Based on the source of Keras 3.15.1.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import keras

from trainables.fused.internals.private import Private, check, part

_LOSSES = "keras.src.losses.losses"
_ONE = "keras.src.trainers.compile_utils:CompileLoss.Loss"

NAMES = (
    Private(
        _LOSSES,
        "LossFunctionWrapper",
        "the base of Keras' own losses, and what `compile` makes of a function",
    ),
    Private(_ONE, "loss", "the loss of an output, as an object"),
    Private(_ONE, "loss_weights", "its factor of `compile(loss_weights=...)`"),
)

check(NAMES, every_engine=True)

_LossFunction: Any = part(f"{_LOSSES}:LossFunctionWrapper")


@dataclass(frozen=True)
class Computed:
    """A loss or a metric.

    Attributes:
        name: of the metric in the logs; "loss" for the loss.
        kind: the class; None for a function.
        function: the function of targets and outputs that it computes; None if it is no mean of one.
        arguments: the function's other arguments.
        reduction: of a loss.
        weighted: whether it is a metric that weighs its rows.
        rows: what makes the values of the rows of targets and outputs; None if that is not all that is computed.
        is_loss: whether it is a loss.
    """

    name: str
    kind: type | None
    function: Any
    arguments: Mapping[str, Any]
    reduction: str = "sum_over_batch_size"
    weighted: bool = False
    rows: Callable[[Any, Any], Any] | None = None
    is_loss: bool = False


def computed_loss(model: keras.Model) -> Computed | None:
    """Return the loss of a model of one output that has seen a batch; None if it has no loss, or several."""
    flat = _compiled_losses(model)
    return _computed(flat[0].loss) if len(flat) == 1 and flat[0].loss_weights is None else None


def computed_losses(model: keras.Model) -> list[Computed] | None:
    """Return the losses of all outputs of a model that has seen a batch; None if they have other weights than numbers.

    The model's loss is their sum, each times its weight.
    """
    flat = _compiled_losses(model)
    are_numbers = all(isinstance(one.loss_weights, int | float | None) for one in flat)
    return [_computed(one.loss) for one in flat] if are_numbers else None


def _compiled_losses(model: keras.Model) -> list[Any]:
    losses = model._compile_loss
    return [] if losses is None else losses._flat_losses or []


def _computed(loss: Any) -> Computed:
    if not isinstance(loss, keras.losses.Loss):
        return Computed("loss", None, loss, {}, is_loss=True)
    function, arguments = wrapped(loss)
    is_mean = type(loss).__call__ is keras.losses.Loss.__call__ and loss.dtype == "float32"
    rows = loss.call if is_mean else None
    return Computed(
        "loss", type(loss), function, dict(arguments), str(loss.reduction), rows=rows, is_loss=True
    )


def wrapped(loss: keras.losses.Loss) -> tuple[Any, Mapping[str, Any]]:
    """Return the function that a loss computes and its other arguments; None and no arguments if it is of another kind."""
    if isinstance(loss, _LossFunction):
        return loss.fn, loss._fn_kwargs
    return getattr(loss, "fn", None), {}  # the user's name for one


def weighted_of(compiled: Any) -> set[int]:
    """Return the `id` of each metric that weights rows, of the compiled metrics of a model that has seen a batch."""
    return {id(one) for group in compiled._flat_weighted_metrics if group for one in group.metrics}


def computed_metrics(model: keras.Model) -> list[Computed]:
    """Return the metrics of a model of one output that has seen a batch, in the order of its logs."""
    compiled = model._compile_metrics
    if compiled is None:
        return []
    weighted = weighted_of(compiled)
    found = []
    for one in compiled.metrics:
        is_mean = isinstance(one, keras.metrics.MeanMetricWrapper)
        function, arguments = (one._fn, one._fn_kwargs) if is_mean else (None, {})
        found.append(
            Computed(
                one.name,
                type(one),
                function,
                dict(arguments),
                weighted=id(one) in weighted,
                rows=_rows_of(one),
            )
        )
    return found


def _rows_of(metric: Any) -> Callable[[Any, Any], Any] | None:
    if type(metric) is not keras.metrics.MeanMetricWrapper or metric.dtype != "float32":
        return None
    return functools.partial(metric._fn, **metric._fn_kwargs)
