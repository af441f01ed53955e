"""Draws the random floats of an epoch once for all lanes.

All lanes with the same seeds draw the same floats, like the models by themselves. Without this module, the loop over
chunks of lanes would draw them again for each chunk.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from trainables.fused.internals import kernels
from trainables.fused.internals.slices import put
from trainables.fused.model.refuse import SEED
from trainables.fused.program.template import Template


def draws_of_steps(
    template: Template, shared: Any, lane: tuple[Any, Any, Any], batch: tuple[Any, Any], mask: Any, steps: int
) -> list[Any]:
    """Return the floats in [0, 1) that each step draws: float32, shape (steps, ...) for each draw of a step.

    The list is empty if the model draws none, or if its draws cannot be known beforehand.

    Args:
        template: the program's template.
        shared: the shared variables at the first step.
        lane: weights, state and numbers of any lane.
        batch: features and target of any batch.
        mask: bool, shape (rows,): which rows of the batch count; None if all do.
        steps: number of steps in the epoch; all of them have batches of this size.
    """
    if not any(variable.path.endswith(SEED) for variable in template.model.non_trainable_variables):
        return []
    found: list[Any] = []

    def record(shape: Sequence[int], seed: Any) -> Any:
        found.append(kernels.drawn(shape, seed))
        return found[-1]

    @tf.function(autograph=False)
    def step(shared: Any, lane: Any, batch: Any) -> Any:
        (w, s, n), (x, y) = lane, batch
        metrics = [tf.constant(v) for v in template.metrics]
        with template.lifted(template.by_key(n), 0), kernels.fast(record):
            values = template.merge(s, shared)
            _, values, *_ = template.run(template.parts(w), values, metrics, x, y, True, mask)
        return template.part(values)[1], found

    try:
        traced = step.get_concrete_function(shared, lane, batch)
    except (TypeError, ValueError):  # a draw is inside a branch, and cannot be returned from there
        return []
    of_lane = traced.inputs[len(shared) : len(tf.nest.flatten((shared, lane, batch)))]
    shapes = [draw.shape for draw in traced.structured_outputs[1]]
    if not all(shape.is_fully_defined() for shape in shapes) or _depend(traced.outputs, of_lane):
        return []

    def body(number: Any, shared: Any, floats: Any) -> Any:
        shared, drawn = traced(shared, lane, batch)
        return number + 1, shared, [put(a, b[None], number) for a, b in zip(floats, drawn, strict=True)]

    empty = [tf.zeros([steps, *shape]) for shape in shapes]
    return tf.while_loop(lambda number, *_: number < steps, body, [tf.constant(0), shared, empty])[2]


def _depend(outputs: Sequence[Any], inputs: Sequence[Any]) -> bool:
    """Return whether any of `outputs` is computed from any of `inputs` in their graph."""
    found, waiting = set(), [tensor.op for tensor in outputs]
    while waiting:
        operation = waiting.pop()
        if operation.name not in found:
            found.add(operation.name)
            waiting += [tensor.op for tensor in operation.inputs]
    return any(tensor.op.name in found for tensor in inputs)
