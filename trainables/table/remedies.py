"""Tries the settings that would mend the columns of a table, so that a message offers only those that work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from trainables.table import columns, lost, raws
from trainables.table.columns import Problem
from trainables.table.raws import Raw
from trainables.table.spec import DataSpec, Split


def that_work(problems: Sequence[Problem], raw: Raw, spec: DataSpec) -> tuple[list[Problem], bool]:
    """Return the problems without the remedies that fail, and whether `missing: drop_rows` leaves enough rows.

    Args:
        problems: what is wrong with columns.
        raw: the table; its frame holds the columns that are not dropped.
        spec: what the plan says.
    """
    return lost.without_loss([_with_times(problem, raw, spec) for problem in problems], raw, spec)


def _with_times(problem: Problem, raw: Raw, spec: DataSpec) -> Problem:
    """Return a problem without the split by time if not all values of the column are times."""
    name = problem.column
    if columns.for_time(name) not in problem.remedies:
        return problem
    values = raw.frame[name]
    how = Split(kind="time", column=name)
    if raws.split_column(values.dropna().to_frame(), raw.source(), how)[0] is None:
        others = tuple(remedy for remedy in problem.remedies if remedy != columns.for_time(name))
        return replace(problem, remedies=others)
    if not values.isna().any() or spec.missing_in(name) == "drop_rows":
        return problem
    gaps = f'; if it splits the rows, write "{name}": "drop_rows" in missing too, because it has gaps'
    return replace(problem, text=problem.text + gaps)
