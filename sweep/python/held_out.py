"""Splits validation rows off from the rows of an estimator, and checks the keys of a plan that an estimator takes."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any, get_args

import numpy as np
import pandas as pd
from sklearn.model_selection import train_test_split

from trainables.table import columns, raws, splits
from trainables.table.source import Source
from trainables.table.spec import Kind, Split

_ARGUMENTS = {
    "seed": "random_state",
    "repeats": "repeats",
    "space": "space",
    "builder": "build",
    "data": "data",
    "epochs": "epochs",
    "validation_data": "validation_fraction",
    "cpus": "n_jobs",
    "in_process": "n_jobs",
    "out": "out",
    "show": "verbose",
}
"""For each key that `plan` must not have, the argument of an estimator that says the same."""

_NO_TEST_ROWS = "but an estimator keeps no test rows: score it by cross-validation"
_KEYS_OF_DATA = {
    "task": "which follows from the class of the estimator",
    "test_fraction": _NO_TEST_ROWS,
    "split_seed": "which the argument random_state gives",
    "split.test": _NO_TEST_ROWS,
    "split.validation": "which the argument validation_fraction gives",
    "split.seed": "which the argument random_state gives",
}
"""For each key that `data` must not have, why."""


def check_keys(plan: Any, data: Any, task: str) -> None:
    """Check that an estimator can take the keys of `plan` and `data`: no argument says the same, and all weights are kept.

    Args:
        plan, data: the arguments of the estimator.
        task: of the plan.

    Raises:
        ValueError: the message names them all, with what to give instead.
    """
    wrong = []
    for name, given in (("plan", plan), ("data", data)):
        if not isinstance(given, Mapping | None):
            raise ValueError(f"{name} got {given!r}, but needs a dictionary of further keys of a plan.")
    plan, data = plan or {}, data or {}
    for key in plan:
        if key in _ARGUMENTS:
            wrong.append(
                f"plan has the key {key!r}, which the argument {_ARGUMENTS[key]} gives. Remove it, and give "
                f"{_ARGUMENTS[key]} instead."
            )
    if plan.get("keep_weights", True) is not True:
        wrong.append(
            f"plan has keep_weights: {plan['keep_weights']!r}, but an estimator needs the weights of every point: any "
            "of them may have the best mean, and predicts then. Remove it."
        )
    fit = plan.get("fit")
    if isinstance(fit, Mapping) and "validation_split" in fit:
        wrong.append(
            "plan's fit has the key 'validation_split', which the argument validation_fraction gives. Remove it, and "
            "give validation_fraction instead."
        )
    names = [*data, *(f"split.{key}" for key in _keys_of_split(data.get("split")))]
    own = ("multiclass", "binary") if task == "multiclass" else (task,)
    for key in names:
        if key in _KEYS_OF_DATA and not (key == "task" and data[key] in own):
            wrong.append(f"data has the key {key!r}, {_KEYS_OF_DATA[key]}. Remove it.")
    if wrong:
        raise ValueError("\n".join(wrong))


def how_of(data: Mapping[str, Any] | None) -> Split | None:
    """Return how an estimator's argument `data` splits the rows; None if it says nothing of it.

    Raises:
        ValueError: it cannot be used.
    """
    keys = _keys_of_split((data or {}).get("split"))
    if unknown := [key for key in keys if key not in ("kind", "column")]:
        raise ValueError(
            f"data's split has the key {unknown[0]!r}, but an estimator takes kind and column, such as "
            '{"kind": "group", "column": "household"}.'
        )
    if (kind := keys.get("kind")) not in (None, *get_args(Kind)):
        raise ValueError(f"data's split has the kind {kind!r}, but needs {', '.join(get_args(Kind))}.")
    return Split(**keys) if keys else None


def held_out(
    x: Any, y: np.ndarray, task: str, how: Split | None, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the positions of the fitted and of the validation rows.

    Args:
        x: the rows.
        y: their targets; codes of classes.
        task: of the plan.
        how: as `how_of` returns it.
        share: the share of the rows, or of their groups, that are the validation rows.
        seed: of the draw.

    Raises:
        ValueError: the rows cannot be split so.
    """
    rows = np.arange(len(x))
    is_stratified = task == "multiclass" and (how is None or how.kind is None)
    if how is None or how.kind in (None, "random"):
        split = functools.partial(train_test_split, rows, test_size=share, random_state=seed)
        try:
            return split(stratify=y if is_stratified else None)
        except ValueError:
            if not is_stratified:
                raise
            return split()  # a class has too few rows to be in both parts
    if how.kind == "stratified" and task != "multiclass":
        raise ValueError(
            "data's split has the kind 'stratified', but the target of a regressor has no classes. Remove it."
        )
    by = None if how.column is None else _split_column(x, how)
    # Only two parts are wanted, so the test rows are said to be given, whichever these are.
    parts = splits.split(
        rows, replace(how, seed=seed), float(share), rows[:1], None, by,
        pd.Series(y) if how.kind == "stratified" else None,
    )  # fmt: skip
    count = len(parts.train) - (parts.validation or 0)
    return parts.train[:count], parts.train[count:]


def _keys_of_split(given: Any) -> dict[str, Any]:
    """Return the keys that `split` has in a plan's `data`."""
    if isinstance(given, Split):
        return {
            item.name: value for item in fields(given) if (value := getattr(given, item.name)) != item.default
        }
    if given is not None and not isinstance(given, Mapping):
        raise ValueError(
            f'data\'s split got {given!r}, but needs a dictionary, such as {{"kind": "group", "column": "household"}}.'
        )
    return dict(given or {})


def _split_column(x: Any, how: Split) -> pd.Series:
    """Return the groups or times of all rows; times are numbers or comparable.

    Raises:
        ValueError: there is no such column, or it has gaps or no times.
    """
    if not isinstance(x, pd.DataFrame):
        raise ValueError(
            f"data's split names the column {how.column!r}, but X is an array, whose columns have no names. Give a data "
            "frame."
        )
    frame = x.reset_index(drop=True).set_axis(x.columns.map(str), axis=1)
    if how.column not in frame:
        raise ValueError(
            f"data's split names the column {how.column!r}, but X has {', '.join(map(str, frame.columns[:20]))}."
        )
    if (gaps := frame[how.column].isna()).any():
        raise ValueError(
            f"X has no value in the column {how.column!r} in row {int(gaps.argmax()) + 1} ({gaps.sum():,} missing in "
            "all), but data's split needs one in each row. Fill the gaps, or leave these rows out."
        )
    by, problems, _ = raws.split_column(frame, Source("X", frame), how)
    if by is None:
        raise ValueError(columns.message("X", problems))
    return by
