"""Reads from a run's folder what is stored of some points, in the form in which it is compared with Keras."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import pandas as pd

from results.folder.run_folder import RunFolder
from results.schema import DATA_LOSS_VA, SPLITS, column_of, metrics_of
from results.store.read import read_dataset
from results.verified import Entry, mark_of
from trainables.check import Check
from trainables.single.compare import Trained

_ALWAYS = ("loss", "val_loss", "learning_rate")
_KEYS = ("idx", "epoch")


def stored(
    folder: RunFolder, rows: pd.DataFrame, idx: Sequence[int], axes: Collection[str]
) -> dict[int, tuple[Trained, str]]:
    """Return, for each of the points `idx`, what is stored of it, and the mark of its row.

    Args:
        folder: of the run.
        rows: the run's rows.
        idx: points that have a row with at least one epoch.
        axes: names of the axes.
    """
    curves = read_dataset(folder.curves, list(idx)).to_pandas().sort_values(["idx", "epoch"])
    curve_of = dict(list(curves.groupby("idx")))
    names = [column_of(metric, split) for metric in metrics_of(map(str, rows), axes) for split in SPLITS]
    names += [name for name in (DATA_LOSS_VA.name,) if name in rows]
    found = {}
    for row in rows[rows["idx"].isin(idx)].to_dict("records"):
        curve = curve_of.get(row["idx"], curves.iloc[:0])
        logs = {
            str(name): curve[name].to_numpy()
            for name in curve
            if name not in _KEYS and (name in _ALWAYS or curve[name].notna().any())
        }
        metrics = {name: float(row[name]) for name in names if pd.notna(row[name])}
        whole = {name: None if pd.isna(row[name]) else int(row[name]) for name in ("best_epoch", "params")}
        training = Trained(
            row["status"], len(curve), whole["best_epoch"], logs, metrics, whole["params"]
        )  # fmt: skip
        found[int(row["idx"])] = training, mark_of(row)
    return found


def entry_of(check: Check, mark: str) -> Entry:
    """Return what is kept of a check."""
    differences = tuple(
        (one.column, one.epoch, _plain(one.found), _plain(one.keras)) for one in check.differences
    )
    return Entry(mark, check.epochs, check.of, check.whole, differences, check.note)


def _plain(value: Any) -> Any:
    """Return a value that JSON can hold: it has no NaN."""
    if isinstance(value, np.generic):
        value = value.item()
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
