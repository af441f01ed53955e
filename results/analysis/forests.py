"""Estimates shares of variance by random forests, from rows that are no grid.

Each forest is fitted on a bootstrap sample of the rows. Its predictions on a grid are decomposed.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np

from results.analysis.shares import Importance, Shares, decomposed, shares_table

FORESTS = 10
"""The number of forests in an estimate, each fitted on its own bootstrap sample of the rows."""

MAX_ROWS = 20_000
"""The most rows that forests are fitted on; of more, this many are drawn at random."""

MAX_INDICATORS = 100
"""The most values of an axis that are a feature each; an axis with more values is one feature."""


def estimate(
    axes: Sequence[str],
    codes: np.ndarray,
    of_axis: Sequence[int],
    metric: np.ndarray,
    positions: np.ndarray,
    sizes: Sequence[int],
    asked: np.ndarray,
    by: str,
    chance: np.random.Generator,
) -> Importance:
    """Return the shares of variance that random forests estimate; see `results.analysis.importance.estimated`.

    Args:
        axes: the names of the axes that vary.
        codes: of each row on each axis, int, shape (rows, axes).
        of_axis: how many codes each axis has.
        metric: of each row, finite.
        positions: the cells of the grid that is decomposed, int, shape (cells, axes).
        sizes: how many positions each axis has.
        asked: the codes of each cell, shape (cells, axes).
        by: the metric's name, for the message.
        chance: draws the bootstrap samples.

    Raises:
        ValueError: there are fewer than 20 rows, or no axis.
    """
    from sklearn.ensemble import RandomForestRegressor

    if len(metric) < 20 or not axes:
        raise ValueError(
            f"{len(metric):,} rows have a finite {by}; an estimate needs at least 20, and an axis with several values."
        )
    notes = _about_rows(axes, of_axis, len(metric))
    if len(metric) > MAX_ROWS:
        rows = chance.choice(len(metric), MAX_ROWS, replace=False)
        codes, metric = codes[rows], metric[rows]
    features = _features(codes, of_axis)
    found: list[Shares] = []
    variances, seen, expected = [], [], []
    for number in range(FORESTS):
        drawn = chance.integers(0, len(metric), len(metric))
        forest = RandomForestRegressor(64, min_samples_leaf=2, max_features=0.5, random_state=number)
        forest.fit(features[drawn], metric[drawn])
        out = np.setdiff1d(np.arange(len(metric)), drawn)
        seen.append(metric[out])
        expected.append(forest.predict(features[out]))
        shares, variance = decomposed(positions, sizes, _predicted(forest.predict, asked, of_axis))
        variances.append(variance)
        found.append(shares)
    mean = {key: float(np.mean([one[key] for one in found])) for key in found[0]}
    spread = {key: float(np.std([one[key] for one in found], ddof=1)) for key in found[0]}
    true, predicted = np.concatenate(seen), np.concatenate(expected)
    fit = 1 - float(np.sum((true - predicted) ** 2) / max(np.sum((true - true.mean()) ** 2), 1e-300))
    table, variance = shares_table(axes, mean, spread), float(np.mean(variances))
    return Importance(table, variance, len(metric), False, fit, (*notes, *_about_pairs(axes, mean)))


def _features(codes: np.ndarray, of_axis: Sequence[int]) -> np.ndarray:
    """Return what the forests get: an indicator for each code of an axis, or the code itself of an axis with very many.

    Args:
        codes: of each row on each axis, int, shape (rows, axes).
        of_axis: how many codes each axis has.

    Returns:
        float32, to which scikit-learn would convert all else, shape (rows, features).
    """
    parts = [
        (column[:, None] == np.arange(size) if size <= MAX_INDICATORS else column[:, None]).astype(np.float32)
        for column, size in zip(codes.T, of_axis, strict=True)
    ]
    return np.hstack(parts)


def _predicted(
    predict: Callable[[np.ndarray], np.ndarray], asked: np.ndarray, of_axis: Sequence[int]
) -> np.ndarray:
    """Return the prediction of each cell; the indicators of all cells at once could fill the memory."""
    parts = [asked[start : start + MAX_ROWS] for start in range(0, len(asked), MAX_ROWS)]
    return np.concatenate([predict(_features(part, of_axis)) for part in parts])


def _about_rows(axes: Sequence[str], of_axis: Sequence[int], rows: int) -> list[str]:
    """Return sentences about what the forests do not get as it is."""
    notes = []
    if rows > MAX_ROWS:
        notes.append(f"The forests are fitted on {MAX_ROWS:,} points, drawn at random from {rows:,}.")
    for name, size in zip(axes, of_axis, strict=True):
        if size > MAX_INDICATORS:
            notes.append(f"The forests tell the very many values of {name} apart by their order alone.")
    return notes


def _about_pairs(axes: Sequence[str], shares: Shares) -> list[str]:
    """Return a sentence about the pairs of axes without a share; none if each pair has one."""
    pairs = itertools.combinations(range(len(axes)), 2)
    names = [f"{axes[a]} x {axes[b]}" for a, b in pairs if (a, b) not in shares]
    if not names:
        return []
    some = ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
    return [f"Too many combinations of values to tell the interaction: {some}."]
