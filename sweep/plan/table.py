"""The table of a plan, checked against the plan's axes and arguments of `fit`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from results.space import Space
from sweep.plan.form import PlanError
from trainables.builder.find import Builder
from trainables.settings import Fit
from trainables.table import data
from trainables.table.data import DataSpec, Table
from trainables.table.given import WEIGHTS
from trainables.table.splits import fitted
from trainables.table.weights import check_weights

QUICK_BYTES = 5_000_000
"""A file of at most this size is read in well under two seconds."""


def is_quick(spec: DataSpec) -> bool:
    """Return whether a table is in small files of this machine, so that it is read at once and runs no code of the user."""
    paths = [path for path in (spec.path, spec.test_path, spec.validation_path) if path]
    if spec.function or any("://" in path for path in paths):
        return False
    try:
        return sum(Path(path).stat().st_size for path in paths) <= QUICK_BYTES
    except FileNotFoundError:
        return True  # which is told at once
    except OSError:
        return False


def table_of(spec: DataSpec, space: Space, builder: Builder, fit: Fit) -> Table:
    """Read and check the table.

    Args:
        spec: of the plan, with absolute paths.
        space: the axes; some may be arguments of `fit`.
        builder: the builder; its parameters are no arguments of `fit`.
        fit: the plan's arguments of `fit`.

    Raises:
        PlanError: the table cannot be used (see `trainables.table.data.load`), it lacks the classes or columns that weight
            its rows, or a share of validation rows leaves a part empty or has no effect.
    """
    axes = _axes_of_fit(space, builder)
    weights = weight_columns(space, builder)
    try:
        table = data.load(spec, fit.validation_split, weights)
    except data.DataError as error:
        raise PlanError(str(error), ("data",)) from None
    try:
        weighted = with_weights(fit, spec, table)
    except ValueError as error:
        raise PlanError(str(error), ("fit", "class_weight")) from None
    _check_weights(table, weighted, axes)
    if table.validation is not None:
        if "validation_split" in axes:
            raise PlanError(
                "validation_split is an axis, but the data say which rows are the validation rows "
                "(split or validation_path). Remove the axis, or write split: {kind: random} under data.",
                ("space", "validation_split"),
            )
        return table
    rows = len(table.y_train)
    for share in axes.get("validation_split", [fit.validation_split]):
        if not 0 < fitted(rows, share) < rows:
            raise PlanError(
                f"validation_split={share} of {rows} train rows leaves nothing to fit or nothing to validate on. Change it.",
                ("fit", "validation_split"),
            )
    return table


def weight_columns(space: Space, builder: Builder) -> list[str]:
    """Return the columns that weight the rows at some points, as the axis `weight` names them."""
    return [str(name) for name in _axes_of_fit(space, builder).get("weight", []) if name is not None]


def _axes_of_fit(space: Space, builder: Builder) -> dict[str, list[Any]]:
    """Return the values of each axis that is an argument of `fit` and not of the builder."""
    return {axis.name: list(axis.values) for axis in space.axes if axis.name not in builder.parameters}


def with_weights(fit: Fit, spec: DataSpec, table: Table) -> Fit:
    """Return the plan's arguments of `fit` with the weights that its data name, or that came with arrays.

    Raises:
        ValueError: there is a `class_weight`, too.
    """
    given = WEIGHTS if table.recipe is None and WEIGHTS in table.weights else None
    return replace(fit, weight=spec.weight or given)


def _check_weights(table: Table, fit: Fit, axes: dict[str, list[object]]) -> None:
    """Check that the table has the classes and the columns that weight its rows."""
    given = {name: axes.get(name, [getattr(fit, name)]) for name in ("class_weight", "weight")}
    for name, some in given.items():
        for value in some:
            only = {"class_weight": None, "weight": None, name: value}
            try:
                check_weights(replace(fit, **only), table)
            except ValueError as error:
                raise PlanError(str(error), ("space" if name in axes else "fit", name)) from None
    both = [next((value for value in some if value is not None), None) for some in given.values()]
    if None not in both:
        raise PlanError(
            f"some points have class_weight={both[0]!r} and weight={both[1]!r}, but Keras takes one of the two. "
            "Make two plans, or a column that has the product of both weights.",
            ("space", "weight" if "weight" in axes else "class_weight"),
        )
