"""Learning curves: of some points with the events of each epoch, or of all points as bands.

Terminology
    cut     an epoch with a lower learning rate than the one before, by the plateau rule or a schedule
    band    quantiles over many points, epoch by epoch
    hold    to keep the last value of a point that has stopped. So each epoch of a band covers the same points; otherwise
            late epochs would cover only the points that had a reason to go on
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import pandas as pd

from results.analysis.condition import unknown_column
from results.directions import Mode

QUANTILES = (0.1, 0.5, 0.9)
"""The lower edge, the middle and the upper edge of a band."""


def annotated(curves: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Return the curves with the events of each epoch.

    Args:
        curves: as `Run.curves` returns them.
        points: rows of these points.

    Returns:
        The columns of `curves` and three more: `is_cut`; `is_best`, whether the model of this epoch was kept; `ended`,
        the point's status in its last epoch, else "".
    """
    rows = curves.sort_values(["idx", "epoch"], ignore_index=True)
    same = rows["idx"].eq(rows["idx"].shift())
    known = points.set_index("idx")
    # Equal rates are equal as float32, too, and a cut changes the rate by far more than rounding does.
    is_cut = same & (rows["learning_rate"] < 0.999 * rows["learning_rate"].shift())
    is_last = ~rows["idx"].eq(rows["idx"].shift(-1))
    status = rows["idx"].map(known["status"]).fillna("").astype(str)
    return rows.assign(
        is_cut=is_cut,
        is_best=rows["epoch"].eq(rows["idx"].map(known["best_epoch"])),
        ended=status.where(is_last, ""),
    )


def summary(
    curves: pd.DataFrame, points: pd.DataFrame, log: str = "val_loss", mode: Mode = "min"
) -> pd.DataFrame:
    """Return how the training of each point went: one row for each, in the order of `points`.

    Args:
        curves: as `Run.curves` returns them.
        points: rows of these points.
        log: a column of `curves`.
        mode: whether a lower or a higher value of it is better.

    Returns:
        `idx`, `epochs`, `best_epoch`, `first`, `best` and `last` value of the log, `cuts` (the epochs, as text), `ended`.

    Raises:
        ValueError: there is no such column.
    """
    if log not in curves.columns and len(curves):
        raise unknown_column(log, curves)
    table = []
    marked = dict(list(annotated(curves, points).groupby("idx")))
    for idx in points["idx"]:
        if (part := marked.get(idx)) is None:
            continue
        values = part[log]
        best = part.loc[part["is_best"], "epoch"]
        table.append(
            {
                "idx": idx,
                "epochs": len(part),
                "best_epoch": int(best.iloc[0]) if len(best) else 0,
                "first": values.iloc[0],
                "best": values.min() if mode == "min" else values.max(),
                "last": values.iloc[-1],
                "cuts": ", ".join(map(str, part.loc[part["is_cut"], "epoch"])),
                "ended": part["ended"].iloc[-1],
            }
        )
    columns = ["idx", "epochs", "best_epoch", "first", "best", "last", "cuts", "ended"]
    return pd.DataFrame(table, columns=columns)


def bands(
    curves: pd.DataFrame,
    points: pd.DataFrame,
    axis: str,
    metric: str = "val_loss",
    quantiles: Sequence[float] = QUANTILES,
) -> pd.DataFrame:
    """Return quantiles of a metric over all points with one value of an axis, epoch by epoch; stopped points hold.

    Args:
        curves: as `Run.curves` returns them.
        points: rows of the points to use; the curves of other points are ignored.
        axis: a column of `points`.
        metric: a column of `curves`.
        quantiles: lower edge, middle and upper edge of a band, each from 0 to 1.

    Returns:
        One row for each value and each epoch up to the longest training: `value`, `epoch`, the number of `points`, how
        many of them are still in `training`, and `low`, `middle`, `high`.

    Raises:
        ValueError: there is no such column.
    """
    if axis not in points.columns:
        raise unknown_column(axis, points)
    if metric not in curves.columns:
        raise unknown_column(metric, curves)
    rows = curves[curves["idx"].isin(points["idx"])]
    if rows.empty:
        return pd.DataFrame(columns=["value", "epoch", "points", "training", "low", "middle", "high"])
    positions, idx = pd.factorize(rows["idx"])
    epochs = int(rows["epoch"].max())
    values = np.full((len(idx), epochs), np.nan, np.float32)
    values[positions, rows["epoch"].to_numpy() - 1] = rows[metric].to_numpy()
    values[~np.isfinite(values)] = np.nan  # a point that diverged has no value from then on
    lengths = np.bincount(positions)
    lasts = values[np.arange(len(idx)), lengths - 1]
    held = np.where(np.arange(epochs) < lengths[:, None], values, lasts[:, None])
    found = []
    for value, part in pd.Series(range(len(idx))).groupby(
        points.set_index("idx")[axis].loc[idx].to_numpy(), dropna=False
    ):
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "All-NaN slice")
            low, middle, high = np.nanquantile(held[part], quantiles, axis=0)
        found.append(
            pd.DataFrame(
                {
                    "value": [value] * epochs,
                    "epoch": np.arange(1, epochs + 1),
                    "points": len(part),
                    "training": (lengths[part][:, None] > np.arange(epochs)).sum(0),
                    "low": low,
                    "middle": middle,
                    "high": high,
                }
            )
        )
    return pd.concat(found, ignore_index=True)
