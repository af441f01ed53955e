"""The columns of a run's Parquet datasets, written down once: name, type, unit, meaning.

Terminology
    points    one row for each finished point
    curves    one row for each epoch of each finished point
    weights   one row for each finished point that has a best epoch
    rungs     one row for each point that has reached a milestone of ASHA, and each milestone
    metric    a name Keras logs: "loss" and each compiled metric
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


class Status(StrEnum):
    """How a point ended."""

    COMPLETED = "completed"
    """It used its budget of epochs."""
    EARLY_STOPPED = "early_stopped"
    """Early stopping ended it."""
    PRUNED = "pruned"
    """ASHA stopped it at a milestone."""
    DIVERGED = "diverged"
    """Its loss became NaN or infinite."""
    FAILED = "failed"
    """The builder or the fit raised, or its worker died too often."""
    TIMEOUT = "timeout"
    """It took longer than the plan allows."""


FINISHED_WELL = (Status.COMPLETED, Status.EARLY_STOPPED, Status.PRUNED)
"""The statuses of points that have losses to compare."""

NOT_WELL = (Status.FAILED, Status.TIMEOUT)
"""The statuses that make a sweep end with exit code 1."""


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, its unit ("" if it has none) and what it means."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str


_IDX = Column("idx", pa.int64(), "", "the point's place in scikit-learn's ParameterGrid")
_BEFORE_METRICS = (
    Column("status", pa.string(), "", f"how the point ended: {', '.join(Status)}"),
    Column("epochs", pa.int32(), "epochs", "trained"),
    Column(
        "best_epoch",
        pa.int32(),
        "epochs",
        "1-based epoch with the lowest val_loss; the metrics are its model's",
    ),
)
_AFTER_METRICS = (
    Column("params", pa.int64(), "", "numbers in the model's weights, as Model.count_params counts"),
    Column("seed", pa.int64(), "", "the plan's seed"),
    Column("seconds", pa.float64(), "s", "wall time of building, training and evaluating the point"),
    Column("engine", pa.string(), "", "what trained it"),
    Column("error", pa.string(), "", "type and message of what went wrong, else null"),
    Column("has_weights", pa.bool_(), "", "whether its weights are stored"),
)
SPLITS = {"tr": "all train rows", "va": "the validation rows", "te": "the test rows"}

_CURVE_KEYS = (_IDX, Column("epoch", pa.int32(), "epochs", "1-based"))
_RATE = Column("learning_rate", pa.float32(), "", "the optimizer's rate during the epoch")

WEIGHTS = (
    _IDX,
    Column(
        "values",
        pa.binary(),
        "",
        "the best epoch's weights, little-endian, in the order of Model.get_weights",
    ),
    Column("layout", pa.string(), "", "JSON list of [path, dtype, shape], one for each weight"),
)

RUNGS = (
    Column("milestone", pa.int32(), "epochs", "at which ASHA compared the point"),
    _IDX,
    Column("value", pa.float64(), "", "its lowest val_loss by then; NaN without a finite one"),
    Column("passed", pa.bool_(), "", "whether it went on"),
)

RESERVED_NAMES = frozenset(
    [column.name for column in (_IDX, *_BEFORE_METRICS, *_AFTER_METRICS)]
    + [f"loss_{split}" for split in SPLITS]
)
"""Names of columns that an axis cannot have."""


def points_columns(axes: Mapping[str, Sequence[Any]], metrics: Sequence[str]) -> list[Column]:
    """Return the columns of `points`: idx, the axes, the outcome, each metric on each split, the rest."""
    return [
        _IDX,
        *(
            Column(name, axis_type(values), "", "the point's value of this axis")
            for name, values in axes.items()
        ),
        *_BEFORE_METRICS,
        *(
            Column(f"{metric}_{split}", pa.float64(), "", f"{metric} of the best epoch's model on {rows}")
            for split, rows in SPLITS.items()
            for metric in metrics
        ),
        *_AFTER_METRICS,
    ]


def curves_columns(metrics: Sequence[str]) -> list[Column]:
    """Return the columns of `curves`: idx, epoch, each metric, each metric on the validation rows, the rate."""
    logged = [Column(name, pa.float32(), "", "mean over the epoch's batches") for name in metrics]
    validated = [Column(f"val_{name}", pa.float32(), "", "on the validation rows") for name in metrics]
    return [*_CURVE_KEYS, *logged, *validated, _RATE]


def to_arrow(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of `columns`, with units and meanings as field metadata."""
    return pa.schema(
        [pa.field(c.name, c.type, metadata={"unit": c.unit, "meaning": c.meaning}) for c in columns]
    )


def axis_type(values: Sequence[Any]) -> pa.DataType:
    """Return the Arrow type of an axis' column; null fits every type.

    Numbers, strings and booleans keep their type. Lists and mixtures are JSON text, such as "[8, 4]", so that
    `==` and groupby work on them everywhere.
    """
    if isinstance(values, range):
        return pa.int64()
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int} and all(-(2**63) <= value < 2**63 for value in present):
        return pa.int64()
    if float in kinds and kinds <= {int, float}:
        # Above 2**53 not every integer is a float.
        return pa.float64() if all(type(v) is float or abs(v) <= 2**53 for v in present) else pa.string()
    return pa.string()


def axis_column(values: Sequence[Any], codes: np.ndarray) -> pa.Array:
    """Return the column of an axis.

    Args:
        values: of the axis.
        codes: the code of each point on the axis, shape (points,).
    """
    if isinstance(values, range):  # which may be too long to be listed
        return pa.array(values.start + values.step * codes, pa.int64())
    kind = axis_type(values)
    if pa.types.is_floating(kind):
        cells: list[Any] = [None if value is None else float(value) for value in values]
    elif pa.types.is_string(kind) and not all(value is None or isinstance(value, str) for value in values):
        cells = [None if value is None else json.dumps(value) for value in values]
    else:
        cells = list(values)
    return pa.array(cells, kind).take(pa.array(codes))


def finite_or_null(column: pa.Array) -> pa.Array:
    """Return the column with null for NaN and infinities: a missing number sorts the same in every reader."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


def metrics_of(names: Iterable[str], axes: Collection[str] = ()) -> list[str]:
    """Return the metrics that the columns of `points` are of, in their order.

    Args:
        names: of the columns.
        axes: names of columns that are no metric's, whatever they end with.
    """
    return [name.removesuffix("_tr") for name in names if name.endswith("_tr") and name not in axes]


def metrics_of_curves(names: Iterable[str]) -> list[str]:
    """Return the metrics that the columns of `curves` are of, in their order."""
    others = {column.name for column in (*_CURVE_KEYS, _RATE)}
    return list(dict.fromkeys(name.removeprefix("val_") for name in names if name not in others))
