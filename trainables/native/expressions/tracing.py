"""Traces a function of targets and outputs, and the gradient of its values, as a graph of TensorFlow's operations."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from trainables.error_text import cause_of
from trainables.fused.internals.errors import raise_ours
from trainables.fused.internals.keras import mask_of
from trainables.native.expressions.formula import NoExpressionError

_RANDOM = ("Random", "Multinomial", "Truncated")


@dataclass(frozen=True)
class Traced:
    """A graph.

    Attributes:
        function: what holds it.
        rows: its number of rows, a power of two that is no other size.
        targets, outputs, logits: its inputs; the logits are the outputs if no activation is before these.
        value: a number for each row, or the mean over the rows: float32, shape (rows,) or ().
        gradient: of the sum over the rows, float32, shape (rows, outputs); None if none was wanted.
        of_logits: whether that is the gradient of the logits.
        is_one: whether the function makes one number for each row.
    """

    function: Any
    rows: int
    targets: Any
    outputs: Any
    logits: Any
    value: Any
    gradient: Any
    of_logits: bool
    is_one: bool


def traced(
    call: Callable[[Any, Any], Any],
    rows: int,
    target: Sequence[int],
    outputs: int,
    activation: str,
    is_loss: bool,
) -> Traced:
    """Trace a function.

    Args:
        call: returns one or several numbers for each row, or their mean, given targets and outputs.
        rows: how many rows the targets and the outputs have.
        target: the shape of a row of the target.
        outputs: numbers in a row of the output.
        activation: of the output; some functions of Keras take its input instead.
        is_loss: whether the gradient is wanted.

    Raises:
        NoExpressionError: it cannot be traced, or has effects.
        InternalsError: tracing failed for a reason that is not in the function.
    """
    found: dict[str, Any] = {}

    def whole(y: Any, z: Any) -> list[Any]:
        p = z if activation == "linear" else keras.activations.get(activation)(z)
        made = call(y, p)
        if (
            mask_of(made) is not None
        ):  # such as `ignore_class`: Keras divides by the number of the other rows of a batch
            raise NoExpressionError("ignores some rows of a batch")
        value = tf.convert_to_tensor(made)
        if value.dtype != tf.float32:
            value = tf.cast(value, tf.float32)
        if value.shape.rank is None or (value.shape.rank and value.shape[0] != rows):
            raise NoExpressionError("gives no number for each row")
        is_one = tuple(value.shape[1:]) in ((), (1,)) and value.shape.rank > 0
        if value.shape.rank > 1:
            value = tf.reduce_mean(value, axis=list(range(1, value.shape.rank)))
        found.update(y=y, z=z, p=p, value=value, gradient=None, of_logits=False, is_one=is_one)
        if is_loss:
            start = tf.ones_like(value) if value.shape.rank else tf.constant(float(rows))
            found["of_logits"] = p is not z and tf.gradients(value, z, stop_gradients=[p])[0] is not None
            found["gradient"] = tf.gradients(value, z if found["of_logits"] else p, grad_ys=start)[0]
            if found["gradient"] is None:
                raise NoExpressionError("does not depend on the outputs")
        return [value, *([tf.convert_to_tensor(found["gradient"])] if is_loss else [])]

    of_rows = [tf.TensorSpec((rows, *target)), tf.TensorSpec((rows, outputs))]
    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)  # so that a function inside becomes a part of this graph
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            function = tf.compat.v1.wrap_function(whole, of_rows)
    except NoExpressionError:
        raise
    except Exception as error:  # the function is the user's
        raise_ours(error)
        raise NoExpressionError(f"cannot be traced: {cause_of(error)}") from error
    finally:
        tf.config.run_functions_eagerly(eagerly)
    for operation in function.graph.get_operations():
        if operation.op_def.is_stateful:
            raise NoExpressionError(_of_state(operation.type))
    value, *gradient = function.outputs
    return Traced(
        function,
        rows,
        found["y"],
        found["p"],
        found["z"],
        value,
        gradient[0] if gradient else None,
        found["of_logits"],
        found["is_one"],
    )


def rows_for(*sizes: int) -> int:
    """Return a number of rows that none of the sizes in a graph should be by chance."""
    return max(64, 2 ** math.ceil(math.log2(8 * sum(sizes))))


def _of_state(kind: str) -> str:
    if kind in ("ReadVariableOp", "VarHandleOp", "VariableV2"):
        return "reads a variable"
    if any(part in kind for part in _RANDOM):
        return "draws random numbers"
    return f"has the operation {kind}, which does more than compute"
