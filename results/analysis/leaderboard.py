"""Ranks the points of a run: the best ones, the best for each value of an axis, the Pareto front, and CSV."""

from __future__ import annotations

import pandas as pd

from results.analysis.condition import numbers, unknown_column
from results.directions import Mode
from results.schema import FINISHED_WELL

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins with one of these for a formula."""


def leaderboard(points: pd.DataFrame, n: int = 10, by: str = "loss_va", mode: Mode = "min") -> pd.DataFrame:
    """Return the `n` best points by one column, without points that have no value there.

    Points that diverged, failed or ran out of time come after all others, whatever their values: the value of such a point
    is that of a training that broke.

    Args:
        points: as `read_points` returns them.
        n: at most this many rows.
        by: a column that can be ordered.
        mode: whether a lower or a higher value is better.

    Raises:
        ValueError: there is no column `by`.
    """
    if by not in points.columns:
        raise unknown_column(by, points)
    ranked = points.dropna(subset=[by]).sort_values([by, "idx"], ascending=[mode == "min", True])
    return _well_first(ranked).head(n).reset_index(drop=True)


def _well_first(ranked: pd.DataFrame) -> pd.DataFrame:
    """Return the rows with those of points that finished well first, else in their order."""
    if "status" not in ranked.columns:
        return ranked
    well = ranked["status"].isin(FINISHED_WELL)
    return pd.concat([ranked[well], ranked[~well]])


def well_if_any(points: pd.DataFrame) -> pd.DataFrame:
    """Return the points that finished well; all of them if none did, or if they have no status."""
    if "status" in points.columns and (well := points["status"].isin(FINISHED_WELL)).any():
        return points[well]
    return points


def without_value(points: pd.DataFrame, by: str) -> pd.DataFrame:
    """Return the points that diverged, failed or ran out of time and have no value in a column, by their idx."""
    lost = points[by].isna() & ~points["status"].isin(FINISHED_WELL)
    return points[lost].sort_values("idx", ignore_index=True)


def best_of_each(points: pd.DataFrame, axis: str, by: str = "loss_va", mode: Mode = "min") -> pd.DataFrame:
    """Return the best point for each value of a column, best first.

    Raises:
        ValueError: there is no column `axis` or `by`.
    """
    if axis not in points.columns:
        raise unknown_column(axis, points)
    ranked = leaderboard(points, len(points), by, mode)
    return ranked.groupby(axis, dropna=False, sort=False).head(1).reset_index(drop=True)


def pareto(
    points: pd.DataFrame,
    by: str = "loss_va",
    against: str = "params",
    mode: Mode = "min",
    against_mode: Mode = "min",
) -> pd.DataFrame:
    """Return the Pareto front of two columns, from the best to the worst of `against`.

    Of points that are equal in both columns, only the one with the lowest idx is returned. Points that diverged, failed or
    ran out of time are left out, unless there are no others.

    Args:
        points: as `read_points` returns them.
        by: a column of numbers.
        against: a column that can be ordered.
        mode, against_mode: whether a lower or a higher value is better, in each of the two.

    Raises:
        ValueError: there is no such column, or `by` holds no numbers.
    """
    numbers(points, by)
    if against not in points.columns:
        raise unknown_column(against, points)
    present = well_if_any(points.dropna(subset=[by, against]))
    ascending = [against_mode == "min", mode == "min", True]
    ranked = present.sort_values([against, by, "idx"], ascending=ascending)
    cost = ranked[by] if mode == "min" else -ranked[by].astype(float)
    lowest = cost.cummin().shift(fill_value=float("inf"))
    return ranked[cost < lowest].reset_index(drop=True)


def to_csv(points: pd.DataFrame) -> str:
    """Return the rows as CSV without formulas: a text that a spreadsheet would compute gets a leading apostrophe."""
    safe = points.rename(columns=_harmless)
    for name in safe.columns:
        if safe[name].dtype.kind not in "biuf":
            safe[name] = safe[name].map(_harmless)
    return safe.to_csv(index=False)


def _harmless(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.lstrip(" \n").startswith(_FORMULA) else value
