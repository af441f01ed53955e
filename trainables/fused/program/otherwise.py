"""Finds what a model does in a step of Keras, but would not do in a program.

Only parts of users and operations outside of layers may do such things.

Weights that the loss does not depend on at all, such as those before a `stop_gradient`: Keras gets no gradient for them, and
leaves them out of its update, so that they do not decay and no constraint is applied to them. A gradient of zeros, as a
program would have in its place, is not the same.

Checks of values, such as `tf.debugging.assert_positive`: TensorFlow's kernels for a CPU raise an error, which ends the
point. XLA compiles them to nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from trainables.fused.internals import kernels
from trainables.fused.internals.errors import raise_ours
from trainables.fused.model.parts import has_operations, has_users_parts
from trainables.fused.program.template import Stack, Template

_CHECKS = {"Assert", "CheckNumerics", "CheckNumericsV2"}
"""Operations that raise an error for some values."""


def why_otherwise(template: Template, stack: Stack, x: np.ndarray, y: np.ndarray) -> str:
    """Return why a program would not do what Keras does with some of the points; empty if nothing is found.

    Args:
        template: what the program is made from.
        stack: all points before training.
        x, y: features and target of a few rows.
    """
    if not any(has_users_parts(model) or has_operations(model) for model in template.variants):
        return ""
    for variant in np.unique(stack.variant):
        lane = stack.take(np.flatnonzero(stack.variant == variant)[:1])
        if why := _why_lane(template, lane, x, y):
            return why
    return ""


def without_gradient(path: str) -> str:
    """Return why a weight cannot be trained that the loss does not depend on."""
    return f"the loss has no gradient for the weight {path}, which Keras then leaves as it is"


def _why_lane(template: Template, lane: Stack, x: np.ndarray, y: np.ndarray) -> str:
    numbers = dict(zip(template.keys, lane.numbers[0].tolist(), strict=True))
    # A penalty that differs between the points counts for nothing: a point may have none.
    penalties = not any(key.startswith("penalty.") for key in template.keys)
    gradients: list[Any] = []

    def step(weights: Any, values: Any, x: Any, y: Any) -> None:
        metrics = list(map(tf.constant, template.metrics))
        with template.lifted(numbers, int(lane.variant[0])), kernels.fast():
            template.run(template.parts(weights), values, metrics, x, y, False)
        with template.lifted(numbers, int(lane.variant[0])), kernels.fast(), tf.GradientTape() as tape:
            parts = template.parts(weights)
            tape.watch(parts)
            loss, *_ = template.run(parts, values, metrics, x, y, True, penalties=penalties)
        gradients.extend(tape.gradient(loss, parts))

    values = template.merge([a[0] for a in lane.state], template.shared)
    arguments = tf.nest.map_structure(tf.constant, [lane.weights[0], values, x, y])
    try:
        graph = tf.function(step, autograph=False).get_concrete_function(*arguments).graph
    except Exception as error:  # of users' code; the program raises it, too
        raise_ours(error)
        return ""
    if checks := _CHECKS & _operations_in(graph.as_graph_def()):
        return f"its code checks values ({min(checks)}), which XLA would skip"
    paths = [variable.path for variable in template.model.trainable_variables]
    pairs = zip(paths, gradients, strict=True)
    return next((without_gradient(path) for path, gradient in pairs if gradient is None), "")


def _operations_in(graph: Any) -> set[str]:
    """Return the kinds of the operations in a graph, and in the functions that it calls."""
    functions = (node for function in graph.library.function for node in function.node_def)
    return {node.op for node in (*graph.node, *functions)}
