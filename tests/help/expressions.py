"""Values and gradients of an expression by the functions of kernel.cpp, for one row and many outputs."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np

from tests.help.kernels import pointer
from trainables.native import structures as c
from trainables.native.expressions.formula import Expression
from trainables.native.library import Library


def computed(
    kernel: Library, expression: Expression, y: np.ndarray, p: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the value and the gradient of a loss of outputs for one row.

    Each model has its outputs as biases, and weights of zero of the one feature, which is 1. A step of SGD with the rate 1
    makes the weights the negative gradient.

    Args:
        kernel: whose functions compute.
        expression: the loss.
        y: the target, float32, shape (targets,).
        p: the outputs, float32, shape (models, outputs).

    Returns:
        Shapes (models,) and (models, outputs).
    """
    net, parts = net_of(expression, len(y), p.shape[1])
    functions, lanes, (models, outputs) = kernel.functions, kernel.lanes, p.shape
    functions.workspace.restype = ctypes.c_int64
    size = functions.workspace(ctypes.byref(net))
    assert size > 0
    memory = np.full(size + 64, 0xFF, np.uint8)
    work = memory[-memory.ctypes.data % 64 :][:size]
    weights = np.concatenate([np.zeros_like(p), p], 1).astype(np.float32)
    points = np.pad(np.arange(models, dtype=np.int32), (0, -models % lanes), constant_values=-1)
    lane = np.ascontiguousarray(points.reshape(-1, lanes))
    settings, sums = np.zeros((models, len(c.Setting)), np.float32), np.zeros((models, 2))
    settings[:, c.Setting.RATE] = 1.0
    optimizer, target, one = np.zeros(models, np.int32), y.astype(np.float32), np.ones(1, np.float32)
    of_models = c.CModels(
        lane=pointer(lane), weights=pointer(weights), optimizer=pointer(optimizer), settings=pointer(settings),
        sums=pointer(sums), activation=pointer(lane), slope=pointer(settings), states=pointer(one), strengths=pointer(one),
    )  # fmt: skip
    rows, number = c.CRows(pointer(one), pointer(target), None, 1), ctypes.c_int64
    nothing = (ctypes.c_void_p * 1)(None)
    assert not functions.train(
        ctypes.byref(net), ctypes.byref(of_models), len(lane), ctypes.byref(rows), nothing, nothing, nothing, number(0),
        number(0), number(1), pointer(work), None, None,
    )  # fmt: skip
    assert parts  # alive until here
    return sums[:, 0].copy(), -weights[:, :outputs]


def net_of(expression: Expression, targets: int, outputs: int) -> tuple[c.CNet, list[Any]]:
    """Return the net of a dense layer of one feature with a loss, and its parts: the last two are those of the loss."""
    layer = c.CLayer(
        kind=c.Kind.DENSE, inputs=1, outputs=outputs, source=0, sources=1, kernel=0, bias=outputs, activation=-1, draws=-1
    )  # fmt: skip
    source = ctypes.c_int32(-1)
    variables = (c.CRange * 2)(c.CRange(0, outputs), c.CRange(outputs, 2 * outputs))
    optimizer = c.COptimizer(rule=c.Rule.SGD, clip=c.Clip.NONE, slot=(-1, -1, -1), scheduled=-1)
    instructions = (c.CInstruction * len(expression.instructions))(
        *(c.CInstruction(*one) for one in expression.instructions)
    )
    names = ("constants", "values", "value_at", "gradient_at", "of_logits")
    measure = c.CMeasured(
        measure=c.Measure.EXPRESSION, weighted=1, end=len(instructions), **{n: getattr(expression, n) for n in names}
    )  # fmt: skip
    parts = [layer, source, variables, optimizer, measure, instructions]
    at = {
        name: ctypes.addressof(part)
        for name, part in zip(("layer", "source", "variable", "optimizer", "measured", "instruction"), parts, strict=True)
    }  # fmt: skip
    net = c.CNet(
        layers=1, features=1, outputs=outputs, targets=targets, weights=2 * outputs, settings=len(c.Setting), variables=2,
        optimizers=1, measures=1, sources=1, instructions=len(instructions), columns=expression.columns, batch=1, **at,
    )  # fmt: skip
    return net, parts
