"""Chooses a small set of points in which every two values of every two axes occur together.

Such a choice is called a covering array of strength 2. With every three values of every three axes, its strength is 3. The
method is greedy, like that of Cohen, Dalal, Fredman and Patton (1997). The number of rows hardly grows with the number of
axes: about 35 of the 17,280 points of the reference grid have all pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CANDIDATES = 48
"""The number of points that are compared for the next row."""


@dataclass(frozen=True)
class Covering:
    """Chosen points.

    Attributes:
        rows: their rows, int64, shape (chosen,).
        pairs: share of the pairs of values of two axes that occur in them and in those known before; 1.0 if nothing
            limited their number.
        triples: the same of three axes; 1.0 if there are fewer than three.
    """

    rows: np.ndarray
    pairs: float
    triples: float


def covering(
    codes: np.ndarray, most: int, seed: int = 0, had: Sequence[int] = (), may_have_triples: bool = True
) -> Covering:
    """Choose points in which every pair of values of every two axes occurs, if it occurs in any point.

    If at most twice as many points have every triple of values too, these are chosen.

    Args:
        codes: the code of each point on each axis, int64, shape (points, axes), with at least one axis.
        most: the maximum number of points to choose.
        seed: seed of the random choice among points that are equally good.
        had: rows of points that were chosen before; what occurs in them is not missing.
        may_have_triples: whether twice as many points may be chosen for the triples.
    """
    pairs, triples = _Combinations(codes, min(2, codes.shape[1])), _Combinations(codes, 3)
    chosen = pairs.cover(most, seed, had)
    limit = min(most, 2 * len(chosen))
    if may_have_triples and not len(had) and 0 < triples.most_values <= limit:
        larger = triples.cover(limit, seed)
        chosen = larger if triples.share(larger) == 1.0 else chosen
    known = np.array([*had, *chosen], np.int64)
    return Covering(chosen, pairs.share(known), triples.share(known))


class _Combinations:
    """The combinations of values that some number of axes take together.

    Args:
        codes: see `covering`.
        strength: the number of axes.
    """

    def __init__(self, codes: np.ndarray, strength: int) -> None:
        self._codes = codes
        self._sizes = codes.max(0) + 1
        self._axes = list(itertools.combinations(range(codes.shape[1]), strength))
        self._occur = [np.unique(self._labels(axes)) for axes in self._axes]

    @property
    def most_values(self) -> int:
        """The number of combinations of the axes that have most of them; so many points are needed at least."""
        return max(map(len, self._occur), default=0)

    def share(self, rows: np.ndarray) -> float:
        """Return the share of the combinations that occur in the points `rows`."""
        total = sum(map(len, self._occur))
        found = sum(len(np.unique(self._labels(axes, rows))) for axes in self._axes)
        return found / total if total else 1.0

    def cover(self, most: int, seed: int, had: Sequence[int] = ()) -> np.ndarray:
        """Return at most `most` points in which all combinations occur, or as many of them as that allows.

        Combinations of the points `had` count as if they had been chosen.
        """
        chance = np.random.default_rng(seed)
        known = np.array(had, np.int64)
        missing = [
            ~np.isin(occur, self._labels(axes, known))
            for occur, axes in zip(self._occur, self._axes, strict=True)
        ]
        chosen: list[int] = []
        while len(chosen) < most and any(one.any() for one in missing):
            # One combination that is missing, of the axes that lack most; then the most useful point that has it.
            worst = int(np.argmax([one.sum() for one in missing]))
            wanted = self._occur[worst][chance.choice(np.flatnonzero(missing[worst]))]
            having = np.flatnonzero(self._labels(self._axes[worst]) == wanted)
            some = chance.choice(having, min(CANDIDATES, len(having)), replace=False)
            numbers = [
                np.searchsorted(occur, self._labels(axes, some))
                for occur, axes in zip(self._occur, self._axes, strict=True)
            ]
            gain = np.sum([one[number] for one, number in zip(missing, numbers, strict=True)], 0)
            best = int(np.argmax(gain))
            chosen.append(int(some[best]))
            for one, number in zip(missing, numbers, strict=True):
                one[number[best]] = False
        return np.array(chosen, np.int64)

    def _labels(self, axes: tuple[int, ...], rows: np.ndarray | None = None) -> np.ndarray:
        """Return the number of the combination that each point has on `axes`, int64, shape (points,)."""
        codes = self._codes if rows is None else self._codes[rows]
        labels = np.zeros(len(codes), np.int64)
        for axis in axes:
            labels = labels * self._sizes[axis] + codes[:, axis]
        return labels
