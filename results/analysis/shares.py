"""Shares of variance: how they are computed from the metric on a grid, and the table of them.

`results.analysis.importance` has the terms.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

MAX_CELLS = 200_000
"""The most combinations that an estimate is computed on; of a larger grid, this many are drawn at random."""

MIN_SAMPLES = 50
"""Of cells that are drawn at random, how many each combination of two values needs, on average, for an interaction.

The mean over n cells has the nth part of the variance between them, and this would count as interaction: 2% at most.
"""

Shares = dict[tuple[int, ...], float]
"""Shares of variance by the position of one axis, or of two axes, in the list of axes."""


@dataclass(frozen=True)
class Importance:
    """Shares of variance.

    Attributes:
        shares: a row for each axis and each pair of axes, largest share first: `axis`, `other` (empty for a main
            effect), `share` of the variance, and `spread`, the standard deviation of an estimate over bootstrap samples.
        variance: of the metric over the grid.
        rows: the number of rows that it was computed from.
        exact: whether it is exact, not estimated.
        fit: R2 of an estimate's forests on the rows that they were not fitted on; 1 if exact.
        notes: sentences about what an estimate does not use or tell.
    """

    shares: pd.DataFrame
    variance: float
    rows: int
    exact: bool
    fit: float
    notes: tuple[str, ...] = ()

    @property
    def how(self) -> str:
        """A text that says how the shares were computed."""
        if self.exact:
            return f"exact, as the {self.rows:,} points are a whole grid"
        return (
            f"estimated by random forests from {self.rows:,} points, which are not a whole grid (R2 {self.fit:.2f} on "
            "points they have not seen)"
        )


def decomposed(codes: np.ndarray, sizes: Sequence[int], metric: np.ndarray) -> tuple[Shares, float]:
    """Return the share of each main effect and each interaction of two axes, and the variance.

    Args:
        codes: the code of each row on each axis, int, shape (rows, axes); each combination must occur equally often, or
            the rows be drawn at random from more combinations.
        sizes: how many values each axis has.
        metric: of each row.

    Returns:
        The shares, without interactions of which too few rows were drawn (see `MIN_SAMPLES`); and the variance.
    """
    variance, centred = float(metric.var()), metric - metric.mean()

    def means(positions: np.ndarray, size: int) -> np.ndarray:
        counts = np.bincount(positions, minlength=size)
        return np.bincount(positions, centred, minlength=size) / np.maximum(counts, 1)

    mains = [means(codes[:, axis], size) for axis, size in enumerate(sizes)]
    parts: Shares = {(axis,): float(np.mean(effect**2)) for axis, effect in enumerate(mains)}
    is_drawn = math.prod(sizes) > len(metric)
    for a, b in itertools.combinations(range(len(sizes)), 2):
        if is_drawn and sizes[a] * sizes[b] * MIN_SAMPLES > len(metric):
            continue
        both = means(codes[:, a] * sizes[b] + codes[:, b], sizes[a] * sizes[b]).reshape(sizes[a], sizes[b])
        parts[a, b] = float(np.mean((both - mains[a][:, None] - mains[b][None, :]) ** 2))
    return {key: part / variance if variance else 0.0 for key, part in parts.items()}, variance


def shares_table(axes: Sequence[str], shares: Shares, spread: Shares) -> pd.DataFrame:
    """Return the shares as the table of `Importance`."""
    table = [
        {
            "axis": axes[key[0]],
            "other": axes[key[1]] if len(key) > 1 else "",
            "share": share,
            "spread": spread.get(key, 0.0),
        }
        for key, share in shares.items()
    ]
    columns = ["axis", "other", "share", "spread"]
    return pd.DataFrame(table, columns=columns).sort_values("share", ascending=False, ignore_index=True)
