"""What an engine must do: train the points of one trial after another in a worker, and report what has finished.

`trainables.single.engine` trains one point by Keras' own `fit`, `trainables.fused.engine` many points as one program.
Engines know nothing of Ray: the trial around them (`trainables.trials.trial`) does.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from trainables.builder.find import Builder
from trainables.settings import Training
from trainables.table.data import Table


class Rungs(ABC):
    """ASHA's rungs, as an engine sees them."""

    @abstractmethod
    def enter(self, epoch: int, idx: np.ndarray, lowest: np.ndarray, together: bool) -> np.ndarray:
        """Enter points that have reached a milestone, and return which of them go on: bool, shape (points,).

        Args:
            epoch: the milestone.
            idx: of the points, int64, shape (points,).
            lowest: the lowest validation loss of each so far, float64, shape (points,); NaN without a finite one.
            together: whether all are entered before any is judged.
        """

    @abstractmethod
    def entered(self) -> pa.RecordBatch | None:
        """Return what was entered since the last call, as it is stored; None for nothing."""


class Checkpoints(ABC):
    """Keeps the state of cohorts in training, as arrays by name: what a worker that takes a cohort over goes on from."""

    @abstractmethod
    def save(self, name: str, state: Mapping[str, np.ndarray]) -> None:
        """Replace the checkpoint `name`; where that fails the former one stays, and training goes on."""

    @abstractmethod
    def forget(self, name: str) -> None:
        """Remove the checkpoint `name`, if there is one."""

    @abstractmethod
    def find(self, idx: np.ndarray) -> Sequence[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Return, for each sound checkpoint with some of the points `idx` in training, these points and the state.

        The latest checkpoint comes first.
        """


@dataclass(frozen=True)
class Work:
    """What an engine works with, the same for all its trials.

    Attributes:
        space: the points' configurations by idx; `codes(idx)` gives the code of each point on each axis.
        builder: the user's builder.
        table: the data.
        training: budget, rules and limits.
        rungs: ASHA's; None without pruning.
        checkpoints: where the state of cohorts is kept; None keeps none.
    """

    space: Any
    builder: Builder
    table: Table
    training: Training
    rungs: Rungs | None = None
    checkpoints: Checkpoints | None = None


@dataclass(frozen=True)
class Rows:
    """Finished points, as columns under the names that they are stored by.

    Attributes:
        points: one row a point: idx, status, epochs, best_epoch, each metric on each split, params, seed, seconds,
            engine, error.
        curves: one row for each epoch of each point: idx, epoch, what Keras logged, learning_rate.
        weights: one row for each point that has a best epoch: idx, values, layout; None if none are kept.
    """

    points: pa.RecordBatch
    curves: pa.RecordBatch
    weights: pa.RecordBatch | None = None


@dataclass(frozen=True)
class Report:
    """What a step has to tell.

    Attributes:
        done: whether the trial has nothing left to do.
        open: points that are still in training.
        rows: points that have finished; None for none.
        rungs: what ASHA's rungs were asked and answered, as it is stored; None for nothing.
        parts: the points are no group, but these parts of them may be; int64, shape (points,) each.
        costs: what each part costs to train, relative to the others; empty if nothing is known.
        alone: points that this engine cannot train; each is left to Keras' own `fit`.
        why: why there are parts, or why points are left alone.
        timing: core seconds since the last report, by what on: compose, compile, train, evaluate.
        broken: why the engine can train nothing at all, which ends the sweep; empty if it can.
    """

    done: bool = False
    open: int = 0
    rows: Rows | None = None
    rungs: pa.RecordBatch | None = None
    parts: Sequence[np.ndarray] = ()
    costs: Sequence[float] = ()
    alone: np.ndarray | None = None
    why: str = ""
    timing: Mapping[str, float] = field(default_factory=dict)
    broken: str = ""


class Engine(ABC):
    """Trains the points of one trial after another.

    Args:
        work: what it works with.
    """

    def __init__(self, work: Work) -> None:
        self.work = work

    @abstractmethod
    def begin(self, points: np.ndarray) -> None:
        """Take the points of the next trial, int64, shape (points,), and forget those of the last."""

    @abstractmethod
    def step(self) -> Report:
        """Train on for a while and report; called until a report says that it is done.

        A point must not come back from one report to the next: it is finished once. An error that a user's builder
        or `fit` raises is a row of its point.
        """


def without_training(
    points: np.ndarray, status: str, error: str, engine: str, seed: int, seconds: float = 0.0
) -> Rows:
    """Return the rows of points that never came to train an epoch.

    Args:
        points: int64, shape (points,).
        status: of all of them.
        error: what went wrong.
        engine: that could not train them.
        seed: the plan's.
        seconds: that each took.
    """
    count = len(points)
    columns = {
        "idx": pa.array(points, pa.int64()),
        "status": [str(status)] * count,
        "epochs": np.zeros(count, np.int32),
        "seed": np.full(count, seed, np.int64),
        "seconds": np.full(count, seconds),
        "engine": [engine] * count,
        "error": [error] * count,
    }
    return Rows(pa.record_batch(columns), curves_of(points, np.zeros(count, np.int64), {}))


def curves_of(points: np.ndarray, epochs: np.ndarray, logs: Mapping[str, np.ndarray]) -> pa.RecordBatch:
    """Return learning curves as rows.

    Args:
        points: int64, shape (points,).
        epochs: that each was trained, shape (points,).
        logs: by name, one number for each epoch of each point, point by point: shape (epochs of all,).
    """
    ends = np.cumsum(epochs)
    epoch = np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - epochs, epochs) + 1
    columns: dict[str, Any] = {"idx": np.repeat(points, epochs), "epoch": epoch.astype(np.int32)}
    return pa.record_batch({name: pa.array(column) for name, column in {**columns, **logs}.items()})


def weights_of(points: np.ndarray, values: np.ndarray, layout: str) -> pa.RecordBatch:
    """Return weights as rows.

    Args:
        points: int64, shape (points,).
        values: the bytes of each point's weights, uint8, shape (points, bytes).
        layout: of all of them: JSON list of [path, dtype, shape], one for each weight.
    """
    count, size = values.shape
    offsets = np.arange(count + 1, dtype=np.int64) * size
    data = [None, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(values))]
    layouts = pa.DictionaryArray.from_arrays(np.zeros(count, np.int32), [layout])
    return pa.record_batch(
        {
            "idx": pa.array(points, pa.int64()),
            "values": pa.Array.from_buffers(pa.large_binary(), count, data),
            "layout": layouts,
        }
    )


def as_bytes(arrays: Sequence[np.ndarray]) -> np.ndarray:
    """Return the bytes of several arrays side by side: uint8, shape (points, bytes).

    Args:
        arrays: each of shape (points, ...).
    """
    rows = [np.ascontiguousarray(array).reshape(len(array), -1).view(np.uint8) for array in arrays]
    return np.concatenate(rows, axis=1)
