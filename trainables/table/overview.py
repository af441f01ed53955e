"""An overview of a table as a sweep sees it: its columns, what they become, its parts, and what may be wrong with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from trainables.table import columns, inputs, raws, splits
from trainables.table.columns import Problem
from trainables.table.data import Table
from trainables.table.given import Given
from trainables.table.recipe import texts_of
from trainables.table.spec import DataSpec

CATEGORIES_SHOWN = 5


def columns_of(spec: DataSpec, table: Table | None, by_weight: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Return an entry for each raw column: name, type, gaps, distinct values, some of them, and what it becomes.

    Args:
        spec: names the file.
        table: the prepared table; None if it cannot be prepared.
        by_weight: columns that weight the rows at some points, which may be in a named index.

    Raises:
        DataError: the file cannot be read.
    """
    raw = raws.read(spec, by_weight)
    if isinstance(raw, Given):
        return []
    frame = columns.stripped(raw.frame, spec)
    there = raws.chosen(raw, spec, [spec.weight] if spec.weight else [])
    source, found = raw.source(), []
    for name in frame.columns:
        values = frame[name]
        entry: dict[str, Any] = {
            "column": str(name),
            "type": _type_of(values),
            "gaps": int(values.isna().sum()),
            "distinct": int(values.astype(str).nunique() if values.dtype == object else values.nunique()),
        }
        entry["values"] = _values_of(values)
        if name in spec.targets:
            entry["becomes"] = "target"
        elif name == spec.weight or name in by_weight:
            entry["becomes"] = "weights of the rows"
        elif name == spec.how.column:
            entry["becomes"] = f"splits the rows ({spec.how.kind})"
        elif name not in there.columns:
            entry["becomes"] = "dropped"
        elif table is not None and table.recipe is not None:
            entry["becomes"] = _becomes(table, str(name))
        else:
            kind = columns.kind_of(values, source, spec)
            gaps = columns.gaps(values, source) if spec.missing_in(str(name)) == "refuse" else None
            entry["becomes"] = (
                "refused" if isinstance(kind, Problem) else "refused: gaps" if gaps else str(kind)
            )
        found.append(entry)
    return found


def parts_of(table: Table, validation_split: float) -> dict[str, Any]:
    """Return the rows of each part, and the share of each class in it."""
    validation = table.validation
    if validation is None:
        validation = len(table.x_train) - splits.fitted(len(table.x_train), validation_split)
    fit = len(table.x_train) - validation
    targets = {"fitted": table.y_train[:fit], "validation": table.y_train[fit:], "test": table.y_test}
    found: dict[str, Any] = {"rows": {name: len(y) for name, y in targets.items()}, "classes": {}}
    if table.classes:
        for code, label in enumerate(table.classes):
            counts = {
                name: int(((y == code) if y.ndim == 1 else (y[:, code] == 1)).sum())
                for name, y in targets.items()
            }
            found["classes"][str(label)] = counts
    return found


def warnings_of(table: Table) -> list[str]:
    """Return what may be wrong with a table that can be trained on, a sentence each, without `Table.notes`."""
    found = []
    train, test = (_hashes(x, y) for x, y in ((table.x_train, table.y_train), (table.x_test, table.y_test)))
    if both := int(np.isin(test, train).sum()):
        found.append(
            f"{both:,} of {len(test):,} test rows are in the train rows too, features and target. So the test is "
            "easier than it looks."
        )
    if table.classes and table.y_train.ndim == 1:
        counts = np.bincount(table.y_train.astype(int), minlength=len(table.classes))
        # A class without train rows cannot be weighted; a note names it.
        rarest = int(np.where(counts > 0, counts, len(table.y_train) + 1).argmin())
        if counts[rarest] < 0.1 * len(table.y_train) / len(table.classes) * 2:
            share = counts[rarest] / len(table.y_train)
            found.append(
                f"The class {table.classes[rarest]} has {share:.1%} of the train rows, so accuracy says little. Seek "
                "another metric, such as AUC, and weight the classes (fit: {class_weight: balanced})."
            )
    return found


def _hashes(x: inputs.Features, y: np.ndarray) -> np.ndarray:
    """Return a hash of each row, uint64, shape (rows,)."""
    arrays = [*(x.values() if isinstance(x, Mapping) else [x]), y]
    rows = np.column_stack([array.reshape(len(array), -1) for array in arrays])
    return pd.util.hash_pandas_object(pd.DataFrame(rows), index=False).to_numpy()


def _type_of(values: pd.Series) -> str:
    if pd.api.types.is_bool_dtype(values) or _are_truth_values(values):
        return "truth values"
    if pd.api.types.is_integer_dtype(values):
        return "whole numbers"
    if pd.api.types.is_numeric_dtype(values):
        return "numbers"
    if pd.api.types.is_datetime64_any_dtype(values):
        return "times"
    return "texts"


def _are_truth_values(values: pd.Series) -> bool:
    """Return whether all values are truth values; with gaps, these are objects."""
    return values.dtype == object and {type(value) for value in values.dropna().unique()} == {bool}


def _values_of(values: pd.Series) -> str:
    present = values.dropna()
    if present.empty:
        return ""
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return f"{present.min():.6g} to {present.max():.6g}"
    counts = present.astype(str).value_counts()
    texts = texts_of(pd.Series(counts.index[:CATEGORIES_SHOWN]))
    return ", ".join(texts) + (", ..." if len(counts) > CATEGORIES_SHOWN else "")


def _becomes(table: Table, name: str) -> str:
    recipe = table.recipe
    assert recipe is not None
    column = next((one for one in recipe.columns if one.name == name), None)
    if column is None:
        return "left out"
    what = {
        "number": "a number",
        "onehot": f"{len(column.features)} indicators",
        "ordinal": f"codes 0 to {len(column.categories) - 1}, {len(column.categories)} for an unseen one",
        "gaps": "only an indicator of gaps",
        "hash": f"{len(column.features)} indicators of hashes",
    }[column.kind]
    if column.fill is not None and column.kind != "gaps":
        fill = f"{column.fill:.6g}" if isinstance(column.fill, float) else column.fill
        what += f", gaps are {fill}" + (" and have an indicator" if column.indicates_gaps else "")
    return what
