"""Checks whether the losses of Keras in a model can use the target's values: Keras itself trains with any values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from trainables.errors import TrainablesError
from trainables.table.data import Table
from trainables.table.targets import MAX_CLASSES, MAX_CODES

BINARY = ("binarycrossentropy", "binaryfocalcrossentropy")
_CATEGORICAL = ("categoricalcrossentropy", "categoricalfocalcrossentropy")
_SPARSE = "sparsecategoricalcrossentropy"


class TargetError(TrainablesError, ValueError):
    """The model cannot be trained on the table's target; the message says why and what to change."""


def losses_of(model: Any, outputs: int, names: Sequence[str] | None) -> list[Any]:
    """Return what was passed to `compile` as the loss of each output; None where that is not known."""
    given = model.loss
    if isinstance(given, Mapping) and names:
        return [given.get(name) for name in names]
    if isinstance(given, list | tuple):
        return list(given) if len(given) == outputs else [None] * outputs
    return [None if isinstance(given, Mapping) else given] * outputs


def name_of(loss: Any) -> str:
    """Return the name of a loss, for messages."""
    return loss if isinstance(loss, str) else getattr(loss, "__name__", None) or type(loss).__name__


def check(loss: Any, width: int, table: Table, column: int | None) -> None:
    """Raise if a loss of Keras cannot use the target's values.

    Args:
        loss: as passed to `compile`; other losses are not checked.
        width: of the output; 0 if it is unknown.
        table: the data.
        column: the target's position, if the model has several outputs.

    Raises:
        TargetError: see the message.
    """
    kind = kind_of(loss, width)
    values = _values(table, column)
    if not kind or not width:
        return
    if values.ndim > 1 and values.shape[1] != width:
        raise TargetError(
            f"The model has {width} output{'s' * (width > 1)}, but there are {values.shape[1]} target columns: "
            f"{table.target}. Give the last layer {values.shape[1]} units."
        )
    takes_amounts = kind not in (_SPARSE, *_CATEGORICAL)
    if width == 1 and column is None and takes_amounts and are_names(table) and not _are_numbered(table):
        raise TargetError(
            f"{codes_mean_nothing(table)} {name_of(loss)} takes them for amounts. Use sparse_categorical_crossentropy, "
            f"and give the last layer {len(table.classes)} units with a softmax. If the classes are amounts, write these as "
            "numbers in the table."
        )
    if kind == _SPARSE:
        check_classes(width, table, column, name_of(loss))
    if kind in _CATEGORICAL and values.ndim == 1:
        if width == 1:
            mend = _by_task(width, table, column)
            raise TargetError(
                f"{name_of(loss)} needs an output for each class, but the model has 1 output. "
                f"{mend or 'Give the last layer a unit for each class, or use binary_crossentropy.'}"
            )
        check_classes(width, table, column, name_of(loss))
    if kind in BINARY and (width == 1 or values.ndim > 1):
        odd = values[(values < 0) | (values > 1)]
        if odd.size:
            are_two = values.ndim == 1 and column is None and len(np.unique(values)) == 2
            mend = "Write task: binary under data" if are_two else "Encode its classes as 0 and 1"
            raise TargetError(
                f'{name_of(loss)} needs a target from 0 to 1, but "{_title(table, column)}" has {odd.flat[0]:g}. '
                f"{mend}, or use another loss."
            )


def are_names(table: Table) -> bool:
    """Return whether the classes of the target are three or more texts, sorted by their letters alone."""
    classes = list(table.classes)
    is_of_one = table.y_train.ndim == 1 and len(classes) > 2
    are_texts = is_of_one and all(isinstance(label, str) for label in classes)
    return are_texts and not table.is_ordered and classes == sorted(classes)


def takes_codes(kind: str, table: Table) -> bool:
    """Return whether a loss of Keras takes the codes of texts for amounts, which may be meant, as with "1 star"."""
    return are_names(table) and _are_numbered(table) and kind not in (_SPARSE, *_CATEGORICAL)


def _are_numbered(table: Table) -> bool:
    """Return whether the classes are texts that begin with ascending numbers, such as "1 star" and "2 stars"."""
    found = [re.match(r"\s*(\d+)", str(label)) for label in table.classes]
    numbers = [int(match[1]) for match in found if match]
    return len(numbers) == len(found) and all(one < other for one, other in pairwise(numbers))


def codes_mean_nothing(table: Table) -> str:
    """Return that the codes of classes are no amounts."""
    shown = ", ".join(f"{label} is {code}" for code, label in enumerate(table.classes[:3]))
    return (
        f'The target "{table.target}" has {len(table.classes)} classes, whose codes follow the alphabet ({shown}, ...), but '
        "the model has 1 output:"
    )


def are_unnamed(table: Table, kind: str, width: int) -> bool:
    """Return whether a loss takes a target of amounts for classes, which are too many to be taken as such by themselves."""
    if table.classes or table.y_train.ndim > 1 or kind not in (_SPARSE, *_CATEGORICAL) or width <= MAX_CODES:
        return False
    distinct = np.unique(_values(table, None))
    return len(distinct) > MAX_CODES and np.array_equal(distinct, np.rint(distinct))


def check_classes(width: int, table: Table, column: int | None, loss: str = "") -> None:
    """Raise if the target's values are not whole numbers from 0 to `width` - 1."""
    values = _values(table, column)
    words = f"the model has {width} output{'s' * (width > 1)}, but the target"
    if len(table.classes) > width and column is None:
        labels = [str(label) for label in table.classes]
        shown = ", ".join(labels[:8]) + (", ..." if len(labels) > 8 else "")
        raise TargetError(
            f"{words} has {len(labels)} classes: {shown}. Give the last layer {len(labels)} units."
        )
    odd = values[(values < 0) | (values > width - 1) | (values != np.rint(values))]
    if odd.size:
        by = f"{loss} needs classes from 0 to {width - 1}: " if loss else ""
        mend = _by_task(width, table, column) if loss or len(np.unique(values)) == width else ""
        mend = mend or "Give the last layer a unit for each class, and number the classes from 0."
        raise TargetError(f'{by}{words} "{_title(table, column)}" has {odd.flat[0]:g}. {mend}')


def _by_task(width: int, table: Table, column: int | None) -> str:
    """Return what numbers the classes of a target that is learned as amounts; empty if it has classes or no whole numbers.

    The builder's argument `outputs` is 1 for amounts, so that the width of the model says nothing.
    """
    values = _values(table, column)
    distinct = np.unique(values)
    count = len(distinct)
    are_whole = np.array_equal(distinct, np.rint(distinct))
    if (
        values.ndim > 1
        or column is not None
        or table.classes
        or not (2 <= count <= MAX_CLASSES and are_whole)
    ):
        return ""
    mend = f"Write task: {'binary' if count == 2 else 'multiclass'} under data, which numbers its {count} values from 0"
    if count == width:
        return f"{mend}."
    if count == 2:
        return f"{mend}, and give the last layer 2 units."
    return f"{mend}. The last layer needs {count} units then: the argument outputs of a builder is {count}."


def kind_of(loss: Any, width: int) -> str:
    """Return the name of a loss of Keras, in small letters without underscores; empty for any other loss."""
    if loss is None or not (
        isinstance(loss, str)
        or str(getattr(loss, "__module__", None) or type(loss).__module__).startswith("keras.")
    ):
        return ""
    name = name_of(loss).lower().replace("_", "")
    return (BINARY[0] if width == 1 else _SPARSE) if name in ("crossentropy", "ce") else name


def _values(table: Table, column: int | None) -> np.ndarray:
    """Return the target of all rows: shape (rows,), or (rows, targets) if the model has one output for all."""
    values = np.concatenate([table.y_train, table.y_test])
    return values if column is None or values.ndim == 1 else values[:, column]


def _title(table: Table, column: int | None) -> str:
    return table.target if column is None or not table.targets else str(table.targets[column])
