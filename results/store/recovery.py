"""Recovers the datasets of a run after a crash or damage: finds the points that are whole, and deletes the rest.

What a crash can leave
    A crash can leave curves and weights of points without a row. They are deleted.

What damage can leave
    A damaged part is moved out of its dataset. A point whose row is left, but whose curve or weights are lost, is not
    whole, so its row is deleted. The points of deleted rows are trained again.

What a person asks for
    Rows of failed points are deleted if the points are to be trained again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from results.folder.path import AnyPath
from results.folder.run_folder import RunFolder
from results.store.dataset import Dataset
from results.store.idx_set import IdxSet


class Recovery:
    """Opens the datasets of a run, and finds out which points are whole.

    Args:
        folder: the run's folder.
        points, curves, weights, rungs: its datasets, which were not opened before.
        keep_weights, again: see `results.store.store.Store`.

    Attributes:
        tables: the rows of each sound part of `points`.
        logs: the names of the columns of `curves`.
        committed: the points that are whole.
        notes: one sentence for each thing that was found damaged or incomplete.

    Raises:
        FolderError: the folder cannot be read.
    """

    def __init__(
        self,
        folder: RunFolder,
        points: Dataset,
        curves: Dataset,
        weights: Dataset,
        rungs: Dataset,
        keep_weights: bool | int,
        again: np.ndarray,
    ) -> None:
        self._folder, self._keep_weights = folder, keep_weights
        self._points, self._curves, self._weights = points, curves, weights
        self.notes: list[str] = []
        self.tables = list(points.open(self._set_aside))
        self.logs: set[str] = set()
        self._with_curve = _all_idx(self._noted(curves.open(self._set_aside)))
        self._with_weights = _all_idx(weights.open(self._set_aside))
        for _ in rungs.open(self._set_aside):
            pass
        self.committed = IdxSet()
        self._masks: list[np.ndarray] = []  # for each table, which rows are whole
        lost = 0
        for table in self.tables:
            whole = self._are_whole(table)
            lost += int((~whole).sum())
            self._masks.append(whole & ~np.isin(table["idx"].to_numpy(), again))
            self.committed.add(table["idx"].to_numpy()[self._masks[-1]])
        if lost:
            self.notes.append(f"{lost} points lost their curve or weights and are open again.")

    def whole_rows(self) -> Iterator[pa.Table]:
        """Yield the rows of whole points, part by part."""
        for table, mask in zip(self.tables, self._masks, strict=True):
            yield table.filter(pa.array(mask))

    def rewrite(self) -> None:
        """Delete everything of points that are not whole. The datasets must have their schemas before.

        Raises:
            FolderError: the folder cannot be written.
        """
        masks = iter(self._masks)
        self._points.rewrite(lambda table: table.filter(pa.array(next(masks))))
        whole = pa.array(self.committed.to_array())
        for dataset, stored in ((self._curves, self._with_curve), (self._weights, self._with_weights)):
            without_a_row = not self.committed.has(stored.to_array()).all()
            if without_a_row or not len(stored) or dataset is self._curves:
                dataset.rewrite(lambda table: rows_of(table, whole))

    def _are_whole(self, table: pa.Table) -> np.ndarray:
        """Return which rows have their curve and weights and are the first of their point: bool, shape (rows,)."""
        idx = table["idx"].to_numpy()
        if self._keep_weights is True:  # every point with a best epoch must have weights
            has = table["best_epoch"].is_valid().to_numpy()
        elif "has_weights" in table.column_names:
            has = table["has_weights"].fill_null(False).to_numpy()
        else:  # written by an earlier version
            has = np.zeros(len(idx), bool)
        trained = table["epochs"].fill_null(0).to_numpy() > 0
        whole = (~trained | self._with_curve.has(idx)) & (~has | self._with_weights.has(idx))
        whole &= ~self.committed.has(idx)
        first = np.zeros(len(idx), bool)
        positions = np.flatnonzero(whole)
        first[positions[np.unique(idx[positions], return_index=True)[1]]] = True
        return first

    def _noted(self, curves: Iterable[pa.Table]) -> Iterator[pa.Table]:
        for table in curves:
            self.logs.update(table.column_names)
            yield table

    def _set_aside(self, path: AnyPath) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        aside = self._folder.damaged / f"{path.parent.name}-{path.stem}-{stamp}.parquet"
        self._folder.set_aside(path, aside)
        is_rungs = path.parent == self._folder.rungs
        lost = "ASHA has forgotten what is in it" if is_rungs else "Its points are open again"
        self.notes.append(f"{path} is damaged: set aside as {aside}. {lost}.")


def rows_of(table: Any, idx: pa.Array) -> Any:
    """Return the rows of the points `idx`; `table` is a table or a record batch."""
    return table.filter(pc.is_in(table["idx"], value_set=idx))


def _all_idx(tables: Iterable[pa.Table]) -> IdxSet:
    """Return all points that have a row in one of the tables."""
    found = [pc.unique(table["idx"]).to_numpy() for table in tables]
    return IdxSet(np.concatenate(found) if found else None)
