"""Computes the loss of one model on the validation rows without the penalties of its regularizers."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from typing import Any

import numpy as np

from trainables.fused.internals.penalties import (
    difference,
    has_other_penalties,
    penalty,
    regularized,
    without_penalties,
)


class DataLoss:
    """The data loss of a model. L1 and L2 penalties of weights are subtracted, others need an evaluation without them.

    Args:
        model: a compiled model.
        validation: the batches of the validation rows, a `tf.data.Dataset`.
    """

    def __init__(self, model: Any, validation: Any) -> None:
        self._model, self._validation = model, validation
        self._has_others: bool | None = None  # known after the first batch
        self._test_function: Any = None

    def of(self, loss: float) -> float:
        """Return the data loss, a float32. The model must have seen a batch; it does not change.

        Args:
            loss: the model's loss on the validation rows, a float32.
        """
        if not np.isfinite(loss):
            return loss
        if self._has_others is None:
            self._has_others = has_other_penalties(self._model)
        if self._has_others:
            return self._evaluated()
        penalties = np.zeros(1)
        for variable in regularized(self._model):
            l1, l2 = (getattr(variable.regularizer, norm, 0.0) for norm in ("l1", "l2"))
            penalties += penalty(variable.numpy().reshape(1, -1), l1, l2)
        found, vague = difference(np.array([loss], np.float32), penalties)
        return self._evaluated() if vague[0] else float(found[0])

    def _evaluated(self) -> float:
        """Return the loss that Keras' `evaluate` gives without the penalties.

        The function that Keras has traced holds the penalties, so a second one is traced, and kept.
        """
        model = self._model
        of_keras, model.test_function = model.test_function, self._test_function
        try:
            with unchanged(model), without_penalties(model):
                logs = model.evaluate(self._validation, verbose=0, return_dict=True)
                self._test_function = model.test_function
        finally:
            model.test_function = of_keras
        return float(logs["loss"])


@contextlib.contextmanager
def unchanged(model: Any) -> Iterator[None]:
    """Put back what an evaluation changes: weights, moving statistics, seeds and metrics' variables."""
    variables = {id(v): v for v in [*model.variables, *model.metrics_variables]}.values()
    values = [v.numpy() for v in variables]
    drawn, drawn_by_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        random.setstate(drawn)
        np.random.set_state(drawn_by_numpy)
