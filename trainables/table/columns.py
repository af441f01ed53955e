"""Decides what each column of a raw table becomes, and names everything that is wrong with the columns at once."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Literal

import numpy as np
import pandas as pd

from trainables.table import whole
from trainables.table.marks import (
    Reading,
    line,
    needed,
    numbers_of,
    reading,
    signs_in,
    to_number,
    together,
    without,
)
from trainables.table.recipe import shown
from trainables.table.source import Source
from trainables.table.spec import DataSpec, Missing

MAX_CATEGORIES = 100
"""The most categories that become indicators without being asked for."""

MAX_ONEHOT = 1000
"""The most categories that become indicators if asked for."""

AS_CLASSES = "task: multiclass"
"""The line of a plan's `data` that takes the texts of a target as classes."""

_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}([ T].*)?")


@dataclass(frozen=True)
class Problem:
    """What is wrong with one column.

    Attributes:
        column: its name.
        text: what is wrong, and where.
        remedies: lines of the plan's `data`, one of which mends it.
        settings: keys of the plan's `data` that say how numbers are written. All of them together mend it, with `missing` if
            they make gaps.
        is_target: whether the column is a target, which cannot be left out.
        is_nameless: whether the column has no name, so that its position names it.
        missing: what to do with the gaps of columns, which mends it, too.
    """

    column: str
    text: str
    remedies: tuple[str, ...]
    is_target: bool = False
    is_nameless: bool = False
    missing: Mapping[str, Missing] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)


def message(name: str, problems: Sequence[Problem], may_drop_rows: bool = True) -> str:
    """Return one message about everything that is wrong with a table, with the lines of a plan that mend it.

    Args:
        name: of the table.
        problems: what is wrong with its columns.
        may_drop_rows: whether enough rows are left without those that have a gap.
    """
    lines = [line(key, value) for key, value in settings_of(problems).items()]
    lines += remedies_of(problems, may_drop_rows)
    if not lines:
        return told(name, problems)
    listed = "\n".join(f"  {one}" for one in lines)
    return f"{told(name, problems)}\nCorrect the file, or put what fits under data: in the plan:\n{listed}"


def told(name: str, problems: Sequence[Problem]) -> str:
    """Return everything that is wrong with a table, without what mends it."""
    if len(problems) == 1:
        return f"{name}: {_told(problems[0])}."
    listed = "\n".join(f"  {_told(problem)}" for problem in problems)
    return f"{name}: {len(problems)} columns cannot be used as they are:\n{listed}"


def remedies_of(problems: Sequence[Problem], may_drop_rows: bool = True) -> list[str]:
    """Return the lines of a plan's `data` that mend columns, besides `settings_of`; each is one way.

    Args:
        problems: what is wrong with columns.
        may_drop_rows: whether enough rows are left without those that have a gap.
    """
    policies = {column: policy for problem in problems for column, policy in problem.missing.items()}
    lines: list[str] = []
    if policies and all(problem.missing == {problem.column: "fill"} for problem in problems):
        lines += ["missing: fill", *(["missing: drop_rows"] if may_drop_rows else [])]
    if policies and (not lines or len(policies) > 1):
        lines.append(f"missing: {json.dumps(policies, ensure_ascii=False)}")
    lines += [remedy for problem in problems for remedy in problem.remedies]
    drops = [int(p.column.split()[1]) if p.is_nameless else p.column for p in problems if not p.is_target]
    if drops:
        lines.append(f"drop: {json.dumps(drops, ensure_ascii=False)}")
    return list(dict.fromkeys(lines))


def _told(problem: Problem) -> str:
    """Return what is wrong with a column, and which of the lines below belong together."""
    found = problem.text + together(problem.settings, bool(problem.missing))
    if problem.settings and line("decimal", ",") in problem.remedies:
        found += f"; if its commas are decimal marks, write {line('decimal', ',')} instead of thousands"
    if problem.settings and AS_CLASSES in problem.remedies:
        found += f"; if its texts are classes, write {AS_CLASSES} instead"
    return found


def settings_of(problems: Sequence[Problem]) -> dict[str, Any]:
    """Return the settings of all columns as one. A column that needs another mark than one before it does not count."""
    found: dict[str, Any] = {}
    for settings in (problem.settings for problem in problems):
        joined = {**found, **settings}
        if joined.get("decimal", ".") == joined.get("thousands") or any(
            key in settings and found[key] != settings[key]
            for key in ("decimal", "thousands")
            if key in found
        ):
            continue
        lists = {key: [*found.get(key, []), *settings[key]] for key in ("strip", "na") if key in settings}
        found = joined | {key: list(dict.fromkeys(items)) for key, items in lists.items()}
    return found


def stripped(
    frame: pd.DataFrame, spec: DataSpec, are_numbers: Mapping[str, bool] | None = None
) -> pd.DataFrame:
    """Return the table with the values of `na` as gaps, and with texts as numbers where `spec` says how these are written.

    A text counts as a number with `thousands` only if its last group has three digits, so that dates stay as they are.

    Args:
        frame: the raw rows.
        spec: says how numbers are written.
        are_numbers: whether the columns hold numbers, by name, as far as this is known; of others, all their rows decide.
    """
    known, aside = are_numbers or {}, {*spec.targets, spec.weight, spec.how.column}
    frame = frame.copy(deep=False)
    written = spec.thousands or spec.decimal != "."
    no_values = [number for text in spec.na or [] if not np.isnan(number := to_number(text))]
    for name in frame.columns:
        values = frame[name]
        if pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_bool_dtype(values):
            continue
        if values.dtype == object and _are_numbers(values):
            exact = whole.of_objects(values) if str(name) in (spec.categories or {}) else None
            numbers = pd.to_numeric(values.map(to_number, na_action="ignore")) if exact is None else exact
            frame[name] = values = numbers
        if pd.api.types.is_numeric_dtype(values):
            if (gaps := values.isin(no_values)).any():
                frame[name] = values.mask(gaps)
            continue
        if spec.na:
            values = values.mask(values.isin([*spec.na, *no_values]))
        is_known = name in known
        is_sure = is_known or name in aside
        if (spec.strip or written) and known.get(str(name), True) and (is_sure or not _are_codes(values)):
            values = _as_numbers(values, spec, is_known)
        frame[name] = values
    return frame


def _are_codes(values: pd.Series) -> bool:
    """Return whether texts are codes, some such as 0012, which settings for the numbers of other columns leave alone."""
    texts = set(map(str, values.dropna()))  # not all kinds of values can be hashed
    return any(re.match(r"0\d", text) for text in texts) and not any(
        np.isnan(to_number(text)) for text in texts
    )


def _are_numbers(values: pd.Series) -> bool:
    """Return whether all values are numbers that a float can hold; truth values are none."""
    present = values.dropna()
    return len(present) > 0 and all(
        isinstance(value, int | float | np.number | Decimal)
        and not isinstance(value, bool)
        and not np.isnan(to_number(value))
        for value in present
    )


def _as_numbers(values: pd.Series, spec: DataSpec, each: bool) -> pd.Series:
    """Return texts as numbers if all of them are; else as they are, but with `each` one that is a number as this number."""
    numbers = numbers_of(values.astype(object).where(values.isna(), values.astype(str)), spec)
    if not numbers.notna().any():
        return values
    if (numbers.notna() | values.isna()).all():
        return numbers
    return numbers.astype(object).where(numbers.notna(), values) if each else values


def kind_of(
    values: pd.Series, source: Source, spec: DataSpec
) -> Literal["number", "onehot", "ordinal", "hash"] | Problem:
    """Return what a feature's column becomes, or what is wrong with it, but for gaps."""
    name = str(values.name)
    if name in source.nameless:
        return _nameless(values, source)
    if values.isna().all():
        return Problem(name, f'column "{name}" is empty in every row', ())
    present = values.dropna()
    if problem := _infinite_category(values, source, spec):
        return problem
    if chosen := (spec.categories or {}).get(name):
        distinct = present.nunique()
        if chosen == "onehot" and distinct > MAX_ONEHOT:
            return Problem(
                name,
                f'column "{name}" has {distinct:,} different values, but an indicator column is made for at most '
                f"{MAX_ONEHOT:,}",
                (_category(name, "hash"), _category(name, "ordinal")),
            )
        return chosen
    if pd.api.types.is_complex_dtype(values):
        return Problem(
            name, f'column "{name}" holds complex numbers, but a feature is a real number or a text', ()
        )
    if pd.api.types.is_numeric_dtype(values):  # truth values too
        return not_finite(values, source) or "number"
    kinds = {"str"} if isinstance(values.dtype, pd.StringDtype) else {type(v).__name__ for v in present}
    if odd := kinds - {"str", "int", "float", "bool"}:
        return Problem(
            name,
            f'column "{name}" holds values of type {min(odd)}, but a feature is a number or a text',
            (for_time(name),) if min(odd) in ("date", "datetime", "Timestamp") else (),
        )
    if isinstance(values.dtype, pd.CategoricalDtype):
        return _category_kind(present, name)
    return _text_problem(values, source, spec) or _category_kind(present, name)


def without_harm(problems: Sequence[Problem], frame: pd.DataFrame, spec: DataSpec) -> list[Problem]:
    """Return the problems without the remedy of a decimal comma, if other numbers of the text file have decimal points.

    Args:
        problems: what is wrong with columns.
        frame: all columns.
        spec: how they were read.
    """
    points = [
        name for name, values in frame.items()
        if pd.api.types.is_float_dtype(values) and bool((values.dropna() % 1 != 0).any())
    ]  # fmt: skip
    if not spec.is_text or spec.decimal != "." or not points:
        return list(problems)
    found = []
    for problem in problems:
        remedies = tuple(remedy for remedy in problem.remedies if remedy != line("decimal", ","))
        problem = replace(problem, remedies=remedies)
        if "decimal" in problem.settings:
            text = f'{problem.text}; column "{points[0]}" has decimal points, so write one decimal mark in the file'
            problem = replace(problem, text=text, settings={}, missing={})
        found.append(problem)
    return found


def gaps(values: pd.Series, source: Source, what: str = "column") -> Problem | None:
    """Return what is wrong with a column that has gaps; None if it has none."""
    missing = values.isna().to_numpy()
    if not missing.any():
        return None
    row, count = source.row(int(missing.argmax())), int(missing.sum())
    text = f'{what} "{values.name}" has no value in row {row} ({count:,} missing in all)'
    return Problem(str(values.name), text, (), missing={str(values.name): "fill"})


def not_finite(values: pd.Series, source: Source, what: str = "column") -> Problem | None:
    """Return what is wrong with a column that has a number outside float32's range; None if it has none."""
    # Such a number counts as infinite, because it would be infinite in training.
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.to_numpy("float32", na_value=0.0))
    if finite.all():
        return None
    row = int(finite.argmin())
    return Problem(
        str(values.name),
        f'{what} "{values.name}" is {shown(values, row)} in row {source.row(row)}, but needs a finite number that '
        "float32 can hold",
        (),
    )


def _infinite_category(values: pd.Series, source: Source, spec: DataSpec) -> Problem | None:
    """Return what is wrong with a column of categories that has an infinite number; None if it has none."""
    dtype = values.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        dtype = dtype.categories.dtype
    elif str(values.name) not in (spec.categories or {}):
        return None
    if not pd.api.types.is_float_dtype(dtype):
        return None
    values = values.astype(dtype)
    # A finite number that float32 cannot hold may be a category, because only its text counts.
    return not_finite(values.where(np.isinf(values.to_numpy("float64", na_value=0.0)), 0.0), source)


def _text_problem(values: pd.Series, source: Source, spec: DataSpec) -> Problem | None:
    """Return what is wrong with a column of texts that is a column of numbers or dates; None if it is neither."""
    name = str(values.name)
    counts = values.astype(object).value_counts()
    texts = counts.index.map(str)
    is_plain = np.array([not np.isnan(to_number(value)) for value in counts.index])
    if is_plain.all():
        return _texts_of_numbers(values, counts, source, spec)
    signs = signs_in(texts)
    bare = [without(text, signs) for text in texts]
    is_signed = np.array([not np.isnan(to_number(text)) for text in bare])
    with_points = np.array([not np.isnan(to_number(text.replace(",", "."))) for text in bare])
    rows = counts.to_numpy()
    share = rows[is_signed].sum() / rows.sum()
    has_commas = np.array(["," in text for text in texts])
    with_groups = np.array([not np.isnan(to_number(text.replace(",", ""))) for text in bare])
    are_numbers = with_points | with_groups
    found = reading(counts, spec)
    if (has_commas & are_numbers).any() and rows[are_numbers].sum() >= 0.9 * rows.sum():
        row = int(values.astype(str).str.contains(",", regex=False).to_numpy().argmax())
        what = f'column "{name}" looks like numbers with commas, such as {shown(values, row)}'
        return _misread(values, what, counts, found, source, spec)
    if share >= 0.5 or is_signed.sum() >= 10 or found.share >= 0.9:
        odd = ~is_plain if is_plain.any() else ~is_signed if (~is_signed).any() else ~is_plain
        first = int(values.isin(counts.index[odd]).to_numpy().argmax())
        what = "a number in most rows" if share > 0.5 else f"a number in {share:.0%} of the rows"
        if is_signed.all():
            what = f"a number with {' and '.join(signs) or 'spaces'} in each row"
        elif share < 0.5 and found.share >= 0.9:
            what = "a number in most rows"
        where = f'column "{name}" is {shown(values, first)} in row {source.row(first)}'
        return _misread(values, f"{where}, but {what}", counts, found, source, spec)
    some = texts[:50]
    if sum(map(_is_date, some)) >= 0.9 * len(some):
        what = f'column "{name}" holds dates, such as {some[0]!r}, but a feature is a number or a category'
        return Problem(name, what, (for_time(name),))
    return None


def _texts_of_numbers(values: pd.Series, counts: pd.Series, source: Source, spec: DataSpec) -> Problem | None:
    """Return what is wrong with a column of texts that are numbers; None if they are codes such as 01, or no texts."""
    name = str(values.name)
    texts = [value for value in counts.index if isinstance(value, str)]
    if not texts or any(re.match(r"0\d", text) for text in texts):
        return None
    found = reading(counts, spec)
    unread = [text for text, is_read in zip(counts.index, found.is_read, strict=True) if not is_read]
    row = int(values.isin(unread or texts[:1]).to_numpy().argmax())
    what = f'column "{name}" holds numbers as texts, such as {shown(values, row)} in row {source.row(row)}'
    if unread and spec.decimal != ".":
        what += f', but data.decimal is "{spec.decimal}"'
    return _misread(values, what, counts, found, source, spec)


def _misread(
    values: pd.Series, what: str, counts: pd.Series, found: Reading, source: Source, spec: DataSpec
) -> Problem:
    """Return `what` is wrong with a column of numbers that were read as texts, and the settings that mend it."""
    name = str(values.name)
    if other := in_one_file(values, counts, found, source):
        return Problem(name, f'column "{name}" {other}', ())
    settings = needed(counts, found, spec)
    has_gaps = bool(settings) and ("na" in settings or bool(values.isna().any()))
    missing: dict[str, Missing] = {name: "fill"} if has_gaps and spec.missing_in(name) == "refuse" else {}
    instead = found.instead if settings else ()
    return Problem(
        name, what + found.hindrance, (*instead, _category(name, "onehot")),
        missing=missing, settings=settings,
    )  # fmt: skip


def in_one_file(values: pd.Series, counts: pd.Series, found: Reading, source: Source) -> str:
    """Return that a column holds numbers in one file and other values in another; empty if it does not.

    Such values are no gaps: as gaps, they would leave nothing of the other file. One text without letters may be a gap.

    Args:
        values: of the rows of all files.
        counts: how many rows have each different value.
        found: how the different values are read.
        source: where the rows are from.
    """
    is_odd, start = values.isin(counts.index[~found.is_read]).to_numpy(), 0
    of_numbers, others = "", []
    for part in source.parts:
        rows = slice(start, start + len(part.frame))
        start = rows.stop
        odd, count = values[rows][is_odd[rows]], int(values[rows].notna().sum())
        if count and len(odd) <= 0.1 * count:
            of_numbers = of_numbers or part.name
        texts = [str(text) for text in odd.unique()]
        may_be_gaps = len(texts) == 1 and not any(map(str.isalnum, texts[0]))
        is_other = len(odd) == count or (len(odd) > count / 2 and len(texts) > 1)
        if len(odd) and is_other and not may_be_gaps:
            others.append((part.name, rows.start + int(is_odd[rows].argmax())))
    if not of_numbers or not others:
        return ""
    name, row = others[0]
    it_is = f"{shown(values, row)} in row {source.row(row).split(' of ')[0]}"
    return f"holds numbers in {of_numbers}, but other values in {name}, such as {it_is}. Write the same values in all files"


def _category_kind(present: pd.Series, name: str) -> Literal["onehot"] | Problem:
    distinct = present.nunique()
    if distinct <= MAX_CATEGORIES:
        return "onehot"
    return Problem(
        name,
        f'column "{name}" has {distinct:,} different texts, but an indicator column is made for each, at most '
        f"{MAX_CATEGORIES}",
        tuple(_category(name, kind) for kind in ("hash", "ordinal", "onehot")),
    )


def _nameless(values: pd.Series, source: Source) -> Problem:
    name = str(values.name)
    counts: Any = values.to_numpy()
    what = f"{name} has no name"
    if counts_rows(values):
        what += f" and counts the rows from {counts[0]}, so it is an index"
    return Problem(name, what, (), is_nameless=True)


def counts_rows(values: pd.Series) -> bool:
    """Return whether a column counts the rows, as an index does."""
    is_whole = pd.api.types.is_integer_dtype(values) and not values.isna().any()
    return bool(is_whole and (np.diff(values.to_numpy("int64")) == 1).all())


def _category(name: str, kind: str) -> str:
    return f"categories: {{{json.dumps(name, ensure_ascii=False)}: {kind}}}"


def _is_date(text: str) -> bool:
    """Return whether a text is a date; 18.00.00 looks like one, but has no month."""
    if not _DATE.fullmatch(text):
        return False
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the day is not where pandas looks for it first
        return pd.to_datetime(text, errors="coerce", dayfirst=True, utc=True) is not pd.NaT


def for_time(name: str) -> str:
    """Return the line of the plan that splits the rows by a column of times."""
    return f"split: {{kind: time, column: {json.dumps(name, ensure_ascii=False)}}}"
