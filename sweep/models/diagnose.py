"""The diagnosis of a finished point: this rebuilds its model and gives it, with its data, to `results.diagnosis`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from results.diagnosis.classification import Classification, diagnose_classes
from results.diagnosis.diagnose import Diagnosis, diagnose
from results.diagnosis.split import Split
from results.run import Run
from sweep.models import preparation
from sweep.models.outputs import as_probabilities, learned, link_of

if TYPE_CHECKING:
    import keras

    from trainables.table.data import Table

BATCH_ROWS = 8192
"""Rows of one batch of predictions."""


def diagnosed(
    run: Run, idx: int, trust: bool = False, target: str | None = None
) -> Diagnosis | Classification:
    """Return the diagnosis of the model of a point. This runs the plan's builder.

    Args:
        run: the run.
        idx: of the point.
        trust: see `Run.model`.
        target: which target of a regression of several is diagnosed, by its name; the first if None.

    Raises:
        InputError: the table cannot be read, or has changed since the sweep.
        ValueError: `Run.model` raises it; the model is not the trained model; its outputs do not fit its table; or there is
            no such target.
    """
    if target is not None and (prepared := preparation.kept(run.folder)):  # before TensorFlow is loaded
        chosen_target(prepared.table(), prepared.task, target)
    model = run.model(idx, trust)

    from sweep.models.save import evaluated
    from sweep.models.table import plan_with_table
    from trainables.builder import build

    plan = plan_with_table(run.folder)
    table = plan.table
    if np.ndim(table.x_train) != 2:
        raise ValueError(
            "A model is diagnosed by the columns of its table, but its rows are no columns: they are "
            f"{'several inputs' if isinstance(table.x_train, dict) else f'arrays of the shape {table.x_train.shape[1:]}'}."
        )
    what = learned(model, table)
    column, notes = chosen_target(table, what.task, target)
    evaluated(run, idx, model, plan)
    rows = build.fitted_rows(build.fit_of(run.config(idx), plan.found_builder, plan.fit), table)
    y_train, y_test = (y if column is None else y[:, column] for y in (table.y_train, table.y_test))
    split = Split(
        table.x_train[:rows],
        y_train[:rows],
        table.x_test,
        y_test,
        table.features,
        table.groups,
        what.task,
        what.classes,
        table.x_train[rows:],
        y_train[rows:],
    )
    row = run.points[run.points["idx"] == idx].iloc[0]
    if what.note:
        notes = (*notes, what.note)
    if table.weights:
        notes = (*notes, "All rows count alike here, whatever weights they were trained with.")
    if what.task == "regression":
        return diagnose(_predicts(model, column), split, run.curves(idx), row, notes=notes)

    def predict(x: np.ndarray) -> Any:
        given = _outputs(model, x)
        if not isinstance(given, np.ndarray):
            return given
        return as_probabilities(given, link_of(model, what.task, given.shape[-1]))

    return diagnose_classes(predict, split, run.curves(idx), row, notes=notes)


def chosen_target(table: Table, task: str, target: str | None) -> tuple[int | None, tuple[str, ...]]:
    """Return which column of the targets is diagnosed, None if there is one or if all are, and a sentence about it.

    Raises:
        ValueError: there is no target of this name, or the task has none to choose from.
    """
    names = table.targets or (table.target,)
    if np.ndim(table.y_test) == 1 or task != "regression":
        if target is None or (np.ndim(table.y_test) == 1 and target == names[0]):
            return None, ()
        found = (
            f"one target, {names[0]}" if np.ndim(table.y_test) == 1 else "answers that are diagnosed together"
        )
        raise ValueError(f'--target got "{target}", but the table has {found}. Leave the option out.')
    width = np.shape(table.y_test)[1]
    if len(names) != width:
        names = tuple(f"target {number}" for number in range(1, width + 1))
    if target is not None and target not in names:
        raise ValueError(
            f'--target got "{target}", but the targets are {", ".join(names)}. Name one of them.'
        )
    column = 0 if target is None else names.index(target)
    others = ", ".join(name for name in names if name != names[column])
    return column, (
        f"This is about the target {names[column]}, one of {width}; --target diagnoses another ({others}). Losses, metrics "
        "and learning curves are those of all targets together.",
    )


def _predicts(model: keras.Model, column: int | None) -> Any:
    def predict(x: np.ndarray) -> Any:
        given = _outputs(model, x)
        if column is None or not isinstance(given, np.ndarray):
            return given
        if given.ndim != 2 or given.shape[1] <= column:
            raise ValueError(
                f"The model gives an array of shape {given.shape} for {len(x)} rows, but needs a column for each target."
            )
        return given[:, column]

    return predict


def _outputs(model: keras.Model, x: np.ndarray) -> Any:
    """Return the outputs for some rows as float64; of a model with several outputs, what Keras gives for the first batch."""
    # Model.predict takes longer to set up than such a model takes to compute.
    parts = []
    for start in range(0, len(x), BATCH_ROWS):
        part = model.predict_on_batch(x[start : start + BATCH_ROWS])
        if not isinstance(part, np.ndarray):
            return part
        parts.append(part.astype("float64"))
    return np.concatenate(parts)
