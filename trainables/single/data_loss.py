"""Computes the loss of one model on the validation rows without the penalties of its regularizers."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from trainables.fused.internals.penalties import (
    difference,
    has_other_penalties,
    penalty,
    regularized,
    without_penalties,
)
from trainables.fused.model.parts import has_users_parts


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
        self._read: Sequence[tf.Variable] | None = None  # known before the first evaluation

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
        if self._read is None:
            self._read = _read_by_test(model, self._validation)
        of_keras, model.test_function = model.test_function, self._test_function
        try:
            with unchanged(model, self._read), without_penalties(model):
                logs = model.evaluate(self._validation, verbose=0, return_dict=True)
                self._test_function = model.test_function
        finally:
            model.test_function = of_keras
        return float(logs["loss"])


def _read_by_test(model: Any, validation: Any) -> Sequence[tf.Variable]:
    """Return the variables that a model reads in an evaluation; none if all of it is Keras' own.

    A loss of the user's may read some that Keras does not track, and change them.
    """
    if not has_users_parts(model):
        return ()
    try:
        step = tf.function(lambda *batch: model.test_step(batch))
        return tuple(step.get_concrete_function(*validation.element_spec).variables)
    except Exception:  # it runs only eagerly
        return ()


@contextlib.contextmanager
def unchanged(model: Any, others: Sequence[tf.Variable] = ()) -> Iterator[None]:
    """Put back what an evaluation changes: weights, moving statistics, seeds, metrics' variables, and `others`."""
    variables = {id(v): v for v in [*model.variables, *model.metrics_variables, *others]}.values()
    values = [v.numpy() for v in variables]
    drawn, drawn_by_numpy = random.getstate(), np.random.get_state()
    try:
        yield
    finally:
        for variable, value in zip(variables, values, strict=True):
            variable.assign(value)
        random.setstate(drawn)
        np.random.set_state(drawn_by_numpy)
