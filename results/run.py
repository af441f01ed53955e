"""The class `Run` gives Python access to a run: its rows as tables, its points' configurations, and its models.

Reading never imports or executes anything from the folder. Only `Run.model` and `Run.predict` run code: the plan's
builder. The function behind `REBUILD` decides whether to trust that builder.
"""

from __future__ import annotations

import functools
import importlib.metadata
import json
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import yaml

from results import directions
from results.analysis import repeats
from results.analysis.condition import matching
from results.analysis.leaderboard import leaderboard
from results.directions import Directions, Mode
from results.folder.errors import FolderError
from results.folder.path import AnyPath, any_path
from results.folder.run_folder import RunFolder
from results.schema import metrics_of
from results.space import Space, codes_of
from results.store.read import lost, parts_in, read_dataset, read_points

REBUILD = "keras_grid_sweep.rebuild"
"""The group of two entry points, which get the folder, a configuration, the weights, and whether to trust.

`default` returns the model of a point. `predict` also gets rows, and returns the predictions.
"""


class Run:
    """A run, read from its folder; the sweep may be running, stopped or finished.

    The table `points` is read once and kept; open the run again to see what a running sweep has added.

    Args:
        location: the folder that was given as `--out`, a path or a URI.

    Raises:
        ValueError: there is no run, or it cannot be read.
    """

    def __init__(self, location: str | AnyPath) -> None:
        text = str(location)
        self.folder = RunFolder(any_path(location))
        try:
            plan = yaml.safe_load(self.folder.plan.read_text(encoding="utf-8"))
        except FileNotFoundError:
            if self.folder.exists or parts_in(self.folder.points):
                raise ValueError(
                    f"{self.folder.plan}: there is no such file. It is the run's plan, written by `sweep run`; restore it "
                    f"from a copy, or run the sweep again with its plan: `sweep run PLAN --out {shlex.quote(str(text))}`."
                ) from None
            raise ValueError(
                f"{text}: there is no sweep here. Name the folder that was given as --out."
            ) from None
        except FolderError as error:  # its message says what to do
            raise ValueError(str(error)) from None
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise ValueError(
                f"{self.folder.plan}: cannot be read ({str(error).splitlines()[0]}). It is the run's plan, "
                "written by `sweep run`; restore it from a copy."
            ) from None
        if not isinstance(plan, Mapping) or not isinstance(plan.get("space"), Mapping):
            raise ValueError(f"{self.folder.plan}: is no plan: it has no space.")
        self.plan: dict[str, Any] = dict(plan)

    def __repr__(self) -> str:
        return f"Run({str(self.folder.path)!r}: {len(self.points):,} points)"

    @property
    def axes(self) -> dict[str, list[Any]]:
        """The values of each axis."""
        return {
            str(name): list(values) if isinstance(values, list | tuple) else [values]
            for name, values in self.plan["space"].items()
        }

    @functools.cached_property
    def points(self) -> pd.DataFrame:
        """One row for each finished point; the columns are those of `results.schema.points_columns`."""
        rows = directions.with_objective(read_points(self.folder), self.folder)
        return repeats.numbered(rows, self.repeats, self.grid)

    @property
    def repeats(self) -> int:
        """How often each configuration is trained, with different seeds."""
        found = self.plan.get("repeats")
        return found if isinstance(found, int) and found > 1 else 1

    @property
    def grid(self) -> int:
        """The number of points of one repeat, whether they are different or not."""
        # Not from a `Space`, which refuses names that are no arguments: the rows of any folder can be read.
        return math.prod(map(len, self.axes.values()))

    @property
    def size(self) -> int:
        """The number of different points, of all repeats."""
        space = self.conditional
        return self.grid * self.repeats if space is None else space.different

    def judged(self, rows: pd.DataFrame, by: str | None = None, mode: Mode | None = None) -> pd.DataFrame:
        """Return what rankings compare: with repeats, a row for each configuration (see `results.analysis.repeats`).

        Args:
            rows: of `points`.
            by: the column to rank by; None for the objective on the validation rows.
            mode: as in `top`.

        Returns:
            `rows` themselves without repeats.

        Raises:
            ValueError: there is no such column, or it has no numbers.
        """
        if self.repeats == 1:
            return rows
        return repeats.configurations(
            rows, self.grid, *self.directions.chosen(by, mode), axes=list(self.axes)
        )

    @functools.cached_property
    def conditional(self) -> Space | None:
        """The space, if some of its axes act only at some points; None if each axis acts at each point.

        Raises:
            ValueError: the conditions in the run's plan cannot be used.
        """
        if not self.plan.get("only"):
            return None
        try:
            return Space(self.axes, self.plan["only"], self.repeats)
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{self.folder.plan}: {error}") from None

    @property
    def budget(self) -> int:
        """The most epochs that a point may be trained; 0 if the plan does not say."""
        epochs = int((self.plan.get("fit") or {}).get("epochs", 0))
        longest = (self.plan.get("asha") or {}).get("max_t") if self.plan.get("scheduler") == "asha" else None
        return min(epochs, longest or epochs)

    @property
    def metrics(self) -> list[str]:
        """The names that Keras logged: "loss" and each compiled metric."""
        return metrics_of(map(str, self.points), self.axes)

    @functools.cached_property
    def directions(self) -> Directions:
        """The objective, and whether a lower or a higher value of each metric is better."""
        return directions.read(self.folder, self.plan)

    def curves(
        self, idx: int | Iterable[int] | None = None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        """Return the learning curves of some or all points: one row for each epoch, sorted by point and epoch.

        Args:
            idx: of the points; None for all.
            columns: those that are read beside `idx` and `epoch`, if they are there; None for all.

        Raises:
            ValueError: the curves of some points with a row are lost, or damaged.
        """
        idx = None if idx is None else _as_list(idx)  # which may be an iterator
        # The points before the curves: a running sweep may store more of both in between.
        trained = self.points["idx"][self.points["epochs"] > 0]
        wanted = trained if idx is None else trained[trained.isin(idx)]
        read = self._read(self.folder.curves, idx, None if columns is None else ["idx", "epoch", *columns])
        if lacking := sorted(wanted[~wanted.isin(read["idx"].unique())]):
            some = ", ".join(map(str, lacking[:5])) + (", ..." if len(lacking) > 5 else "")
            raise lost(self.folder.curves, f"the curves of {len(lacking):,} points (idx {some}) are missing")
        return read.sort_values(["idx", "epoch"], ignore_index=True)

    def rungs(self) -> pd.DataFrame:
        """Return the records of ASHA's rungs: a row for each point and milestone; empty without ASHA.

        A point that a killed run had entered may be entered again. Its first record counts, as in a resumed sweep.
        """
        seen = self._read(self.folder.rungs, None)
        return seen.drop_duplicates(["milestone", "idx"], ignore_index=True) if len(seen) else seen

    def top(
        self,
        n: int = 10,
        by: str | None = None,
        where: str | None = None,
        mode: Mode | None = None,
        each: bool = False,
    ) -> pd.DataFrame:
        """Return, of the points that fulfil `where`, the `n` best ones; see `results.analysis.leaderboard`.

        With repeats, these are the best configurations by the mean over their repeats. Their `idx` is the one of their best
        repeat; see `results.analysis.repeats.configurations`.

        Args:
            n: at most this many rows.
            by: the column to rank by; None for the objective on the validation rows.
            where: a condition; None for all points.
            mode: whether a lower or a higher value is better; None for the column's own mode, or "min" if that is not known.
            each: with repeats, rank each point by itself.

        Raises:
            ValueError: there is no such column or mode, `n` is no number from 0, or the condition cannot be used (see
                `results.analysis.condition`).
        """
        if mode not in (None, "min", "max"):
            raise ValueError(f"mode got {mode!r}, but needs 'min', 'max' or None.")
        if not isinstance(n, int | np.integer) or n < 0:
            raise ValueError(f"n got {n!r}, but needs a whole number from 0.")
        rows = self.points if where is None else matching(self.points, where, self.axes)
        rows = rows if each else self.judged(rows, by, mode)
        return leaderboard(rows, n, *self.directions.chosen(by, mode))

    def config(self, idx: int) -> dict[str, Any]:
        """Return the value of each axis for a point, as in the plan.

        Raises:
            ValueError: the point has no row.
        """
        self._row(idx)
        [config] = self.configs([idx])
        return config

    def seed(self, idx: int) -> int | None:
        """Return the seed with which a point was trained; None if its row does not have it.

        Raises:
            ValueError: the point has no row.
        """
        found = self._row(idx).get("seed")
        return None if found is None or pd.isna(found) else int(found)

    def configs(self, idx: Sequence[int]) -> list[dict[str, Any]]:
        """Return the value of each axis for some points, as in the plan; the repeat of a point is no axis.

        Raises:
            ValueError: a point is not in the plan's grid.
        """
        axes = dict(sorted(self.axes.items()))
        sizes = [self.repeats, *(len(values) for values in axes.values())]
        try:
            codes = codes_of(np.asarray(idx, np.int64), sizes)[:, 1:]
        except IndexError as error:
            raise ValueError(f"{self.folder.plan} does not match the rows in its folder: {error}") from None
        return [
            {name: values[code] for (name, values), code in zip(axes.items(), point, strict=True)}
            for point in codes.tolist()
        ]

    def weights(self, idx: int) -> list[np.ndarray]:
        """Return the weights of a point's best epoch, in the order of `Model.get_weights`.

        Raises:
            ValueError: no weights of the point are stored, or they are damaged.
        """
        self._row(idx)
        stored = self._read(self.folder.weights, idx)
        if stored.empty:
            raise self._no_weights(idx)
        raw, found = stored["values"].iloc[0], []
        for path, dtype, shape in json.loads(stored["layout"].iloc[0]):
            kind = np.dtype(dtype).newbyteorder("<")
            size = kind.itemsize * int(np.prod(shape))
            if kind.hasobject or len(raw) < size:
                raise ValueError(f"The weights of point {idx} are damaged at {path}.")
            found.append(np.frombuffer(raw[:size], kind).reshape(shape))
            raw = raw[size:]
        return found

    def model(self, idx: int, trust: bool = False) -> Any:
        """Return the compiled `keras.Model` of a point with the weights of its best epoch. This runs the plan's builder.

        Args:
            idx: of the point.
            trust: run the builder even if it is not installed or differs from what the sweep ran.

        Raises:
            ValueError: the point has no stored weights, or its builder is not trusted.
        """
        weights = self.weights(idx)
        return _entry("default")(self.folder.path, self.config(idx), weights, trust, seed=self.seed(idx))

    def predict(
        self,
        idx: int,
        table: pd.DataFrame | pd.Series | Mapping[str, Any] | np.ndarray,
        trust: bool = False,
    ) -> Any:
        """Return the predictions of a point's model. This needs the plan's builder, but not the sweep's table.

        Args:
            idx: of the point.
            table: a data frame of raw rows, as in the sweep's file, with texts and gaps. Columns are found by name; their
                order does not matter, and further ones are ignored. A Series is one row; a dictionary has columns, or
                the values of one row. Or an array of the features, in the order of the sweep's table, shape (rows,
                features). For a model with several inputs, a dictionary with an array for each input.
            trust: see `model`.

        Returns:
            For a data frame, a data frame with the same index. It has a column for each target: its number, or the label of
            its class. A classification also has the probability of each class, `p_LABEL`, or `score_LABEL` if the outputs
            are no probabilities. `attrs["notes"]` says in sentences what was done.
            For arrays, the model's outputs as they are: float32, shape (rows, outputs); a list or dictionary of these for
            a model with several outputs.

        Raises:
            ValueError: see `model`; or columns are missing or cannot be used.

        Warns:
            UserWarning: rows have categories that no train row of the sweep has.
        """
        weights = self.weights(idx)
        config, seed = self.config(idx), self.seed(idx)
        return _entry("predict")(self.folder.path, config, weights, table, trust, seed=seed)

    def check_is_trained(self, idx: int) -> None:
        """Check that the sweep trains a point: the grid has it, and no other point stands for it.

        Raises:
            ValueError: it does not; the message says which points the grid has, or which point stands for it.
        """
        if not 0 <= idx < self.grid * self.repeats:
            raise ValueError(
                f"There is no point {idx} in {self.folder.path}: the grid has the points 0 to "
                f"{self.grid * self.repeats - 1}."
            )
        if self.conditional is None:
            return
        [instead] = self.conditional.standing_for(np.array([idx])).tolist()
        if instead != idx:
            raise ValueError(
                f"Point {idx} has no row in {self.folder.path}, because point {instead} stands for it: the axes on which "
                f"they differ do not act there. Name {instead}."
            )

    def _no_weights(self, idx: int) -> ValueError:
        """Return the error for a point whose weights are not there; it says why."""
        row, keep = self._row(idx), self.plan.get("keep_weights", True)
        had = row.get("has_weights")
        if pd.isna(had):  # written by an earlier version
            had = keep is True and pd.notna(row["best_epoch"])
        if had:
            return lost(self.folder.weights, f"the weights of point {idx} are missing")
        others = f"`sweep top {shlex.quote(str(self.folder.path))} --where has_weights` lists points that have weights."
        if pd.isna(row["best_epoch"]):
            why = f"the point is {row['status']}, and had a finite {self.directions.by} in no epoch. {others}"
        elif keep is False:
            why = "the plan says keep_weights: false. Write keep_weights: true, and run the plan into another folder."
        else:
            why = f"it was not among the best {keep} when it finished (keep_weights: {keep}). {others}"
        return ValueError(f"The weights of point {idx} are not stored: {why}")

    def _row(self, idx: int) -> pd.Series:
        rows = self.points[self.points["idx"] == idx]
        if rows.empty:
            self.check_is_trained(idx)
            raise ValueError(
                f"Point {idx} has no row in {self.folder.path} (yet): `sweep status` tells how far it is."
            )
        return rows.iloc[0]

    def _read(
        self, folder: AnyPath, idx: int | Iterable[int] | None, columns: Sequence[str] | None = None
    ) -> pd.DataFrame:
        if not parts_in(folder):
            return pd.DataFrame({"idx": np.array([], "int64"), "epoch": np.array([], "int32")})
        chosen = None if idx is None else [int(i) for i in _as_list(idx)]
        table: pa.Table = read_dataset(folder, chosen, columns)
        return table.to_pandas()


def _as_list(idx: int | Iterable[int]) -> list[int]:
    return [int(idx)] if isinstance(idx, int | np.integer) else list(idx)


def _entry(name: str) -> Any:
    """Return the function behind an entry point of the group `REBUILD`."""
    for found in importlib.metadata.entry_points(group=REBUILD, name=name):
        return found.load()
    raise ValueError("Nothing here can rebuild models: install this project (`make .venv/.ready`).")


def open(location: str | Path) -> Run:
    """Open a run's folder: `run = results.open("runs/abalone")`, then `run.points`, `run.top()`, `run.model(idx)`.

    Args:
        location: the folder, a path or a URI.

    Raises:
        ValueError: there is no run, or none that can be read.
    """
    return Run(location)
