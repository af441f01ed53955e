"""ASHA's rungs: they decide which points go on past a milestone.

A point is compared with the points that have reached the milestone so far, by its best objective
on the validation rows.

Terminology, beside that of `sweep.plan.asha`
    value       a point's best objective so far, as it is stored
    reward      the value in mode "max", minus the value in mode "min": higher is better, as in Ray
    cutoff      the percentile 100 * (1 - 1 / reduction factor) of a rung's rewards; a point below it stops
    cohort      points that train side by side and so reach a milestone at once
"""

from __future__ import annotations

import hashlib
import math
from abc import abstractmethod
from bisect import insort
from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from results.schema import RUNGS, to_arrow
from sweep.plan.asha import Asha
from trainables import engine
from trainables.settings import Mode


class _Rung:
    """One rung of one bracket. It keeps the rewards sorted, so that a cutoff is cheap in a full rung, too.

    `sign` is 1 in mode "max" and -1 in mode "min".
    """

    def __init__(self) -> None:
        self.values: dict[int, float] = {}
        self.passed: dict[int, bool] = {}
        self._sign = -1
        self._rewards: list[float] = []  # ascending, without NaN

    def direct(self, sign: int) -> None:
        """Set the sign, also of what is recorded."""
        if sign != self._sign:
            self._sign = sign
            self._rewards = [-reward for reward in reversed(self._rewards)]

    def record(self, idx: int, value: float) -> None:
        self.values[idx] = value
        if not math.isnan(value):  # NaN moves no cutoff
            insort(self._rewards, self._sign * value)

    def passes(self, value: float, quantile: float) -> bool:
        """Return whether a point with this `value` goes on: there is no cutoff, or its reward is not below the cutoff.

        NaN is never below a cutoff.
        """
        rewards = self._rewards
        if not rewards:
            return True
        # This equals np.nanpercentile to the last bit, since a point may tie with the cutoff.
        position = (len(rewards) - 1) * quantile
        below = math.floor(position)
        low, high = rewards[below], rewards[min(below + 1, len(rewards) - 1)]
        weight = position - below
        cutoff = low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1 - weight)
        return not self._sign * value < cutoff


class Rungs:
    """The rungs of a sweep, shared by all its trials.

    The rule is that of `ray.tune.schedulers.async_hyperband` in Ray 2.60 for the same mode with one report at each
    milestone. As in Ray, a point without a finite objective goes on: NaN is not below any cutoff, and moves none. The trial
    ends such points.

    Ray draws the bracket of a point at random. Here it follows from the seed and the point, so that a resumed sweep
    gives each point the same bracket.

    Args:
        asha: the settings.
        epochs: the most epochs that a point trains, as in `Asha.milestones`; there is no rung at the last one.
        seed: any integer; equal seeds give equal brackets on every machine.
    """

    def __init__(self, asha: Asha, epochs: int, seed: int = 0) -> None:
        self.milestones = asha.milestones(epochs)
        self._seed = seed
        # Ray computes in percent; the rounding decides about points that tie with the cutoff.
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
        # The odds are a softmax over the brackets' numbers of rungs, as in Ray, which also counts one at the last epoch.
        last = np.log(epochs / asha.grace_period) / np.log(asha.reduction_factor)
        sizes = np.array([max(0, int(last - bracket + 1)) for bracket in range(asha.brackets)])
        odds = np.e ** (sizes - sizes.max())
        self._shares = np.cumsum(odds / odds.sum())

    def bracket(self, idx: int) -> int:
        """Return the bracket of point `idx`, drawn with Ray's probabilities."""
        if len(self._shares) == 1:
            return 0
        digest = hashlib.blake2b(f"{self._seed}/bracket/{idx}".encode(), digest_size=8).digest()
        draw = (int.from_bytes(digest, "little") >> 11) / 2**53  # in [0, 1)
        return min(int(np.searchsorted(self._shares, draw, side="right")), len(self._shares) - 1)

    def enter(
        self,
        milestone: int,
        idx: np.ndarray,
        value: np.ndarray,
        together: bool = True,
        mode: Mode = "min",
    ) -> np.ndarray:
        """Record points that have reached a milestone, and return which of them go on.

        If its rung has already recorded a point, the former decision holds: the point comes again after a crash. A point
        whose bracket has no rung at this milestone goes on and is not recorded.

        Ray takes one point after the other and judges each by those before it, so the first point of a rung always
        passes. But the points of a cohort arrive at once, and their order means nothing. With `together`, all of them
        are recorded first, and each is judged by the cutoff of all. Fewer points then pass by chance. The saved epochs
        train more points, so the same number of epochs finds a better best point. (A sweep of a few dozen points has no
        more points to train, and loses its best point slightly more often.)

        Args:
            milestone: one of `milestones`.
            idx: the points, `(points,)`.
            value: best objective of each so far, `(points,)`; NaN for a point without a finite one.
            together: whether to record all points before judging any; if not, each is judged by those before it.
            mode: whether a lower or a higher value is better, the same in all calls. It is known from the first model on,
                so entries of an earlier run are recorded before it is known.

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
        for rung in self._rungs.values():
            rung.direct(1 if mode == "max" else -1)
        goes_on = np.ones(len(idx), bool)
        waiting: list[tuple[int, int, float, _Rung]] = []
        pairs = zip(np.asarray(idx).tolist(), np.asarray(value, "float64").tolist(), strict=True)
        for position, (point, entered) in enumerate(pairs):
            found = self._rungs.get((self.bracket(point), milestone))
            if found is None:
                continue
            if point in found.values:
                goes_on[position] = found.passed[point]
            elif together:
                found.record(point, entered)
                waiting.append((position, point, entered, found))
            else:
                goes_on[position] = found.passed[point] = found.passes(entered, self._quantile)
                found.record(point, entered)
        for position, point, entered, found in waiting:
            goes_on[position] = found.passed[point] = found.passes(entered, self._quantile)
        return goes_on

    def entries(self) -> dict[str, np.ndarray]:
        """Return all that the rungs have recorded, as the columns of `results.schema.RUNGS`."""
        seen = [
            (at, point, value, rung.passed[point])
            for (_, at), rung in self._rungs.items()
            for point, value in rung.values.items()
        ]
        columns = zip(*seen, strict=True) if seen else ((), (), (), ())
        return {
            column.name: np.array(values, column.type.to_pandas_dtype())
            for column, values in zip(RUNGS, columns, strict=True)
        }

    def restore(self, columns: Mapping[str, np.ndarray]) -> None:
        """Record what `entries` returned; a point that is already recorded stays unchanged."""
        rows = zip(*(columns[column.name].tolist() for column in RUNGS), strict=True)
        for milestone, idx, value, passed in rows:
            rung = self._rungs.get((self.bracket(idx), milestone))
            if rung is not None and idx not in rung.values:
                rung.record(idx, value)
                rung.passed[idx] = passed


class RecordedRungs(engine.Rungs):
    """The rungs as an engine knows them: it keeps each decision until the engine hands it on to be stored."""

    def __init__(self) -> None:
        self._entered: list[pa.RecordBatch] = []

    @abstractmethod
    def judge(self, epoch: int, idx: np.ndarray, best: np.ndarray, together: bool, mode: Mode) -> np.ndarray:
        """Return which of the points continue; the arguments are those of `enter`."""

    def enter(
        self, epoch: int, idx: np.ndarray, best: np.ndarray, together: bool, mode: Mode = "min"
    ) -> np.ndarray:
        """See `trainables.engine.Rungs.enter`."""
        passed = self.judge(epoch, idx, best, together, mode)
        columns = [np.full(len(idx), epoch, np.int32), idx, best, passed]
        self._entered.append(pa.record_batch(list(map(pa.array, columns)), schema=to_arrow(RUNGS)))
        return passed

    def entered(self) -> pa.RecordBatch | None:
        """See `trainables.engine.Rungs.entered`."""
        if not self._entered:
            return None
        table = pa.Table.from_batches(self._entered).combine_chunks()
        self._entered = []
        return table.to_batches()[0]
