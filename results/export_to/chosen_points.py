"""Chooses the points of a run that are exported to other tools, and collects what is exported of each point.

Terminology
    settings        the point's value of each axis that acts there, as text, a boolean or a number
    final metrics   the numbers of the point's row: each metric on each split, params, epochs, best_epoch, seconds
    curve           each metric on the train and the validation rows, and the learning rate, epoch by epoch
    others          points that are drawn at random besides the best; without them, every setting would look good
"""

from __future__ import annotations

import functools
import hashlib
import json
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import pandas as pd

from results.analysis.condition import matching
from results.analysis.leaderboard import leaderboard
from results.directions import Mode
from results.folder.run_folder import RunFolder
from results.run import Run
from results.schema import (
    DATA_LOSS_VA,
    FINISHED_WELL,
    REPEAT,
    SPLITS,
    Column,
    column_of,
    curves_columns,
    points_columns,
)
from results.space import repeat_of

ALL = sys.maxsize
"""As a number of points or curves, this means all."""

_COUNTED = ("params", "epochs", "best_epoch", "seconds")
_LARGEST_EXACT = 2**53  # above this, a float cannot hold every integer


@dataclass(frozen=True)
class Choice:
    """Says which points and which of their curves are exported.

    Attributes:
        best: how many of the best points.
        others: how many of the other points; they are drawn at random, but the same ones each time.
        curves: how many of the best points have their learning curves exported.
        by: the column to rank the points by; None for the objective on the validation rows.
        mode: whether a lower or a higher value of it is better; None for the column's own mode.
        where: only points that fulfil this condition (see `results.analysis.condition`).
    """

    best: int
    others: int = 0
    curves: int = 0
    by: str | None = None
    mode: Mode | None = None
    where: str | None = None


@dataclass(frozen=True)
class Point:
    """A point that is exported.

    Attributes:
        idx: of the point.
        row: its row in `points`.
        settings: the value of each axis that acts at the point.
        metrics: the final metrics that are finite numbers.
        curve: (epoch, values by name) for each epoch, finite numbers only; empty if the curve is not exported.
    """

    idx: int
    row: Mapping[str, Any]
    settings: Mapping[str, str | bool | int | float]
    metrics: Mapping[str, float]
    curve: Sequence[tuple[int, Mapping[str, float]]]

    @property
    def well(self) -> bool:
        """Whether its status is one of `FINISHED_WELL`, so that it has losses to compare."""
        return self.row["status"] in FINISHED_WELL

    @property
    def seconds(self) -> float:
        """Wall time of its training, 0 if unknown."""
        return self.metrics.get("seconds", 0.0)

    @property
    def digest(self) -> str:
        """A text that is another one if the point was trained again: a digest of what is exported of its row."""
        error = self.row.get("error")  # None or NaN if there was none
        said = [self.row["status"], error if isinstance(error, str) else None, self.metrics]
        return hashlib.blake2b(json.dumps(said, sort_keys=True).encode(), digest_size=8).hexdigest()


class ChosenPoints:
    """The chosen points of a run, best first.

    Args:
        run: the run.
        choice: says which of its points.

    Attributes:
        by: the column by which they are ranked.
        total: how many points fulfil the condition, including those that are not chosen.
        ranked: how many are chosen because they are the best; points without a value in `by` are not.
        unranked: how many are chosen, but have no rank; their curves are never exported.

    Raises:
        ValueError: the condition or the column to rank by cannot be used, or no point is chosen.
    """

    def __init__(self, run: Run, choice: Choice) -> None:
        self.run, self.choice = run, choice
        rows = run.points if choice.where is None else matching(run.points, choice.where, run.axes)
        self.by, mode = run.directions.chosen(choice.by, choice.mode)
        ranked = leaderboard(rows, len(rows), self.by, mode)
        best = ranked.head(choice.best)
        rest = rows[~rows["idx"].isin(best["idx"])]
        others = rest if choice.best == ALL else _drawn(rest, choice.others)
        self.total, self.ranked = len(rows), len(best)
        self._rows = pd.concat([best, others]) if len(others) else best
        if self._rows.empty:
            raise ValueError(
                f"{run.folder.path}: no point to take. Ask for more, or wait until the sweep has finished some."
            )
        with_rank = ranked["idx"][ranked["idx"].isin(self._rows["idx"])]
        self.unranked = len(self._rows) - len(with_rank)
        self._curves_of = with_rank.head(choice.curves)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Point]:
        names = self.metrics
        configs = self.run.configs(self._rows["idx"].tolist())
        space = self.run.conditional
        for row, config in zip(_records(self._rows), configs, strict=True):
            shown = space.shown(row["idx"]) if space else config
            if self.run.repeats > 1:
                shown = {**shown, REPEAT: repeat_of(row["idx"], self.run.grid)}
            settings = {name: setting(value) for name, value in shown.items()}
            yield Point(row["idx"], row, settings, _finite(row, names), self._curves.get(row["idx"], []))

    @property
    def axes(self) -> dict[str, list[str | bool | int | float]]:
        """The values of each axis as they are exported."""
        found = {name: [setting(value) for value in values] for name, values in self.run.axes.items()}
        return found | ({REPEAT: [*range(self.run.repeats)]} if self.run.repeats > 1 else {})

    @functools.cached_property
    def columns(self) -> list[Column]:
        """The columns of the final metrics, those on the test rows first."""
        known = {column.name: column for column in points_columns({}, self.run.metrics)}
        splits = [column_of(metric, split) for split in reversed(SPLITS) for metric in self.run.metrics]
        return [known[name] for name in (*splits, DATA_LOSS_VA.name, *_COUNTED) if name in self._rows]

    @property
    def metrics(self) -> list[str]:
        """The names of the final metrics."""
        return [column.name for column in self.columns]

    @property
    def logged(self) -> list[str]:
        """The names of the values that a curve can have."""
        columns = curves_columns(self.run.metrics, data_loss=True)
        return [c.name for c in columns if c.name not in ("idx", "epoch")]

    @property
    def with_curves(self) -> int:
        """How many points are exported with their curve."""
        return len(self._curves)

    @functools.cached_property
    def _curves(self) -> dict[int, list[tuple[int, dict[str, float]]]]:
        if self._curves_of.empty:
            return {}
        curves = self.run.curves(self._curves_of)
        names = [name for name in self.logged if name in curves]
        found: dict[int, list[tuple[int, dict[str, float]]]] = {}
        for row in _records(curves):
            found.setdefault(row["idx"], []).append((row["epoch"], _finite(row, names)))
        return found


def identity(folder: RunFolder) -> str:
    """Return an id of the run in `folder`, which does not change when the folder is moved or copied or the run resumed.

    It is a digest of the run's fingerprint, so two runs of the same plan have the same id.
    """
    path = folder.fingerprint if folder.exists else folder.plan
    return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest()


def setting(value: Any) -> str | bool | int | float:
    """Return the value of an axis in a form that other tools can store.

    Text, booleans and numbers stay unchanged. Anything else, and a number that a float cannot hold exactly, becomes JSON:
    "null" for None, "[8, 4]" for a list.
    """
    if isinstance(value, str | bool):
        return value
    if isinstance(value, int) and abs(value) <= _LARGEST_EXACT:
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return json.dumps(value)


def _finite(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, float]:
    return {name: float(row[name]) for name in names if row[name] is not None and math.isfinite(row[name])}


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return cast(list[dict[str, Any]], table.to_dict("records"))


def _drawn(rows: pd.DataFrame, n: int) -> pd.DataFrame:
    """Return `n` pseudo-random rows. Called later, when there are more rows, it mostly returns the same ones."""
    lots = rows["idx"].map(lambda idx: hashlib.blake2b(b"%d" % idx, digest_size=8).digest())
    return rows.loc[lots.sort_values().index[:n]]
