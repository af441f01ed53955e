"""Checks the rows that gaps leave out: whether each part keeps enough rows, and which columns cost the most."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from trainables.table import columns, raws
from trainables.table.columns import Problem
from trainables.table.raws import Raw
from trainables.table.spec import DataError, DataSpec, Missing

MIN_ROWS = 20
"""Rows that the file of `data.path` needs."""

_SHOWN = 5


@dataclass(frozen=True)
class _Part:
    """The rows of one file.

    Attributes:
        key: all, test or validation.
        name: of the file.
        rows: positions of all of its rows.
        needed: how many of them must be left.
    """

    key: str
    name: str
    rows: np.ndarray
    needed: int


def check(raw: Raw, spec: DataSpec, rows: Sequence[np.ndarray], aside: Collection[str]) -> None:
    """Raise if the rows that are left are too few.

    Args:
        raw: the table; its frame holds the columns that are not dropped.
        spec: says whose gaps leave rows out.
        rows: positions of the rows of each part that are left.
        aside: the columns that are no features.

    Raises:
        DataError: a file has too few rows, or none; the message names it, the columns with gaps, and what to write instead.
    """
    wrong = [
        (part, len(left))
        for part, left in zip(_parts(raw, spec), rows, strict=True)
        if len(left) < part.needed
    ]
    if not wrong:
        return
    told = [_why(raw.frame, part, left, spec) for part, left in wrong]
    may_mend = any(
        left < len(part.rows) and not _empty(raw.frame, part, spec.targets) for part, left in wrong
    )
    if may_mend and (lines := _instead(raw, spec, aside)):
        told += ["Leave these columns out, or fill their gaps. Write one of these lines under data:", *lines]
    raise DataError("\n".join(told))


def without_loss(problems: Sequence[Problem], raw: Raw, spec: DataSpec) -> tuple[list[Problem], bool]:
    """Return the problems without the remedies that leave too few rows, and whether `missing: drop_rows` leaves enough.

    Args:
        problems: what is wrong with columns.
        raw: the table; its frame holds the columns that are not dropped.
        spec: what the plan says.
    """
    settings = columns.settings_of(problems)
    policies = {column: policy for problem in problems for column, policy in problem.missing.items()}
    is_enough = _leaves_enough(raw, spec, settings, policies or spec.missing)
    dropped = [problem for problem in problems if _drops(problem, spec)]
    costly = [
        problem
        for problem in dropped
        if not _leaves_enough(raw, spec, problem.settings, {problem.column: "drop_rows"})
    ]
    refused = [] if is_enough else [id(problem) for problem in costly or dropped]
    found = [_refused(problem, raw, spec) if id(problem) in refused else problem for problem in problems]
    return found, _leaves_enough(raw, spec, settings, "drop_rows")


def _drops(problem: Problem, spec: DataSpec) -> bool:
    """Return whether what mends a column leaves out rows because of its gaps."""
    policy = problem.missing.get(problem.column, spec.missing_in(problem.column))
    return policy == "drop_rows" and bool(problem.missing or "na" in problem.settings)


def _refused(problem: Problem, raw: Raw, spec: DataSpec) -> Problem:
    """Return a problem without the remedy that leaves out rows."""
    parts = _parts(raw, spec)
    if not problem.settings and problem.column in spec.targets:
        for part in parts:
            if _empty(raw.frame, part, [problem.column]):
                return replace(
                    problem, text=_no_target(problem.column, part, f"row of {part.name}", spec), missing={}
                )
    text = f"{problem.text}; to leave out the rows without a number would leave too few"
    if not problem.settings:
        text = f"{problem.text}; to leave out these rows would leave too few"
    return replace(problem, text=text, missing={}, settings={})


def _leaves_enough(
    raw: Raw, spec: DataSpec, settings: Mapping[str, Any], missing: Missing | Mapping[str, Missing]
) -> bool:
    try:
        changed = replace(
            spec, **{**settings, "missing": missing if isinstance(missing, str) else dict(missing)}
        )
    except DataError:  # the settings contradict each other
        return True
    frame = columns.stripped(raw.frame, changed) if settings else raw.frame
    return all(len(raws.kept(frame, part.rows, changed)) >= part.needed for part in _parts(raw, spec))


def _parts(raw: Raw, spec: DataSpec) -> list[_Part]:
    each = zip(raws.files(spec), raw.sources, raw.parts, strict=True)
    return [_Part(key, source.name, rows, MIN_ROWS if key == "all" else 1) for (key, _), source, rows in each]


def _why(frame: pd.DataFrame, part: _Part, left: int, spec: DataSpec) -> str:
    """Return why the rows of a part that are left are too few."""
    count = len(part.rows)
    if left == count and part.key == "all":
        return f"{part.name}: the table has {count} rows, but needs at least {MIN_ROWS}. Give more data."
    if not count:
        return (
            f"{part.name}: there are no rows. Name another file in data.{part.key}_path, or remove this key (in Python: the "
            f"{part.key} rows)."
        )
    if targets := _empty(frame, part, spec.targets):
        return f"{part.name}: {_no_target(targets[0], part, 'row', spec)}."
    missing = frame.iloc[part.rows].isna().sum()
    costs = {str(name): int(missing[name]) for name in _dropping(frame, spec) if missing[name]}
    names = sorted(costs, key=lambda name: -costs[name])
    listed = ", ".join(f'"{name}" ({costs[name]:,})' for name in names[:_SHOWN])
    if len(names) > _SHOWN:
        listed += f" and {len(names) - _SHOWN} others"
    needs = f"at least {part.needed}" if part.key == "all" else f"some to be the {part.key} rows"
    return (
        f"{part.name}: missing: drop_rows leaves {left:,} of {count:,} rows, but {needs} are needed. The rows without a "
        f"value are, by column: {listed}."
    )


def _no_target(name: str, part: _Part, row: str, spec: DataSpec) -> str:
    what = f'the target "{name}" has no value in any {row}'
    if spec.na:
        what += f" (data.na takes {', '.join(map(repr, spec.na))} for gaps; remove its values from na if they are there)"
    if part.key == "all":
        return f"{what}. Name a file with its values in data.path"
    return (
        f"{what}, as in a file for a competition. Remove data.{part.key}_path (in Python: the {part.key} rows). "
        "`sweep predict` takes such a file"
    )


def _empty(frame: pd.DataFrame, part: _Part, names: Sequence[str]) -> list[str]:
    """Return the columns that have no value in any row of a part."""
    return [name for name in names if len(part.rows) and frame[name].iloc[part.rows].isna().all()]


def _dropping(frame: pd.DataFrame, spec: DataSpec) -> list[str]:
    """Return the columns whose gaps leave rows out."""
    return [str(name) for name in frame.columns if spec.missing_in(str(name)) == "drop_rows"]


def _instead(raw: Raw, spec: DataSpec, aside: Collection[str]) -> list[str]:
    """Return lines of the plan that leave enough rows, and at least half of those that may be left; none if none do."""
    frame, parts = raw.frame, _parts(raw, spec)
    is_gap = frame[_dropping(frame, spec)].isna()

    def left(names: Sequence[str]) -> list[int]:
        lost = is_gap[list(names)].any(axis=1).to_numpy()
        return [int((~lost[part.rows]).sum()) for part in parts]

    kept = list(is_gap.columns)
    most = left([name for name in kept if name in aside])
    needed = [max(part.needed, count / 2) for part, count in zip(parts, most, strict=True)]
    shares = {
        name: max(is_gap[name].iloc[part.rows].mean() for part in parts if len(part.rows)) for name in kept
    }
    costly: list[str] = []
    for name in sorted((name for name in kept if name not in aside), key=lambda name: -shares[name]):
        if all(count >= least for count, least in zip(left(kept), needed, strict=True)):
            break
        costly.append(name)
        kept.remove(name)
    if not costly or any(count < least for count, least in zip(left(kept), needed, strict=True)):
        return []
    policies = dict(spec.missing) if isinstance(spec.missing, dict) else {}
    if isinstance(spec.missing, str):
        policies = {name: "drop_rows" for name in kept if is_gap[name].any()}
    policies |= dict.fromkeys(costly, "fill")
    dropped = [*(spec.drop or []), *costly]
    return [
        f"  drop: {json.dumps(dropped, ensure_ascii=False)}",
        f"  missing: {json.dumps(policies, ensure_ascii=False)}",
    ]
