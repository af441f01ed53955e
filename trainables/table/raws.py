"""Reads the raw rows of a table from all of its files, and checks its columns and gaps against the plan."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import pandas as pd

from trainables.table import columns, named_index, readers, whole
from trainables.table.columns import Problem
from trainables.table.expected import Expected
from trainables.table.given import Given, called, from_npz
from trainables.table.recipe import shown
from trainables.table.source import Source, check_names
from trainables.table.spec import DataError, DataSpec, Missing, Split

_Read = TypeVar("_Read")

KEEP_TEXTS = "keep_default_na: false"
"""The line of a plan's `data` that takes texts such as NA as values in columns of texts."""


@dataclass(frozen=True)
class Raw:
    """The rows of all files of a table, one after another, and where each is from."""

    sources: tuple[Source, ...]
    frame: pd.DataFrame
    sha256: str

    @property
    def parts(self) -> tuple[np.ndarray, ...]:
        """The positions of each source's rows."""
        ends = np.cumsum([len(source.frame) for source in self.sources])
        return tuple(
            np.arange(end - len(source.frame), end) for source, end in zip(self.sources, ends, strict=True)
        )

    def source(self) -> Source:
        """Return all rows as one source, for the messages; a row has the number that it has in its own file."""
        if len(self.sources) == 1:
            return replace(self.sources[0], frame=self.frame)

        notes = tuple(note for source in self.sources for note in source.notes)
        names = ", ".join(source.name for source in self.sources)
        counts: dict[str, Counter[str]] = {}
        for source in self.sources:
            for name, found in source.gap_texts.items():
                counts.setdefault(name, Counter()).update(found)
        return Source(
            names, self.frame, self.sources[0].nameless, notes, parts=self.sources, gap_texts=counts
        )


def read(spec: DataSpec, by_weight: Sequence[str] = ()) -> Raw | Given:
    """Read the files that `spec` names, or call the function.

    Args:
        spec: names the files.
        by_weight: columns that weight the rows at some points, which may be in a named index.

    Raises:
        DataError: one cannot be read as a table, or lacks a column that the first has.
    """
    if spec.function:
        found = called(spec)
        if isinstance(found, Given):
            return found
        frame = found.set_axis(found.columns.map(str), axis=1)
        check_names(list(frame.columns), spec.path)
        frame, notes = named_index.as_columns(frame, spec.path, spec, by_weight)
        return Raw((Source(spec.path, frame, notes=notes),), frame, _checksum(frame))
    if spec.ending == ".npz":
        return from_npz(spec.path, readers.content(spec.path))
    contents = _each(spec, lambda path: (path, readers.content(path)))
    digest = [hashlib.sha256(data).hexdigest() for _, data in contents]
    held = dict(contents)
    sources = _each(spec, lambda path: readers.read(path, held[path], spec, others=by_weight))
    if len(sources) > 1 and (texts := _texts_somewhere(sources, spec)):
        expected = Expected(texts=dict.fromkeys(texts, ()))
        sources = [readers.read(path, data, spec, expected, by_weight) for path, data in contents]
    first = sources[0]
    for other in sources[1:]:
        if lacking := [name for name in first.frame.columns if name not in other.frame.columns]:
            mend = "Both files need the same columns, in any order."
            if set(lacking) & set(spec.targets):
                mend = (
                    "A file without the target, as a competition gives it, cannot test a model. Remove its line under data. "
                    "`sweep predict` takes such a file."
                )
            names = ", ".join(map(repr, lacking))
            raise DataError(f"{other.name}: there is no column {names}, as in {first.name}. {mend}")
    frames = [first.frame, *(source.frame[list(first.frame.columns)] for source in sources[1:])]
    frame = frames[0]
    if len(frames) > 1:
        frame = pd.concat(whole.of_one_kind(frames, spec.categories or ()), ignore_index=True)
    # The checksum of one file is that of its bytes; several files have that of their checksums.
    sha256 = digest[0] if len(digest) == 1 else hashlib.sha256(" ".join(digest).encode()).hexdigest()
    return Raw(tuple(sources), frame, sha256)


def _each(spec: DataSpec, read_one: Callable[[str], _Read]) -> list[_Read]:
    """Read each file of a table.

    Raises:
        DataError: some cannot be read; the message names them all, and the key of each in the plan.
    """
    found, wrong = [], []
    for part, path in files(spec):
        try:
            found.append(read_one(path))
        except DataError as error:
            wrong.append(str(error if part == "all" else error.with_remedy("data.path", f"data.{part}_path")))
    if wrong:
        raise DataError("\n".join(wrong))
    return found


def _texts_somewhere(sources: Sequence[Source], spec: DataSpec) -> set[str]:
    """Return the columns that hold texts in one file and something else in another: 01 would be 1 in the latter.

    If NA is a text, a column that is NA in all rows of the other holds texts there, too.
    """
    kinds: dict[str, set[bool]] = {}
    for source in sources:
        for name, values in source.frame.items():
            if values.notna().any() or not spec.keep_default_na:
                kinds.setdefault(str(name), set()).add(isinstance(values.dtype, pd.StringDtype))
    return {name for name, found in kinds.items() if len(found) == 2}


def _checksum(frame: pd.DataFrame) -> str:
    """Return SHA-256 of a table's names and values, in hexadecimal."""
    digest = hashlib.sha256(repr(list(frame.columns)).encode())
    for name in frame.columns:
        values = frame[name]
        try:
            hashes = pd.util.hash_pandas_object(values, index=False)
        except TypeError:  # values such as lists, which are refused later, by name
            hashes = pd.util.hash_pandas_object(values.map(repr), index=False)
        digest.update(hashes.to_numpy().tobytes())
    return digest.hexdigest()


def files(spec: DataSpec) -> list[tuple[str, str]]:
    """Return the files of a table: the part that each one is, and its path."""
    others = (("test", spec.test_path), ("validation", spec.validation_path))
    return [("all", spec.path), *((part, path) for part, path in others if path)]


def chosen(raw: Raw, spec: DataSpec, by_weight: Sequence[str]) -> pd.DataFrame:
    """Return the columns that are not dropped. All names that the plan gives must be there."""
    frame, path, wrong = raw.frame, raw.sources[0].name, []
    drop = []
    for item in spec.drop or []:
        here = str(frame.columns[item - 1]) if isinstance(item, int) and 1 <= item <= frame.shape[1] else None
        if isinstance(item, int) and str(item) in frame.columns and here != str(item):
            # Nothing says whether the position or the name is meant.
            wrong.append(
                f'data.drop names the position {item}, but a column is called "{item}". Write "{item}" in quotes for '
                f"this column{'' if here is None else f', or the name {json.dumps(here, ensure_ascii=False)} for the other'}"
            )
        elif isinstance(item, int) and 1 <= item <= frame.shape[1]:
            drop.append(str(frame.columns[item - 1]))
        elif isinstance(item, int):
            wrong.append(f"there is no column {item}, which data.drop names by position, counted from 1")
        else:
            drop.append(item)
    how = spec.how
    named = [
        ("drop", drop),
        ("target", spec.targets),
        ("weight", by_weight),
        ("split.column", [how.column] if how.column else []),
        ("categories", spec.categories or {}),
        ("missing", spec.missing if isinstance(spec.missing, dict) else {}),
    ]
    for key, names in named:
        wrong += [
            f'there is no column "{name}", which data.{key} names{_like(name, frame)}'
            for name in names
            if name not in frame.columns
        ]
    for target in spec.targets:
        if target in drop:
            raise DataError(f'data.drop names the target "{target}". Remove it from one of the two.')
    if wrong:
        names = ", ".join(map(str, frame.columns[:30]))
        raise DataError(f"{path}: {'; '.join(wrong)}. The columns are: {names}.")
    # A column that splits the rows may be dropped as a feature.
    return frame.drop(columns=[name for name in drop if name != how.column and name not in by_weight])


def _like(name: str, frame: pd.DataFrame) -> str:
    """Return a question, in brackets after a space, for a column with a similar name; empty if there is none."""
    names = [str(column) for column in frame.columns]
    folded = {column.strip().casefold(): column for column in names}
    near = folded.get(name.strip().casefold()) or next(
        iter(difflib.get_close_matches(name, names, n=1)), None
    )
    return f' (did you mean "{near}"?)' if near else ""


def gaps(frame: pd.DataFrame, source: Source, spec: DataSpec, names: Sequence[str]) -> list[Problem]:
    """Return what is wrong with the columns that have gaps and are not to be filled."""
    found = []
    for name in names:
        is_feature = name not in (*spec.targets, spec.weight, spec.how.column)
        policy = spec.missing_in(name)
        if policy == "drop_rows" or (policy == "fill" and is_feature) or frame[name].isna().all():
            continue
        what = "column" if is_feature else "the target" if name in spec.targets else "column"
        if problem := columns.gaps(frame[name], source, what):
            missing = problem.missing if is_feature else dropping(frame, spec, name)
            problem = replace(problem, missing=missing, is_target=not is_feature)
            if name in source.gap_texts and name not in (spec.weight, spec.how.column):
                text = f"{problem.text}; {_from_texts(source.gap_texts[name])}, which {KEEP_TEXTS} keeps as values"
                problem = replace(problem, text=text, remedies=(KEEP_TEXTS,))
            found.append(problem)
    return found


def told_of_gap_texts(source: Source, names: Sequence[str]) -> list[str]:
    """Return what to tell about gaps in columns of texts that are texts such as NA in the file."""
    return [
        f'The column "{name}" holds texts, and {_from_texts(source.gap_texts[name])}. If they are values, write '
        f"{KEEP_TEXTS} under data."
        for name in names
        if name in source.gap_texts
    ]


def _from_texts(counts: Mapping[str, int]) -> str:
    """Return which texts gaps are from, as a part of a sentence."""
    *others, last = map(repr, counts)
    texts = f"texts {', '.join(others)} and {last}" if others else f"text {last}"
    total = sum(counts.values())
    return f"{total:,} of its gaps {'are' if total > 1 else 'is'} the {texts}"


def dropping(frame: pd.DataFrame, spec: DataSpec, name: str) -> dict[str, Missing]:
    """Return what leaves out the rows with a gap in a column, and does with the gaps of others what the plan says."""
    others = [str(other) for other in frame.columns if frame[other].isna().any()]
    policies = {other: spec.missing_in(other) for other in others if spec.missing_in(other) != "refuse"}
    return {**policies, name: "drop_rows"}


def kept(frame: pd.DataFrame, part: np.ndarray, spec: DataSpec) -> np.ndarray:
    """Return the rows of `part` without those that have a gap in a column whose rows with gaps are left out."""
    names = [name for name in frame.columns if spec.missing_in(str(name)) == "drop_rows"]
    if not names:
        return part
    return part[~frame[names].iloc[part].isna().any(axis=1).to_numpy()]


def weight_problem(values: pd.Series, source: Source) -> Problem | None:
    """Return what is wrong with a column of weights but for gaps; None if nothing is."""
    name = str(values.name)
    if not pd.api.types.is_numeric_dtype(values):
        return Problem(name, f'column "{name}" holds texts, but the weights of rows are numbers', (), True)
    if problem := columns.not_finite(values, source):
        return replace(problem, is_target=True)
    if (values == 0).all():
        return Problem(name, f'column "{name}" is 0 in every row, but some rows need a weight', (), True)
    if (values < 0).any():
        row = int((values < 0).to_numpy().argmax())
        return Problem(
            name, f'column "{name}" is {shown(values, row)} in row {source.row(row)}, but a weight is not negative',
            (), True,
        )  # fmt: skip
    return None


def split_column(
    frame: pd.DataFrame, source: Source, how: Split
) -> tuple[pd.Series | None, list[Problem], list[str]]:
    """Return the column of groups or of times, which are numbers; what is wrong with it; and what to tell about it."""
    if how.column is None:
        return None, [], []
    values = frame[how.column]
    if how.kind == "group" or pd.api.types.is_numeric_dtype(values):
        return values, [], []
    try:
        day_first, told = _day_first(values)
        return pd.to_datetime(values, format="mixed", dayfirst=day_first, utc=True), [], told
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0]
        text = f'column "{how.column}", which data.split.column names, holds no times or numbers ({reason})'
        return None, [Problem(how.column, text, (), True)], []


_DAY_AND_MONTH = r"^\s*(\d{1,2})([-/.])(\d{1,2})[-/.]\d{2,4}"


def _day_first(values: pd.Series) -> tuple[bool, list[str]]:
    """Return whether the day is before the month in the dates of a column, and what to tell if nothing shows it.

    Raises:
        ValueError: in some dates it is, in others it is not.
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return False, []
    texts = values.astype(object).where(values.isna(), values.astype(str))
    parts = texts.str.extract(_DAY_AND_MONTH).dropna()
    if parts.empty:
        return False, []
    days_first, months_first = ((parts[side].astype(int) > 12).to_numpy() for side in (0, 2))
    if days_first.any() and months_first.any():
        one, other = (texts[parts.index[int(mask.argmax())]] for mask in (days_first, months_first))
        raise ValueError(f"the day is first in {one!r}, but second in {other!r}")
    if days_first.any() or months_first.any():
        return bool(days_first.any()), []
    day_first = bool((parts[1] == ".").all())  # as where people write dates with points
    order = "day" if day_first else "month"
    note = (
        f'No date of the column "{values.name}" shows whether the day or the month is first. The {order} is taken to be: '
        f"{texts[parts.index[0]]!r}. Dates such as 2024-12-31 are clear."
    )
    return day_first, [note]
