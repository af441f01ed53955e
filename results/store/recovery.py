"""Recovers the datasets of a run after a crash or damage: finds the points that are whole, and deletes the rest.

What a crash can leave
    A crash can leave curves and weights of points without a row. They are deleted.

What damage can leave
    A damaged part is moved out of its dataset. A point whose row is left, but whose curve or weights are lost, is not
    whole, so its row is deleted. The points of deleted rows are trained again.

What two drivers can leave
    On an object store, two drivers may have stored the same point (see `results.folder.lease`). Its first whole row is
    kept, with the curve and the weights that the same process stored. What the other one stored is deleted.

What a person asks for
    Rows of failed points are deleted if the points are to be trained again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
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
        self._with_curve = _Stored(curves, self._noted(curves.open(self._set_aside)))
        self._with_weights = _Stored(weights, weights.open(self._set_aside))
        for _ in rungs.open(self._set_aside):
            pass
        self.committed = IdxSet()
        self._kept: dict[str, IdxSet] = {}  # the committed points, by who wrote the row that is kept
        self._masks: list[np.ndarray] = []  # for each table, which rows are whole
        dropped = IdxSet()
        for table, writer in zip(self.tables, points.writers, strict=True):
            idx = table["idx"].to_numpy()
            whole = self._are_whole(table, writer)
            wanted = ~np.isin(idx, again)
            dropped.add(idx[wanted & ~whole])
            self._masks.append(wanted & whole)
            self.committed.add(idx[wanted & whole])
            self._kept.setdefault(writer, IdxSet()).add(idx[wanted & whole])
        doubled = int(self.committed.has(dropped.to_array()).sum())
        if lost := len(dropped) - doubled:
            self.notes.append(f"{lost} points lost their curve or weights and are open again.")
        if doubled:
            self.notes.append(f"{doubled} points were stored by two drivers: one row of each is kept.")

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
        for dataset, stored in ((self._curves, self._with_curve), (self._weights, self._with_weights)):
            if dataset is self._curves or not len(stored) or not stored.is_within(self._kept):
                dataset.rewrite(self._of_kept_rows(dataset.writers))

    def _of_kept_rows(self, writers: Iterable[str]) -> Callable[[pa.Table], pa.Table]:
        """Return a function that is called with one table of a dataset after the other, which the `writers` wrote.

        It returns the rows that belong to a row of `points` that is kept.
        """
        of_tables, earlier = iter(writers), IdxSet()

        def keep(table: pa.Table) -> pa.Table:
            idx = pc.unique(table["idx"]).to_numpy()
            wanted = idx[self._kept.get(next(of_tables), IdxSet()).has(idx) & ~earlier.has(idx)]
            earlier.add(wanted)
            return rows_of(table, pa.array(wanted, pa.int64()))

        return keep

    def _are_whole(self, table: pa.Table, writer: str) -> np.ndarray:
        """Return which rows have their curve and weights and are the first of their point: bool, shape (rows,)."""
        idx = table["idx"].to_numpy()
        if self._keep_weights is True:  # every point with a best epoch must have weights
            has = table["best_epoch"].is_valid().to_numpy()
        elif "has_weights" in table.column_names:
            has = table["has_weights"].fill_null(False).to_numpy()
        else:  # written by an earlier version
            has = np.zeros(len(idx), bool)
        trained = table["epochs"].fill_null(0).to_numpy() > 0
        with_curve, with_weights = (s.has(writer, idx) for s in (self._with_curve, self._with_weights))
        whole = (~trained | with_curve) & (~has | with_weights)
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


class _Stored:
    """The points that have rows in a dataset, by the process that wrote them.

    Args:
        dataset: the dataset.
        tables: its tables, as its `open` yields them.
    """

    def __init__(self, dataset: Dataset, tables: Iterable[pa.Table]) -> None:
        found: dict[str, list[np.ndarray]] = {}
        for number, table in enumerate(tables):
            found.setdefault(dataset.writers[number], []).append(pc.unique(table["idx"]).to_numpy())
        self._of = {writer: IdxSet(np.concatenate(parts)) for writer, parts in found.items()}
        self._has_double = any(
            sum(map(len, parts)) > len(self._of[writer]) for writer, parts in found.items()
        )

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def has(self, writer: str, idx: np.ndarray) -> np.ndarray:
        """Return which of the points have rows that the writer wrote: bool, shape (points,)."""
        return self._of.get(writer, IdxSet()).has(idx)

    def is_within(self, kept: Mapping[str, IdxSet]) -> bool:
        """Return whether there are only rows of the points that are kept of their writer, in one table each."""
        of = {
            writer: kept.get(writer, IdxSet()).has(stored.to_array()) for writer, stored in self._of.items()
        }
        return not self._has_double and all(has.all() for has in of.values())
