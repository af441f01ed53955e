"""The store commits the rows of a run exactly once per point, into Parquet that can be read at any moment.

How a commit is all or nothing
    A dataset is a folder of numbered parts. All parts except the last are full and never change. A commit writes a new
    version of the last part, with the new rows, into another file and renames that over the old version. So a reader
    sees the part before or after the commit, and each row once. Parts need no compaction later, because a full part is
    large. Weights and curves are written first; a point is finished when its row is in `points`.

    An object store keeps the same promise in another way: see `results.store.object_dataset`.

When a store is opened, it deletes what a crash has left half-written: see `results.store.recovery`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from results import directions, schema
from results.folder.errors import FolderError
from results.folder.path import AnyPath, is_remote
from results.folder.run_folder import RunFolder
from results.space import Space
from results.store.dataset import Dataset
from results.store.idx_set import IdxSet
from results.store.kept_weights import KeptWeights
from results.store.local_dataset import LocalDataset
from results.store.object_dataset import ObjectDataset
from results.store.outbox import Outbox
from results.store.parquet import conform
from results.store.read import read_parts
from results.store.recovery import Recovery, rows_of

MAX_ROWS = {"points": 4096, "curves": 65536, "weights": 65536, "rungs": 65536}
"""A part with at least this many rows is full."""


@dataclass(frozen=True)
class Finished:
    """The results of some finished points, each of them once.

    Attributes:
        points: one row for each point: the columns of `points`, without those of the axes and `has_weights`.
        curves: one row for each epoch of each point: the columns of `curves`, point by point.
        weights: one row for each point that has weights: `idx`, `values`, `layout`; None if there are none.
    """

    points: pa.RecordBatch
    curves: pa.RecordBatch
    weights: pa.RecordBatch | None = None


class Store:
    """The committed points of a run. Only the process that holds the folder may open a store.

    Args:
        folder: the run's folder.
        space: the points' axes.
        keep_weights: whether weights are stored. With a number, a point's weights are stored if its objective is among
            that many best when it finishes. They are never deleted, so in the end there are those of the best points
            of all and of some that were among the best only at their time.
        again: the idx of points whose rows are deleted, so that they can be trained again; none if not given.

    Attributes:
        unstored: points by status of a commit that an object store did not accept; they are kept on this machine.
        notes: one sentence for each thing that was found damaged or incomplete on opening.

    Raises:
        FolderError: the folder cannot be written.
    """

    def __init__(
        self,
        folder: RunFolder,
        space: Space,
        keep_weights: bool | int = True,
        again: Sequence[int] | np.ndarray = (),
    ) -> None:
        self._folder = folder
        self._space = space
        self._axes = {axis.name: axis.values for axis in space.axes}
        self._metrics = ["loss"]
        self._has_data_loss = False  # in `curves`
        self.notes: list[str] = []
        self.unstored: dict[str, int] = {}
        self._outbox = Outbox.of(folder)
        if self._outbox is not None:
            self.notes += self._outbox.absorb()
        self._token = secrets.token_hex(4)
        self._points = self._dataset(folder.points, pa.schema([]))
        self._curves = self._dataset(folder.curves, pa.schema([]))
        self._weights = self._dataset(folder.weights, schema.to_arrow(schema.WEIGHTS))
        self._rungs = self._dataset(folder.rungs, schema.to_arrow(schema.RUNGS))
        self._keep_weights = keep_weights
        self._kept = KeptWeights(keep_weights, directions.read(folder))
        self._committed = self._recover(np.asarray(again, np.int64))

    def __contains__(self, idx: int) -> bool:
        return idx in self._committed

    def __len__(self) -> int:
        return len(self._committed)

    def has(self, idx: np.ndarray) -> np.ndarray:
        """Return which of the points are committed: bool, shape (points,)."""
        return self._committed.has(idx)

    def learn(self, modes: Mapping[str, str | None]) -> directions.Directions:
        """Keep whether a lower or a higher value of each metric is better, and return all that is known of that.

        Raises:
            FolderError: the folder cannot be written.
        """
        directions.add(self._folder, modes)
        known = directions.read(self._folder)
        self._kept.direct(known)
        return known

    @property
    def pause_s(self) -> float:
        """Seconds to wait between two commits."""
        return self._points.pause_s

    def commit(self, finished: Sequence[Finished], entered: Sequence[pa.RecordBatch] = ()) -> None:
        """Make the points in `finished` durable: all of them or, if this raises, none.

        Args:
            finished: the points. One that is committed already is ignored.
            entered: the records of ASHA's rungs since the last commit, with the columns `schema.RUNGS`. They are stored
                before the points, so a point that is trained again meets the same decisions of the rungs.

        Raises:
            FolderError: the disk is full or the folder cannot be written.
            ValueError: a metric has the name of another column.
        """
        fresh, idx = self._fresh(finished)
        if not fresh and not entered:
            return
        datasets = (self._points, self._curves, self._weights, self._rungs)
        marks = [(dataset, dataset.mark()) for dataset in datasets]
        kept = self._kept.mark()
        counts: dict[str, int] = {}
        try:
            if entered:
                self._rungs.append(conform(_joined(entered), self._rungs.schema))
            if fresh:
                counts = self._write(fresh)
            self._flush()
        except BaseException as error:
            for dataset, mark in marks:
                dataset.back_to(mark)
            if self._outbox is not None:
                self._outbox.discard()
                if isinstance(error, FolderError):
                    self.unstored = counts
            self._kept.back_to(kept)
            raise
        self._committed.add(idx)
        pa.default_memory_pool().release_unused()  # otherwise Arrow keeps several copies of the last parts

    def _dataset(self, path: AnyPath, columns: pa.Schema) -> Dataset:
        if not is_remote(path):
            return LocalDataset(path, columns, MAX_ROWS[path.name])
        assert self._outbox is not None  # a folder on an object store has one
        return ObjectDataset(path, columns, self._token, self._outbox.stage)

    def _flush(self) -> None:
        if self._outbox is not None:
            self._outbox.flush()

    def _fresh(self, finished: Sequence[Finished]) -> tuple[list[Finished], np.ndarray]:
        """Return the points that are not committed yet, each once, and their idx."""
        fresh, seen = [], np.array([], np.int64)
        for part in finished:
            idx = part.points["idx"].to_numpy()
            is_new = ~self._committed.has(idx) & ~np.isin(idx, seen)
            if is_new.all():
                fresh.append(part)
            elif is_new.any():
                wanted = pa.array(idx[is_new])
                weights = None if part.weights is None else rows_of(part.weights, wanted)
                fresh.append(Finished(rows_of(part.points, wanted), rows_of(part.curves, wanted), weights))
            seen = np.concatenate([seen, idx[is_new]])
        return fresh, seen

    def _write(self, fresh: Sequence[Finished]) -> dict[str, int]:
        """Write the points, and return how many there are of each status."""
        points = _joined([part.points for part in fresh])
        curves = _joined([part.curves for part in fresh])
        self._widen(points, curves)
        has_weights = np.zeros(points.num_rows, bool)
        if weights := [part.weights for part in fresh if part.weights is not None and part.weights.num_rows]:
            table = _joined(weights)
            keep = self._kept.choose(table["idx"].to_numpy(), points)
            if keep.any():
                self._weights.append(conform(table.filter(pa.array(keep)), self._weights.schema))
                has_weights = np.isin(points["idx"].to_numpy(), table["idx"].to_numpy()[keep])
        if curves.num_rows:
            self._curves.append(conform(curves, self._curves.schema))
        columns = dict(zip(points.column_names, map(schema.finite_or_null, points.columns), strict=True))
        idx = points["idx"].to_numpy()
        codes, acting = self._space.codes(idx), self._space.acting(idx)
        if self._space.repeats > 1:
            columns[schema.REPEAT] = pa.array(self._space.repeat(idx), pa.int64())
        for axis, of_axis, acts in zip(self._space.axes, codes.T, acting.T, strict=True):
            columns[axis.name] = schema.axis_column(axis.values, of_axis, acts)
        self._points.append(conform(pa.table({**columns, "has_weights": has_weights}), self._points.schema))
        return _counts(points)

    def entered(self) -> Iterable[pa.Table]:
        """Yield the records of ASHA's rungs, part by part. Of two records of one point and milestone, the first counts."""
        yield from read_parts(self._folder.rungs)

    def _widen(self, points: pa.Table, curves: pa.Table) -> None:
        """Add columns for new metrics: the metrics are known only after a model was compiled."""
        seen = dict.fromkeys(self._metrics)
        seen |= dict.fromkeys(schema.metrics_of(points.column_names))
        seen |= dict.fromkeys(schema.metrics_of_curves(curves.column_names))
        has_data_loss = self._has_data_loss or schema.VAL_DATA_LOSS.name in curves.column_names
        if (list(seen), has_data_loss) == (self._metrics, self._has_data_loss):
            return
        before = self._metrics, self._has_data_loss
        self._metrics, self._has_data_loss = list(seen), has_data_loss
        try:
            self._set_schemas()
        except ValueError:
            self._metrics, self._has_data_loss = before
            raise
        for dataset in (self._points, self._curves):
            dataset.rewrite(lambda table: table)

    def _set_schemas(self) -> None:
        of_points = schema.points_columns(self._axes, self._metrics, self._space.repeats > 1)
        names = [column.name for column in of_points]
        names_of_curves = [column.name for column in self._curves_columns()]
        for columns in (names, names_of_curves):
            if twice := [name for name in columns if columns.count(name) > 1]:
                raise ValueError(
                    f'A metric gives the column "{twice[0]}", which exists already. Rename the metric in the builder.'
                )
        self._points.schema = schema.to_arrow(of_points)
        self._curves.schema = schema.to_arrow(self._curves_columns())

    def _curves_columns(self) -> list[schema.Column]:
        return schema.curves_columns(self._metrics, self._has_data_loss)

    def _recover(self, again: np.ndarray) -> IdxSet:
        """Open the datasets, delete what is incomplete and the points `again`, and return the committed points."""
        datasets = (self._points, self._curves, self._weights, self._rungs)
        recovery = Recovery(self._folder, *datasets, self._keep_weights, again)
        for table in recovery.tables:
            stored = schema.metrics_of(table.column_names, self._axes)
            self._metrics = list(dict.fromkeys(self._metrics + stored))
        self._has_data_loss = schema.VAL_DATA_LOSS.name in recovery.logs
        self._set_schemas()
        recovery.rewrite()
        for table in recovery.whole_rows():
            self._kept.remember(table)
        self._flush()
        self.notes += recovery.notes
        return recovery.committed


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.Table:
    """Return the rows of all batches; a column that a batch lacks is null in its rows."""
    tables = [pa.Table.from_batches([batch]) for batch in batches]
    return pa.concat_tables(tables, promote_options="permissive").combine_chunks()


def _counts(points: pa.Table) -> dict[str, int]:
    """Return how many points there are of each status."""
    return {count["values"]: count["counts"] for count in pc.value_counts(points["status"]).to_pylist()}
