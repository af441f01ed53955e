"""Says what to do where the points of a sweep cannot be compared by its objective."""

from __future__ import annotations

from collections.abc import Mapping, Sequence


def different_losses(losses: Mapping[str, Sequence[str]]) -> str:
    """Return the message for models that are compiled with different losses.

    Args:
        losses: for each loss the metrics of the models that have it.
    """
    first, *others = losses.values()
    common = [name for name in first if all(name in other for other in others)]
    said = (
        "objective: loss compares values of different losses, which mean different things: the points' models are "
        f"compiled with {_and(list(losses))}. ASHA and the ranking need a metric that all models have. "
    )
    if common:
        return f"{said}All have {_and(common)}. Write in the plan:\n  objective: {common[0]}"
    return (
        f'{said}No metric is in all of them: compile each model with one, such as metrics=["mae"], and write in the '
        "plan:\n  objective: mae"
    )


def _and(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else names[0]
