"""The base class of the engines: an engine trains the points of one trial after another and reports finished points.

Users choose among three engines, and each row names the one that trained its point: `native`, `fused`, which is XLA, and
`keras`. They are two classes here. `trainables.fused.engine` trains many points as one program, by the native kernel where
it can and is not slower, else by XLA. `trainables.single.engine` trains one point by Keras' own `fit`. Two more classes do
not train the points of a sweep: those of `trainables.single.verify` and `trainables.trials.wait`. Engines do not use Ray;
the trial that calls them (`trainables.trials.trial`) does.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from trainables.builder.find import Builder
from trainables.builder.maker import Maker
from trainables.check import Check
from trainables.errors import TrainablesError
from trainables.objective import Loss
from trainables.settings import Mode, Training
from trainables.table.data import Table


class RungsLostError(TrainablesError, RuntimeError):
    """ASHA's rungs do not answer, which ends the sweep: no point beyond a milestone could be judged any more."""


class Rungs(ABC):
    """The interface through which an engine asks ASHA's rungs."""

    @abstractmethod
    def enter(
        self, epoch: int, idx: np.ndarray, best: np.ndarray, together: bool, mode: Mode = "min"
    ) -> np.ndarray:
        """Enter points that have reached a milestone, and return which of them continue: bool, shape (points,).

        Args:
            epoch: the milestone.
            idx: the points' numbers in the grid, int64, shape (points,).
            best: each point's best objective so far, float64, shape (points,); NaN if none was finite.
            together: whether all points are entered before any is judged.
            mode: whether a lower or a higher objective is better.

        Raises:
            RungsLostError: the rungs do not answer.
        """

    @abstractmethod
    def entered(self) -> pa.RecordBatch | None:
        """Return the records of what was entered since the last call, as rows to store; None if nothing was entered."""


class Checkpoints(ABC):
    """Keeps the state of cohorts in training, as arrays by name, so that another worker can continue a cohort."""

    @abstractmethod
    def save(self, name: str, state: Mapping[str, np.ndarray]) -> None:
        """Replace the checkpoint `name`. If that fails, the previous one stays and training goes on."""

    @abstractmethod
    def hand_over(self, name: str, state: Mapping[str, np.ndarray]) -> bool:
        """Do what `save` does, wait until other workers can find it, and return whether it worked."""

    @abstractmethod
    def forget(self, name: str) -> None:
        """Remove the checkpoint `name`, if there is one."""

    @abstractmethod
    def find(self, idx: np.ndarray) -> Sequence[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Return the undamaged checkpoints in which some of the points `idx` are in training, the latest first.

        Returns:
            For each checkpoint: these points, and the state.
        """


def checkpoint_name(idx: np.ndarray) -> str:
    """Return the name of the checkpoint of the points `idx`: int64, shape (points,), in any order."""
    return hashlib.blake2b(np.sort(idx).astype("<i8").tobytes(), digest_size=12).hexdigest()


@dataclass(frozen=True)
class Work:
    """The inputs of an engine, which are the same for all its trials.

    Attributes:
        space: the points' configurations by idx; `codes(idx)` gives the code of each point on each axis, `repeat(idx)` the
            repeat of each point.
        builder: the user's builder.
        table: the data.
        training: budget, rules and limits.
        rungs: ASHA's rungs; None without pruning.
        checkpoints: where the state of cohorts is kept; None if none is kept.
        maker: calls the builder, for all engines of the worker.
    """

    space: Any
    builder: Builder
    table: Table
    training: Training
    rungs: Rungs | None = None
    checkpoints: Checkpoints | None = None
    maker: Maker = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "maker", Maker(self.builder, self.training.seed))

    def of_seed(self, seed: int) -> Work:
        """Return the work of points that are trained with another seed; itself if it has this seed.

        What the maker has found out about the builder, such as that it keeps state, is true with every seed.
        """
        if seed == self.training.seed:
            return self
        found = replace(self, training=replace(self.training, seed=seed))
        found.maker.learn(self.maker)
        return found


@dataclass(frozen=True)
class Rows:
    """Finished points, as columns with the names under which they are stored.

    Attributes:
        points: one row for each point: idx, status, epochs, best_epoch, each metric on each split, params, seed, seconds,
            engine, error, note.
        curves: one row for each epoch of each point: idx, epoch, what Keras logged, learning_rate.
        weights: one row for each point that has a best epoch: idx, values, layout; None if none are kept.
    """

    points: pa.RecordBatch
    curves: pa.RecordBatch
    weights: pa.RecordBatch | None = None


@dataclass(frozen=True)
class Report:
    """The outcome of one step of an engine.

    Attributes:
        done: whether the trial has nothing left to do.
        open: points that are still in training.
        given: points that the trial does not train any more, since it was asked to give some away (see `Engine.give`):
            int64, shape (points,). Another trial goes on with them from their checkpoint. None if it has given none.
        saves_s: how many seconds sooner the open points would finish if another worker trained half of them; 0 if it would
            not save time.
        rows: points that have finished; None if none have.
        rungs: the records of ASHA's rungs since the last report, as rows to store; None if there are none.
        check: how a finished point compares with Keras so far; only the engine `verify` has one.
        parts: the parts into which the points must be split, because this engine cannot train all of them together; each
            int64, shape (points,).
        costs: the cost of training each part, relative to the others; empty if unknown.
        refused: points that this engine cannot train; each is then trained by Keras' own `fit`.
        why: the reason for `parts` or `refused`.
        timing: core seconds since the last report, by activity: compose, compile, train, evaluate, verify.
        broken: why no point can be trained any more, which ends the sweep; empty if they can.
        unusable: what in the plan the models contradict, which ends the sweep like bad input; empty if nothing does.
        modes: whether a lower or a higher value of each metric is better, by its name: "min", "max", or None if Keras
            cannot tell; empty if nothing new is known.
        losses: the losses of the models that were built so far, with the names of these models' metrics.
        weighted: the logs of these models that the weights of rows change, but for the loss: weighted metrics, and the
            losses of single outputs.
        known: what the engine has learned about all points of the sweep, for `Engine.begin` of later trials.
        notes: what the user must know about the builder; each is printed once.
    """

    done: bool = False
    open: int = 0
    given: np.ndarray | None = None
    saves_s: float = 0.0
    rows: Rows | None = None
    rungs: pa.RecordBatch | None = None
    check: Check | None = None
    parts: Sequence[np.ndarray] = ()
    costs: Sequence[float] = ()
    refused: np.ndarray | None = None
    why: str = ""
    timing: Mapping[str, float] = field(default_factory=dict)
    broken: str = ""
    unusable: str = ""
    modes: Mapping[str, str | None] = field(default_factory=dict)
    losses: Mapping[Loss, Sequence[str]] = field(default_factory=dict)
    weighted: frozenset[str] = frozenset()
    known: Any = None
    notes: tuple[str, ...] = ()


class Engine(ABC):
    """Trains the points of one trial after another.

    Args:
        work: the inputs, the same for all trials.
    """

    def __init__(self, work: Work) -> None:
        self.work = work

    @abstractmethod
    def begin(self, points: np.ndarray, known: Any = None, most: int | None = None) -> None:
        """Take the points of the next trial, and forget those of the previous one.

        Args:
            points: int64, shape (points,).
            known: what trials of the same engine have learned; see `Report.known`. None if nothing is known.
            most: how many points the trial should train at most; it gives more back, in parts. None if any number.
        """

    @abstractmethod
    def step(self) -> Report:
        """Train for a while and report. The trial calls this until a report says `done`.

        Each point must be in the `rows` of one report only. An error that a user's builder or `fit` raises must
        become the row of its point.
        """

    def give(self) -> None:  # noqa: B027  # an engine need not be able to
        """Give half of the open points away at the next step, if that still saves time. The default gives none."""


def without_training(
    points: np.ndarray, status: str, error: str, engine: str, seed: int | np.ndarray, seconds: float = 0.0
) -> Rows:
    """Return the rows of points that were not trained for a single epoch.

    Args:
        points: int64, shape (points,).
        status: the status of all of them.
        error: what went wrong.
        engine: name of the engine that could not train them.
        seed: of all of them, or of each, int64, shape (points,).
        seconds: seconds that each point took.
    """
    count = len(points)
    columns = {
        "idx": pa.array(points, pa.int64()),
        "status": [str(status)] * count,
        "epochs": np.zeros(count, np.int32),
        "seed": np.broadcast_to(np.asarray(seed, np.int64), count),
        "seconds": np.full(count, seconds),
        "engine": [engine] * count,
        "error": [error] * count,
    }
    return Rows(pa.record_batch(columns), curves_of(points, np.zeros(count, np.int64), {}))


def curves_of(points: np.ndarray, epochs: np.ndarray, logs: Mapping[str, np.ndarray]) -> pa.RecordBatch:
    """Return learning curves as rows.

    Args:
        points: int64, shape (points,).
        epochs: number of epochs of each point, shape (points,).
        logs: for each name, one number for each epoch of each point: all epochs of the first point come first. Shape
            (epochs of all points,).
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
        layout: the layout of all points' weights: JSON list of [path, dtype, shape], one for each weight.
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
