"""Trains the points of one program epoch by epoch, with checkpoints; each point stops by itself.

All points of a cohort that are in training have done the same number of epochs. Points that have stopped are not
trained further, and `report` returns their rows.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import tensorflow as tf

from trainables.builder.build import fitted_rows
from trainables.clock import Clock
from trainables.engine import Rows, as_bytes, curves_of, weights_of
from trainables.fused.compose.members import Members
from trainables.fused.internals.directions import modes_of
from trainables.fused.model.parts import may_refuse_rows
from trainables.fused.program.data_loss import DataLoss
from trainables.fused.program.template import Stack
from trainables.fused.training.programs import program_of
from trainables.fused.training.rules import Rules
from trainables.objective import DATA_LOSS, VAL_DATA_LOSS, needs_data_loss, watched
from trainables.settings import Fit, Programs, Training
from trainables.table.data import Table
from trainables.table.order import row_order
from trainables.table.weights import row_weights


class Cohort:
    """Points that are trained side by side.

    Args:
        idx: the points' numbers in the grid, int64, shape (points,).
        members: their program, with rows in the order of `idx`.
        fit: the arguments of `Model.fit`, the same for all points.
        table: the data.
        training: budget and rules.
        lanes: points in a chunk of XLA's program.
        programs: which programs may be taken; None: those of `training`.

    Raises:
        ObjectiveError: the plan names a log that the model does not have, or whose direction only the user knows.

    Attributes:
        epoch: epochs done.
        alive: bool, shape (points,): whether each point is still in training.
        status: the status for each point's row; "running" while the point is in training, "given" if it has been given
            away.
        program: the program that trains the points.
        why_not_native: why that is not the native kernel; empty if it is, or if it was not wanted.
        watched: the logs that the rules watch.
        modes: whether a lower or a higher value of each metric is better: "min", "max", or None if Keras cannot tell.
        timing: core seconds spent so far, by activity: "compile" (the first epoch, with tracing and compiling), "train",
            "evaluate".
    """

    def __init__(
        self,
        idx: np.ndarray,
        members: Members,
        fit: Fit,
        table: Table,
        training: Training,
        lanes: int,
        programs: Programs | None = None,
    ) -> None:
        self.idx, self.fit = idx, fit
        self._training = training
        self._template = members.template
        rows = fitted_rows(fit, table)
        weights = row_weights(fit, table, rows)

        def with_weights(x: np.ndarray, y: np.ndarray, of_rows: np.ndarray | None) -> tuple[np.ndarray, ...]:
            return (x, y) if of_rows is None else (x, y, of_rows)

        packed, of = members.template.rows.packed, members.target.of
        x, y = packed(table.x_train, of(table.y_train))
        self.program, self.why_not_native = program_of(
            members.template,
            fit.batch_size,
            (
                with_weights(x[:rows], y[:rows], weights.fitted),
                with_weights(x[rows:], y[rows:], weights.validation),
            ),
            members.stack,
            lanes,
            programs or training.programs,
        )
        self._train_rows = with_weights(x, y, weights.train)
        self._test_rows = with_weights(*packed(table.x_test, of(table.y_test)), weights.test)
        self._rows = rows
        self._stack = members.stack
        self._best = Stack(
            self._stack.weights.copy(),
            [a.copy() for a in self._stack.state],
            [],
            self._stack.numbers,
            self._stack.optimizer,
            self._stack.variant,
        )
        self._updates = members.template.updates.each
        follows = np.array([one.schedule is not None for one in self._updates])[self._stack.optimizer]
        names = members.template.logs
        self._data_loss = DataLoss(self.program)
        needs = needs_data_loss(training.objective, training.callbacks)
        self._logs_data_loss = needs and DATA_LOSS not in names  # the store refuses a metric of this name
        self._labels = [*names, *(f"val_{name}" for name in names)]
        if self._logs_data_loss:
            self._labels.append(VAL_DATA_LOSS)
        modes = modes_of(members.template.model)
        self.modes = {name: modes.get(name) for name in names}
        self.watched = watched(training.objective, training.callbacks, self._labels, modes)
        self._rules = Rules(training.callbacks, self.watched, self._stack.numbers[:, 0], follows)
        self.epoch = 0
        self.timing = {"compile": 0.0, "train": 0.0, "evaluate": 0.0}
        self.alive = np.ones(len(idx), bool)
        self.status = np.full(len(idx), "running", object)
        self.seconds = np.zeros(len(idx))
        self._history: list[
            np.ndarray
        ] = []  # for each epoch: float32, shape (points, columns): the logs named by `_labels`, rate

    @property
    def finished(self) -> bool:
        """Whether no point is left in training."""
        return not self.alive.any()

    @property
    def best(self) -> np.ndarray:
        """The best objective of each point so far, float64, shape (points,); NaN if none was finite."""
        best = self._rules.best_value.astype("float64")
        return np.where(np.isfinite(best) & ~self._rules.diverged, best, np.nan)

    def check(self) -> None:
        """Evaluate one point on all rows before the first epoch.

        A row that the model cannot take, such as a position beyond an Embedding, raises its error here: XLA would train with
        another position in its place, and only the evaluation after the last epoch would raise.
        """
        if self.program.engine != "fused" or not may_refuse_rows(self.program.template.model):
            return  # the native kernel has no such layers
        one = self._stack.take(np.zeros(1, int))
        for rows in (self._train_rows, self._test_rows):
            self.program.evaluate(one, *rows)

    def train(self) -> np.ndarray:
        """Train one epoch and return the rows of the points that stopped after it."""
        started = Clock()
        rows = np.flatnonzero(self.alive)
        seed, shuffled = self._training.seed, self.fit.shuffle
        order = row_order(seed, self.epoch, self._rows) if shuffled else np.arange(self._rows)
        # To copy all models twice an epoch would take 3% of the training.
        are_all = len(rows) == len(self.idx)
        numbers, rates = self._stack.numbers[rows], self._rules.learning_rate[rows]
        numbers[:, 0] = rates
        part = replace(self._stack if are_all else self._stack.take(rows), numbers=numbers)
        done, logs = self.program.epoch(part, order)
        if are_all:
            self._stack = replace(done, numbers=self._stack.numbers)
        else:
            self._put(self._stack, rows, done)
        if self._logs_data_loss:
            logs = np.column_stack([logs, self._data_loss.of(done, logs[:, self._labels.index("val_loss")])])
        for number, update in enumerate(self._updates):
            if update.schedule is not None:  # Keras logs the rate of the next step
                rate = update.scheduled(self.program.iterations)
                rates = np.where(part.optimizer == number, rate, rates)
        record = np.full((len(self.idx), logs.shape[1] + 1), np.nan, np.float32)
        record[rows] = np.column_stack([logs, rates])
        self._history.append(record)

        better = self._rules.after_epoch(self.epoch, rows, dict(zip(self._labels, logs.T, strict=True)))
        self._put(self._best, rows[better], done.take(np.flatnonzero(better)))
        self.epoch += 1
        self.timing["train" if self.timing["compile"] else "compile"] += started.core_s
        self.seconds[rows] += started.wall_s / len(rows)
        return self._stop(rows)

    def _stop(self, rows: np.ndarray) -> np.ndarray:
        status = self.status
        over = self.epoch >= self.fit.epochs
        for row in rows:
            if self._rules.diverged[row]:
                status[row] = "diverged"
            elif over:  # a rule that fires in the very last epoch changes nothing: the budget is used
                status[row] = "completed"
            elif self._rules.stopped[row]:
                status[row] = "early_stopped"
            elif self.seconds[row] > self._training.timeout_s:
                status[row] = "timeout"
        ended = rows[status[rows] != "running"]
        self.alive[ended] = False
        return ended

    def prune(self, rows: np.ndarray) -> None:
        """Stop the points `rows`, because ASHA pruned them."""
        self.alive[rows] = False
        self.status[rows] = "pruned"

    def give(self, rows: np.ndarray) -> None:
        """Train the points `rows` no further, since another worker goes on with them."""
        self.alive[rows] = False
        self.status[rows] = "given"

    @staticmethod
    def _put(stack: Stack, rows: np.ndarray, values: Stack) -> None:
        stack.weights[rows] = values.weights
        for target, value in zip([*stack.state, *stack.slots], [*values.state, *values.slots], strict=False):
            target[rows] = value

    def report(self, rows: np.ndarray) -> Rows:
        """Return the rows, learning curves and weights of the points `rows`, which must have stopped."""
        started = Clock()
        names = self._template.logs
        best_epoch = self._rules.best_epoch[rows]
        has_best = best_epoch > 0
        columns: dict[str, Any] = {}
        evaluated = rows[has_best & (self.status[rows] != "timeout")]
        history = self._curves()
        if len(evaluated):
            models = self._best.take(evaluated)
            best_logs = history[self._rules.best_epoch[evaluated] - 1, evaluated]
            found = {
                "tr": self.program.evaluate(models, *self._train_rows),
                "te": self.program.evaluate(models, *self._test_rows),
                "va": best_logs[:, len(names) : 2 * len(names)],
            }
            where = np.isin(rows, evaluated)
            for split in ("tr", "va", "te"):
                for position, name in enumerate(names):
                    column = np.full(len(rows), np.nan)
                    column[where] = found[split][:, position]
                    columns[f"{name}_{split}"] = column
            of_logs = dict(zip(self._labels, best_logs.T, strict=False))
            if VAL_DATA_LOSS not in of_logs:
                of_logs[VAL_DATA_LOSS] = self._data_loss.of(models, of_logs["val_loss"])
            columns[f"{DATA_LOSS}_va"] = np.full(len(rows), np.nan)
            columns[f"{DATA_LOSS}_va"][where] = of_logs[VAL_DATA_LOSS]
        present = ~np.isnan(history[:, rows, -1])  # the rate is a number in every epoch that was trained
        epochs = present.sum(0).astype(np.int32)
        # Point by point: all epochs of the first point come first.
        flat = history[:, rows].transpose(1, 0, 2)[present.T]
        labels = [*self._labels, "learning_rate"]
        self.timing["evaluate"] += started.core_s
        self.seconds[rows] += started.wall_s / max(1, len(rows))
        status = pa.array(self.status[rows], pa.string())
        late = f"The point took longer than timeout_s={self._training.timeout_s:g}."
        points = {
            "idx": self.idx[rows],
            **columns,
            "status": status,
            "epochs": epochs,
            "best_epoch": pa.array(best_epoch, mask=~has_best),
            "params": np.full(len(rows), self._template.model.count_params()),
            "seed": np.full(len(rows), self._training.seed),
            "seconds": self.seconds[rows],
            "engine": pa.array([self.program.engine]).take(pa.array(np.zeros(len(rows), int))),
            "error": pc.if_else(pc.equal(status, "timeout"), late, pa.scalar(None, pa.string())),
        }
        return Rows(
            pa.record_batch({name: pa.array(column) for name, column in points.items()}),
            curves_of(
                self.idx[rows], epochs, {name: flat[:, position] for position, name in enumerate(labels)}
            ),
            self._weights(rows[has_best]) if self._training.keep_weights and has_best.any() else None,
        )

    def _weights(self, rows: np.ndarray) -> pa.RecordBatch:
        """Return the best epoch's weights of the points `rows`, in the order of `Model.get_weights`."""
        model, template = self._template.model, self._template
        positions = {id(v): position for position, v in enumerate(model.non_trainable_variables)}
        offsets = np.cumsum([0, *(int(np.prod(v.shape)) for v in model.trainable_variables)])
        trainable = {id(v): position for position, v in enumerate(model.trainable_variables)}
        fixed = dict(zip(self._shared(), template.shared, strict=True))
        parts = []
        for variable in model.weights:  # these lack the seeds and have another order
            if id(variable) in trainable:
                position = trainable[id(variable)]
                parts.append(self._best.weights[rows, offsets[position] : offsets[position + 1]])
            elif (position := positions[id(variable)]) in fixed:
                parts.append(np.broadcast_to(fixed[position].ravel(), (len(rows), fixed[position].size)))
            else:
                parts.append(
                    self._best.state[list(template.stacked).index(position)][rows].reshape(len(rows), -1)
                )
        layout = json.dumps([[v.path, str(v.dtype), list(v.shape)] for v in model.weights])
        return weights_of(self.idx[rows], as_bytes(parts), layout)

    def _curves(self) -> np.ndarray:
        """Return the logs and the rate of each epoch: float32, shape (epochs, points, columns)."""
        shape = (0, len(self.idx), len(self._labels) + 1)
        return np.stack(self._history) if self._history else np.zeros(shape, np.float32)

    def _models(self) -> dict[str, np.ndarray]:
        """Return the arrays of the models, by names that they also have in a cohort of a part of these points.

        Such a part may have fewer optimizers, and so fewer slots, or values that differ between fewer points.
        """
        found, seen = {}, Counter[str]()
        slots = []
        for shape, dtype in self._template.updates.shapes:
            kind = f"{dtype}.{'x'.join(map(str, shape))}"
            slots.append(f"slot.{kind}.{seen[kind]}")
            seen[kind] += 1
        states = [f"variable.{position}" for position in self._template.stacked]
        for name, stack in (("stack", self._stack), ("best", self._best)):
            found[f"{name}.weights"] = stack.weights
            found |= {f"{name}.{key}": a for key, a in zip(states, stack.state, strict=True)}
            found |= {
                f"{name}.{key}": a for key, a in zip(slots, stack.slots, strict=False)
            }  # the best has none
        return found

    def _shared(self) -> list[int]:
        """Return the positions of the shared variables among the non-trainable ones."""
        count = len(self._template.model.non_trainable_variables)
        return [position for position in range(count) if position not in self._template.stacked]

    def state(self, rows: np.ndarray | slice = slice(None)) -> dict[str, np.ndarray]:
        """Return everything that `restore` needs to continue the points `rows` from here, as arrays by name."""
        arrays = {
            "idx": self.idx[rows],
            "alive": self.alive[rows],
            "seconds": self.seconds[rows],
            "epoch": np.array(self.epoch),
            "status": self.status[rows].astype("U16"),
            "history": self._curves()[:, rows],
        }
        arrays |= {name: a[rows] for name, a in self._models().items()}
        pairs = zip(self._shared(), self.program.shared, strict=True)
        arrays |= {f"shared.{position}": np.asarray(a) for position, a in pairs}
        return arrays | {f"rules.{name}": a[rows] for name, a in self._rules.state().items()}

    def restore(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Continue from what `state` returned for a cohort with at least these points.

        Raises:
            ValueError, KeyError: the arrays are not from such a cohort.
        """
        position = {int(idx): row for row, idx in enumerate(arrays["idx"])}
        if missing := [idx for idx in self.idx.tolist() if idx not in position]:
            raise ValueError(f"The point {missing[0]} is not in the checkpoint.")
        rows = np.array([position[idx] for idx in self.idx.tolist()], int)
        if not all(arrays["alive"][rows]):
            raise ValueError("The checkpoint has points that have already stopped.")
        for name, target in self._models().items():
            target[...] = arrays[name][rows]
        self._rules.restore({n: arrays[f"rules.{n}"][rows] for n in self._rules.state()})
        self._history = list(arrays["history"][:, rows])
        self.seconds = arrays["seconds"][rows].copy()
        self.epoch = int(arrays["epoch"])
        # What the points of the whole cohort did not share, those of a part may share.
        self.program.shared = [
            tf.constant(
                arrays[f"shared.{i}"] if f"shared.{i}" in arrays else arrays[f"stack.variable.{i}"][rows[0]]
            )
            for i in self._shared()
        ]
        self.program.iterations = self.epoch * self.program.steps
