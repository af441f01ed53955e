"""Says which losses and metrics of Keras the kernel computes, and by which of its measures."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainables.fused.internals.measures import Computed, computed_loss, computed_metrics
from trainables.fused.model.code import is_library
from trainables.native.expressions.formula import Expression, NoExpressionError
from trainables.native.expressions.translate import expression_of
from trainables.native.structures import Activation, Measure


class UnsupportedError(Exception):
    """The kernel cannot train the models; the message is the reason for the user."""


@dataclass(frozen=True)
class Measured:
    """A loss or a metric, as the kernel computes it.

    Attributes:
        measure: what is summed over rows.
        weighted: whether rows are weighted.
        value: the delta of Huber, or the threshold of an accuracy.
        smoothing: of labels.
        root: whether the root of the mean is the result.
        logits: the activation whose input the kernel takes; None if it takes the outputs.
        expression: its instructions, if it is an expression.
        has_signs: whether it takes a target of 0 for -1, as Keras does if all numbers of a batch are 0 or 1.
    """

    measure: Measure
    weighted: bool
    value: float = 0.0
    smoothing: float = 0.0
    root: bool = False
    logits: Activation | None = None
    expression: Expression | None = None
    has_signs: bool = False


_FUNCTIONS: dict[Any, Measure] = {
    keras.losses.mean_squared_error: Measure.MSE,
    keras.losses.mean_absolute_error: Measure.MAE,
    keras.losses.huber: Measure.HUBER,
    keras.losses.log_cosh: Measure.LOG_COSH,
    keras.losses.poisson: Measure.POISSON,
    keras.losses.mean_squared_logarithmic_error: Measure.MSLE,
    keras.losses.mean_absolute_percentage_error: Measure.MAPE,
    keras.losses.binary_crossentropy: Measure.BINARY_CROSSENTROPY,
    keras.losses.categorical_crossentropy: Measure.CATEGORICAL_CROSSENTROPY,
    keras.losses.sparse_categorical_crossentropy: Measure.SPARSE_CROSSENTROPY,
    keras.metrics.binary_accuracy: Measure.BINARY_ACCURACY,
    keras.metrics.categorical_accuracy: Measure.CATEGORICAL_ACCURACY,
    keras.metrics.sparse_categorical_accuracy: Measure.SPARSE_ACCURACY,
}

_DEFAULTS = {
    "from_logits": False,
    "label_smoothing": 0.0,
    "axis": -1,
    "delta": 1.0,
    "threshold": 0.5,
    "ignore_class": None,
}

_HINGES = {keras.losses.hinge: 1, keras.losses.squared_hinge: 2}
"""The powers of the margin."""

_OF_LOGITS = {
    Measure.BINARY_CROSSENTROPY: Activation.SIGMOID,
    Measure.CATEGORICAL_CROSSENTROPY: Activation.SOFTMAX,
    Measure.SPARSE_CROSSENTROPY: Activation.SOFTMAX,
}

_SPARSE = (Measure.SPARSE_CROSSENTROPY, Measure.SPARSE_ACCURACY)
_CLASSES = (Measure.CATEGORICAL_CROSSENTROPY, Measure.CATEGORICAL_ACCURACY)


def measures_of(
    model: keras.Model, outputs: int, target: np.ndarray, last: Activation
) -> tuple[list[Measured], list[int]]:
    """Return the loss and those metrics of a model that the kernel computes, and the position of each in the logs.

    The other metrics can be computed from the outputs.

    Args:
        model: a model that has seen a batch.
        outputs: numbers in a row of its output.
        target: some rows of the target.
        last: its last activation.

    Raises:
        UnsupportedError: the kernel does not compute the loss.
    """
    loss = computed_loss(model)
    if loss is None:
        raise UnsupportedError("the model has no loss, or several")
    if loss.reduction not in ("sum_over_batch_size", "mean"):
        raise UnsupportedError(f"the loss has the reduction {loss.reduction}")
    found, positions = [_measured(loss, outputs, target, last)], [0]
    for position, metric in enumerate(computed_metrics(model), 1):
        try:
            found.append(_measured(metric, outputs, target, last))
        except UnsupportedError:
            continue
        positions.append(position)
    return found, positions


def _measured(computed: Computed, outputs: int, target: np.ndarray, last: Activation) -> Measured:
    """Return a measure that the kernel has, or else an expression."""
    name = f"the loss `{_name(computed)}`" if computed.is_loss else f"the metric `{computed.name}`"
    try:
        return _known(computed, name, outputs, math.prod(target.shape[1:]), last)
    except UnsupportedError:
        if computed.rows is None or not (computed.is_loss or target.dtype == np.float32):
            raise
    try:
        return _expressed(computed, outputs, target.shape[1:], last)
    except NoExpressionError as error:
        raise UnsupportedError(f"{name} {error}") from error


def _expressed(computed: Computed, outputs: int, target: Sequence[int], last: Activation) -> Measured:
    power = _HINGES.get(computed.function, 0)
    has_signs = bool(power and computed.is_loss and is_library(getattr(computed.kind, "__module__", "")))
    rows: Any = functools.partial(_hinge, power) if has_signs else computed.rows
    activation = last if last in _OF_LOGITS.values() else Activation.LINEAR
    found = expression_of(rows, target, outputs, activation.name.lower(), computed.is_loss)
    return Measured(
        Measure.EXPRESSION,
        computed.weighted or computed.is_loss,
        logits=last if found.of_logits else None,
        expression=found,
        has_signs=has_signs,
    )


def _hinge(power: int, y: Any, predicted: Any) -> Any:
    """Return a hinge loss of each row. Keras' own looks at the whole batch for labels other than 0 and 1."""
    y = keras.ops.reshape(y, predicted.shape)
    signs = keras.ops.where(y == 0.0, -1.0, y)
    return keras.ops.mean(keras.ops.maximum(1.0 - signs * predicted, 0.0) ** power, axis=-1)


def _known(computed: Computed, name: str, outputs: int, targets: int, last: Activation) -> Measured:
    kind, function = computed.kind, computed.function
    if kind is not None and not kind.__module__.startswith("keras."):
        raise UnsupportedError(f"{name} is not one of Keras' own")
    is_root = kind is keras.metrics.RootMeanSquaredError
    if is_root:
        measure = Measure.MSE
    elif kind is keras.metrics.Accuracy:
        measure = Measure.EQUALITY
    elif function in _FUNCTIONS:
        measure = _FUNCTIONS[function]
    else:
        raise UnsupportedError(f"the kernel does not compute {name}")
    arguments = {**_DEFAULTS, **computed.arguments}
    if unknown := set(arguments) - set(_DEFAULTS):
        raise UnsupportedError(f"the kernel does not know the argument {min(unknown)} of {name}")
    if arguments["axis"] not in (-1, 1) or arguments["ignore_class"] is not None:
        raise UnsupportedError(f"the kernel does not know the arguments of {name}")
    wanted = _OF_LOGITS.get(measure)
    if (
        wanted is not None
        and last is not wanted
        and not (arguments["from_logits"] and last is Activation.LINEAR)
    ):
        raise UnsupportedError(f"{name} is not that of a {wanted.name.lower()} output or of logits")
    if measure in _SPARSE:
        fits = targets == 1 and outputs > 1
    elif measure in _CLASSES:
        fits = targets == outputs > 1
    else:
        fits = targets == outputs
    if not fits:
        raise UnsupportedError(f"{name} takes {targets} targets for {outputs} outputs")
    value = arguments["delta"] if measure is Measure.HUBER else arguments["threshold"]
    return Measured(
        measure,
        computed.weighted or computed.is_loss,
        float(value),
        float(arguments["label_smoothing"]),
        is_root,
        wanted,
    )


def _name(computed: Computed) -> str:
    return str(getattr(computed.function, "__name__", None) or getattr(computed.kind, "__name__", "loss"))
