"""Parts of an array, from a place that is known at run time only, as XLA has them."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
from tensorflow.compiler.tf2xla.ops import gen_xla_ops


def sliced(array: Any, first: Any, size: int) -> Any:
    """Return `size` rows of `array` from the row `first` on."""
    shape = [size, *array.shape[1:]]
    return tf.ensure_shape(
        gen_xla_ops.xla_dynamic_slice(array, _start(array, first), tf.constant(shape)), shape
    )


def put(array: Any, update: Any, first: Any) -> Any:
    """Return `array` with the rows `update` from the row `first` on."""
    return tf.ensure_shape(
        gen_xla_ops.xla_dynamic_update_slice(array, update, _start(array, first)), array.shape
    )


def _start(array: Any, first: Any) -> Any:
    return tf.stack([first] + [tf.constant(0)] * (len(array.shape) - 1))
