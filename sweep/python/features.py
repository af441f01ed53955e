"""Checks the columns of a data frame that an estimator gets, before its rows are split into parts.

The sweep would find the same faults. But it sees the parts, whose rows have other numbers than those of the data frame, and
its remedies are lines of a plan.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
import yaml

from sweep.plan import form
from trainables.table import columns, raws
from trainables.table.columns import Problem
from trainables.table.readers import Source
from trainables.table.spec import DataSpec

_FOR_A_PLAN = "\nCorrect the file, or put what fits under data: in the plan:\n"
"""What `columns.message` writes before the lines of a plan."""


def check_features(x: pd.DataFrame, data: Mapping[str, Any] | None) -> None:
    """Check that each feature can be prepared. What is wrong with `data` itself is left to the sweep.

    Args:
        x: the rows of `fit`.
        data: the argument of the estimator.

    Raises:
        ValueError: the message names all columns that cannot be used, and what to give as `data`.
    """
    given = dict(data or {})
    spec, faults = form.validated(DataSpec, {**given, "path": "X", "target": ""}, ("data",))
    if faults:
        return
    frame = columns.stripped(x.reset_index(drop=True).set_axis(x.columns.map(str), axis=1), spec)
    source = Source("X", frame)
    names = _features(frame, spec)
    found = [columns.kind_of(frame[name], source, spec) for name in names if _is_of_one_type(frame[name])]
    problems = [one for one in found if isinstance(one, Problem)]
    wrong = {problem.column for problem in problems}
    problems += raws.gaps(frame, source, spec, [name for name in names if name not in wrong])
    if problems:
        said, _, lines = columns.message("X", problems).partition(_FOR_A_PLAN)
        pasted = "\n".join(f"  data={_merged(given, line)!r}" for line in lines.splitlines())
        raise ValueError(f"{said}\nCorrect X, or give the estimator what fits:\n{pasted}" if pasted else said)


def _features(frame: pd.DataFrame, spec: DataSpec) -> list[str]:
    """Return the names of the columns that are features."""
    names = [str(name) for name in frame.columns]
    aside = {spec.how.column, spec.weight}
    for item in spec.drop or []:
        aside.add(names[item - 1] if isinstance(item, int) and 1 <= item <= len(names) else str(item))
    return [name for name in names if name not in aside]


def _is_of_one_type(values: pd.Series) -> bool:
    """Return whether a column can be stored; the sweep says of values of several types that they cannot."""
    return not pd.api.types.infer_dtype(values, skipna=True).startswith("mixed")


def _merged(given: dict[str, Any], line: str) -> dict[str, Any]:
    """Return the argument `data` with a line of a plan's data."""
    [(key, value)] = yaml.safe_load(line).items()
    before = given.get(key)
    if isinstance(value, dict) and isinstance(before, Mapping):
        value = {**before, **value}
    elif isinstance(value, list) and isinstance(before, list | tuple):
        value = [*before, *value]
    return {**given, key: value}
