"""The settings of ASHA, and the epochs at which it may stop a point.

Terminology
    milestone           an epoch at which a point's lowest `val_loss` so far is compared with that of others
    rung                what a milestone has seen: one number for each point that came so far
    grace period        the first milestone
    reduction factor    each milestone is so many times the last, and about one in so many points passes
    bracket             a copy of the rungs that begins later
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Asha:
    """The asynchronous successive halving of Li et al. (2020), as `ray.tune.schedulers.ASHAScheduler` does it.

    Args:
        grace_period: epochs before the first milestone.
        reduction_factor: each milestone is so many times the last, and lets one in so many pass.
        max_t: epochs after which no point goes on; None for the budget of `fit`.
        brackets: staggered copies of the rungs; points are dealt out among them.
    """

    grace_period: int = 10
    reduction_factor: float = 4
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

    def milestones(self, epochs: int) -> tuple[int, ...]:
        """Return the epochs, ascending and below `epochs`, at which some bracket may stop a point."""
        found = []
        milestone = float(self.grace_period)
        while math.ceil(milestone) < epochs:
            found.append(math.ceil(milestone))
            milestone *= self.reduction_factor
        return tuple(dict.fromkeys(found))
