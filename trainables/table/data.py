"""Reads the table of a sweep, checks it, turns it into float32 arrays and splits it, the same way every time.

The rules are those of the reference task: text columns become indicator columns (as by `pandas.get_dummies`), the train
rows are `DataFrame.sample(frac=1 - test_fraction, random_state=split_seed)`, the test rows are the rest in file order.
`Model.fit` takes the validation rows from the end of the train rows. A plan may ask for other ways of each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from trainables.table import columns, inputs, leaks, lost, raws, recipe, remedies, splits, targets
from trainables.table.columns import Problem
from trainables.table.given import WEIGHTS, Given, targets_of_plan, told_of_gaps
from trainables.table.recipe import Recipe
from trainables.table.source import Source
from trainables.table.spec import DataError, DataSpec, Split, TargetShape, Task

__all__ = ["ABALONE", "DataError", "DataSpec", "Recipe", "Split", "Table", "Task", "load"]

ABALONE_PATH = Path(__file__).parents[1] / "abalone.data"
ABALONE_SHA256 = "de37cdcdcaaa50c309d514f248f7c2302a5f1f88c168905eba23fe2fbc78449f"
ABALONE_COLUMNS = (
    "Sex",
    "Length",
    "Diameter",
    "Height",
    "Whole weight",
    "Shucked weight",
    "Viscera weight",
    "Shell weight",
    "Rings",
)
ABALONE = DataSpec(
    path=str(ABALONE_PATH), target="Rings", header=False, columns=list(ABALONE_COLUMNS), test_fraction=0.2
)


@dataclass(frozen=True)
class Table:
    """A table ready to train on.

    The validation rows are the last of the train rows.

    Attributes:
        x_train: float32, shape (train rows, features). Given arrays may have any rank, and be several in a dictionary, one
            for each input: see `inputs`.
        y_train: float32, shape (train rows,), or (train rows, targets) if there are several. Classes are their codes.
        x_test: the same for the test rows.
        y_test: float32, shape (test rows,) or (test rows, targets).
        features: the features' names, in the arrays' order.
        target: the target's name; several are joined by a comma.
        sha256: SHA-256 of the file's bytes, in hexadecimal.
        groups: for each text column, by its name, the positions of its indicator columns among the features.
        task: what is learned.
        classes: the label of each code, in the order of the codes; empty for a regression.
        targets: the names of the target columns.
        weights: for each column that may weight the rows: the weights of the train rows and of the test rows, float32,
            shapes (train rows,) and (test rows,).
        validation: how many of the train rows are the validation rows; None: as `validation_split` of `fit` says.
        recipe: what each raw column becomes; None for arrays that were given as they are.
        target_shape: the shape in which models take the target: auto, flat, column or onehot; see `builder.target`.
        notes: what the user must know about the preparation of the table, a sentence each.
        is_ordered: whether the order of the classes is that of ordered categories.
    """

    x_train: Any  # `inputs.Features`
    y_train: np.ndarray
    x_test: Any
    y_test: np.ndarray
    features: tuple[str, ...]
    target: str
    sha256: str
    groups: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    task: Task = "regression"
    classes: tuple[Any, ...] = ()
    targets: tuple[str, ...] = ()
    weights: Mapping[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)
    validation: int | None = None
    recipe: Recipe | None = None
    target_shape: TargetShape = "auto"
    notes: tuple[str, ...] = ()
    is_ordered: bool = False


def load(spec: DataSpec, validation_split: float = 0.2, weights: Sequence[str] = ()) -> Table:
    """Read, check, encode and split the table that `spec` names.

    Args:
        spec: names the file and says what to do with it.
        validation_split: share of the train rows that are the validation rows, if `spec` does not say it and rows are not
            split at random. A random split leaves it to `fit`.
        weights: columns that weight the rows at some points, besides `spec.weight`.

    Raises:
        DataError: the file cannot be read as a table, or columns cannot be trained on; the message names them all.
    """
    raw = raws.read(spec, weights)
    if isinstance(raw, Given):
        return _of_arrays(raw, spec, validation_split)
    source = raw.source()
    path = source.name
    by_weight = list(dict.fromkeys([*([spec.weight] if spec.weight else []), *weights]))
    frame = columns.stripped(raws.chosen(raw, spec, by_weight), spec)
    raw = replace(raw, frame=frame)
    how = spec.how
    aside = {*spec.targets, *by_weight, *([how.column] if how.column else [])}
    features = [str(name) for name in frame.columns if name not in aside]
    if not features:
        names = ", ".join(f'"{name}"' for name in spec.targets)
        raise DataError(f"{path}: beside the target {names} there is no column to learn from. Add one.")

    kinds: dict[str, Literal["number", "onehot", "ordinal", "hash"]] = {}
    target, problems = targets.target_of(frame, source, spec)
    for name in features:
        kind = columns.kind_of(frame[name], source, spec)
        if isinstance(kind, Problem):
            problems.append(kind)
        else:
            kinds[name] = kind
    problems += raws.gaps(frame, source, spec, [*kinds, *aside])
    problems += [problem for name in by_weight if (problem := raws.weight_problem(frame[name], source))]
    by, wrong, told_of_times = raws.split_column(frame, source, how)
    problems += wrong
    if problems:
        problems, may_drop_rows = remedies.that_work(columns.without_harm(problems, frame, spec), raw, spec)
        raise DataError(columns.message(path, problems, may_drop_rows))
    assert target is not None

    rows = [raws.kept(frame, part, spec) for part in raw.parts]
    lost.check(raw, spec, rows, aside)
    dropped = sum(map(len, raw.parts)) - sum(map(len, rows))
    told_of_gaps = raws.told_of_gap_texts(source, [*spec.targets, *kinds])
    notes = [*source.notes, *target.notes, *told_of_gaps, *told_of_times]
    if how.column:
        notes.append(f'The column "{how.column}" splits the rows and is no feature.')
    if indices := [name for name in kinds if columns.counts_rows(frame[name])]:
        notes.append(
            f"{_listed(indices)} counts the rows of the file, as an index does. Leave it out if it says nothing about a "
            f"row: drop: {json.dumps(indices, ensure_ascii=False)}."
        )
    if dropped:
        notes.append(f"{dropped:,} of {len(frame):,} rows have gaps and are left out (missing: drop_rows).")
    named = dict(zip([name for name, _ in raws.files(spec)], rows, strict=True))
    how, classes, told = _split_of(how, target, rows[0], is_split=len(named) < 3)
    found = splits.split(
        rows[0],
        how,
        how.validation or validation_split,
        named.get("test"),
        named.get("validation"),
        by,
        classes,
    )
    notes += [*told, *found.notes]
    if spec.how.kind is None and not target.are_texts and len(named) < 3:
        notes += splits.told_of_rare(
            found, classes, target.classes, target.task, validation_split, [*named][1:]
        )
    if len(found.train) < 2 or len(found.test) < 1:
        raise DataError(
            f"{path}: {len(rows[0])} rows with test_fraction={how.test:g} leave {len(found.train)} to train on and "
            f"{len(found.test)} to test on, but both need some. Change data.test_fraction."
        )
    return _table(raw, spec, target, kinds, found.train, found.test, found.validation, by_weight, notes)


def _split_of(
    how: Split, target: targets.Target, rows: np.ndarray, is_split: bool = True
) -> tuple[Split, pd.Series | None, list[str]]:
    """Return how rows are split, with a kind; the classes of all rows, None if there are none; and what to tell about it.

    Args:
        how: as the plan says.
        target: of all rows.
        rows: positions of the rows to split.
        is_split: whether any part is a share of `rows`.

    Raises:
        DataError: they cannot be stratified, because the target is no class.
    """
    if not target.classes or target.values.ndim > 1:
        if how.kind == "stratified":
            raise DataError(
                f"data.split.kind is stratified, but the target is no class (the task is {target.task}). "
                "Write task: multiclass under data, or split: {kind: random}."
            )
        return replace(how, kind=how.kind or "random"), None, []
    classes = pd.Series(target.values)
    if how.kind is not None or not target.are_texts:
        return replace(how, kind=how.kind or "random"), classes, []
    counts = classes.iloc[rows].value_counts()
    if counts.min() >= splits.LEAST_OF_A_CLASS:
        return replace(how, kind="stratified"), classes, []
    if not is_split:
        return replace(how, kind="random"), classes, []
    label = target.classes[int(np.asarray(counts.index)[counts.argmin()])]
    note = (
        f'The class "{label}" of the target has {counts.min()} rows, too few to have its share in each part. So '
        "the rows are split at random."
    )
    return replace(how, kind="random"), classes, [note]


def _table(
    raw: raws.Raw, spec: DataSpec, target: targets.Target, kinds: Mapping[str, Any], train: np.ndarray,
    test: np.ndarray, validation: int | None, by_weight: Sequence[str], notes: list[str],
) -> Table:  # fmt: skip
    """Encode the rows."""
    frame, path = raw.frame, raw.sources[0].name
    fills = [name for name in kinds if spec.missing_in(name) == "fill"]
    made, left_out = recipe.fitted(frame, train, kinds, fills, target.names, target.classes)
    notes += [f'The column "{name}" is left out: {why}.' for name, why in left_out.items()]
    if not made.columns:
        raise DataError(f"{path}: no column is left to learn from. {' '.join(notes)}")
    if len(set(made.features)) < len(made.features):
        name = next(name for name in made.features if made.features.count(name) > 1)
        raise DataError(
            f'{path}: an indicator column would be called "{name}", as another column is. Rename it.'
        )
    x_train, _ = made.encode(frame, train)
    x_test, unseen = made.encode(frame, test)
    for name, rows in unseen.items():
        values = sorted(set(recipe.texts_of(frame[name].iloc[test][rows])))
        notes.append(
            f'The column "{name}" is {_listed(values)} in {int(rows.sum()):,} test rows and in no train row; these rows '
            "have no category there."
        )
    y_train, y_test = target.values[train], target.values[test]
    if target.classes and y_train.ndim == 1:
        unlearned = [label for code, label in enumerate(target.classes) if not (y_train == code).any()]
        if unlearned:
            notes.append(f"No train row has the class {_listed(unlearned)}.")
    for column in made.columns:
        if alike := targets.alike(column.categories, targets.without_blanks):
            notes.append(
                f'The column "{column.name}" has {_listed(alike[0])}, which differ only in blanks and are categories of '
                "their own. If they are one, write it alike in all rows."
            )
    notes += leaks.notes_of(frame, train, made, x_train, y_train)
    weights = {
        name: (frame[name].iloc[train].to_numpy("float32"), frame[name].iloc[test].to_numpy("float32"))
        for name in by_weight
    }
    return Table(
        x_train, y_train, x_test, y_test, made.features, ", ".join(target.names), raw.sha256, made.groups,
        target.task, target.classes, target.names, weights, validation, made, spec.target_shape, tuple(notes),
        target.are_ordered,
    )  # fmt: skip


def _of_arrays(given: Given, spec: DataSpec, validation_split: float) -> Table:
    """Return the table of arrays, which are not encoded. Beside given test rows, rows keep their order without a kind."""
    y = given.y
    if given.test is not None:
        if given.test.y.empty:
            raise DataError(
                f"{spec.path}: x_test and y_test have no rows. Leave both out, or give some rows."
            )
        if given.test.y.isna().all().any():
            raise DataError(
                f"{spec.path}: the test rows have no target, as in a file for a competition: y_test has no value. Leave "
                "x_test and y_test out. The best model can predict x_test."
            )
        y = pd.concat([given.y, given.test.y], ignore_index=True)
    y, of_plan = targets_of_plan(y, spec)
    named = replace(spec, target=list(y.columns) if y.shape[1] > 1 else str(y.columns[0]))
    y = columns.stripped(y, named)
    parts = (Source("y", given.y), Source("y_test", given.test.y)) if given.test is not None else ()
    source = Source(spec.path, y, parts=parts)
    target, problems = targets.target_of(y, source, named)
    # The plan cannot leave out rows of arrays, so no line of it is a remedy of gaps.
    problems = [replace(one, settings={}, missing={}) if "na" in one.settings else one for one in problems]
    by_gaps = raws.gaps(y, source, replace(named, missing="refuse"), list(y.columns))
    problems += [replace(problem, missing={}) for problem in by_gaps]
    if target is None or problems:
        raise DataError(columns.message(spec.path, problems))
    if told_of_gap := told_of_gaps(given, spec):
        raise DataError(f"{spec.path}: {told_of_gap}")
    positions, how, x, test_rows = np.arange(inputs.count(given.x)), spec.how, given.x, None
    notes, weights = [*of_plan, *target.notes], given.all_weights
    if given.test is not None:
        test_rows, x = np.arange(len(positions), len(y)), inputs.joined(given.x, given.test.x)
        notes += splits.told_of_given_test(how)
    if test_rows is not None and how.kind is None:
        count = (
            None if how.validation is None else len(positions) - splits.fitted(len(positions), how.validation)
        )
        found = splits.Parts(positions, test_rows, count)
    else:
        how, classes, told = _split_of(how, target, positions)
        found = splits.split(
            positions, how, how.validation or validation_split, test_rows, None, None, classes
        )
        notes += told
        if spec.how.kind is None and not target.are_texts:
            notes += splits.told_of_rare(found, classes, target.classes, target.task, validation_split)
    train, test = found.train, found.test
    by_weight = {} if weights is None else {WEIGHTS: (weights[train], weights[test])}
    is_matrix = not isinstance(x, Mapping) and x.ndim == 2
    features = tuple(f"x{n}" for n in range(inputs.shape(x)[0])) if is_matrix else ()
    return Table(
        inputs.taken(x, train), target.values[train], inputs.taken(x, test), target.values[test], features,
        ", ".join(target.names), given.sha256, {},
        target.task, target.classes, target.names, by_weight, found.validation, None, spec.target_shape, tuple(notes),
        target.are_ordered,
    )  # fmt: skip


def _listed(values: Sequence[Any]) -> str:
    texts = [repr(value) for value in values[:5]]
    return ", ".join(texts) + (f" and {len(values) - 5} others" if len(values) > 5 else "")
