"""The importance of axes: their shares of a metric's variance, and the effect of changing one value, all else equal.

Terminology
    grid         rows that have each combination of some values of the axes exactly once: a full factorial
    main effect  of a value: the mean over all rows with this value, minus the mean over all rows
    interaction  of two values, one on each of two axes: the mean over all rows with both, minus the mean over all rows
                 and minus both main effects

On a grid, the functional analysis of variance (Hoeffding 1948; Hooker 2007) is computed exactly, from means and without
a model of the metric. On other rows it is estimated (see `estimated`).
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from results.analysis.condition import numbers, unknown_column
from results.analysis.forests import MAX_INDICATORS, estimate
from results.analysis.leaderboard import well_if_any
from results.analysis.shares import MAX_CELLS, Importance, decomposed, shares_table
from results.directions import Mode
from results.errors import ResultsError
from results.schema import FINISHED_WELL

MAX_VALUES = 100
"""The most values of an axis that are reported one by one and in pairs."""

PAIRS = ["value", "other", "pairs", "mean", "median", "low", "high", "lower"]
"""The columns of `paired`."""


class NoGridError(ResultsError, ValueError):
    """The rows are not a full factorial; the message says what is missing."""


def about_pruned(count: int, are_in: bool) -> str:
    """Return a sentence about the effect of including or excluding `count` pruned points."""
    if are_in:
        return f"{count:,} pruned points are included, with the losses of unfinished trainings."
    return (
        f"{count:,} pruned points are left out: what remains is the better part of the grid, so an axis that decides which "
        "points are pruned seems to matter less than it does."
    )


def about_missing(rows: pd.DataFrame, by: str) -> str:
    """Return a sentence about the rows that do not count because they lack a finite metric; empty if there are none."""
    missing = rows[~np.isfinite(numbers(rows, by).to_numpy(float, na_value=np.nan))]
    if missing.empty:
        return ""
    points = "1 point has" if len(missing) == 1 else f"{len(missing):,} points have"
    return (
        f"{points} no {by} and cannot count ({_by_status(missing)}): a value of an axis with many of them "
        "seems better than it is."
    )


def about_broken(rows: pd.DataFrame, by: str) -> str:
    """Return a sentence about the rows that count with the metric of a training that broke; empty if there are none."""
    counts = np.isfinite(numbers(rows, by).to_numpy(float, na_value=np.nan))
    broken = rows[counts & ~rows["status"].isin(FINISHED_WELL)]
    if broken.empty:
        return ""
    statuses = [str(status) for status in broken["status"].unique()]
    others = f"not in {statuses}" if len(statuses) > 1 else f"!= {statuses[0]!r}"
    points = "1 point counts" if len(broken) == 1 else f"{len(broken):,} points count"
    return (
        f"{points} with the {by} of a training that broke ({_by_status(broken)}). `sweep importance` and "
        f'`sweep effects` leave them out by --where "status {others}".'
    )


def _by_status(rows: pd.DataFrame) -> str:
    return ", ".join(f"{count:,} {status}" for status, count in rows["status"].value_counts().items())


def importance(rows: pd.DataFrame, axes: Sequence[str], by: str = "loss_va", seed: int = 0) -> Importance:
    """Return the exact shares if the rows are a grid, else estimated shares.

    Args:
        rows: of `points`. Rows without a finite metric do not count, so a grid with such rows is incomplete.
        axes: names of the axes; an axis with a single value is ignored.
        by: the metric's column.
        seed: of the bootstrap samples.

    Raises:
        ValueError: there is no such column, or there are too few rows for an estimate.
    """
    try:
        return exact(rows, axes, by)
    except NoGridError:
        return estimated(rows, axes, by, seed)


def exact(rows: pd.DataFrame, axes: Sequence[str], by: str = "loss_va") -> Importance:
    """Return the shares of variance on a full factorial.

    Raises:
        NoGridError: the rows are not a full factorial.
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
    shares, variance = decomposed(codes, sizes, metric)
    return Importance(shares_table(axes, shares, {}), variance, len(metric), True, 1.0)


def estimated(rows: pd.DataFrame, axes: Sequence[str], by: str = "loss_va", seed: int = 0) -> Importance:
    """Return shares that are estimated by random forests, as in Hutter, Hoos and Leyton-Brown (2014).

    Each of some forests of scikit-learn is fitted on a bootstrap sample of the rows. Its predictions on the grid of
    all values are decomposed exactly. The mean over the forests is the estimate, and their standard deviation is its
    spread. The spread covers only the randomness of the sample. Rows that are missing for a reason, such as pruned or
    diverged points, bias the estimate, and the spread does not show that. Of very many rows, some are drawn at random:
    `Importance.notes` says so.

    Raises:
        ValueError: there is no such column, or fewer than 20 rows with a finite metric.
    """
    axes, codes, sizes, metric = _coded(rows, axes, by)
    chance = np.random.default_rng(seed)
    cells = math.prod(sizes)
    if cells <= MAX_CELLS:
        positions = np.stack(np.unravel_index(np.arange(cells), sizes), 1) if axes else codes[:0]
    else:
        positions = np.stack([chance.integers(0, size, MAX_CELLS) for size in sizes], 1)
    return estimate(axes, codes, sizes, metric, positions, sizes, positions, by, chance)


def distribution(rows: pd.DataFrame, axis: str, by: str = "loss_va", mode: Mode = "min") -> pd.DataFrame:
    """Return how the metric is distributed for each value of one axis, best median first.

    Args:
        rows: of `points`.
        axis: its name.
        by: the metric's column.
        mode: whether a lower or a higher value of it is better.

    Returns:
        `value`, `rows`, `mean`, and the quantiles `low` (5%), `quarter`, `median`, `three_quarters`, `high` (95%), `best`.
        The best is that of the points that finished well, if there are any, as in `results.analysis.leaderboard`.
    """
    _check_axis(rows, axis)
    finite = rows[np.isfinite(numbers(rows, by))]
    table = []
    for value, part in finite.groupby(axis, dropna=False, sort=False):
        among = well_if_any(part)[by]
        best = among.min() if mode == "min" else among.max()
        low, quarter, median, three, high = part[by].quantile([0.05, 0.25, 0.5, 0.75, 0.95])
        table.append(
            {
                "value": value, "rows": len(part), "mean": part[by].mean(), "low": low, "quarter": quarter,
                "median": median, "three_quarters": three, "high": high, "best": best,
            }
        )  # fmt: skip
    columns = ["value", "rows", "mean", "low", "quarter", "median", "three_quarters", "high", "best"]
    ranked = pd.DataFrame(table, columns=columns)
    return ranked.sort_values("median", ascending=mode == "min", ignore_index=True)


def paired(rows: pd.DataFrame, axes: Sequence[str], axis: str, by: str = "loss_va") -> pd.DataFrame:
    """Return the effect of changing one axis from one value to another, with all other axes equal.

    Returns:
        One row for each pair of values: `value`, `other`, `pairs` (how many pairs of points differ in this axis only),
        `lower` (the share of pairs in which `other` has the lower metric), and statistics of the difference, the metric
        of `other` minus that of `value`: `mean`, `median`, `low` (5%), `high` (95%).
    """
    _check_axis(rows, axis)
    for name in axes:
        _check_column(rows, name)
    finite = rows[np.isfinite(numbers(rows, by))]
    others = [name for name in axes if name != axis]
    coded = finite.assign(**{name: _codes(finite[name]) for name in [*others, axis]})
    values = finite[axis][~coded[axis].duplicated()].tolist()  # of each code
    if others:
        table = coded.groupby([*others, axis])[by].mean().unstack(axis)
    else:
        table = coded.groupby(axis)[by].mean().to_frame().T
    found = []
    for code, other in itertools.combinations(range(len(values)), 2):
        if (one := difference_of((table[other] - table[code]).dropna())) is not None:
            found.append({"value": values[code], "other": values[other], **one})
    return pd.DataFrame(found, columns=PAIRS)


def difference_of(difference: pd.Series) -> dict[str, float] | None:
    """Return the statistics of the differences of some pairs, by the columns of `paired`; None if there is no pair."""
    if not len(difference):
        return None
    low, median, high = difference.quantile([0.05, 0.5, 0.95])
    return {
        "pairs": len(difference), "mean": difference.mean(), "median": median, "low": low, "high": high,
        "lower": float((difference < 0).mean()),
    }  # fmt: skip


def _coded(
    rows: pd.DataFrame, axes: Sequence[str], by: str
) -> tuple[list[str], np.ndarray, tuple[int, ...], np.ndarray]:
    """Return the axes that vary, the code of each row on each axis, how many values each has, and the metric."""
    for name in axes:
        _check_column(rows, name)
    metric = numbers(rows, by).to_numpy(float)
    finite = np.isfinite(metric)
    codes = {name: _codes(rows[name]) for name in axes}
    counts = {name: len(np.unique(codes[name])) for name in axes}
    varying = [name for name in axes if counts[name] > 1]
    sizes = tuple(counts[name] for name in varying)
    positions = np.stack([codes[name] for name in varying], 1) if varying else np.zeros((len(rows), 0), int)
    return varying, positions[finite], sizes, metric[finite]


def _codes(values: pd.Series) -> np.ndarray:
    """Return a code for each value, counted from 0 in the order in which they come first.

    Very many numbers are in their own order, by which the forests tell them apart. All kinds of missing values have one
    code, although NaN does not equal itself.
    """
    if values.dtype.kind in "iuf" and values.nunique() > MAX_INDICATORS:
        return pd.factorize(values, sort=True, use_na_sentinel=False)[0]
    plain = values.astype(object).map(lambda value: ("missing",) if pd.isna(value) else value)
    return pd.factorize(plain, use_na_sentinel=False)[0]


def _check_column(rows: pd.DataFrame, name: str) -> None:
    if name not in rows.columns:
        raise unknown_column(name, rows)


def _check_axis(rows: pd.DataFrame, name: str) -> None:
    _check_column(rows, name)
    if has_many_values(rows, name):
        raise ValueError(
            f'"{name}" has {rows[name].nunique(dropna=False):,} values, but values are compared one by one for '
            f"{MAX_VALUES} at most. Name an axis with fewer values, or select some of its values by a condition."
        )


def has_many_values(rows: pd.DataFrame, axis: str) -> bool:
    """Return whether an axis has more values among the rows than can be compared one by one."""
    return rows[axis].nunique(dropna=False) > MAX_VALUES
