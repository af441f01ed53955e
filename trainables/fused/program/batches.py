"""Evaluates rows batch by batch, as Keras does, inside a program: for functions of a batch that are no means over rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import tensorflow as tf

from trainables.fused.internals.slices import sliced


def over_batches(
    step: Callable[[Sequence[Any], Any], Any], rows: Sequence[Any], size: int, carried: Any
) -> Any:
    """Return what a step has made of `carried` after all batches.

    Args:
        step: returns what is carried on, given the arrays of a batch and what is carried.
        rows: arrays with one row for each row of the table.
        size: rows of a batch; the last one may be smaller.
        carried: tensors, which keep their shapes.
    """
    count = rows[0].shape[0]
    if count is None:  # XLA would need the number, but it does not compile this
        count = tf.shape(rows[0])[0]
        return _repeated(
            (count + size - 1) // size,
            lambda i, carried: step([a[i * size : (i + 1) * size] for a in rows], carried),
            carried,
        )
    whole = count // size
    if whole:
        carried = _repeated(
            whole, lambda i, carried: step([sliced(a, i * size, size) for a in rows], carried), carried
        )
    return step([a[whole * size :] for a in rows], carried) if count % size else carried


def _repeated(times: Any, step: Callable[[Any, Any], Any], carried: Any) -> Any:
    return tf.while_loop(
        lambda i, _: i < times, lambda i, carried: (i + 1, step(i, carried)), [tf.constant(0), carried]
    )[1]
