"""Compares two trainings of one point: what an engine stored, and what plain Keras gives.

The rule has three parts.

Numbers. Every number of the learning curve and every metric agrees to `RTOL`. Both trainings do the same float32
operations in another order of summation, so their losses differ by about 1e-7 at first, and more in later epochs.

Chaos. Some points are chaotic: an L1 penalty holds a weight at zero, a unit is at relu's kink, or a normalized layer is
small. There, one rounding error grows until two runs are far apart. So Keras is also trained from weights that are nudged
by one unit in the last place. From each epoch on, a training may be as far from Keras as `FACTOR` times the largest
distance so far between Keras and Keras nudged.

Decisions. The learning rate, the best epoch and the end of a training follow from the logs that its rules watch, such as
the validation loss. Two values that tie within the tolerance may be decided otherwise. So a different decision is right if
it follows, by the plan's rules and to the last bit, from the training's own logs. After a different learning rate nothing
more can be compared.

Terminology
    found     the training that is checked
    log       a column of the learning curve: loss, val_loss, each metric, learning_rate
    gap       relative distance of two numbers
    nudged    trained by Keras from weights that are one unit in the last place away
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from trainables.check import Difference
from trainables.fused.training.rules import Rules
from trainables.objective import DATA_LOSS, VAL_DATA_LOSS, Watched
from trainables.settings import Training

RTOL = 1e-3
"""The relative tolerance of every number."""

FACTOR = 10.0
"""How many times as far as one nudged Keras a training may be from Keras. One nudge is a small sample."""

FLOOR = 0.01
"""A number below this share of its log's median is compared with that share: a metric may cross zero."""

FLIPS = 2
"""Rows by which a metric that counts rows, such as accuracy, may differ: a prediction may be at the threshold.

If the metric is weighted, each of them may be the row that weighs most.
"""

_PRUNED, _RUNNING = "pruned", "running"


@dataclass(frozen=True)
class Trained:
    """What one training of a point gave.

    Attributes:
        status: as in the point's row; "running" if the training is not finished.
        epochs: how many epochs were trained.
        best_epoch: 1-based; None without a finite validation loss.
        curve: each log, float, shape (epochs,).
        metrics: `loss_tr`, `loss_va`, ... of the best epoch's model; empty if they were not computed.
        params: numbers in the model's weights; None if unknown.
    """

    status: str
    epochs: int
    best_epoch: int | None
    curve: Mapping[str, np.ndarray]
    metrics: Mapping[str, float] = field(default_factory=dict)
    params: int | None = None


@dataclass(frozen=True)
class Comparison:
    """How two trainings compare.

    Attributes:
        epochs: how many epochs were compared.
        parted: whether two losses tied and the learning rates have differed since, so that no later epoch was compared.
        differences: all that are beyond the tolerance, at most one a column.
    """

    epochs: int
    parted: bool
    differences: tuple[Difference, ...]


def compare(
    found: Trained,
    keras: Trained,
    training: Training,
    nudged: Sequence[Trained] = (),
    rows: Mapping[str, int] | None = None,
    factor: float = FACTOR,
    watched: Watched = Watched(),  # noqa: B008
    shares: Mapping[str, Mapping[str, float]] | None = None,
) -> Comparison:
    """Compare a training with Keras' own.

    If Keras' training is not finished, the epochs that both have are compared. A point that ASHA pruned is compared with
    as many epochs of Keras.

    Args:
        found: the training that is checked.
        keras: the same point trained by Keras, to at least the end of `found` or to some epoch before.
        training: the plan's rules and budget.
        nudged: the same point trained by Keras from nudged weights; empty allows for no chaos.
        rows: how many rows the table has of each kind: fitted, tr, va, te. None makes no allowance for metrics that
            count rows.
        factor: see `FACTOR`.
        watched: the logs that the plan's rules watch.
        shares: for each weighted metric that counts rows: the largest share of all weights that one row has, by the kind of
            rows. None makes no allowance for weighted metrics.
    """
    epochs = min([found.epochs, keras.epochs, *(one.epochs for one in nudged if one.status == _RUNNING)])
    apart = _first(_gap(found.curve.get("learning_rate"), keras.curve.get("learning_rate"), epochs) > 1e-6)
    parted = apart is not None and _rates_follow(found, training, watched)
    if parted and apart is not None:
        epochs = apart
    differences = []
    for log in dict.fromkeys([*found.curve, *keras.curve]):
        gap = _gap(found.curve.get(log), keras.curve.get(log), epochs)
        values = _values(keras.curve.get(log), epochs)
        allowed = np.maximum(_base(log, values, rows, shares), factor * _spread(log, keras, nudged, epochs))
        at = _first(~(gap <= allowed))
        if at is not None:
            is_, is_by_keras = _values(found.curve.get(log), epochs)[at], values[at]
            differences.append(Difference(log, at + 1, float(is_), float(is_by_keras)))
    is_whole = keras.epochs >= found.epochs or keras.status != _RUNNING
    is_nudged_whole = all(one.status != _RUNNING or one.epochs >= keras.epochs for one in nudged)
    if is_whole and is_nudged_whole and not parted:
        differences += _ends(found, keras, training, bool(differences), watched)
        if found.best_epoch == keras.best_epoch and keras.metrics:
            differences += _metrics(found, keras, nudged, rows, factor, shares)
        if None not in (found.params, keras.params) and found.params != keras.params:
            differences.append(Difference("params", 0, found.params, keras.params))
    return Comparison(epochs, parted, tuple(differences))


def _ends(
    found: Trained, keras: Trained, training: Training, differs: bool, watched: Watched
) -> list[Difference]:
    """Return how the ends differ, unless losses agree and the end follows from the losses of `found`."""
    columns = ["epochs", "best_epoch"] if found.status == _PRUNED else ["status", "epochs", "best_epoch"]
    if keras.status == _RUNNING:
        keras = replace(keras, status="still in training")
    different = [
        Difference(name, 0, getattr(found, name), getattr(keras, name))
        for name in columns
        if getattr(found, name) != getattr(keras, name)
    ]
    return [] if not differs and _end_follows(found, training, watched) else different


def _metrics(
    found: Trained,
    keras: Trained,
    nudged: Sequence[Trained],
    rows: Mapping[str, int] | None,
    factor: float,
    shares: Mapping[str, Mapping[str, float]] | None,
) -> list[Difference]:
    differences = []
    for name in dict.fromkeys([*found.metrics, *keras.metrics]):
        log, split = name.rsplit("_", 1)
        is_, is_by_keras = found.metrics.get(name), keras.metrics.get(name)
        if log == DATA_LOSS and is_ is None:
            continue  # a row of an earlier version lacks it
        # The logs tell the size of the metric, and how far apart the best epoch's models are.
        size = np.append(_values(keras.curve.get(f"val_{log}"), keras.epochs), _number(is_by_keras))
        base = float(_base(log, size[-1:], rows, shares, split)[-1])
        spreads = [_distance(_number(one.metrics.get(name)), size) for one in nudged]
        best = keras.best_epoch or 0
        for of_curve in (log, f"val_{log}") if best and nudged else ():
            spreads.append(float(_spread(of_curve, keras, nudged, keras.epochs)[best - 1]))
        if not _distance(_number(is_), size) <= max([base, *(factor * one for one in spreads)]):
            differences.append(Difference(name, 0, is_, is_by_keras))
    return differences


def _base(
    log: str,
    values: np.ndarray,
    rows: Mapping[str, int] | None,
    shares: Mapping[str, Mapping[str, float]] | None,
    split: str = "",
) -> np.ndarray:
    """Return the gap that is allowed without chaos: `RTOL`, or `FLIPS` rows of a metric that counts rows."""
    base = np.full(len(values), RTOL)
    kind = split or ("va" if log.startswith("val_") else "fitted")
    if share := (shares or {}).get(log if split else log.removeprefix("val_"), {}).get(kind):
        return np.maximum(base, (FLIPS + 0.5) * share / _scale(values))
    count = (rows or {}).get(kind, 0)
    if log in ("loss", "val_loss", DATA_LOSS, VAL_DATA_LOSS) or not count:
        return base
    finite = values[np.isfinite(values)]
    if np.all(np.abs(finite * count - np.round(finite * count)) < 1e-3):
        return np.maximum(base, (FLIPS + 0.5) / count / _scale(values))
    return base


def _spread(log: str, keras: Trained, nudged: Sequence[Trained], epochs: int) -> np.ndarray:
    """Return the largest gap so far between Keras and Keras nudged, in each of the first `epochs`."""
    spread = np.zeros(epochs)
    for one in nudged:
        length = min(epochs, one.epochs)
        so_far = np.maximum.accumulate(_gap(one.curve.get(log), keras.curve.get(log), length))
        if length < epochs:  # its rules have stopped it: from then on nothing is measured
            so_far = np.append(so_far, np.full(epochs - length, so_far[-1] if length else 0.0))
        spread = np.maximum(spread, so_far)
    return spread


def _gap(one: np.ndarray | None, keras: np.ndarray | None, epochs: int) -> np.ndarray:
    """Return the gap in each epoch: 0 where neither is finite, Inf where only one is."""
    a, b = _values(one, epochs), _values(keras, epochs)
    alike = ~np.isfinite(a) & ~np.isfinite(b)
    with np.errstate(invalid="ignore"):
        gap = np.abs(a - b) / _scale(b)
    gap[~np.isfinite(gap)] = np.inf
    gap[alike] = 0.0
    return gap


def _distance(value: float, size: np.ndarray) -> float:
    """Return the gap between `value` and the last number of `size`, whose other numbers tell how large it usually is."""
    return float(_gap(np.append(size[:-1], value), size, len(size))[-1])


def _scale(values: np.ndarray) -> np.ndarray:
    """Return the size that a difference in each of the values is compared with."""
    size = np.abs(np.where(np.isfinite(values), values, 0.0))
    usual = float(np.median(size[np.isfinite(values)])) if np.isfinite(values).any() else 0.0
    return np.maximum(size, max(FLOOR * usual, 1e-6))


def _values(column: np.ndarray | None, epochs: int) -> np.ndarray:
    """Return the first `epochs` numbers of a log; NaN for a log that there is not."""
    return np.full(epochs, np.nan) if column is None else np.asarray(column[:epochs], float)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _first(mask: np.ndarray) -> int | None:
    return int(np.argmax(mask)) if mask.any() else None


def _rates_follow(found: Trained, training: Training, watched: Watched) -> bool:
    """Return whether the learning rates are those that the plateau rule makes of the training's own losses."""
    if training.callbacks.reduce_lr_on_plateau is None:
        return False
    rates = np.asarray(found.curve["learning_rate"], np.float32)
    return bool(np.array_equal(_replayed(found, training, watched)[0], rates))


def _end_follows(found: Trained, training: Training, watched: Watched) -> bool:
    """Return whether best epoch and end are those that the rules make of the training's own losses."""
    _, stopped, best_epoch = _replayed(found, training, watched)
    ended = {_PRUNED: False, "completed": False}.get(found.status, True)
    if found.status == "completed" and found.epochs != training.fit.epochs:
        return False
    return not any(stopped[:-1]) and stopped[-1] == ended and (best_epoch or None) == found.best_epoch


def _replayed(found: Trained, training: Training, watched: Watched) -> tuple[np.ndarray, list[bool], int]:
    """Apply the plan's rules to the training's own losses.

    Returns:
        The rate of each epoch, float32; whether a rule ended the training after each epoch, where its last epoch of the
        budget does not count; the best epoch, 0 if there is none.
    """
    rates = np.asarray(found.curve["learning_rate"], np.float32)
    rules = Rules(training.callbacks, watched, rates[:1], np.array([False]))
    curve = {log: np.asarray(values, np.float32) for log, values in found.curve.items()}
    made: list[Any] = []
    stopped: list[bool] = []
    for epoch in range(len(curve["loss"])):
        made.append(rules.learning_rate[0])
        rules.after_epoch(epoch, np.array([0]), {log: values[[epoch]] for log, values in curve.items()})
        is_last = epoch + 1 >= training.fit.epochs
        stopped.append(bool(rules.diverged[0] or (rules.stopped[0] and not is_last)))
    return np.array(made, np.float32), stopped, int(rules.best_epoch[0])
