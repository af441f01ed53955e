"""Ranks the points of a run: the best ones, the best for each value of an axis, the Pareto front, and CSV."""

from __future__ import annotations

import pandas as pd

from results.analysis.condition import unknown_column

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula."""


def leaderboard(
    points: pd.DataFrame, n: int = 10, by: str = "loss_te", descending: bool = False
) -> pd.DataFrame:
    """Return the `n` best points by one column, without points that have no value there.

    Args:
        points: as `read_points` returns them.
        n: at most this many rows.
        by: a column that can be ordered.
        descending: whether a higher value is better.

    Raises:
        ValueError: there is no column `by`.
    """
    if by not in points.columns:
        raise unknown_column(by, points)
    ranked = points.dropna(subset=[by]).sort_values([by, "idx"], ascending=[not descending, True])
    return ranked.head(n).reset_index(drop=True)


def best_of_each(
    points: pd.DataFrame, axis: str, by: str = "loss_te", descending: bool = False
) -> pd.DataFrame:
    """Return the best point for each value of a column, best first.

    Raises:
        ValueError: there is no column `axis` or `by`.
    """
    if axis not in points.columns:
        raise unknown_column(axis, points)
    ranked = leaderboard(points, len(points), by, descending)
    return ranked.groupby(axis, dropna=False, sort=False).head(1).reset_index(drop=True)


def pareto(points: pd.DataFrame, by: str = "loss_te", against: str = "params") -> pd.DataFrame:
    """Return the Pareto front of two columns, in ascending order of `against`; lower is better in both.

    Of points that are equal in both columns, only the one with the lowest idx is returned.

    Raises:
        ValueError: there is no such column.
    """
    for name in (by, against):
        if name not in points.columns:
            raise unknown_column(name, points)
    ranked = points.dropna(subset=[by, against]).sort_values([against, by, "idx"])
    lowest = ranked[by].cummin().shift(fill_value=float("inf"))
    return ranked[ranked[by] < lowest].reset_index(drop=True)


def to_csv(points: pd.DataFrame) -> str:
    """Return the rows as CSV without formulas: a text that a spreadsheet would compute gets a leading apostrophe."""
    safe = points.rename(columns=_harmless)
    for name in safe.columns:
        if safe[name].dtype.kind not in "biuf":
            safe[name] = safe[name].map(_harmless)
    return safe.to_csv(index=False)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.lstrip(" \n").startswith(_FORMULA) else value
