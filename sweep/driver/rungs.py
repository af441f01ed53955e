"""ASHA's rungs: which points go on past a milestone, given the lowest `val_loss` of all that came so far.

Terminology, beside that of `sweep.plan.asha`
    reward      a point's lowest `val_loss` so far with its sign turned (mode "min"): more is better, as in Ray
    cutoff      the percentile 100 * (1 - 1 / reduction factor) of a rung's rewards; a point below it stops
    cohort      points that train side by side and so reach a milestone at once
"""

from __future__ import annotations

import hashlib
import math
from bisect import insort
from collections.abc import Mapping

import numpy as np

from results.schema import RUNGS
from sweep.plan.asha import Asha


class _Rung:
    """One rung of one bracket. The sorted rewards make a cutoff cheap, however full the rung is."""

    def __init__(self) -> None:
        self.values: dict[int, float] = {}
        self.passed: dict[int, bool] = {}
        self._rewards: list[float] = []  # ascending, without NaN

    def record(self, idx: int, value: float) -> None:
        self.values[idx] = value
        if not math.isnan(value):  # it moves no cutoff
            insort(self._rewards, -value)

    def passes(self, value: float, quantile: float) -> bool:
        """Return whether `value` may go on: there is no cutoff, or it is not below it (as NaN never is)."""
        rewards = self._rewards
        if not rewards:
            return True
        # np.nanpercentile to the last bit, since a point may tie with the cutoff.
        position = (len(rewards) - 1) * quantile
        below = math.floor(position)
        low, high = rewards[below], rewards[min(below + 1, len(rewards) - 1)]
        weight = position - below
        cutoff = low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1 - weight)
        return not -value < cutoff


class Rungs:
    """The rungs of a sweep, shared by all its trials.

    The rule is that of `ray.tune.schedulers.async_hyperband` in Ray 2.60 for `mode="min"`, reported to at each
    milestone. A point without a finite loss goes on, as there: NaN is not below any cutoff, and moves none. Such
    points are for their trial to end.

    What Ray draws by chance, the bracket of a point, follows here from the seed and the point, so that a resumed
    sweep deals the points out as before.

    Args:
        asha: the settings.
        epochs: the most epochs a point trains, as in `Asha.milestones`; it ends there without being judged.
        seed: any integer; equal seeds give equal brackets on every machine.
    """

    def __init__(self, asha: Asha, epochs: int, seed: int = 0) -> None:
        self.milestones = asha.milestones(epochs)
        self._seed = seed
        # By way of percents, as Ray does: the rounding decides about points that tie with the cutoff.
        self._quantile = (1 - 1 / asha.reduction_factor) * 100 / 100
        start, starts = float(asha.grace_period), []
        for _ in range(asha.brackets):
            starts.append(start)
            start *= asha.reduction_factor
        self._rungs: dict[tuple[int, int], _Rung] = {
            (bracket, milestone): _Rung()
            for bracket, start in enumerate(starts)
            for milestone in self.milestones
            if start <= milestone < epochs
        }
        # Ray's softmax over the numbers of rungs, by Ray's own formula: it counts a rung at the last epoch, too.
        last = np.log(epochs / asha.grace_period) / np.log(asha.reduction_factor)
        sizes = np.array([max(0, int(last - bracket + 1)) for bracket in range(asha.brackets)])
        odds = np.e ** (sizes - sizes.max())
        self._shares = np.cumsum(odds / odds.sum())

    def bracket(self, idx: int) -> int:
        """Return the bracket of point `idx`, drawn with the probabilities of Ray's."""
        if len(self._shares) == 1:
            return 0
        digest = hashlib.blake2b(f"{self._seed}/bracket/{idx}".encode(), digest_size=8).digest()
        draw = (int.from_bytes(digest, "little") >> 11) / 2**53  # in [0, 1)
        return min(int(np.searchsorted(self._shares, draw, side="right")), len(self._shares) - 1)

    def enter(self, milestone: int, idx: np.ndarray, value: np.ndarray, together: bool = True) -> np.ndarray:
        """Record points that have reached a milestone, and return which of them go on.

        A point that its rung has already recorded is not judged again: it comes again after a crash, and what was
        said of it still holds. A point whose bracket has no rung at this milestone goes on and is not recorded.

        One after the other is Ray's rule: each point is judged by those before it, so the first of a rung passes
        whatever it is worth. But the points of a cohort arrive at once, and an order among them would mean
        nothing, only let chance decide. Together, all of them are recorded first, and each is judged by the
        cutoff of all. Fewer pass by luck; for the epochs that this saves, more points can be tried, and the best
        that so many epochs find is a better one. (A sweep of a few dozen points, which cannot spend what it
        saves, loses its best point slightly more often.)

        Args:
            milestone: one of `milestones`.
            idx: the points, `(points,)`.
            value: lowest `val_loss` of each so far, `(points,)`; NaN for a point without a finite loss.
            together: whether to record all before judging any, or to take one after the other as they are given.

        Returns:
            Whether each point goes on, `(points,)` of bool.

        Raises:
            ValueError: there is no such milestone.
        """
        if milestone not in self.milestones:
            raise ValueError(
                f"enter got milestone={milestone}, but needs one of {self.milestones}. "
                "Enter points at those epochs only."
            )
        goes_on = np.ones(len(idx), bool)
        waiting: list[tuple[int, int, float, _Rung]] = []
        pairs = zip(np.asarray(idx).tolist(), np.asarray(value, "float64").tolist(), strict=True)
        for position, (point, loss) in enumerate(pairs):
            rung = self._rungs.get((self.bracket(point), milestone))
            if rung is None:
                continue
            if point in rung.values:
                goes_on[position] = rung.passed[point]
            elif together:
                rung.record(point, loss)
                waiting.append((position, point, loss, rung))
            else:
                goes_on[position] = rung.passed[point] = rung.passes(loss, self._quantile)
                rung.record(point, loss)
        for position, point, loss, rung in waiting:
            goes_on[position] = rung.passed[point] = rung.passes(loss, self._quantile)
        return goes_on

    def entries(self) -> dict[str, np.ndarray]:
        """Return all that the rungs have seen, as the columns of `results.schema.RUNGS`."""
        seen = [
            (at, point, loss, rung.passed[point])
            for (_, at), rung in self._rungs.items()
            for point, loss in rung.values.items()
        ]
        columns = zip(*seen, strict=True) if seen else ((), (), (), ())
        return {
            column.name: np.array(values, column.type.to_pandas_dtype())
            for column, values in zip(RUNGS, columns, strict=True)
        }

    def restore(self, columns: Mapping[str, np.ndarray]) -> None:
        """Put back what `entries` returned; what is already there stays as it is."""
        rows = zip(*(columns[column.name].tolist() for column in RUNGS), strict=True)
        for milestone, idx, value, passed in rows:
            rung = self._rungs.get((self.bracket(idx), milestone))
            if rung is not None and idx not in rung.values:
                rung.record(idx, value)
                rung.passed[idx] = passed
