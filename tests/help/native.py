"""Points trained by the native kernel in this process, and by Keras' own `fit` on the same rows in the same order."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np

from results.space import Space
from tests.help import batches
from trainables.builder import find
from trainables.fused.compose.members import Composer, Members
from trainables.fused.compose.points import Points
from trainables.fused.program.template import Stack
from trainables.native.program import NativeProgram
from trainables.settings import Fit
from trainables.table.data import Table
from trainables.table.order import row_order


@dataclass(frozen=True)
class Result:
    """What training made of points: one row for each of them in each array.

    Attributes:
        stack: the models.
        logs: float32, shape (points, epochs, logs): those of training, then those on the validation rows.
    """

    stack: Stack
    logs: np.ndarray

    def arrays(self) -> dict[str, np.ndarray]:
        """Return all arrays by name."""
        found = {"weights": self.stack.weights, "logs": self.logs}
        found |= {f"state {number}": array for number, array in enumerate(self.stack.state)}
        return found | {f"slot {number}": array for number, array in enumerate(self.stack.slots)}


class Group:
    """Points of one program.

    Args:
        builder: the file and the name of the builder, "FILE:NAME".
        space: the axes.
        table: the data; the last fifth of its train rows are the validation rows.
        batch_size: rows of a batch.
        seed: of the initial weights and of the order of the rows.
    """

    def __init__(self, builder: str, space: dict, table: Table, batch_size: int = 16, seed: int = 3) -> None:
        self.space, self.table, self.seed = Space(space), table, seed
        self.fit = Fit(batch_size=batch_size)
        found = find.find(builder, Path.cwd())
        self.composer = Composer(found.load(), found, table, seed)
        points = Points.of(self.space, np.arange(len(self.space)))
        members = self.composer.compose(points, self.fit)
        assert isinstance(members, Members), members
        self.members, self.stack = members, members.stack
        rows = round(len(table.x_train) * 0.8)
        y = members.target.of(table.y_train)
        self.fitted = table.x_train[:rows], y[:rows]
        self.validation = table.x_train[rows:], y[rows:]

    def program(self, stack: Stack | None = None) -> NativeProgram:
        """Return a new program, as if it trained only the points of `stack`."""
        stack = self.stack if stack is None else stack
        return NativeProgram(self.members.template, self.fit.batch_size, self.fitted, self.validation, stack)

    def trained(
        self, epochs: int = 2, stack: Stack | None = None, program: NativeProgram | None = None
    ) -> Result:
        """Train the points of `stack`, by default all, by the native kernel."""
        stack = self.stack if stack is None else stack
        program = program or self.program(stack)
        logs = []
        for epoch in range(epochs):
            stack, found = program.epoch(stack, row_order(self.seed, epoch, len(self.fitted[0])))
            logs.append(found)
        return Result(stack, np.stack(logs, 1))

    def by_keras(self, row: int, epochs: int = 2) -> tuple[keras.Model, np.ndarray]:
        """Train one point by Keras; return its model and its logs, as those of `trained`."""
        model = self.composer.build(self.space[row])
        model.run_eagerly = True  # the same numbers; to trace a model takes longer than these few steps
        batch, rows = self.fit.batch_size, len(self.fitted[0])
        orders = [row_order(self.seed, epoch, rows) for epoch in range(epochs)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            history = model.fit(
                batches.epochs(self.fitted, batch, orders),
                epochs=epochs,
                steps_per_epoch=math.ceil(rows / batch),
                validation_data=batches.batches(self.validation, batch),
                verbose=0,
            ).history
        names = self.members.template.logs
        logs = np.transpose([history[name] for name in [*names, *(f"val_{name}" for name in names)]])
        return model, logs.astype(np.float64)


def small_table(classes: bool = False) -> Table:
    """Return a table of three features, 70 train rows and 10 test rows; its target is a number, or with `classes` 0 or 1."""
    chance = np.random.default_rng(8)
    x = chance.normal(size=(80, 3)).astype("float32")
    y = x[:, 0] - x[:, 1] * x[:, 2] + 0.2 * chance.normal(size=80)
    y = (y > 0 if classes else y).astype("float32")
    return Table(x[:70], y[:70], x[70:], y[70:], ("a", "b", "c"), "y", "0")


def weights_of(model: keras.Model) -> np.ndarray:
    """Return the trainable variables of a model as one vector."""
    return np.concatenate([v.numpy().ravel() for v in model.trainable_variables])
