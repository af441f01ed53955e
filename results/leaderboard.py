"""The points of a run as a table, and the best of them; reading needs neither Ray nor TensorFlow."""

from __future__ import annotations

import difflib

import pandas as pd

from results import parquet
from results.folder import RunFolder


def read_points(folder: RunFolder) -> pd.DataFrame:
    """Return one row for each finished point, in the order they were committed.

    Raises:
        ValueError: there is no run in the folder, or a part of it is damaged.
    """
    if not any(folder.points.glob("*.parquet")):
        raise ValueError(f"{folder.path}: there is no sweep here. Name the folder that was given as --out.")
    return parquet.read_dataset(folder.points).to_pandas()


def leaderboard(
    points: pd.DataFrame, n: int = 10, by: str = "loss_te", descending: bool = False
) -> pd.DataFrame:
    """Return the `n` best points by one column; points without a value there are left out.

    Args:
        points: as `read_points` returns them.
        n: the most rows.
        by: a column that can be ordered.
        descending: whether a higher value is better.

    Raises:
        ValueError: there is no column `by`.
    """
    if by not in points.columns:
        near = difflib.get_close_matches(by, points.columns, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else f"The columns are {', '.join(points.columns)}."
        raise ValueError(f'There is no column "{by}". {hint}')
    ranked = points.dropna(subset=[by]).sort_values([by, "idx"], ascending=[not descending, True])
    return ranked.head(n).reset_index(drop=True)
