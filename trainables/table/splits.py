"""Splits the rows of a table into train rows, of which the last are the validation rows, and test rows."""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from trainables.table.spec import DataError, Split

LEAST_OF_A_CLASS = 4
"""Rows that each class needs if the classes are stratified without being asked for."""

RARE = 0.2
"""A class is rare if it has less than this share of the rows, divided by the number of classes: 10% of two classes."""


@dataclass(frozen=True)
class Parts:
    """The rows of each part, as positions.

    Attributes:
        train: in their order; the last of them are the validation rows.
        test: in their order.
        validation: how many of the train rows are the validation rows; None if `validation_split` of `fit` says it.
        notes: what the user must know, a sentence each.
    """

    train: np.ndarray
    test: np.ndarray
    validation: int | None = None
    notes: tuple[str, ...] = ()


def split(
    rows: np.ndarray,
    how: Split,
    share: float,
    given_test: np.ndarray | None,
    given_validation: np.ndarray | None,
    by: pd.Series | None,
    classes: pd.Series | None,
) -> Parts:
    """Split `rows` as `how` says. A part that is given as a file of its own is taken as it is.

    Args:
        rows: positions of the rows to split.
        how: kind, shares and seed.
        share: share of the train rows that are the validation rows.
        given_test, given_validation: positions of the rows of these parts; None: they are a share of `rows`.
        by: groups or times, of all rows.
        classes: the classes of all rows; needed if the kind is stratified.

    Raises:
        DataError: a part would be empty, or has not enough classes or groups.
    """
    kind = how.kind or "random"
    if kind == "random":
        if given_test is not None:
            train, test = _sampled(rows, 1.0, how.seed), given_test
        else:
            train = _sampled(rows, 1 - how.test, how.seed)
            test = np.setdiff1d(rows, train)  # in the order of the file
        if given_validation is not None:
            return Parts(np.concatenate([train, given_validation]), test, len(given_validation))
        if how.validation is None:
            return Parts(train, test)
        return Parts(train, test, len(train) - fitted(len(train), how.validation))
    if kind == "time":
        assert by is not None
        rows = rows[np.argsort(by.iloc[rows].to_numpy(), kind="stable")]
    train, test = (
        (rows, given_test) if given_test is not None else _apart(rows, how.test, kind, how.seed, by, classes)
    )
    if given_validation is not None:
        return Parts(np.concatenate([train, given_validation]), test, len(given_validation))
    fit, validation = _apart(train, share, kind, how.seed, by, classes)
    notes = []
    if by is not None and kind == "time" and len(fit) and len(validation):
        if by.iloc[fit[-1]] == by.iloc[validation[0]]:
            notes.append(
                f'The rows before the test rows have one value of "{how.column}", so validation rows are of the same moment '
                "as fitted rows."
            )
        if given_test is None and by.iloc[validation[-1]] == by.iloc[test[0]]:
            notes.append(
                f'All rows have one value of "{how.column}", so test rows are of the same moment as train rows.'
            )
    return Parts(np.concatenate([fit, validation]), test, len(validation), tuple(notes))


def told_of_rare(
    parts: Parts,
    codes: pd.Series | None,
    labels: Sequence[Any],
    task: str,
    share: float,
    given: Collection[str] = (),
) -> list[str]:
    """Return what to tell about the rarest class of rows that are split at random, because its shares differ.

    Args:
        parts: of the split.
        codes: the class of each row of the table; None if there are no classes.
        labels: of the classes.
        task: what is learned.
        share: share of the train rows that are the validation rows, if `parts` does not say it.
        given: the parts, test or validation, that have files of their own; they are not counted.
    """
    if codes is None:
        return []
    validation = parts.validation
    if validation is None:
        validation = len(parts.train) - fitted(len(parts.train), share)
    fit, last = np.split(parts.train, [len(parts.train) - validation])
    each = {"fitted": fit, "validation": last, "test": parts.test}
    each = {name: rows for name, rows in each.items() if name not in given}
    counts = np.array(
        [np.bincount(codes.iloc[rows].astype(int), minlength=len(labels)) for rows in each.values()]
    )
    total = counts.sum(0)
    there = np.flatnonzero(total)  # a class may be in a part that is not counted only
    rarest = int(there[total[there].argmin()])
    is_rare = total[rarest] < RARE / len(labels) * total.sum() or not counts[:, rarest].all()
    if total[rarest] < LEAST_OF_A_CLASS or not is_rare:
        return []
    listed = ", ".join(f"{count:,} {name}" for name, count in zip(each, counts[:, rarest], strict=True))
    return [
        f"The rows are split at random, and only {total[rarest]:,} of {total.sum():,} rows have the class {labels[rarest]} "
        f"of the target: {listed} rows. Write task: {task} under data, or split: {{kind: stratified}}, to give each part "
        "the same share."
    ]


def told_of_given_test(how: Split) -> list[str]:
    """Return which keys of `how` change nothing if the test rows are given as arrays, as a sentence."""
    keys = [
        f"{key} ({getattr(how, key)})"
        for key in ("test", *(() if how.kind else ("seed",)))
        if getattr(how, key) != getattr(Split, key)
    ]
    if not keys:
        return []
    found = f"The test rows are given, so these keys of split under data change nothing: {', '.join(keys)}."
    return [found if how.kind else f"{found} The rows keep their order; kind: random draws them anew."]


def fitted(train: int, share: float) -> int:
    """Return how many of the train rows are fitted; rounded as `array_slicing.train_validation_split` of Keras does."""
    return math.floor(train * (1 - share))


def _sampled(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    return pd.Series(rows).sample(frac=share, random_state=seed).to_numpy()


def _apart(
    rows: np.ndarray, share: float, kind: str, seed: int, by: pd.Series | None, classes: pd.Series | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return two parts of `rows`; the second has the share `share` of them, or of their groups."""
    from sklearn.model_selection import GroupShuffleSplit, train_test_split  # a second of imports

    try:
        if kind == "group":
            assert by is not None
            splitter = GroupShuffleSplit(1, test_size=share, random_state=seed)
            [(first, second)] = splitter.split(rows, groups=by.iloc[rows].to_numpy())
            # GroupShuffleSplit sorts the rows. Their order must say nothing, so that batches without shuffling are mixed.
            return np.random.default_rng(seed).permutation(rows[first]), rows[second]
        if kind == "time":
            assert by is not None
            first, _ = train_test_split(rows, test_size=share, shuffle=False)
            border = _of_moment(by.iloc[rows].to_numpy(), len(first))
            first, second = rows[:border], rows[border:]
        else:
            assert classes is not None
            labels = classes.iloc[rows].to_numpy()
            first, second = train_test_split(rows, test_size=share, random_state=seed, stratify=labels)
    except ValueError as error:
        raise DataError(
            f"data.split: {len(rows):,} rows cannot be split with kind: {kind} and a share of {share} ({error}). "
            "Write split: {kind: random}, or change the share."
        ) from None
    return first, second


def _of_moment(times: np.ndarray, border: int) -> int:
    """Return where a later part begins, so that it has all rows of its first moment, or the earlier part has them.

    Args:
        times: in their order.
        border: where it would begin by its share.
    """
    begin, end = (int(np.searchsorted(times, times[border], side)) for side in ("left", "right"))
    if begin > 0:
        return begin
    return end if end < len(times) else border  # with one moment there is no other border
