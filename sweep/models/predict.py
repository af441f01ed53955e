"""Predictions of a point's model for raw rows: it prepares them as the sweep prepared its table, and names the outputs."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from results.folder.path import AnyPath
from results.folder.run_folder import RunFolder
from sweep.errors import InputError
from sweep.models import features, heads, preparation, rebuild
from sweep.models.outputs import is_regression
from sweep.models.preparation import Preparation
from trainables.table import columns, named_index, readers
from trainables.table.data import DataError, DataSpec
from trainables.table.expected import NOTHING, Expected
from trainables.table.inputs import Features
from trainables.table.recipe import Recipe, counted_row, texts_of
from trainables.table.source import Source

if TYPE_CHECKING:
    import keras

CHUNK_ROWS = 65536
"""Rows that are encoded and predicted at once."""

BATCH_ROWS = 1024
"""Rows of one batch of predictions."""

Progress = Callable[[int, int], None]
"""Gets the rows that are predicted so far, and all rows."""


def predict(
    folder: AnyPath,
    config: Mapping[str, Any],
    weights: Sequence[np.ndarray],
    table: pd.DataFrame | pd.Series | Mapping[str, Any] | np.ndarray,
    trust: bool = False,
    name: str = "the table",
    progress: Progress | None = None,
    seed: int | None = None,
    row: Callable[[int], str] = counted_row,
    as_table: bool = False,
) -> Any:
    """Return the predictions of a point's model; see `results.run.Run.predict`.

    Args:
        folder: the run's folder.
        config: the point's value of each axis.
        weights: the stored weights, in the order of `Model.get_weights`.
        table: raw rows, or an array of features. A Series is one row, and a dictionary has columns or the values of one row;
            for a model with several inputs, it has an array for each.
        trust: whether to run the builder without a check.
        name: where the rows are from, for messages.
        progress: called after each part of the rows.
        seed: of the point; None for the plan's.
        row: returns where the row at a position is, for messages.
        as_table: return a data frame for arrays, too.

    Raises:
        UntrustedError, ValueError: see `sweep.models.rebuild.model`.
        DataError, InputError: the rows cannot be used.
    """
    from sweep.plan.plan import Plan

    run = RunFolder(folder)
    if not trust:  # before anything that the folder names is read
        rebuild.check_builder(run)
    plan = Plan.load(run.plan)
    prepared = preparation.of_run(run, plan)
    if isinstance(table, Mapping) and isinstance(prepared.shape, Mapping):
        arrays: Any = features.of_inputs(table, prepared.shape, name)
    elif isinstance(table, pd.DataFrame | pd.Series | Mapping):
        frame = table if isinstance(table, pd.DataFrame) else _frame_of(table, prepared, name)
        rows = prepared_rows(frame, prepared, plan.data_spec, name, row)  # before TensorFlow is loaded
        model = rebuild.model(folder, config, weights, trust, seed)
        return predicted(model, rows, prepared, name, progress, row=row)
    else:
        arrays = features.of_array(table, prepared, name)
    model = rebuild.model(folder, config, weights, trust, seed)

    from trainables.builder.configuration import without_limit

    with without_limit():
        outputs = model.predict(arrays, verbose=0)
    if not as_table:
        return outputs
    parts = [*heads.by_key(outputs).values()]
    if len(parts) == 1 and np.ndim(parts[0]) > 2:  # such as a step of a sequence each, which no target names
        flat = np.asarray(parts[0]).reshape(len(parts[0]), -1)
        return pd.DataFrame(flat, columns=[f"output_{number}" for number in range(flat.shape[1])])
    frame, notes = _named(outputs, model, prepared)
    frame.attrs["notes"] = notes
    return frame


def _named(
    outputs: Any, model: keras.Model, prepared: Preparation, are_surely_classes: bool = False
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return predictions under the names of the targets and classes, and what the user must know about them."""
    if not are_surely_classes and is_regression(model, prepared.task, prepared.classes):
        prepared = replace(prepared, task="regression", classes=())
    return heads.named(outputs, model, prepared)


def _frame_of(rows: pd.Series | Mapping[str, Any], prepared: Preparation, name: str) -> pd.DataFrame:
    """Return one row, or columns by name, as a data frame.

    Raises:
        InputError: the Series is a column, or the columns cannot be joined.
    """
    if isinstance(rows, pd.Series):
        names = [column.name for column in prepared.recipe.columns] if prepared.recipe else []
        if names and not {*names} & {*map(str, rows.index)}:
            raise InputError(
                f"{name} is a Series whose index names no column of the model, but as a Series it needs to be one row, with "
                f"the index {', '.join(names)}. Give a data frame for several rows."
            )
        return rows.to_frame().T.infer_objects()  # else each column is of objects, as the row was
    if not any(pd.api.types.is_list_like(values) for values in rows.values()):
        return pd.DataFrame([dict(rows)])
    try:
        return pd.DataFrame(dict(rows))
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} is a dictionary of columns that make no table ({error}). Give each column a list of as many values, or "
            "each one value for a single row."
        ) from None


def prepared_rows(
    frame: pd.DataFrame,
    prepared: Preparation,
    spec: DataSpec,
    name: str,
    row: Callable[[int], str] = counted_row,
) -> pd.DataFrame:
    """Return raw rows with the columns that the recipe needs, checked.

    Args:
        frame: the rows.
        prepared: says what the sweep made of its table.
        spec: of the sweep's table.
        name: where the rows are from, for messages.
        row: returns where the row at a position is, for messages.

    Raises:
        DataError, InputError: there are no rows, or columns are missing or cannot be used.
    """
    if prepared.recipe is None:
        raise InputError(
            f"The sweep was run on arrays, whose columns have no names, so a table of named columns cannot be used. Give "
            f"{name} as {prepared.described}{features.remedy_of(prepared)}."
        )
    if not len(frame):
        raise InputError(f"{name} has no rows, so there is nothing to predict.")
    frame = frame.set_axis(frame.columns.map(str), axis=1)
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise InputError(f"{name} has the column {twice[0]!r} twice. Remove one.")
    frame = named_index.with_levels(frame, [column.name for column in prepared.recipe.columns])
    frame = prepared.recipe.with_gaps(frame, spec)
    # The recipe says which columns hold numbers: a few rows, or one, may have only codes such as 01.
    frame = columns.stripped(frame, spec, prepared.recipe.are_numbers)
    return prepared.recipe.checked(frame, name, row)


def predicted(
    model: keras.Model,
    rows: pd.DataFrame,
    prepared: Preparation,
    name: str,
    progress: Progress | None = None,
    are_surely_classes: bool = False,
    row: Callable[[int], str] = counted_row,
) -> pd.DataFrame:
    """Return the predictions for rows that `prepared_rows` returned.

    Args:
        model: the model.
        rows: the rows.
        prepared: says what the sweep made of its table.
        name: where the rows are from, for messages.
        progress: called after each part of the rows.
        are_surely_classes: whether the classes of the table are no amounts, whatever the loss of the model is for.
        row: returns where the row at a position is, for messages.

    Raises:
        InputError: a number is not finite, or the model has more outputs than the table has targets.

    Warns:
        UserWarning: rows have unseen categories.
    """
    from trainables.builder.configuration import without_limit

    recipe = prepared.recipe
    assert recipe is not None
    parts: list[Any] = []
    unseen: dict[str, Counter[str]] = {}
    for start in range(0, len(rows), CHUNK_ROWS):
        chunk = rows.iloc[start : start + CHUNK_ROWS]
        x, new = recipe.encode(chunk)
        _check_finite(x, chunk, recipe, name, start, row)
        for column, mask in new.items():
            unseen.setdefault(column, Counter()).update(texts_of(chunk[column][mask]))
        with without_limit():
            outputs = model.predict(x, batch_size=BATCH_ROWS, verbose=0)
        parts.append(outputs)
        if progress is not None:
            progress(start + len(x), len(rows))
    import keras

    found = keras.tree.map_structure(lambda *some: np.concatenate(some), *parts)
    frame, notes = _named(found, model, prepared, are_surely_classes)
    told = [_unseen_note(column, counts) for column, counts in unseen.items()]
    for note in told:
        warnings.warn(note, UserWarning, stacklevel=2)
    frame.index = rows.index
    frame.attrs["notes"] = (*notes, *told)
    return frame


def rows_of(
    path: str, spec: DataSpec, recipe: Recipe | None = None
) -> tuple[pd.DataFrame | Features, tuple[str, ...], Callable[[int], str]]:
    """Return the raw rows in a file, which is read with the options of the sweep's table; of .npz the array x,
    or the arrays x/NAME of several inputs.

    Args:
        path: of the file.
        spec: of the sweep's table.
        recipe: says which columns are there, and which texts are categories; without one, a column of a text file with
            numbers only holds numbers, and texts such as NA are gaps.

    Returns:
        The rows, notes, and what says where the row at a position is in the file.

    Raises:
        DataError: the file cannot be read as a table.
    """
    content = readers.content(path)
    if path.lower().endswith(".npz"):
        return features.of_npz(path, content), (), counted_row
    expected = recipe.expected if recipe else NOTHING
    try:
        found = readers.read(path, content, spec, expected, None)
    except DataError:
        without_targets = _without_targets(path, content, spec, expected)
        if without_targets is None:
            raise
        found = without_targets
    return found.frame, found.notes, found.row


def _without_targets(path: str, content: bytes, spec: DataSpec, expected: Expected) -> Source | None:
    """Return what is in a file that has no line of names and need not have the targets; None if that is not so."""
    fewer = [column for column in spec.columns or [] if column not in spec.targets]
    if spec.header or not fewer:
        return None
    try:
        return readers.read(path, content, replace(spec, columns=fewer), expected, None)
    except DataError:
        return None


def _check_finite(
    x: np.ndarray, rows: pd.DataFrame, recipe: Recipe, name: str, start: int, row: Callable[[int], str]
) -> None:
    finite = np.isfinite(x)
    if finite.all():
        return
    position, feature = np.argwhere(~finite)[0].tolist()
    [column] = [column for column, span in recipe.positions.items() if feature in span]
    value = rows[column].iloc[position]
    raise InputError(
        f'{name}: column "{column}" is {value} in row {row(start + position)}, but needs a finite number that float32 can '
        "hold. Correct this row, or leave it out."
    )


def _unseen_note(column: str, counts: Counter[str]) -> str:
    listed = ", ".join(
        f"{text!r} ({count:,} row{'s' * (count > 1)})" for text, count in counts.most_common(5)
    )
    more = f" and {len(counts) - 5} others" if len(counts) > 5 else ""
    return (
        f'The column "{column}" has values that no train row of the sweep has: {listed}{more}. These rows have no known '
        "category there, so their predictions are less certain."
    )
