"""Checks the columns of a data frame that an estimator gets, before its rows are split into parts.

The sweep would find the same faults. But it sees the parts, whose rows have other numbers than those of the data frame, and
its remedies are lines of a plan.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
import yaml

from sweep.plan import form
from trainables.table import columns, raws, remedies
from trainables.table.columns import Problem
from trainables.table.raws import Raw
from trainables.table.source import Source
from trainables.table.spec import DataSpec


def check_features(x: pd.DataFrame, data: Mapping[str, Any] | None) -> None:
    """Check that each feature can be prepared. What is wrong with `data` itself is left to the sweep.

    Args:
        x: the rows of `fit`.
        data: the argument of the estimator.

    Raises:
        ValueError: the message names all columns that cannot be used, and what to give as `data`.
    """
    given = dict(data or {})
    # A data frame is no delimited text.
    spec, faults = form.validated(DataSpec, {**given, "path": "X.parquet", "target": ""}, ("data",))
    if faults:
        return
    frame = columns.stripped(x.reset_index(drop=True).set_axis(x.columns.map(str), axis=1), spec)
    if any(_is_unclear(item, frame) for item in spec.drop or []):
        return
    source = Source("X", frame)
    names = _features(frame, spec)
    found = [columns.kind_of(frame[name], source, spec) for name in names if _is_of_one_type(frame[name])]
    problems = [one for one in found if isinstance(one, Problem)]
    wrong = {problem.column for problem in problems}
    problems += raws.gaps(frame, source, spec, [name for name in names if name not in wrong])
    if problems:
        problems, may_drop_rows = remedies.that_work(problems, Raw((source,), frame, ""), spec)
        ways = "\n".join(f"  data={way!r}" for way in _ways(given, problems, may_drop_rows))
        raise ValueError(
            f"{columns.told('X', problems)}\nCorrect X, or give the estimator what fits:\n{ways}"
        )


def check_no_columns(data: Mapping[str, Any] | None) -> None:
    """Check that no key says what columns become, because X is an array, which is taken as it is.

    Args:
        data: the argument of the estimator.

    Raises:
        ValueError: the message names these keys.
    """
    if keys := [key for key in ("drop", "categories") if (data or {}).get(key)]:
        raise ValueError(
            f"data has the key {' and '.join(map(repr, keys))}, but X is an array, whose columns are taken as they are and "
            "have no names. Give a data frame, or remove it from data."
        )


def _ways(given: dict[str, Any], problems: Sequence[Problem], may_drop_rows: bool) -> list[dict[str, Any]]:
    """Return the arguments `data` that mend what is wrong; each has all keys that are needed together."""
    settings = columns.settings_of(problems)
    lines = [yaml.safe_load(line) for line in columns.remedies_of(problems, may_drop_rows)]
    ways = []
    if settings and not any("missing" in one for one in lines):
        ways.append({**given, **settings})
    for one in lines:
        if "missing" in one:
            ways.append({**given, **settings, **_joined(given, one)})
        elif "decimal" in one:  # instead of a mark between thousands
            ways.append({**given, **settings, **one})
            ways[-1].pop("thousands", None)
        else:
            ways.append({**given, **_joined(given, one)})
    return ways


def _features(frame: pd.DataFrame, spec: DataSpec) -> list[str]:
    """Return the names of the columns that are features."""
    names = [str(name) for name in frame.columns]
    aside = {spec.how.column, spec.weight}
    for item in spec.drop or []:
        aside.add(names[item - 1] if isinstance(item, int) and 1 <= item <= len(names) else str(item))
    return [name for name in names if name not in aside]


def _is_unclear(item: str | int, frame: pd.DataFrame) -> bool:
    """Return whether an item of `drop` is a position and the name of another column, so that the sweep refuses it."""
    is_name = isinstance(item, int) and str(item) in frame.columns
    return is_name and not (1 <= item <= frame.shape[1] and frame.columns[item - 1] == str(item))  # type: ignore[operator]


def _is_of_one_type(values: pd.Series) -> bool:
    """Return whether a column can be stored; the sweep says of values of several types that they cannot."""
    return not pd.api.types.infer_dtype(values, skipna=True).startswith("mixed")


def _joined(given: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    """Return a key and its value, with what the argument `data` has in a dictionary or a list of this key."""
    [(key, value)] = one.items()
    before = given.get(key)
    if isinstance(value, dict) and isinstance(before, Mapping):
        value = {**before, **value}
    elif isinstance(value, list) and isinstance(before, list | tuple):
        value = [*before, *value]
    return {key: value}
