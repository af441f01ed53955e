"""Holds what stands for the activation functions and penalties of one lane while a program is traced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf


def switch(functions: Sequence[Callable[..., Any]], variant: Any) -> Callable[..., Any]:
    """Return the activation function with the number `variant`, which may be known only at run time."""
    if isinstance(variant, int):
        return functions[variant]
    distinct = {id(function): function for function in functions}
    positions = [list(distinct).index(id(function)) for function in functions]
    branch = tf.gather(tf.constant(positions), variant)

    @tf.custom_gradient
    def one(x: Any) -> Any:
        y = tf.switch_case(branch, [lambda f=function: f(x) for function in distinct.values()])

        def gradient(upstream: Any) -> Any:
            branches = [lambda f=function: _backward(f, x, y, upstream) for function in distinct.values()]
            return tf.switch_case(branch, branches)

        return y, gradient

    return one


def _backward(function: Callable[..., Any], x: Any, y: Any, upstream: Any) -> Any:
    """Return the gradient at `x`, given `y = function(x)`.

    In TensorFlow's own gradient of a switch, each branch returns what its gradient needs, and zeros for what the other
    branches' gradients need: six arrays instead of one. Here, the gradient gets x and y, and most gradients need no more.
    """

    def both(x: Any, upstream: Any) -> Any:
        y = function(x)
        y = tf.identity(y) if y is x else y
        return y, tf.gradients(y, x, upstream, unconnected_gradients="zero")[0]

    traced = tf.compat.v1.wrap_function(both, [tf.TensorSpec(a.shape, a.dtype) for a in (x, upstream)])
    y_inside, gradient = traced.structured_outputs
    return traced.prune([*traced.inputs, y_inside], gradient)(x, upstream, y)


class Penalty(keras.regularizers.Regularizer):
    """L1 and L2 penalties with a lane's strengths, computed like in `keras.regularizers.L1L2`."""

    def __init__(self, l1: Any, l2: Any) -> None:
        self._l1, self._l2 = l1, l2

    def __call__(self, x: Any) -> Any:
        """Return the penalty of a weight."""
        penalty = keras.ops.convert_to_tensor(0.0, dtype=x.dtype)
        for strength, norm in ((self._l1, keras.ops.absolute), (self._l2, keras.ops.square)):
            if not (isinstance(strength, float) and strength == 0.0):
                penalty += strength * keras.ops.sum(norm(x))
        return penalty
