"""Judges configurations that were trained several times, with different seeds, by the mean over their repeats.

Terminology
    repeat          one training of a configuration, with a seed of its own: a point, with a row of its own
    configuration   a combination of the axes' values; all its repeats together
    noise           what differs between the repeats of one configuration: the effect of the seed
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from results.analysis.condition import numbers
from results.directions import Mode
from results.schema import DATA_LOSS_VA, FINISHED_WELL, REPEAT, Status, metric_and_split
from results.space import number_in_grid, repeat_of

COUNT = "repeats"
"""The column that says over how many repeats the means of a configuration are taken."""

_MEANS = ("epochs", "best_epoch", "seconds")
"""Columns, besides the metrics, that have the mean over the repeats."""


def std_of(by: str) -> str:
    """Return the name of the column with the standard deviation of the column `by`."""
    return f"{by}_std"


def numbered(rows: pd.DataFrame, repeats: int, grid: int) -> pd.DataFrame:
    """Return rows of `points` with the repeat of each; it is null in rows that are older than the repeats of their run.

    Args:
        rows: of `points`.
        repeats: of the run; the rows of a run without repeats are returned as they are.
        grid: the number of points of one repeat.
    """
    if repeats == 1:
        return rows
    repeat = repeat_of(rows["idx"], grid)
    if REPEAT in rows:
        return rows.assign(**{REPEAT: repeat})
    found = rows.copy()
    found.insert(1, REPEAT, repeat)
    return found


def configurations(
    rows: pd.DataFrame, grid: int, by: str = "loss_va", mode: Mode = "min", axes: Sequence[str] = ()
) -> pd.DataFrame:
    """Return one row for each configuration, judged by the mean over its repeats.

    The mean is over the repeats that have a value of `by` and finished well: a repeat that diverged, failed or ran out of
    time counts only if no other one of its configuration finished well. A repeat that ASHA pruned counts with the value that
    it had until then. A configuration of which no repeat has a value has a row, too, without a mean.

    Args:
        rows: of `points`.
        grid: the number of points of one repeat.
        by: the column by which configurations are judged.
        mode: whether a lower or a higher value of it is better.
        axes: names of the axes, which are no metrics.

    Returns:
        The columns of `rows`, without `repeat`. `by`, each metric, `epochs`, `best_epoch` and `seconds` have the mean.
        Behind `by` come its standard deviation over the repeats (`loss_va_std`; of a sample, so NaN with one repeat) and
        `repeats`, how many are in the mean: 0 without one. All other columns are those of the best repeat, so `idx` is a
        point whose model can be used.

    Raises:
        ValueError: there is no column `by`, or it has no numbers.
    """
    numbers(rows, by)
    found = rows.sort_values([by, "idx"], ascending=[mode == "min", True])  # those without a value come last
    found = _where_any(found, found[by].notna(), grid)
    if "status" in found:
        found = _where_any(found, found["status"].isin(FINISHED_WELL), grid)
    configuration = number_in_grid(found["idx"], grid)
    groups = found.groupby(configuration, sort=False)
    best = groups.head(1).set_index(configuration[groups.head(1).index])
    means = [name for name in found if _has_mean(str(name), by) and name not in axes]
    best = best.assign(**groups[means].mean().astype("float64"))
    at = list(best.columns).index(by) + 1
    best.insert(at, std_of(by), groups[by].std())
    best.insert(at + 1, COUNT, groups[by].count())
    return best.drop(columns={REPEAT} & {*best} - {by}).reset_index(drop=True)


def _where_any(rows: pd.DataFrame, mask: pd.Series, grid: int) -> pd.DataFrame:
    """Return the rows where the mask holds, and all rows of the configurations of which it holds for no row."""
    return rows[mask | ~mask.groupby(number_in_grid(rows["idx"], grid)).transform("any")]


def only_pruned(rows: pd.DataFrame, grid: int) -> pd.Series:
    """Return whether each row is a pruned one of a configuration of which no repeat was trained to its end: bool.

    The mean of such a configuration is of unfinished trainings alone. Pruned repeats of the others are in their means:
    to leave these out would compare means of the repeats that happened to be good.

    Args:
        rows: of `points`.
        grid: the number of points of one repeat.
    """
    configuration = number_in_grid(rows["idx"], grid)
    ended = rows["status"].isin([Status.COMPLETED, Status.EARLY_STOPPED])
    return rows["status"].eq(Status.PRUNED) & ~ended.groupby(configuration).transform("any")


def noise(rows: pd.DataFrame, grid: int, by: str = "loss_va") -> float | None:
    """Return the share of the variance of `by` that is between repeats of the same configuration.

    Args:
        rows: of `points`. Rows without a finite value do not count, nor do configurations with one row.
        grid: the number of points of one repeat.
        by: the column.

    Returns:
        The share, from 0 to 1; None if no two rows can be compared.
    """
    values = numbers(rows, by).astype("float64")
    values = values[np.isfinite(values)]
    configuration = number_in_grid(rows.loc[values.index, "idx"], grid)
    several = configuration.duplicated(keep=False)
    values, configuration = values[several], configuration[several]
    whole = float(((values - values.mean()) ** 2).sum())
    if not len(values) or not whole:
        return None
    within = values - values.groupby(configuration).transform("mean")
    return float((within**2).sum()) / whole


def about_noise(rows: pd.DataFrame, grid: int, by: str) -> list[str]:
    """Return a sentence about the share of `noise`, or no sentence if it is not known."""
    share = noise(rows, grid, by)
    if share is None:
        return []
    return [
        f"{share:.1%} of the variance of {by} of single points is between repeats of the same configuration: this is due to "
        "the seeds."
    ]


def about(best: pd.DataFrame, rows: pd.DataFrame, grid: int, asked: int) -> list[str]:
    """Return what to know about means: which of them are over fewer repeats than asked, or have pruned repeats in them.

    Args:
        best: what `configurations` returned, or a part of it.
        rows: of `points`, from which it was made.
        grid: the number of points of one repeat.
        asked: how many repeats the plan asks for.
    """
    said, best = [], best[best[COUNT] > 0]
    if count := int((best[COUNT] < asked).sum()):
        said.append(
            f"{_of(count, best)} over fewer than the {asked} repeats that the plan asks for; the column {COUNT} says over "
            "how many."
        )
    if "status" in rows:
        pruned = number_in_grid(rows.loc[rows["status"] == Status.PRUNED, "idx"], grid)
        if count := int(number_in_grid(best["idx"], grid).isin(pruned).sum()):
            said.append(f"{_of(count, best)} over repeats of which ASHA stopped some before their end.")
    return said


def _of(count: int, best: pd.DataFrame) -> str:
    return f"{count:,} of these {len(best):,} means {'is' if count == 1 else 'are'}"


def _has_mean(name: str, by: str) -> bool:
    if name in ("idx", REPEAT):
        return False
    return name == by or name in (*_MEANS, DATA_LOSS_VA.name) or metric_and_split(name) is not None
