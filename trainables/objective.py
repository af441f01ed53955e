"""Finds out which logs the rules of a point watch, and in which direction, once its first model has logged something.

Terminology
    log         a name under which Keras logs a number after each epoch: "loss", "val_auc"
    objective   the metric of the plan's `objective`, on the validation rows: it decides which epoch is best
    mode        "min" if a lower value is better, "max" if a higher one is
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from trainables.errors import TrainablesError
from trainables.settings import Callbacks, Mode, ModeSetting, Objective

DATA_LOSS = "data_loss"
VAL_DATA_LOSS = f"val_{DATA_LOSS}"
"""The loss on the validation rows without the penalties of regularizers. The engines compute it; Keras does not log it."""

Modes = Mapping[str, Mode | None]
"""The mode of each metric by its name; None where Keras cannot tell."""


class Loss(NamedTuple):
    """The compiled loss of a model. Losses are equal if their values can be compared.

    Attributes:
        text: its name, with those of its arguments that matter.
        code: identifies the user's code in it; empty for a loss of Keras.
    """

    text: str
    code: str = ""


_TAKEN = ("idx", "epoch", DATA_LOSS)
"""Names that no metric may have, because other columns of the results have them."""


class ObjectiveError(TrainablesError, ValueError):
    """The plan names a log that the compiled model does not have, or one whose direction only the user knows."""


@dataclass(frozen=True)
class Watch:
    """A log, and whether a lower or a higher value is better."""

    log: str
    mode: Mode

    @property
    def worst(self) -> float:
        """The value that each finite one is better than."""
        return np.inf if self.mode == "min" else -np.inf


@dataclass(frozen=True)
class Watched:
    """What each rule watches. A rule that is off has the objective here.

    Attributes:
        objective: decides which epoch is best, and what ASHA compares.
        early_stopping, reduce_lr_on_plateau: of these rules.
    """

    objective: Watch = Watch("val_loss", "min")
    early_stopping: Watch = Watch("val_loss", "min")
    reduce_lr_on_plateau: Watch = Watch("val_loss", "min")


def needs_data_loss(objective: Objective, callbacks: Callbacks) -> bool:
    """Return whether the objective or a rule needs the data loss after each epoch."""
    rules = (callbacks.early_stopping, callbacks.reduce_lr_on_plateau)
    monitors = [rule.monitor for rule in rules if rule is not None]
    return objective.metric == DATA_LOSS or VAL_DATA_LOSS in monitors


def watched(objective: Objective, callbacks: Callbacks, logs: Collection[str], modes: Modes) -> Watched:
    """Return what the rules of a model watch.

    Args:
        objective: of the plan.
        callbacks: of the plan.
        logs: the names that the model logs after an epoch with validation, without "learning_rate", and "val_data_loss"
            if it is needed.
        modes: of the metrics of the model, as in `trainables.fused.internals.directions`.

    Raises:
        ObjectiveError: the model logs no such name, or Keras cannot tell a direction; or a metric has a name that is taken.
    """
    if taken := [name for name in logs if name in _TAKEN]:
        raise ObjectiveError(
            f"The compiled model has a metric with the name {taken[0]!r}, which a column of the results has already. "
            f'Give the metric another name in the builder, such as name="my_{taken[0]}".'
        )
    known: dict[str, Mode | None] = {DATA_LOSS: "min", **modes}
    best = _watch("objective", objective.log, objective.mode, logs, known)
    known[objective.metric] = best.mode
    found = {}
    for name in ("early_stopping", "reduce_lr_on_plateau"):
        rule = getattr(callbacks, name)
        if rule is None:
            found[name] = best
        else:
            found[name] = _watch(f"callbacks.{name}", rule.monitor or objective.log, rule.mode, logs, known)
    return Watched(best, **found)


def _watch(key: str, log: str, mode: ModeSetting, logs: Collection[str], modes: Modes) -> Watch:
    """Return the watch of the plan's `key`."""
    of_plan = key == "objective"
    metric = log.removeprefix("val_")
    if log not in logs:
        asked = metric if of_plan else log
        names = [name for name in logs if not name.startswith("val_")] if of_plan else list(logs)
        line = f"objective: {names[-1]}" if of_plan else f"monitor: {names[-1]}"
        raise ObjectiveError(
            f"{key}{'.metric' if of_plan else '.monitor'} got {asked!r}, but the compiled model logs "
            f"{', '.join(names)}. Name one of these, such as `{line}`, or compile the model with that metric."
        )
    if mode == "auto":
        if (known := modes.get(metric)) is None:
            line = (
                f"`objective: {{metric: {metric}, mode: max}}` or `mode: min`"
                if of_plan
                else f"`mode: max` or `mode: min` in {key}"
            )
            raise ObjectiveError(
                f"{key}: Keras cannot tell whether a higher or a lower {metric} is better, because it is not a metric "
                f"class of Keras. Say it in the plan: {line}."
            )
        mode = known
    return Watch(log, mode)
