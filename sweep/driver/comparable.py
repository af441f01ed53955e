"""Finds out whether the points of a sweep can be compared by its objective, and says what to do where they cannot."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

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


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
