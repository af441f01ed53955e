"""How long a plan will take, from a few points timed here and now."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

from sweep.plan import Plan

_FEW_EPOCHS = 5


@dataclass(frozen=True)
class Estimate:
    """Seconds that one point takes on one worker.

    Attributes:
        timed: the idx of the points that were timed.
        setup_s: building, tracing, the first epoch and the evaluation, mean over the timed points.
        epoch_s: each further epoch, mean over the timed points.
    """

    timed: Sequence[int]
    setup_s: float
    epoch_s: float

    def at_most_s(self, points: int, epochs: int, workers: int) -> float:
        """Return the wall seconds of `points` points if each uses its whole budget of `epochs`."""
        return points * (self.setup_s + (epochs - 1) * self.epoch_s) / workers


def estimate(plan: Plan, timed: Sequence[int]) -> Estimate:
    """Train each point of `timed` for a few epochs in this process and return what they took.

    Raises:
        ValueError: the builder or the fit of a timed point raised; the message says what.
    """
    from trainables.keras_trial import Point, set_up_tensorflow

    set_up_tensorflow(plan.resources.cpu)
    build = plan.found_builder.load()
    setup_s, epoch_s = [], []
    for idx in timed:
        config = plan.space[idx]
        started = time.perf_counter()
        try:
            point = Point(build, plan.found_builder, config, plan.table, plan.training)
            point.advance(1)
            point.metrics()
            trained_one = time.perf_counter()
            point.advance(1 + _FEW_EPOCHS)
        except (Exception, SystemExit) as error:
            raise ValueError(f"The point {idx}, {config}, raised {type(error).__name__}: {error}") from error
        setup_s.append(trained_one - started)
        epoch_s.append((time.perf_counter() - trained_one) / max(1, point.epoch - 1))
    return Estimate(tuple(timed), mean(setup_s), mean(epoch_s))
