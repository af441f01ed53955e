"""Computes the loss of many points on the validation rows without the penalties of their regularizers.

The program has computed the loss with the penalties. L1 and L2 penalties of weights are subtracted, which takes no
evaluation. Models with other penalties are evaluated once more without any, and so are points whose penalty is so much
larger than the rest that the difference would not be precise.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from trainables.fused.internals.penalties import difference, penalty
from trainables.fused.program.contract import AnyProgram
from trainables.fused.program.template import Stack


class DataLoss:
    """The data loss of the points of a program.

    Args:
        program: it evaluates points on its validation rows.
    """

    def __init__(self, program: AnyProgram) -> None:
        self._program = program

    def of(self, stack: Stack, loss: np.ndarray) -> np.ndarray:
        """Return the data losses on the validation rows, float32, shape (points,).

        Args:
            stack: the points.
            loss: their losses on the validation rows, float32, shape (points,).
        """
        if self._program.template.has_other_penalties:
            found, vague = loss.copy(), np.isfinite(loss)
        else:
            found, vague = difference(loss, self._penalties(stack))
        if vague.any():
            rows = np.flatnonzero(vague)
            logs = self._program.evaluate(stack.take(rows), *self._program.validation, penalties=False)
            found[rows] = logs[:, self._program.template.logs.index("loss")]
        return found

    def _penalties(self, stack: Stack) -> np.ndarray:
        """Return the sum of each point's L1 and L2 penalties, float64, shape (points,)."""
        template = self._program.template
        numbers: dict[str, Any] = dict(template.constants)
        numbers |= {key: stack.numbers[:, column] for column, key in enumerate(template.keys)}
        found, end = np.zeros(len(stack.weights)), 0
        for position, variable in enumerate(template.model.trainable_variables):
            start, end = end, end + int(np.prod(variable.shape))
            l1, l2 = (numbers.get(f"penalty.{position}.{norm}", 0.0) for norm in ("l1", "l2"))
            if np.any(l1) or np.any(l2):
                found += penalty(stack.weights[:, start:end], l1, l2)
        return found
