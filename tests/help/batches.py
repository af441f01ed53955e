"""Batches for Keras' own `fit`. Keras takes a data set as it is, but traces several functions for arrays, in every call."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


def batches(arrays: Sequence[Any], size: int) -> tf.data.Dataset:
    """Return rows in batches.

    Args:
        arrays: features, target, and weights if there are some; each is an array or a dictionary of arrays.
        size: rows of a batch; the last one may be smaller.
    """
    return tf.data.Dataset.from_tensor_slices(tf.nest.map_structure(_as_by_keras, tuple(arrays))).batch(size)


def _as_by_keras(array: Any) -> Any:
    """Return an array as Keras passes it on: floats have 32 bits."""
    array = np.asarray(array)
    return array.astype("float32") if array.dtype == np.float64 else array


def epochs(arrays: Sequence[Any], size: int, orders: Sequence[np.ndarray]) -> tf.data.Dataset:
    """Return the batches of all epochs; each takes the rows in an order of its own. `fit` needs the steps of one epoch."""

    def ordered(order: np.ndarray) -> Any:
        return tf.nest.map_structure(lambda array: array[order], tuple(arrays))

    each = (batches(ordered(order), size) for order in orders)
    return functools.reduce(tf.data.Dataset.concatenate, each)
