"""Analyses of a space with conditional axes: an axis has an effect only at the points where it acts.

A row stands for all points of the grid that differ from it only in axes that do not act. So the rows of all different
points are a whole grid, on which the shares of variance are exact: at the points where an axis does not act, all its values
have the same metric. `results.conditional` has the terms.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from results.analysis.condition import numbers
from results.analysis.forests import estimate
from results.analysis.importance import PAIRS, difference_of
from results.analysis.shares import MAX_CELLS, Importance, decomposed, shares_table
from results.space import Space


def where_acting(rows: pd.DataFrame, axis: str, space: Space | None) -> tuple[pd.DataFrame, str]:
    """Return the rows of points at which an axis acts, and a sentence about the others, empty if there are none.

    Args:
        rows: of `points`.
        axis: the name of a column; all rows are returned if it is no axis.
        space: the space of the run, if it has conditional axes.
    """
    if space is None or axis not in space.only or rows.empty:
        return rows, ""
    acts = space.acting(rows["idx"].to_numpy())[:, space.names.index(axis)]
    if acts.all():
        return rows, ""
    count = int((~acts).sum())
    points = f"{count:,} points are" if count > 1 else "1 point is"
    return rows[acts], f"{points} left out, because {axis} acts only where {space.only[axis]}."


def importance(rows: pd.DataFrame, space: Space, by: str = "loss_va", seed: int = 0) -> Importance:
    """Return the shares of variance over the grid of all values, of which each row covers the points that it stands for.

    They are exact if the rows cover the grid of the values that they have. Otherwise random forests estimate them, as in
    `results.analysis.importance.estimated`; an axis that does not act is a value of its own for the forests.

    Args:
        rows: of `points`; with repeats, one for each configuration. Rows without a finite metric do not count.
        space: the space of the run.
        by: the metric's column.
        seed: of the bootstrap samples, and of the points of a large grid.

    Raises:
        ValueError: there is no such column, or there are too few rows for an estimate.
    """
    metric = numbers(rows, by)
    finite = np.isfinite(metric.to_numpy(float))
    idx, metric = rows["idx"].to_numpy()[finite] % space.grid, metric.to_numpy(float)[finite]
    codes, acting = space.codes(idx), space.acting(idx)
    seen = [np.unique(column[acts]) for column, acts in zip(codes.T, acting.T, strict=True)]
    seen = [values if len(values) else np.zeros(1, np.int64) for values in seen]
    varying = [number for number, values in enumerate(seen) if len(values) > 1]
    names, sizes = [space.names[number] for number in varying], [len(seen[number]) for number in varying]
    cells = math.prod(sizes)
    chance = np.random.default_rng(seed)
    if cells <= MAX_CELLS:
        positions = np.stack(np.unravel_index(np.arange(cells), sizes), 1) if sizes else np.zeros((1, 0), int)
    else:
        positions = np.stack([chance.integers(0, size, MAX_CELLS) for size in sizes], 1)
    grid = np.empty((len(positions), len(seen)), np.int64)
    for number, values in enumerate(seen):
        grid[:, number] = values[positions[:, varying.index(number)]] if number in varying else values[0]
    if cells <= MAX_CELLS and len(idx):
        found = pd.Series(metric, idx).reindex(space.standing(grid)).to_numpy()
        if np.isfinite(found).all():
            shares, variance = decomposed(positions, sizes, found)
            return Importance(shares_table(names, shares, {}), variance, len(idx), True, 1.0)

    def features(of: np.ndarray, acts: np.ndarray) -> np.ndarray:
        """Return for each row the code on each varying axis, counted from 1, or 0 where the axis does not act."""
        return np.where(acts, of + 1, 0)[:, varying]

    known, asked = features(codes, acting), features(grid, space.acting_codes(grid))
    of_axis = [len(space.axes[number]) + 1 for number in varying]
    return estimate(names, known, of_axis, metric, positions, sizes, asked, by, chance)


def paired(rows: pd.DataFrame, space: Space, axis: str, by: str = "loss_va") -> pd.DataFrame:
    """Return the effect of changing one axis from one value to another where it acts, with all other axes equal.

    Two points are a pair if the grid has them with the same values on all other axes. An axis that acts at one of them only
    is free there, so a point may have several partners. Each pair counts once. Of a large grid, pairs are drawn at random.

    Returns:
        The columns of `results.analysis.importance.paired`.
    """
    metric = pd.Series(numbers(rows, by).to_numpy(float), rows["idx"].to_numpy() % space.grid)
    number = space.names.index(axis)
    acts = space.acting(rows["idx"].to_numpy())[:, number]
    of_row = space.codes(rows["idx"].to_numpy())[:, number]
    values = {code: rows[axis].iloc[at] for at, code in enumerate(of_row.tolist()) if acts[at]}
    others = _cells([1 if one == number else len(axis_values) for one, axis_values in enumerate(space.axes)])
    sides = {}
    for code in values:
        others[:, number] = code
        sides[code] = np.where(space.acting_codes(others)[:, number], space.standing(others), -1)
    found = []
    for value, other in itertools.combinations(values, 2):
        pairs = np.unique(np.stack([sides[value], sides[other]], 1), axis=0)
        pairs = pairs[(pairs >= 0).all(1)]
        difference = metric.reindex(pairs[:, 1]).to_numpy() - metric.reindex(pairs[:, 0]).to_numpy()
        if (one := difference_of(pd.Series(difference[np.isfinite(difference)]))) is not None:
            found.append({"value": values[value], "other": values[other], **one})
    return pd.DataFrame(found, columns=PAIRS)


def _cells(sizes: Sequence[int]) -> np.ndarray:
    """Return the codes of all cells of a grid, or of many that are drawn at random: int64, shape (cells, axes)."""
    if math.prod(sizes) <= MAX_CELLS:
        return np.stack(np.unravel_index(np.arange(math.prod(sizes)), sizes), 1).astype(np.int64)
    chance = np.random.default_rng(0)
    return np.stack([chance.integers(0, size, MAX_CELLS) for size in sizes], 1)
