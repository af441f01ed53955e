"""The base class of programs: the XLA program and the native one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainables.fused.program.template import Stack, Template


class AnyProgram(ABC):
    """Trains the models of a template for one epoch, and evaluates them.

    Attributes:
        engine: its name in the column `engine` of the rows.
        template: what the program is made from.
        batch_size: rows of a batch; the last batch of an epoch may be smaller.
        fitted: features and target of the fitted rows, and their weights if they have some.
        validation: the same of the validation rows.
        shared: the shared variables after the last epoch.
        iterations: steps done.
        steps: steps of an epoch.
    """

    engine: str
    template: Template
    batch_size: int
    fitted: Sequence[Any]
    validation: Sequence[Any]
    shared: Sequence[Any]
    iterations: int
    steps: int

    @abstractmethod
    def epoch(self, stack: Stack, order: np.ndarray) -> tuple[Stack, np.ndarray]:
        """Train every point of `stack` for one epoch.

        Args:
            stack: points of the program which have all done the same number of epochs.
            order: the fitted rows in the order in which they are taken, int, shape (rows,). It may lack some rows, if the
                last batch is as large as without them.

        Returns:
            The models after the epoch, and the logs: float32, shape (points, 2 * len(template.logs)), first those of
            training, then those on the validation rows.
        """

    @abstractmethod
    def evaluate(self, stack: Stack, *rows: np.ndarray, penalties: bool = True) -> np.ndarray:
        """Return the logs of every point of `stack` on other rows: float32, shape (points, len(template.logs)).

        Args:
            stack: the points.
            rows: features and target, and the weights of the rows if the validation rows have some.
            penalties: whether the loss holds the penalties of regularizers, as in Keras.
        """
