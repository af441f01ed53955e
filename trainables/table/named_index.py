"""Takes the named index of a data frame, which is no feature, as columns where a plan names it.

A Parquet or Feather file that pandas wrote has the index of its frame. In pandas an index is no column, so a model does not
learn from it; but times and groups are often kept there.
"""

from __future__ import annotations

import json
from collections.abc import Collection

import pandas as pd

from trainables.table.spec import DataSpec


def as_columns(
    frame: pd.DataFrame, path: str, spec: DataSpec, others: Collection[str] = ()
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table whose index counts the rows, with named levels of its index as last columns; and notes on the others.

    Args:
        frame: the table, whose columns have texts for names.
        path: where it is from, for the notes.
        spec: says which names the plan gives under `data`.
        others: names that the plan gives elsewhere.
    """
    named = {
        *spec.targets, *map(str, spec.drop or []), *(spec.categories or {}), spec.weight, spec.how.column, *others,
        *(spec.missing if isinstance(spec.missing, dict) else {}),
    }  # fmt: skip
    found, notes = frame.reset_index(drop=True), []
    for level, label in enumerate(frame.index.names):
        if label is None:
            continue
        name = str(label)
        if name in frame.columns:
            notes.append(
                f'{path}: the index is called "{name}", as a column is. The column is taken, and the index is left out.'
            )
        elif name in named:
            found[name] = frame.index.get_level_values(level).to_series(index=found.index)
        else:
            by_time = f"split: {{kind: time, column: {json.dumps(name, ensure_ascii=False)}}}"
            notes.append(
                f'{path}: the index "{name}" is no feature. A plan may split the rows by it ({by_time}). If models are to '
                "learn from it, make it a column: reset_index()."
            )
    return found, tuple(notes)


def with_levels(frame: pd.DataFrame, names: Collection[str]) -> pd.DataFrame:
    """Return rows to predict, with those of `names` as columns that are no columns but named levels of the index."""
    frame = frame.copy(deep=False)
    for level, label in enumerate(frame.index.names):
        if label is not None and str(label) in names and str(label) not in frame.columns:
            frame[str(label)] = frame.index.get_level_values(level).to_series(index=frame.index)
    return frame
