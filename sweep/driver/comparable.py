"""Finds out whether the points of a sweep can be compared by its objective, and says what to do where they cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from results.schema import OF_LOSSES
from sweep.plan.plan import Plan
from trainables.objective import Loss


def different_losses(objective: str, losses: Mapping[Loss, Sequence[str]]) -> str:
    """Return the message for models that are compiled with different losses.

    Args:
        objective: the metric of the plan's objective, which is made of the losses: loss or data_loss.
        losses: for each loss the metrics of the models that have it.
    """
    first, *others = losses.values()
    common = [name for name in first if all(name in other for other in others)]
    named = [
        text if count == 1 else f"{count} losses called {text}, whose code or numbers differ"
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


def note_on_weights(plan: Plan) -> str:
    """Return a sentence if an axis of weights makes the values of the objective hard to compare; empty if it does not.

    Only a built model tells whether another metric than the losses is weighted; see `different_weights`.
    """
    metric = plan.objective.metric
    return different_weights(metric, values) if metric in OF_LOSSES and (values := weights_of(plan)) else ""


def weights_of(plan: Plan) -> list[Any]:
    """Return the values of the axis `weight`; empty if it has one value, or if it is an argument of the builder."""
    axes = [axis for axis in plan.space.axes if axis.name == "weight"]
    if not axes or len(axes[0]) < 2 or "weight" in plan.found_builder.parameters:
        return []
    return list(axes[0].values)


def different_weights(objective: str, values: Sequence[Any]) -> str:
    """Return what the user must know if the objective of points is weighted by different columns.

    Args:
        objective: the metric of the plan's objective.
        values: of the axis `weight`.
    """
    shown = ", ".join("null" if value is None else str(value) for value in values)
    return (
        f"The axis weight has [{shown}], and it weights the validation rows, too. So {objective} has another scale with "
        "each of its values, and ASHA and the ranking compare points on different scales. A metric that is not weighted "
        'compares them: metrics=["mae"] (not weighted_metrics) in the builder, and objective: mae in the plan.'
    )


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
