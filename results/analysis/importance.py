"""Which axes matter: shares of a metric's variance, and what a change of one value does, all else equal.

Terminology
    grid         the rows that hold each combination of some values of the axes exactly once: a full factorial
    main effect  of a value: the mean over all rows with it, less the mean over all
    interaction  of two axes: what the mean over both has beyond their main effects

On a grid the functional analysis of variance (Hoeffding 1948; Hooker 2007) is a matter of means: exact, no model of
the metric in between. On other rows it is estimated (see `estimated`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from results.analysis.condition import numbers, unknown_column
from results.errors import ResultsError

FORESTS = 10
"""Forests that an estimate is made by, each on its own bootstrap sample of the rows."""

MAX_VALUES = 100
"""Values of an axis that are told one by one, and in pairs."""

MAX_CELLS = 200_000
"""Combinations that an estimate is computed on; of more, as many are drawn."""


class NoGridError(ResultsError, ValueError):
    """The rows are no full factorial; the message says what is missing."""


Shares = dict[tuple[int, ...], float]
"""By the place of one axis, or of two."""


@dataclass(frozen=True)
class Importance:
    """Shares of variance.

    Attributes:
        shares: a row for each axis and each pair of axes, largest first: `axis`, `other` (empty for a main effect),
            `share` of the variance, and for an estimate its standard deviation `spread` over bootstrap samples.
        variance: of the metric over the grid.
        rows: that it was computed from.
        exact: whether it is exact.
        fit: of an estimate: R2 of the forests on the rows they have not seen; 1 if exact.
    """

    shares: pd.DataFrame
    variance: float
    rows: int
    exact: bool
    fit: float

    @property
    def how(self) -> str:
        """How the shares were found, in words."""
        if self.exact:
            return f"exact, as the {self.rows:,} points are a whole grid"
        return (
            f"estimated by random forests from {self.rows:,} points, which are no whole grid (R2 {self.fit:.2f} on points "
            "they have not seen)"
        )


def about_pruned(count: int, are_in: bool) -> str:
    """Return what `count` pruned points do to a result that they are in, or are left out of."""
    if are_in:
        return f"{count:,} pruned points are in it, with the losses of unfinished trainings."
    return (
        f"{count:,} pruned points are left out: what remains is the better part of the grid, so an axis that decides who "
        "is pruned seems to matter less than it does."
    )


def importance(rows: pd.DataFrame, axes: Sequence[str], by: str = "loss_va", seed: int = 0) -> Importance:
    """Return the exact shares where the rows are a grid, else estimated ones.

    Args:
        rows: of `points`; rows without a finite metric are no cells of the grid, so that it is incomplete then.
        axes: names of the axes; those with one value only are left out.
        by: the metric's column.
        seed: of the bootstrap samples.

    Raises:
        ValueError: there is no such column, or too little to tell from.
    """
    try:
        return exact(rows, axes, by)
    except NoGridError:
        return estimated(rows, axes, by, seed)


def exact(rows: pd.DataFrame, axes: Sequence[str], by: str = "loss_va") -> Importance:
    """Return the shares of variance on a full factorial.

    Raises:
        NoGridError: the rows are none.
        ValueError: there is no such column.
    """
    axes, codes, sizes, metric = _coded(rows, axes, by)
    cells = math.prod(sizes)
    if len(metric) != cells:
        raise NoGridError(
            f"{len(metric):,} rows have a finite {by}, but the values of the {len(axes)} axes make {cells:,} combinations."
        )
    if axes and len(np.unique(np.ravel_multi_index(codes.T, sizes))) != cells:
        raise NoGridError("A combination of the axes' values is there twice.")
    shares, variance = _decomposed(codes, sizes, metric)
    return Importance(_table(axes, shares, {}), variance, len(metric), True, 1.0)


def estimated(rows: pd.DataFrame, axes: Sequence[str], by: str = "loss_va", seed: int = 0) -> Importance:
    """Return the shares as random forests see them, as Hutter, Hoos and Leyton-Brown (2014) do it.

    Each of `FORESTS` forests of scikit-learn is fitted on a bootstrap sample of the rows; what it predicts on the grid
    of all values is decomposed exactly. The mean over the forests is the estimate, their standard deviation its
    spread, which knows of the sample's chance only: rows that are missing for a reason, as those that were pruned or
    diverged, bias it, and no spread shows that.

    Raises:
        ValueError: there is no such column, or fewer than 20 rows with a finite metric.
    """
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.preprocessing import OneHotEncoder

    axes, codes, sizes, metric = _coded(rows, axes, by)
    if len(metric) < 20 or not axes:
        raise ValueError(
            f"{len(metric):,} rows have a finite {by}; telling what matters needs 20 at least, and axes that vary."
        )
    encoder = OneHotEncoder(categories=[np.arange(size) for size in sizes], sparse_output=False)
    features = encoder.fit_transform(codes)
    chance = np.random.default_rng(seed)
    cells = math.prod(sizes)
    if cells <= MAX_CELLS:
        positions = np.stack(np.unravel_index(np.arange(cells), sizes), 1)
    else:
        positions = np.stack([chance.integers(0, size, MAX_CELLS) for size in sizes], 1)
    found: list[Shares] = []
    variances, seen, expected = [], [], []
    for number in range(FORESTS):
        drawn = chance.integers(0, len(metric), len(metric))
        forest = RandomForestRegressor(64, min_samples_leaf=2, max_features=0.5, random_state=number)
        forest.fit(features[drawn], metric[drawn])
        out = np.setdiff1d(np.arange(len(metric)), drawn)
        seen.append(metric[out])
        expected.append(forest.predict(features[out]))
        shares, variance = _decomposed(positions, sizes, forest.predict(encoder.transform(positions)))
        variances.append(variance)
        found.append(shares)
    mean = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
    spread = {key: float(np.std([one[key] for one in found], ddof=1)) for key in found[0]}
    true, told = np.concatenate(seen), np.concatenate(expected)
    fit = 1 - float(np.sum((true - told) ** 2) / max(np.sum((true - true.mean()) ** 2), 1e-300))
    return Importance(_table(axes, mean, spread), float(np.mean(variances)), len(metric), False, fit)


def distribution(rows: pd.DataFrame, axis: str, by: str = "loss_va") -> pd.DataFrame:
    """Return how the metric is distributed for each value of one axis, best median first.

    Returns:
        `value`, `rows`, `mean`, and the quantiles `low` (5%), `quarter`, `median`, `three_quarters`, `high` (95%), `best`.
    """
    _check_axis(rows, axis)
    finite = rows[np.isfinite(numbers(rows, by))]
    table = []
    for value, part in finite.groupby(axis, dropna=False, sort=False):
        low, quarter, median, three, high = part[by].quantile([0.05, 0.25, 0.5, 0.75, 0.95])
        table.append(
            {
                "value": value, "rows": len(part), "mean": part[by].mean(), "low": low, "quarter": quarter,
                "median": median, "three_quarters": three, "high": high, "best": part[by].min(),
            }
        )  # fmt: skip
    columns = ["value", "rows", "mean", "low", "quarter", "median", "three_quarters", "high", "best"]
    return pd.DataFrame(table, columns=columns).sort_values("median", ignore_index=True)


def paired(rows: pd.DataFrame, axes: Sequence[str], axis: str, by: str = "loss_va") -> pd.DataFrame:
    """Return what going from one value of an axis to another does, all other axes equal.

    Returns:
        For each pair of values: `value`, `other`, `pairs` (of points that differ in nothing else), and of the
        difference, metric of `other` less metric of `value`: `mean`, `median`, `low` (5%), `high` (95%), and `lower`,
        the share of pairs in which `other` has the lower metric.
    """
    _check_axis(rows, axis)
    for name in axes:
        _check_column(rows, name)
    finite = rows[np.isfinite(numbers(rows, by))]
    others = [name for name in axes if name != axis]
    keyed = finite.assign(**{name: finite[name].map(_plain) for name in [*others, axis]})
    values = list(dict.fromkeys(keyed[axis]))
    if others:
        table = keyed.groupby([*others, axis], dropna=False)[by].mean().unstack(axis)
    else:
        table = keyed.groupby(axis, dropna=False)[by].mean().to_frame().T
    found = []
    for value, other in itertools.combinations(values, 2):
        difference = (table[other] - table[value]).dropna()
        if len(difference):
            low, median, high = difference.quantile([0.05, 0.5, 0.95])
            found.append(
                {
                    "value": value, "other": other, "pairs": len(difference), "mean": difference.mean(),
                    "median": median, "low": low, "high": high, "lower": float((difference < 0).mean()),
                }
            )  # fmt: skip
    columns = ["value", "other", "pairs", "mean", "median", "low", "high", "lower"]
    return pd.DataFrame(found, columns=columns)


def _decomposed(codes: np.ndarray, sizes: Sequence[int], metric: np.ndarray) -> tuple[Shares, float]:
    """Return the share of each main effect and each interaction of two axes, and the variance.

    Args:
        codes: of each row the place of its value in each axis, int, shape (rows, axes); each combination as often.
        sizes: how many values each axis has.
        metric: of each row.
    """
    variance, centred = float(metric.var()), metric - metric.mean()

    def means(positions: np.ndarray, size: int) -> np.ndarray:
        counts = np.bincount(positions, minlength=size)
        return np.bincount(positions, centred, minlength=size) / np.maximum(counts, 1)

    mains = [means(codes[:, axis], size) for axis, size in enumerate(sizes)]
    parts: Shares = {(axis,): float(np.mean(effect**2)) for axis, effect in enumerate(mains)}
    for a, b in itertools.combinations(range(len(sizes)), 2):
        both = means(codes[:, a] * sizes[b] + codes[:, b], sizes[a] * sizes[b]).reshape(sizes[a], sizes[b])
        parts[a, b] = float(np.mean((both - mains[a][:, None] - mains[b][None, :]) ** 2))
    return {key: part / variance if variance else 0.0 for key, part in parts.items()}, variance


def _coded(
    rows: pd.DataFrame, axes: Sequence[str], by: str
) -> tuple[list[str], np.ndarray, tuple[int, ...], np.ndarray]:
    """Return the axes that vary, the place of each row's value in each, how many values each has, and the metric."""
    for name in axes:
        _check_column(rows, name)
    metric = numbers(rows, by).to_numpy(float)
    finite = np.isfinite(metric)
    codes = {name: pd.factorize(rows[name].map(_plain), use_na_sentinel=False) for name in axes}
    varying = [name for name in axes if len(codes[name][1]) > 1]
    sizes = tuple(len(codes[name][1]) for name in varying)
    positions = (
        np.stack([codes[name][0] for name in varying], 1) if varying else np.zeros((len(rows), 0), int)
    )
    return varying, positions[finite], sizes, metric[finite]


def _plain(value: Any) -> Any:
    """Return one value for all kinds of a missing one, which are not equal to themselves."""
    return ("missing",) if pd.isna(value) else value


def _check_column(rows: pd.DataFrame, name: str) -> None:
    if name not in rows.columns:
        raise unknown_column(name, rows)


def _check_axis(rows: pd.DataFrame, name: str) -> None:
    _check_column(rows, name)
    if (count := rows[name].nunique(dropna=False)) > MAX_VALUES:
        raise ValueError(
            f'"{name}" has {count:,} values, but its values are told one by one for {MAX_VALUES} at most. Name an axis of '
            "the grid with fewer, or take some of its values by a condition."
        )


def _table(axes: Sequence[str], shares: Shares, spread: Shares) -> pd.DataFrame:
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
