"""The columns of a run's Parquet datasets: name, type, unit and meaning. No other module defines them.

Terminology
    points    one row for each finished point
    curves    one row for each epoch of each finished point
    weights   one row for each finished point whose weights are stored
    rungs     one row for each point and each milestone of ASHA that it has reached
    metric    a name that Keras logs: "loss" and each compiled metric
    split     a part of the table's rows on which a model is evaluated: see `SPLITS`
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

REPEAT = "repeat"
"""The column of `points` that has the repeat of each point, counted from 0, if a plan asks for several repeats."""

OF_LOSSES = ("loss", "data_loss")
"""The metrics whose values mean something else with each compiled loss."""


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
"""The statuses of points whose losses can be compared."""

NOT_WELL = (Status.FAILED, Status.TIMEOUT)
"""The statuses that make a sweep end with exit code 1."""


@dataclass(frozen=True)
class Column:
    """One column: its Arrow type, its unit ("" if it has none) and what it means."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str


SPLITS = {"tr": "all train rows", "va": "the validation rows", "te": "the test rows"}


def column_of(metric: str, split: str) -> str:
    """Return the name of the column of `points` that has a metric on a split of `SPLITS`, such as `loss_va`."""
    return f"{metric}_{split}"


def metric_and_split(column: str) -> tuple[str, str] | None:
    """Return the metric and the split of a column that is named by `column_of`; None for any other column.

    An axis may have such a name, too. Only the names of the axes tell.
    """
    metric, _, split = column.rpartition("_")
    return (metric, split) if metric and split in SPLITS else None


def on_split(column: str, split: str) -> str:
    """Return the column that has the metric of `column` on another split; a column of no metric is returned itself."""
    found = metric_and_split(column)
    return column_of(found[0], split) if found else column


_IDX = Column("idx", pa.int64(), "", "the point's number in scikit-learn's ParameterGrid")
_REPEAT = Column(
    REPEAT, pa.int64(), "", "how many repeats came before: the point's seed is the plan's plus this number"
)
_BEFORE_METRICS = (
    Column("status", pa.string(), "", f"how the point ended: {', '.join(Status)}"),
    Column("epochs", pa.int32(), "epochs", "how many were trained"),
    Column(
        "best_epoch",
        pa.int32(),
        "epochs",
        "1-based epoch with the best objective on the validation rows; the metrics are those of its model",
    ),
)
_AFTER_METRICS = (
    Column("params", pa.int64(), "", "numbers in the model's weights, as Model.count_params counts"),
    Column("seed", pa.int64(), "", "the seed of the point's weights and data order"),
    Column("seconds", pa.float64(), "s", "wall time of building, training and evaluating the point"),
    Column("engine", pa.string(), "", "the engine that trained the point"),
    Column("error", pa.string(), "", "type and message of what went wrong, else null"),
    Column("has_weights", pa.bool_(), "", "whether its weights are stored"),
    Column("note", pa.string(), "", "what to know about the numbers of the point, else null"),
)
_DATA_LOSS = "data_loss"
DATA_LOSS_VA = Column(
    column_of(_DATA_LOSS, "va"),
    pa.float64(),
    "",
    "the loss of the best epoch's model on the validation rows without the penalties of regularizers and add_loss",
)
VAL_DATA_LOSS = Column(
    f"val_{_DATA_LOSS}", pa.float32(), "", "on the validation rows: the loss without the penalties"
)
"""Is a column of `curves` only if the objective, or a rule, needs it."""

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
    Column("milestone", pa.int32(), "epochs", "the epoch at which ASHA compared the point with others"),
    _IDX,
    Column(
        "value",
        pa.float64(),
        "",
        "the point's best objective on the validation rows by then; NaN without a finite one",
    ),
    Column("passed", pa.bool_(), "", "whether the point continued"),
)

RESERVED_NAMES = frozenset(
    [column.name for column in (_IDX, *_BEFORE_METRICS, *_AFTER_METRICS)]
    + [column_of("loss", split) for split in SPLITS]
    + [DATA_LOSS_VA.name]
)
"""Names of columns that an axis cannot have."""


def points_columns(
    axes: Mapping[str, Sequence[Any]], metrics: Sequence[str], repeats: bool = False
) -> list[Column]:
    """Return the columns of `points`: idx, axes, status and epochs, each metric on each split, data loss, the rest.

    Args:
        axes: their values by name.
        metrics: their names.
        repeats: whether there is the column `REPEAT`.
    """
    return [
        _IDX,
        *([_REPEAT] if repeats else []),
        *(
            Column(name, axis_type(values), "", "the point's value of this axis")
            for name, values in axes.items()
        ),
        *_BEFORE_METRICS,
        *(
            Column(
                column_of(metric, split), pa.float64(), "", f"{metric} of the best epoch's model on {rows}"
            )
            for split, rows in SPLITS.items()
            for metric in metrics
        ),
        DATA_LOSS_VA,
        *_AFTER_METRICS,
    ]


def curves_columns(metrics: Sequence[str], data_loss: bool = False) -> list[Column]:
    """Return the columns of `curves`: idx, epoch, each metric, each metric on the validation rows, the rate.

    Args:
        metrics: their names.
        data_loss: whether there is the column `VAL_DATA_LOSS`.
    """
    logged = [Column(name, pa.float32(), "", "mean over the epoch's batches") for name in metrics]
    validated = [Column(f"val_{name}", pa.float32(), "", "on the validation rows") for name in metrics]
    return [*_CURVE_KEYS, *logged, *validated, *([VAL_DATA_LOSS] if data_loss else []), _RATE]


def to_arrow(columns: Sequence[Column]) -> pa.Schema:
    """Return the Arrow schema of `columns`, with units and meanings as field metadata."""
    return pa.schema(
        [pa.field(c.name, c.type, metadata={"unit": c.unit, "meaning": c.meaning}) for c in columns]
    )


def axis_type(values: Sequence[Any]) -> pa.DataType:
    """Return the Arrow type of an axis' column; null is allowed in every type.

    Numbers, strings and booleans keep their type. Lists and values of several types become JSON text, such as "[8, 4]",
    so that `==` and groupby work on them in every reader.
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
        # Above 2**53, a float cannot hold every integer.
        return pa.float64() if all(type(v) is float or abs(v) <= 2**53 for v in present) else pa.string()
    return pa.string()


def holds_json(values: Sequence[Any]) -> bool:
    """Return whether the column of an axis holds its values as JSON text."""
    is_string = pa.types.is_string(axis_type(values))
    return is_string and not all(value is None or isinstance(value, str) for value in values)


def is_whole(value: Any) -> bool:
    """Return whether a cell is a float that stands for a whole number, as in an integer column that has a null elsewhere."""
    return (
        isinstance(value, float) and value.is_integer() and abs(value) <= 2**53
    )  # else it may stand for another one


def axis_column(values: Sequence[Any], codes: np.ndarray, acting: np.ndarray | None = None) -> pa.Array:
    """Return the column of an axis.

    Args:
        values: of the axis.
        codes: the code of each point on the axis, shape (points,).
        acting: whether the axis acts at each point, shape (points,); the cell is null where it does not. None: everywhere.
    """
    idle = None if acting is None else ~acting
    if isinstance(values, range):  # may be too long for a list
        return pa.array(values.start + values.step * codes, pa.int64(), mask=idle)
    kind = axis_type(values)
    if pa.types.is_floating(kind):
        cells: list[Any] = [None if value is None else float(value) for value in values]
    elif holds_json(values):
        cells = [None if value is None else json.dumps(value) for value in values]
    else:
        cells = list(values)
    return pa.array(cells, kind).take(pa.array(codes, mask=idle))


def finite_or_null(column: pa.Array) -> pa.Array:
    """Return the column with null for NaN and infinities, because every reader sorts null in the same way."""
    if not pa.types.is_floating(column.type):
        return column
    return pc.if_else(pc.is_finite(column), column, pa.scalar(None, column.type))


def metrics_of(names: Iterable[str], axes: Collection[str] = ()) -> list[str]:
    """Return the metrics that have columns in `points`, in the order of the columns.

    Args:
        names: of the columns.
        axes: names of the axes' columns, which are ignored even if they end like a metric's.
    """
    found = (metric_and_split(name) for name in names if name not in axes)
    return [metric for metric, split in filter(None, found) if split == "tr"]


def metrics_of_curves(names: Iterable[str]) -> list[str]:
    """Return the metrics that have columns in `curves`, in the order of the columns."""
    others = {column.name for column in (*_CURVE_KEYS, VAL_DATA_LOSS, _RATE)}
    return list(dict.fromkeys(name.removeprefix("val_") for name in names if name not in others))
