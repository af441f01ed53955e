"""Finds out whether the points of a sweep can be compared by its objective, and says what to do where they cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sweep.plan.form import PlanError
from sweep.plan.plan import Plan
from trainables.objective import Loss

OF_LOSSES = ("loss", "data_loss")
"""The objectives whose values mean something else with each compiled loss."""


def different_losses(objective: str, losses: Mapping[Loss, Sequence[str]]) -> str:
    """Return the message for models that are compiled with different losses.

    Args:
        objective: the metric of the plan's objective, which is made of the losses: loss or data_loss.
        losses: for each loss the metrics of the models that have it.
    """
    first, *others = losses.values()
    common = [name for name in first if all(name in other for other in others)]
    named = [
        text if count == 1 else f"{count} losses called {text} with different code"
        for text, count in Counter(loss.text for loss in losses).items()
    ]
    said = (
        f"objective: {objective} compares values of different losses, which mean different things: the points' models "
        f"are compiled with {_and(named)}. ASHA and the ranking need a metric that all models have. "
    )
    if common:
        return f"{said}All have {_and(common)}. Write in the plan:\n  objective: {common[0]}"
    return (
        f'{said}No metric is in all of them: compile each model with one, such as metrics=["mae"], and write in the '
        "plan:\n  objective: mae"
    )


def check_weights(plan: Plan) -> None:
    """Check that an axis of weights leaves the values of the objective comparable, as far as the plan tells.

    It is no part of the checks of a `Plan`, because the plans of finished runs must load all the same.

    Raises:
        PlanError: the objective is made of the losses, which have another scale with each column of weights.
    """
    if plan.objective.metric in OF_LOSSES and (values := differing_weights(plan)):
        raise PlanError(different_weights(plan.objective.metric, values), ("objective",))


def differing_weights(plan: Plan) -> list[Any]:
    """Return the values of the axis `weight`; empty if it has one value, or if it is an argument of the builder."""
    axes = [axis for axis in plan.space.axes if axis.name == "weight"]
    if not axes or len(axes[0]) < 2 or "weight" in plan.found_builder.parameters:
        return []
    return list(axes[0].values)


def different_weights(objective: str, values: Sequence[Any], metrics: Iterable[str] = ()) -> str:
    """Return the message for points whose rows have different weights.

    Args:
        objective: the metric of the plan's objective.
        values: of the axis `weight`.
        metrics: the metrics without weights of all models; empty if they are not known.
    """
    shown = ", ".join("null" if value is None else str(value) for value in values)
    said = (
        f"objective: {objective} compares points whose rows have different weights: the axis weight has [{shown}], and it "
        f"weights the validation rows, too. Keras weights the losses and the weighted_metrics by it, so {objective} means "
        "something else with each of its values. ASHA and the ranking need a metric that is not weighted. "
    )
    if known := list(metrics):
        return f"{said}All models have {_and(known)}. Write in the plan:\n  objective: {known[0]}"
    return (
        f'{said}Compile each model with one, such as metrics=["mae"] (not weighted_metrics), and write in the plan:\n'
        "  objective: mae"
    )


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
