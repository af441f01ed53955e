"""The rows of a run, committed exactly once per point into Parquet that any reader can read at any moment.

How a commit is all or nothing
    A dataset is a folder of numbered parts. All parts but the last are full and never change; a commit writes
    the last part anew, with the new rows added, beside the old one and renames it over it. So a reader sees
    the part before or after the commit, each row once, and nothing is ever compacted later: a part that is
    full is a large one already. Weights and curves are written first; a point is finished when its row is in
    `points`.

    On an object store it is done elsewise, to the same end: see `results.store.object_dataset`.

What a crash can leave
    Curves and weights of points without a row. `Store` drops them when it is opened; it also sets parts aside
    that are damaged, and takes back the rows of points that lost their curve or weights with one. What it
    takes back is trained again.
"""

from __future__ import annotations

import heapq
import itertools
import math
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from results import schema
from results.folder.errors import FolderError
from results.folder.files import explained, replace_file
from results.folder.object_store import RemotePath
from results.folder.place import Place
from results.folder.run_folder import RunFolder
from results.store.local_dataset import Dataset
from results.store.object_dataset import ObjectDataset
from results.store.outbox import Outbox
from results.store.read import read_parts

MAX_ROWS = {"points": 4096, "curves": 65536, "weights": 65536, "rungs": 65536}
"""A part with at least so many rows is full."""
LEAST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
"""Between two commits to an object store."""


@dataclass(frozen=True)
class Finished:
    """What is known of a finished point.

    Attributes:
        row: columns of `points` by name; those of the axes from `config`.
        config: the point's value of each axis.
        curve: columns of `curves` by name, each of shape (epochs,), without idx and epoch.
        weights: `values` and `layout` as `schema.WEIGHTS` says, or None.
    """

    row: Mapping[str, Any]
    config: Mapping[str, Any]
    curve: Mapping[str, np.ndarray]
    weights: Mapping[str, Any] | None


class Store:
    """The committed points of a run. Only the process that holds the folder may open one.

    Args:
        folder: the run's folder.
        axes: the axes' values by name.
        keep_weights: whether weights are stored. A number: of a point only if its loss_va is among that many lowest when
            it finishes. So the best of all are there in the end, and some that were among the best at their time; nothing
            is ever taken away again.

    Attributes:
        counts: committed points by status.
        unstored: points by status of a commit that an object store did not take; they are kept on this machine.
        notes: one sentence for each thing that was found damaged or incomplete on opening.

    Raises:
        FolderError: the folder cannot be written.
    """

    def __init__(
        self, folder: RunFolder, axes: Mapping[str, Sequence[Any]], keep_weights: bool | int = True
    ) -> None:
        self._folder = folder
        self._axes = axes
        self._encoders = {name: schema.axis_encoder(values) for name, values in axes.items()}
        self._metrics = ["loss"]
        self.counts: dict[str, int] = {}
        self.notes: list[str] = []
        self.unstored: dict[str, int] = {}
        self._outbox: Outbox | None = None
        if isinstance(folder.path, RemotePath):
            mark = folder.fingerprint.read_bytes() if folder.exists else b""
            self._outbox = Outbox(folder.path, folder.spool, mark, folder.check_held)
            self.notes += self._outbox.absorb()
        self._token = secrets.token_hex(4)
        self._points = self._dataset(folder.points, pa.schema([]))
        self._curves = self._dataset(folder.curves, pa.schema([]))
        self._weights = self._dataset(folder.weights, schema.to_arrow(schema.WEIGHTS))
        self._rungs = self._dataset(folder.rungs, schema.to_arrow(schema.RUNGS))
        self._keep_weights = keep_weights
        self._best: list[
            float
        ] = []  # a heap of the lowest losses, the highest of them first, as its negative
        self._committed = self._recover()

    def __contains__(self, idx: int) -> bool:
        return idx in self._committed

    def __len__(self) -> int:
        return len(self._committed)

    @property
    def pause_s(self) -> float:
        """Seconds to leave between two commits: on an object store each is new objects, which readers have to open.

        It grows with them, so that a sweep of `t` seconds makes some ten times the root of `t` commits.
        """
        if not isinstance(self._points, ObjectDataset):
            return 0.0
        return min(max(LEAST_PAUSE_S, self._points.parts / 50), LONGEST_PAUSE_S)

    def commit(self, finished: Sequence[Finished], entered: Sequence[Mapping[str, Any]] = ()) -> None:
        """Make the points in `finished` durable: all of them or, if this raises, none.

        Args:
            finished: the points.
            entered: what ASHA's rungs have seen since the last commit, columns as `schema.RUNGS`. Stored before
                the points: a point that comes again finds what was said of it.

        A point that is committed already is passed over, whatever it brings.

        Raises:
            FolderError: the disk is full or the folder cannot be written.
            ValueError: a metric has the name of another column.
        """
        fresh: dict[int, Finished] = {}
        for item in finished:
            if item.row["idx"] not in self._committed:
                fresh.setdefault(item.row["idx"], item)
        if not fresh and not entered:
            return
        datasets = (self._points, self._curves, self._weights, self._rungs)
        marks = [(dataset, dataset.mark()) for dataset in datasets]
        best = list(self._best)
        try:
            if entered:
                self._rungs.append(
                    pa.concat_tables([pa.table(dict(part), schema=self._rungs.schema) for part in entered])
                )
            if fresh:
                self._write(fresh)
            self._flush()
        except BaseException as error:
            for dataset, mark in marks:
                dataset.back_to(mark)  # type: ignore[arg-type]  # each its own
            if self._outbox is not None:
                self._outbox.discard()
                if isinstance(error, FolderError):
                    self.unstored = dict(Counter(str(item.row["status"]) for item in fresh.values()))
            self._best = best
            raise
        for item in fresh.values():
            self._committed.add(item.row["idx"])
            self._count(item.row["status"])
        pa.default_memory_pool().release_unused()  # else Arrow keeps several copies of the last parts

    def _dataset(self, path: Place, columns: pa.Schema) -> Dataset | ObjectDataset:
        if isinstance(path, Path):
            return Dataset(path, columns, MAX_ROWS[path.name])
        if self._outbox is None:
            raise TypeError(f"{path} is not of the run's folder")
        return ObjectDataset(path, columns, self._token, self._outbox.stage)

    def _flush(self) -> None:
        if self._outbox is not None:
            self._outbox.flush()

    def _write(self, fresh: Mapping[int, Finished]) -> None:
        self._widen(fresh.values())
        kept = self._kept(fresh)
        if weights := [
            {"idx": idx, **item.weights} for idx, item in fresh.items() if item.weights and idx in kept
        ]:
            self._weights.append(pa.Table.from_pylist(weights, schema=self._weights.schema))
        if curves := [self._curve(idx, item.curve) for idx, item in fresh.items() if item.curve]:
            self._curves.append(pa.concat_tables(curves))
        rows = [{**self._row(item), "has_weights": idx in kept} for idx, item in fresh.items()]
        self._points.append(pa.Table.from_pylist(rows, schema=self._points.schema))

    def _kept(self, fresh: Mapping[int, Finished]) -> set[int]:
        """Return which of the points have their weights stored."""
        have = {idx: item.row.get("loss_va") for idx, item in fresh.items() if item.weights}
        if isinstance(self._keep_weights, bool):
            return set(have) if self._keep_weights else set()
        # The lowest first, so that no more are kept than if all had come one by one, best first.
        return {
            idx
            for loss, idx in sorted((_known(loss), idx) for idx, loss in have.items())
            if self._enters(loss)
        }

    def _enters(self, loss: float) -> bool:
        """Return whether a loss is among the lowest so far, and remember it."""
        if not math.isfinite(loss):
            return False
        if len(self._best) < self._keep_weights:
            heapq.heappush(self._best, -loss)
            return True
        return -heapq.heappushpop(self._best, -loss) != loss

    def entered(self) -> Iterable[pa.Table]:
        """Yield what ASHA's rungs have seen, part by part; a point may be in it twice, the first counts."""
        yield from read_parts(self._folder.rungs)

    def curves(self) -> Iterable[pa.Table]:
        """Yield the curves of the committed points, part by part."""
        yield from read_parts(self._folder.curves)

    def _count(self, status: str, times: int = 1) -> None:
        self.counts[status] = self.counts.get(status, 0) + times

    def _row(self, item: Finished) -> dict[str, Any]:
        config = {name: encode(item.config[name]) for name, encode in self._encoders.items()}
        return {**config, **{name: schema.finite_or_none(value) for name, value in item.row.items()}}

    def _curve(self, idx: int, curve: Mapping[str, np.ndarray]) -> pa.Table:
        epochs = len(next(iter(curve.values())))
        columns: dict[str, Any] = {
            "idx": np.full(epochs, idx),
            "epoch": np.arange(1, epochs + 1, dtype="int32"),
            **curve,
        }
        arrays = [
            pa.array(columns[item.name], item.type) if item.name in columns else pa.nulls(epochs, item.type)
            for item in self._curves.schema
        ]
        return pa.table(arrays, schema=self._curves.schema)

    def _widen(self, finished: Iterable[Finished]) -> None:
        """Add columns for metrics not seen before: which there are is known only once a model was compiled."""
        seen = dict.fromkeys(self._metrics)
        for item in finished:
            seen |= dict.fromkeys(name[:-3] for name in item.row if name.endswith("_tr"))
            seen |= dict.fromkeys(n.removeprefix("val_") for n in item.curve if n != "learning_rate")
        if list(seen) == self._metrics:
            return
        before, self._metrics = self._metrics, list(seen)
        try:
            self._set_schemas()
        except ValueError:
            self._metrics = before
            raise
        for dataset in (self._points, self._curves):
            dataset.rewrite(lambda table: table)

    def _set_schemas(self) -> None:
        names = [column.name for column in schema.points_columns(self._axes, self._metrics)]
        names_of_curves = [column.name for column in schema.curves_columns(self._metrics)]
        for columns in (names, names_of_curves):
            if twice := [name for name in columns if columns.count(name) > 1]:
                raise ValueError(
                    f'A metric gives the column "{twice[0]}", which is there already. Rename the metric in the builder.'
                )
        self._points.schema = schema.to_arrow(schema.points_columns(self._axes, self._metrics))
        self._curves.schema = schema.to_arrow(schema.curves_columns(self._metrics))

    def _recover(self) -> set[int]:
        """Open the datasets, make them agree with each other, and return the committed points."""
        points = list(self._points.open(self._set_aside))
        for table in points:
            stored = [n[:-3] for n in table.column_names if n.endswith("_tr") and n not in self._axes]
            self._metrics = list(dict.fromkeys(self._metrics + stored))
        self._set_schemas()
        with_curve = _all_idx(self._curves.open(self._set_aside))
        with_weights = _all_idx(self._weights.open(self._set_aside))
        for _ in self._rungs.open(self._set_aside):
            pass

        seen: set[int] = set()

        def is_whole(idx: int, epochs: int, best_epoch: int | None, has_weights: bool | None) -> bool:
            # All must have them that can, or those that had them; before rows said so, all did.
            wanted = best_epoch if self._keep_weights is True else has_weights
            if (epochs and idx not in with_curve) or (wanted and idx not in with_weights):
                return False
            return idx not in seen and not seen.add(idx)  # type: ignore[func-returns-value]

        masks = []
        for table in points:
            names = ("idx", "epochs", "best_epoch", "has_weights")
            columns = (_listed(table, name) for name in names)
            masks.append([is_whole(*row) for row in zip(*columns, strict=True)])
        if taken_back := sum(mask.count(False) for mask in masks):
            self.notes.append(f"{taken_back} points lost their curve or weights and are open again.")
        next_mask = iter(masks)
        self._points.rewrite(lambda table: table.filter(pa.array(next(next_mask), pa.bool_())))
        for table, mask in zip(points, masks, strict=True):
            statuses = itertools.compress(table["status"].to_pylist(), mask)
            for status in statuses:
                self._count(status)
            if not isinstance(self._keep_weights, bool):
                for loss in itertools.compress(_listed(table, "loss_va"), mask):
                    self._enters(_known(loss))

        committed = pa.array(sorted(seen), pa.int64())
        for dataset, stored_idx in ((self._curves, with_curve), (self._weights, with_weights)):
            if stored_idx - seen or not stored_idx or dataset is self._curves:
                dataset.rewrite(lambda table: table.filter(pc.is_in(table["idx"], value_set=committed)))
        self._flush()
        return seen

    def _set_aside(self, path: Place) -> None:
        stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
        aside = self._folder.damaged / f"{path.parent.name}-{path.stem}-{stamp}.parquet"
        with explained(aside):
            if isinstance(path, RemotePath):
                replace_file(aside, path.read_bytes())
                path.unlink()
            else:
                (self._folder.state / "damaged").mkdir(exist_ok=True)
                path.replace(str(aside))
        is_rungs = path.parent == self._folder.rungs
        lost = "ASHA has forgotten what is in it" if is_rungs else "Its points are open again"
        self.notes.append(f"{path} is damaged: set aside as {aside}. {lost}.")


def _listed(table: pa.Table, name: str) -> list[Any]:
    """Return a column, all null if an earlier version did not write it."""
    return table[name].to_pylist() if name in table.column_names else [None] * table.num_rows


def _known(loss: float | None) -> float:
    return math.inf if loss is None or loss != loss else loss


def _all_idx(tables: Iterable[pa.Table]) -> set[int]:
    found: set[int] = set()
    for table in tables:
        found.update(pc.unique(table["idx"]).to_pylist())
    return found
