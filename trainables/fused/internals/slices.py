"""Reads and replaces rows of an array by XLA's operations, where the first row is known only at run time.

Based on the source of TensorFlow 2.21.0. Its public interface has no such operations.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from trainables.fused.internals.private import Private, check, part

_OPERATIONS = "tensorflow.compiler.tf2xla.ops.gen_xla_ops"

NAMES = (
    Private(_OPERATIONS, "xla_dynamic_slice", "`tf.slice`, which XLA would turn into a gather"),
    Private(_OPERATIONS, "xla_dynamic_update_slice", "`tf.tensor_scatter_nd_update` of whole rows"),
)

check(NAMES)

_operations = part(_OPERATIONS)


def sliced(array: Any, first: Any, size: int) -> Any:
    """Return `size` rows of `array`, starting at the row `first`."""
    shape = [size, *array.shape[1:]]
    return tf.ensure_shape(
        _operations.xla_dynamic_slice(array, _start(array, first), tf.constant(shape)), shape
    )


def put(array: Any, update: Any, first: Any) -> Any:
    """Return `array` with the rows `update` in it, starting at the row `first`."""
    return tf.ensure_shape(
        _operations.xla_dynamic_update_slice(array, update, _start(array, first)), array.shape
    )


def _start(array: Any, first: Any) -> Any:
    return tf.stack([first] + [tf.constant(0)] * (len(array.shape) - 1))
