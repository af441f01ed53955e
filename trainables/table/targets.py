"""Turns the target columns of a raw table into the numbers that a model learns, and finds out the task."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from trainables.table.columns import AS_CLASSES, Problem, in_one_file, not_finite
from trainables.table.marks import Reading, needed, reading, to_number
from trainables.table.raws import dropping
from trainables.table.recipe import shown
from trainables.table.source import Source
from trainables.table.spec import DataSpec, Task

MAX_CLASSES = 1000
MAX_CODES = 10
"""The most whole numbers from 0 that are taken as classes without being asked for."""
_SIGNS = [-1.0, 1.0]
"""Two values that are no codes of classes: some losses need them as they are."""


@dataclass(frozen=True)
class Target:
    """The target of all rows.

    Attributes:
        task: what is learned.
        values: float32, shape (rows,) or (rows, targets); classes are their codes. NaN in rows with a gap.
        classes: the label of each code, sorted; empty for numbers. Of columns that are classes, their names in their order.
        notes: what the user must know.
        are_texts: whether the labels are texts or truth values, or the plan says that the numbers are classes.
        names: of the targets; columns that are the classes of one target have one name together.
        are_ordered: whether the order of the labels is that of ordered categories.
    """

    task: Task
    values: np.ndarray
    classes: tuple[Any, ...] = ()
    notes: tuple[str, ...] = ()
    are_texts: bool = False
    names: tuple[str, ...] = ()
    are_ordered: bool = False


def target_of(frame: pd.DataFrame, source: Source, spec: DataSpec) -> tuple[Target | None, list[Problem]]:
    """Return the target, or everything that is wrong with its columns; gaps are no fault here.

    Args:
        frame: the raw table.
        source: where it is from.
        spec: names the target columns and the task.
    """
    target, problems = _target_of(frame, source, spec)
    return target and replace(target, names=target.names or spec.targets), problems


def _target_of(frame: pd.DataFrame, source: Source, spec: DataSpec) -> tuple[Target | None, list[Problem]]:
    names = spec.targets
    if spec.task == "regression":  # it takes categories of numbers for what they are
        frame = frame.assign(**{name: _uncategorized(frame[name]) for name in names})
    found = [_wrong(frame, name, source, spec) for name in names]
    if problems := [replace(problem, is_target=True) for problem in found if problem]:
        return None, problems
    if len(names) > 1:
        return _several(frame[list(names)], source, spec)
    values = frame[names[0]]
    is_regression = spec.task == "regression"
    if (_are_texts(values) and not is_regression) or spec.task in ("binary", "multiclass", "multilabel"):
        return _classes(values, spec), []
    numbers = values.to_numpy("float32", na_value=np.nan)
    # Large numbers that differ may be one number as float32.
    distinct = np.sort(values.dropna().unique().astype("float64"))
    if spec.task == "auto" and _are_codes(distinct):
        made = _classes(values, spec)
        labels = ", ".join(map(str, made.classes))
        note = (
            f'The target "{names[0]}" has the values {labels}, so they are taken as classes with the codes 0 to '
            f"{len(made.classes) - 1}. Write task: regression under data if they are amounts."
        )
        notes = () if distinct.tolist() == [0.0, 1.0] else (note,)
        return replace(made, notes=notes, are_texts=False), []
    told: tuple[str, ...] = ()
    if spec.task == "auto" and len(distinct) <= MAX_CODES and np.array_equal(distinct, np.rint(distinct)):
        told = (
            f'The target "{names[0]}" has the whole numbers {", ".join(f"{number:.0f}" for number in distinct)} and is '
            "learned as amounts. Write task: multiclass under data if they are classes.",
        )
    if spec.task == "auto" and distinct.tolist() == _SIGNS:
        told = (
            f'The target "{names[0]}" has the values -1 and 1. They are learned as numbers, as a hinge loss needs them. '
            "Write task: binary under data for classes with the codes 0 and 1, as a cross-entropy needs them.",
        )
    if len(np.unique(numbers[~np.isnan(numbers)])) < 0.9 * len(distinct):
        told = (
            f'Many values of the target "{names[0]}" are the same number as float32, which Keras computes with. Subtract '
            "the mean from the target first.",
        )
    return Target("regression", numbers, (), told), []


def _are_codes(distinct: np.ndarray) -> bool:
    """Return whether numbers look like codes of classes: two values, or whole numbers from 0 that are few."""
    if len(distinct) == 2:
        return bool(distinct.tolist() != _SIGNS)
    return len(distinct) <= MAX_CODES and np.array_equal(distinct, np.arange(len(distinct)))


def _several(frame: pd.DataFrame, source: Source, spec: DataSpec) -> tuple[Target | None, list[Problem]]:
    """Return what several columns are: answers of yes or no, the classes of one target, or amounts."""
    values = frame.to_numpy("float32", na_value=np.nan)
    is_odd = ~np.isnan(values) & ~np.isin(values, (0, 1))
    names = tuple(map(str, frame.columns))
    if spec.task == "regression" or (spec.task == "auto" and is_odd.any()):
        return Target("regression", values), []
    if is_odd.any():
        row, column = np.argwhere(is_odd)[0].tolist()
        text = (
            f'the target "{names[column]}" is {shown(frame.iloc[:, column], row)} in row {source.row(row)}, but data.task '
            f"is {spec.task}, so each of the {len(names)} targets needs 0 or 1. For amounts, write task: regression"
        )
        return None, [Problem(names[column], text, ("task: regression",), True)]
    has_gap = np.isnan(values).any(1)
    one_each = (values.sum(1) == 1) | has_gap
    if spec.task == "multiclass":
        if not one_each.all():
            row = int(one_each.argmin())
            text = (
                f"row {source.row(row)} has 1 in {values[row].sum():.0f} of the targets {_some(names)}, but data.task is "
                "multiclass, so each row needs 1 in one of them. For answers of yes or no, write task: multilabel"
            )
            return None, [Problem(names[0], text, ("task: multilabel",), True)]
        codes = np.where(has_gap, np.nan, np.nan_to_num(values).argmax(1)).astype("float32")
        task: Task = "binary" if len(names) == 2 else "multiclass"  # as of one column
        return Target(task, codes, names, (), True, (", ".join(names),)), []
    notes = []
    if spec.task == "auto" and one_each.all():
        notes.append(
            f"Each row has 1 in one of the targets {_some(names)}. They are taken as labels that are predicted one by one. "
            "If they are the classes of one target, write task: multiclass under data."
        )
    return Target("multilabel", values, names, tuple(notes)), []


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")


def _classes(values: pd.Series, spec: DataSpec) -> Target:
    if len({str if isinstance(label, str) else float for label in values.dropna().unique()}) > 1:
        values = values.map(_as_text, na_action="ignore")  # numbers and texts have no order
    present = values.dropna()
    ordered = values.dtype if isinstance(values.dtype, pd.CategoricalDtype) and values.dtype.ordered else None
    if ordered is not None:
        labels = [label for label in ordered.categories if bool((present == label).any())]
    else:
        labels = sorted(present.unique().tolist())
    classes = tuple(
        int(label) if isinstance(label, float) and label.is_integer() else label for label in labels
    )
    codes = pd.Index(labels).get_indexer(pd.Index(values.astype(object))).astype("float32")
    codes[values.isna().to_numpy()] = np.nan
    notes = tuple(
        f"The classes {', '.join(map(repr, some))} differ only in a dot at the end, in blanks or in the case of letters. "
        "If they are one class, write it alike in all rows."
        for some in alike(classes, _bare)
    )
    task: Task = "binary" if len(classes) == 2 else "multiclass"
    return Target(task, codes, classes, notes, True, are_ordered=ordered is not None)


def alike(labels: Sequence[Any], bare: Callable[[str], str]) -> list[list[str]]:
    """Return the texts that are the same as `bare` makes them, those of each text."""
    found: dict[str, list[str]] = {}
    for label in labels:
        if isinstance(label, str):
            found.setdefault(bare(label), []).append(label)
    return [texts for texts in found.values() if len(texts) > 1]


def without_blanks(text: str) -> str:
    """Return a text without its blanks."""
    return "".join(text.split())


def _bare(text: str) -> str:
    return without_blanks(text).removesuffix(".").casefold()


def _as_text(label: Any) -> str:
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _wrong(frame: pd.DataFrame, name: str, source: Source, spec: DataSpec) -> Problem | None:
    values, what, several = frame[name], f'the target "{name}"', len(spec.targets) > 1
    present = values.dropna()
    if present.empty:
        return Problem(name, f"{what} is empty in every row", ())
    if present.nunique() == 1:
        return Problem(
            name, f"{what} is {shown(present, 0)} in every row, so there is nothing to learn. "
            "Name another column in data.target", (),
        )  # fmt: skip
    if pd.api.types.is_numeric_dtype(values):
        if problem := not_finite(values, source, "the target"):
            return problem
        distinct = present.nunique()
        if several:
            return None
        if spec.task == "binary" and distinct > 2:
            return Problem(
                name,
                f"{what} has {distinct:,} different values, but data.task is binary",
                (AS_CLASSES,),
            )
        if spec.task == "multiclass" and distinct > MAX_CLASSES:
            return Problem(
                name,
                f"{what} has {distinct:,} different values, but a classification has at most {MAX_CLASSES:,} classes",
                ("task: regression",),
            )
        if spec.task == "multilabel" and not present.isin([0, 1]).all():
            return Problem(name, f"{what} has other values than 0 and 1, but data.task is multilabel", ())
        return None
    codes, distinct_values = pd.factorize(values)  # -1 for a gap
    odd = [value for value in distinct_values if not isinstance(value, str | int | float | np.generic)]
    if odd:
        return Problem(
            name, f"{what} holds values of type {type(odd[0]).__name__}, such as {odd[0]!r}, but needs numbers, texts or "
            f'truth values. Convert it, for example by frame["{name}"].astype(str)', (),
        )  # fmt: skip
    if problem := _infinite(values, codes, distinct_values, source, several):
        return problem
    # Truth values are classes, but numbers if there are several targets.
    are_numbers = [
        not np.isnan(to_number(value)) and (several or not isinstance(value, bool | np.bool_))
        for value in distinct_values
    ]
    bad = np.append(~np.array(are_numbers), False)[codes]
    if several and not bad.any():
        return None
    are_classes = spec.task in ("binary", "multiclass") or isinstance(values.dtype, pd.CategoricalDtype)
    may_be_numbers = not are_classes or spec.task == "regression" or several
    if may_be_numbers and (problem := _misread(frame, name, bad, source, spec)):
        return problem
    if (distinct := present.astype(str).nunique()) > MAX_CLASSES:
        return Problem(
            name,
            f"{what} has {distinct:,} different texts, but a classification has at most {MAX_CLASSES:,} classes",
            (),
        )
    if spec.task == "binary" and distinct > 2:
        return Problem(
            name,
            f"{what} has {distinct} classes ({_first(present)}), but data.task is binary",
            (AS_CLASSES,),
        )
    if distinct > len(present) / 2:
        return Problem(
            name, f"{what} has {distinct} different texts in {len(present)} rows, so they are no classes. "
            "Name another column in data.target", (),
        )  # fmt: skip
    return None


def _infinite(
    values: pd.Series, codes: np.ndarray, distinct: Any, source: Source, are_numbers: bool
) -> Problem | None:
    """Return what is wrong with a target that has an infinite number among other values; None if it has none.

    Args:
        values: the target.
        codes: the position of each value among the distinct ones, -1 for a gap.
        distinct: the distinct values.
        source: where they are from.
        are_numbers: whether all of them will be numbers of float32. Else they are labels, and texts such as "inf" are, too.
    """
    with np.errstate(over="ignore"):
        infinite = [
            bool(np.isinf(np.float32(to_number(value)) if are_numbers else to_number(value)))
            and (are_numbers or not isinstance(value, str))
            for value in distinct
        ]
    rows = np.append(infinite, False)[codes]
    if not rows.any():
        return None
    row, needs = (
        int(rows.argmax()),
        "a finite number that float32 can hold" if are_numbers else "finite numbers or texts",
    )
    text = f'the target "{values.name}" is {shown(values, row)} in row {source.row(row)}, but needs {needs}'
    return Problem(str(values.name), text, ())


def _misread(
    frame: pd.DataFrame, name: str, bad: np.ndarray, source: Source, spec: DataSpec
) -> Problem | None:
    """Return what is wrong with a target of numbers that were read as texts; None if its texts are classes.

    Args:
        frame: the raw table.
        name: of the target.
        bad: whether the target is a text that is no number, in each row.
        source: where the table is from.
        spec: what the plan says.
    """
    values, several = frame[name], len(spec.targets) > 1
    counts = values.astype(object).value_counts()
    found, share = reading(counts, spec), 1 - bad.sum() / counts.sum()
    if other := in_one_file(values, counts, found, source):
        return Problem(name, f'the target "{name}" {other}', ())
    in_most = share > 0.5 or found.share >= 0.9
    if not in_most and spec.task != "regression" and not several:
        return None
    settings = needed(counts, found, spec) if in_most else {}
    missing = dropping(frame, spec, name) if "na" in settings and spec.missing_in(name) != "drop_rows" else {}
    text = _how_misread(values, bad, in_most, found, source, spec)
    may_be_classes = not several and len(counts) <= min(MAX_CLASSES, counts.sum() / 2)
    remedies = (*(found.instead if settings else ()), *((AS_CLASSES,) if may_be_classes else ()))
    if several and not settings:
        label = max(map(str, counts.index))  # of no and yes, the latter
        text += (
            ". Texts of several targets are not encoded: write 1 and 0 in their place, as by "
            f"(frame[{name!r}] == {label!r}).astype(int), or learn this target alone"
        )
        remedies = (f"target: {json.dumps(name, ensure_ascii=False)}",)
    return Problem(name, text, remedies, missing=missing, settings=settings)


def _how_misread(
    values: pd.Series, bad: np.ndarray, in_most: bool, found: Reading, source: Source, spec: DataSpec
) -> str:
    row = int((bad if bad.any() else values.notna().to_numpy()).argmax())
    what, it_is = f'the target "{values.name}"', f"{shown(values, row)} in row {source.row(row)}"
    if not bad.any():
        mark = f', but data.decimal is "{spec.decimal}"' if found.share < 1 and spec.decimal != "." else ""
        return f"{what} holds numbers as texts, such as {it_is}{mark}"
    why = "a number in most rows" if in_most else "needs a number in every row"
    if found.share == 1:
        why = "looks like a number in every row"
    return f"{what} is {it_is}, but {why}{found.hindrance}"


def _uncategorized(values: pd.Series) -> pd.Series:
    """Return categories of numbers as numbers, and other values as they are."""
    kind = values.dtype
    is_of_numbers = isinstance(kind, pd.CategoricalDtype) and pd.api.types.is_numeric_dtype(kind.categories)
    return pd.to_numeric(values.astype(object)) if is_of_numbers else values


def _are_texts(values: pd.Series) -> bool:
    return pd.api.types.is_bool_dtype(values) or not pd.api.types.is_numeric_dtype(values)


def _first(values: pd.Series) -> str:
    return ", ".join(map(str, sorted(values.astype(str).unique())[:5]))
