"""Exports a trained model: it writes the model as a file, and a card beside it."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from results.directions import Directions
from results.folder.files import replace_file
from results.run import Run
from results.schema import column_of
from sweep.errors import SweepError
from sweep.models.card import card, cell
from trainables.table.weights import row_weights

if TYPE_CHECKING:
    from sweep.plan.plan import Plan

FORMATS = {"keras": ".keras", "savedmodel": "", "weights": ".weights.h5"}
"""The formats of a model's file, and how its name must end; a SavedModel is a folder."""

_TOLERANCE = 1e-5
"""The relative difference of a metric that is rounding."""
_ROUNDING = 3e-7
"""The relative difference of a prediction that is rounding: a few units of a float32's last digit."""


class ExportError(SweepError, ValueError):
    """The model cannot be written to this file in this format; the message says why and what to do."""


def export(
    run: Run, idx: int, target: Path, kind: str = "keras", trust: bool = False, preprocessing: bool = False
) -> dict[str, Any]:
    """Write the model of a point, with the weights of its best epoch, and a card beside it.

    Before anything is written, the model is evaluated on the test rows. Its metrics must equal the stored ones.

    Args:
        run: the run.
        idx: of the point.
        target: the file, or the folder for a SavedModel; it must not exist yet.
        kind: one of `FORMATS`.
        trust: see `Run.model`.
        preprocessing: whether the model takes raw columns; see `sweep.models.preprocess`.

    Returns:
        `model` and `card`, the paths; `metrics` on the test rows.

    Raises:
        ExportError: the target exists or has the wrong ending, its folder is missing, or the metrics differ.
        InputError: the table cannot be read, or has changed since the sweep.
        ValueError: see `Run.model`.
    """
    from sweep.models.table import plan_with_table

    ending = FORMATS[kind]
    if not target.name.endswith(ending):
        raise ExportError(
            f"{target}: a file of the format {kind} has to end with {ending}. Correct the name."
        )
    beside = target.with_name(f"{target.name}.card.md")
    for path in (target, beside):
        if path.exists():
            raise ExportError(f"{path} is there already. Remove it, or give another name.")
    if not target.absolute().parent.is_dir():
        raise ExportError(f"{target}: there is no folder {target.absolute().parent}. Make it first.")
    if preprocessing and kind != "keras":
        raise ExportError(
            f"--with-preprocessing writes a .keras file, so --format {kind} has no meaning. Remove one."
        )
    model = trained = run.model(idx, trust)
    plan = plan_with_table(run.folder)
    metrics = evaluated(run, idx, model, plan)
    about: list[str] = []
    if preprocessing:
        model, about = _with_preprocessing(run, model)
    # The temporary folder is beside the target, so that renaming is atomic.
    with tempfile.TemporaryDirectory(dir=target.absolute().parent, prefix=".export-") as folder:
        part = Path(folder) / target.name
        if kind == "keras":
            model.save(part)
        elif kind == "weights":
            model.save_weights(part)
        else:
            model.export(part, verbose=False)
        part.replace(target)
    text = card(run, idx, target, kind, metrics, trained, plan.table, about)
    replace_file(beside, text.encode())
    return {"model": str(target), "card": str(beside), "metrics": metrics}


def evaluated(run: Run, idx: int, model: Any, plan: Plan) -> dict[str, float]:
    """Return the metrics of a point's model on the test rows of `plan`, which has the table of the run.

    Raises:
        ExportError: they differ from those in the point's row.
    """
    from trainables.builder import build
    from trainables.builder.target import target_of
    from trainables.single.rules import number

    table, row = plan.table, run.points[run.points["idx"] == idx]
    fit = build.fit_of(run.config(idx), plan.found_builder, plan.training.fit)
    weights = row_weights(fit, table, build.fitted_rows(fit, table)).test
    found = model.evaluate(
        table.x_test,
        target_of(model, table).of(table.y_test),
        sample_weight=weights,
        batch_size=fit.batch_size,
        verbose=0,
        return_dict=True,
    )
    metrics = {name: number(value) for name, value in found.items()}
    if unknown := [name for name in metrics if column_of(name, "te") not in row]:
        raise ExportError(
            f"The model that the builder makes of point {idx} has {', '.join(unknown)} on the test rows, but the sweep "
            "stored no such column: the builder or a version has changed since."
        )
    stored = {name: float(row[column_of(name, "te")].iloc[0]) for name in metrics}
    largest = float(np.abs(table.y_test).max(initial=0.0))
    if other := differing(metrics, stored, run.directions, largest):
        name = other[0]
        raise ExportError(
            f"The model that the builder makes of point {idx} has {name} {metrics[name]:.6g} on the test rows, but the "
            f"sweep stored {stored[name]:.6g}: the builder, the data or a version has changed since."
        )
    return metrics


def differing(
    found: Mapping[str, float], stored: Mapping[str, float], directions: Directions, largest: float = 0.0
) -> list[str]:
    """Return the names of the metrics that differ from the stored ones by more than rounding.

    Where higher is better, a metric is a score, whose scale is 1: one near 0 has the rounding of larger numbers. Errors and
    losses may all be tiny, as those of targets in small units. Their scale is the largest of them. A model that fits nearly
    all targets has tiny ones, too, but each prediction is rounded as the targets are: by `_ROUNDING` of the `largest` of
    them. So an error may differ by that, and the root of a squared error as well.
    """
    scores = {name for name in found if directions.of(column_of(name, "te")) == "max"}
    errors = [abs(stored[name]) for name in found if name not in scores and np.isfinite(stored[name])]
    scale = min(1.0, max(errors, default=1.0))

    def is_close(name: str) -> bool:
        one, other = found[name], stored[name]
        if not np.isfinite(other):  # the rows have the same for all that is no number
            return not np.isfinite(one)
        if bool(
            np.isclose(one, other, rtol=_TOLERANCE, atol=_TOLERANCE * (1.0 if name in scores else scale))
        ):
            return True
        if name in scores or not (one >= 0 and other >= 0):
            return False
        return min(abs(one - other), abs(one**0.5 - other**0.5)) <= _ROUNDING * largest

    return [name for name in found if not is_close(name)]


def _with_preprocessing(run: Run, model: Any) -> tuple[Any, list[str]]:
    """Return the model of raw columns, and the lines of the card about them."""
    from sweep.models import preparation, preprocess
    from sweep.plan.plan import Plan

    plan = Plan.load(run.folder.plan)
    prepared = preparation.of_run(run.folder, plan)
    wrapped = preprocess.with_preprocessing(model, prepared)
    return wrapped, preprocess.card_lines(prepared, cell, plan.data_spec.na or [])
