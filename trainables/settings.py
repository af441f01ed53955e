"""The settings of a trial: budget, stopping rules and limits.

A setting that exists in Keras has its name from Keras. The defaults are those of the reference task.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

Mode = Literal["min", "max"]
"""Whether a lower or a higher value is better, in Keras' words."""

ModeSetting = Literal["auto", "min", "max"]
"""A mode, or "auto" to follow Keras' own rule: the class of the compiled metric knows its direction."""

FIT_AXES = ("batch_size", "shuffle", "validation_split", "class_weight", "weight")
"""The arguments of `Model.fit` that may be axes, and `weight`, the column of its `sample_weight`."""

BALANCED = "balanced"
"""The `class_weight` that gives every class the same sum of weights."""

# Listed here because importing Keras takes seconds. A test compares the list with `keras.Model.fit`.
FIT_PARAMETERS = (
    "x",
    "y",
    "batch_size",
    "epochs",
    "verbose",
    "callbacks",
    "validation_split",
    "validation_data",
    "shuffle",
    "class_weight",
    "sample_weight",
    "initial_epoch",
    "steps_per_epoch",
    "validation_steps",
    "validation_batch_size",
    "validation_freq",
)


def check_fit_value(name: str, value: object) -> None:
    """Raise ValueError if `value` cannot be the argument `name` of `Model.fit`, one of `FIT_AXES`."""
    whole = isinstance(value, int) and not isinstance(value, bool)
    if name == "batch_size" and not (whole and value >= 1):  # type: ignore[operator]
        raise ValueError(f"batch_size got {value!r}, but needs a whole number of rows, at least 1.")
    if name == "shuffle" and not isinstance(value, bool):
        raise ValueError(f"shuffle got {value!r}, but needs true or false.")
    if name == "validation_split" and not (isinstance(value, float) and 0 < value < 1):
        raise ValueError(f"validation_split got {value!r}, but needs a share between 0 and 1, such as 0.2.")
    if name == "class_weight" and not (value is None or value == BALANCED or _are_weights(value)):
        raise ValueError(
            f"class_weight got {value!r}, but needs null, {BALANCED}, or a weight for each class, 0 or more, such as "
            "{0: 1.0, 1: 5.0}."
        )
    if name == "weight" and not (value is None or (isinstance(value, str) and value)):
        raise ValueError(f"weight got {value!r}, but needs null or the name of a column of weights.")


def _are_weights(value: object) -> bool:
    if not isinstance(value, Mapping) or not value:
        return False
    numbers = [one for one in value.values() if isinstance(one, int | float) and not isinstance(one, bool)]
    return len(numbers) == len(value) and all(math.isfinite(one) and one >= 0 for one in numbers)


@dataclass(frozen=True)
class Fit:
    """The arguments of `Model.fit`.

    Args:
        epochs: the maximum number of epochs of a point.
        batch_size: rows in a batch; the last batch of an epoch may be smaller.
        validation_split: share of the train rows, taken from their end, on which `val_loss` is measured.
        shuffle: whether each epoch takes the fitted rows in a new order.
        class_weight: None, "balanced", or the weights of the classes by their labels or codes; for the fitted rows only.
        weight: the column with the weight of each row, on all splits; None if every row counts once.

    Raises:
        ValueError: a value cannot be used, or both class_weight and weight are given, which Keras refuses too.
    """

    epochs: int = 200
    batch_size: int = 32
    validation_split: float = 0.2
    shuffle: bool = True
    class_weight: Any = None
    weight: str | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.epochs <= 10**6:
            raise ValueError(
                f"epochs got {self.epochs}, but needs a whole number, at least 1 and at most 10**6."
            )
        for name in FIT_AXES:
            check_fit_value(name, getattr(self, name))
        if self.class_weight is not None and self.weight is not None:
            raise ValueError(
                f"class_weight got {self.class_weight!r} and weight got {self.weight!r}, but Keras takes one of the two. "
                "Multiply the column by the weights of the classes, or leave one out."
            )

    def __hash__(self) -> int:
        return hash(repr(vars(self)))  # a mapping has no hash


@dataclass(frozen=True)
class Objective:
    """The metric that decides which epoch of a point, and which point, is best. It is measured on the validation rows.

    Args:
        metric: a name that the compiled model logs, such as "loss" or "auc".
        mode: whether a lower or a higher value is better; "auto" takes it from the metric's class, as Keras does.
    """

    metric: str = "loss"
    mode: ModeSetting = "auto"

    def __post_init__(self) -> None:
        if not self.metric:
            raise ValueError(
                "objective.metric is empty, but needs a name that the model logs, such as loss or auc."
            )
        if self.metric.startswith("val_"):
            raise ValueError(
                f"objective.metric got {self.metric!r}, but the objective is always measured on the validation rows, "
                f"so it needs the plain name. Write: objective: {self.metric.removeprefix('val_') or 'loss'}"
            )

    @property
    def log(self) -> str:
        """The name under which Keras logs the objective."""
        return f"val_{self.metric}"


@dataclass(frozen=True)
class EarlyStopping:
    """Stop a point when a log has not improved by more than `min_delta` for `patience` epochs.

    It works like `keras.callbacks.EarlyStopping`.

    Args:
        patience: epochs without an improvement.
        min_delta: a smaller change is no improvement.
        monitor: the log, as Keras names it, such as "val_auc"; None for the objective on the validation rows.
        mode: whether a lower or a higher value is better.
        start_from_epoch: epochs at the start that do not count.
        baseline: the wait starts anew only with a value that is also better than this; None for no such value.
    """

    patience: int = 20
    min_delta: float = 0.0
    monitor: str | None = None
    mode: ModeSetting = "auto"
    start_from_epoch: int = 0
    baseline: float | None = None

    def __post_init__(self) -> None:
        _at_least("early_stopping.patience", self.patience, 0)
        _at_least("early_stopping.min_delta", self.min_delta, 0)
        _at_least("early_stopping.start_from_epoch", self.start_from_epoch, 0)


@dataclass(frozen=True)
class ReduceLROnPlateau:
    """Multiply the learning rate by `factor` when a log has not improved for `patience` epochs.

    It works like `keras.callbacks.ReduceLROnPlateau`. It leaves out models with a learning-rate schedule, because
    Keras cannot set the rate of such an optimizer. `monitor` and `mode` are as in `EarlyStopping`.
    """

    factor: float = 0.1
    patience: int = 10
    min_lr: float = 1e-5
    min_delta: float = 1e-4
    cooldown: int = 0
    monitor: str | None = None
    mode: ModeSetting = "auto"

    def __post_init__(self) -> None:
        if not 0 < self.factor < 1:
            raise ValueError(
                f"reduce_lr_on_plateau.factor got {self.factor}, but needs a number between 0 and 1."
            )
        _at_least("reduce_lr_on_plateau.patience", self.patience, 0)
        _at_least("reduce_lr_on_plateau.min_lr", self.min_lr, 0)
        _at_least("reduce_lr_on_plateau.min_delta", self.min_delta, 0)
        _at_least("reduce_lr_on_plateau.cooldown", self.cooldown, 0)


@dataclass(frozen=True)
class Callbacks:
    """The rules that act on a point after each epoch. A rule is off if it is None."""

    early_stopping: EarlyStopping | None = None
    reduce_lr_on_plateau: ReduceLROnPlateau | None = None


def _at_least(name: str, value: float, least: float) -> None:
    if not value >= least:
        raise ValueError(f"{name} got {value}, but needs at least {least}.")


Programs = Literal["any", "native", "xla"]
"""Programs that may train many points at once."""


@dataclass(frozen=True)
class Training:
    """The part of a plan that a trial needs.

    Args:
        fit: the arguments of `Model.fit` for the points whose axes do not set them.
        callbacks: the stopping rules.
        milestones: epochs, ascending, at which a trial reports and ASHA may stop it; may be empty.
        seed: seed of the initial weights and of the data order; of the points of repeat 0 if there are several repeats.
        timeout_s: wall-clock seconds that one point may take.
        threads: size of TensorFlow's thread pools in a worker.
        keep_weights: whether a report carries the best epoch's weights.
        memory_mb: MiB that the arrays of one cohort may take; on a GPU, its memory is the limit instead.
        gpu: share of a GPU, or number of GPUs, that a trial has.
        objective: the metric that decides which epoch is best, and that ASHA compares.
        programs: which programs may train points: "any" prefers the native kernel to XLA.
    """

    fit: Fit
    callbacks: Callbacks
    milestones: tuple[int, ...] = ()
    seed: int = 0
    timeout_s: float = 600.0
    threads: int = 1
    keep_weights: bool = True
    memory_mb: float = 256.0
    gpu: float = 0.0
    objective: Objective = Objective()
    programs: Programs = "any"
