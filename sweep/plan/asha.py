"""The settings of ASHA, and the epochs at which it may stop a point.

Terminology
    milestone           an epoch at which a point's best objective so far is compared with that of others
    rung                the record of a milestone: the best objective of each point that has reached it
    grace period        the first milestone
    reduction factor    the ratio of a milestone to the one before; about 1 / reduction factor of the points pass
    bracket             a set of rungs; each further bracket starts one milestone later
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Asha:
    """Settings of the asynchronous successive halving of Li et al. (2020), as in `ray.tune.schedulers.ASHAScheduler`.

    Args:
        grace_period: epochs before the first milestone.
        reduction_factor: the ratio of a milestone to the one before; about 1 / reduction_factor of the points pass.
        max_t: the most epochs of a point; None for the budget of `fit`.
        brackets: the number of sets of rungs, each starting one milestone later; each point belongs to one of them.
    """

    grace_period: int = 10
    reduction_factor: float = 4.0  # the stored plan has it as a float, too
    max_t: int | None = None
    brackets: int = 1

    def __post_init__(self) -> None:
        if self.grace_period < 1:
            raise ValueError(f"asha.grace_period got {self.grace_period}, but needs at least 1 epoch.")
        if not (math.isfinite(self.reduction_factor) and self.reduction_factor >= 1.1):
            raise ValueError(
                f"asha.reduction_factor got {self.reduction_factor}, but needs a number of at least 1.1."
            )
        if self.max_t is not None and self.max_t < self.grace_period:
            raise ValueError(
                f"asha.max_t got {self.max_t}, but needs at least grace_period={self.grace_period} epochs."
            )
        if not 1 <= self.brackets <= 100:
            raise ValueError(f"asha.brackets got {self.brackets}, but needs a whole number from 1 to 100.")

    def note(self, epochs: int) -> str:
        """Return a sentence if no point can be pruned, because it trains at most `epochs`; empty if some can."""
        if self.milestones(epochs):
            return ""
        return (
            f"ASHA prunes no point: the first epoch at which it may is asha.grace_period={self.grace_period}, and a point "
            f"trains {epochs} at most. Lower grace_period, or write scheduler: none."
        )

    def milestones(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs below `epochs` at which some bracket may stop a point, ascending."""
        found = []
        milestone = float(self.grace_period)
        while math.ceil(milestone) < epochs:
            found.append(math.ceil(milestone))
            milestone *= self.reduction_factor
        return tuple(dict.fromkeys(found))
