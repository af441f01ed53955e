"""The weights of a table's rows, as `Model.fit` takes them: by their classes, or from a column.

Terminology
    class_weight  a weight for each class, for the fitted rows only: `fit(class_weight=...)` of Keras
    weight        a column with a weight for each row, for the rows of all splits: `sample_weight=...` of Keras
    balanced      every class has the same sum of weights: `compute_class_weight("balanced")` of scikit-learn
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.settings import BALANCED, Fit
from trainables.table.data import Table


@dataclass(frozen=True)
class RowWeights:
    """The weights of rows: float32, shape (rows,), or None where every row counts once.

    Attributes:
        fitted: of the train rows that are fitted.
        validation: of the other train rows.
        train: of all train rows, for an evaluation on them.
        test: of the test rows.
    """

    fitted: np.ndarray | None = None
    validation: np.ndarray | None = None
    train: np.ndarray | None = None
    test: np.ndarray | None = None


def row_weights(fit: Fit, table: Table, rows: int) -> RowWeights:
    """Return the weights that a point's arguments of fit give the rows.

    Args:
        fit: the arguments.
        table: the data.
        rows: how many of the train rows are fitted.

    Raises:
        ValueError: the table has no such weights, or no such classes.
    """
    if fit.weight is not None:
        train, test = _column(fit.weight, table)
        return RowWeights(train[:rows], train[rows:], train, test)
    if fit.class_weight is not None:
        by_code = class_weights(fit.class_weight, table, rows)
        codes = np.rint(table.y_train[:rows]).astype(int).tolist()
        return RowWeights(np.array([by_code.get(code, 1.0) for code in codes], "float32"))
    return RowWeights()


def check_weights(fit: Fit, table: Table) -> None:
    """Raise if a table has not what the arguments of fit name.

    Raises:
        ValueError: see the message.
    """
    if fit.weight is not None:
        _column(fit.weight, table)
    if fit.class_weight is not None:
        class_weights(fit.class_weight, table, len(table.y_train))


def class_weights(class_weight: Any, table: Table, rows: int) -> dict[int, float]:
    """Return the weight of each class by its code; a class that is missing has the weight 1, as in Keras.

    Args:
        class_weight: "balanced", or weights by the labels of the classes, or by their codes if no label is among the keys.
        table: the data. Without classes, the whole numbers in its target are the codes.
        rows: how many of the train rows are fitted.

    Raises:
        ValueError: the target is no class, or a key is none of the classes.
    """
    codes = _codes(table)
    if class_weight == BALANCED:
        present, counts = np.unique(np.rint(table.y_train[:rows]).astype(int), return_counts=True)
        shares = rows / (len(present) * counts)
        return dict(zip(present.tolist(), shares.tolist(), strict=True))
    by_label = {text: code for code, label in enumerate(table.classes) for text in _texts(label)}
    by_code = {str(code): code for code in codes}
    given = {_key(key, by_label): float(value) for key, value in class_weight.items()}
    for known in (by_label, by_code):
        if set(given) <= set(known):
            return {known[key]: value for key, value in given.items()}
    known = by_label or by_code
    labels = [str(label) for label in table.classes] or list(by_code)
    shown = ", ".join(labels[:10]) + (", ..." if len(labels) > 10 else "")
    raise ValueError(
        f'class_weight names {", ".join(sorted(set(given) - set(known)))}, but the classes of "{table.target}" are '
        f"{shown}. Write class_weight: {{{labels[0]}: 1.0, {labels[-1]}: 2.0}}, or class_weight: balanced."
    )


def _codes(table: Table) -> list[int]:
    y = table.y_train
    remedy = 'Remove class_weight, or weight the rows by a column: "data: {weight: COLUMN}".'
    if y.ndim > 1:
        raise ValueError(
            f"class_weight needs one target with classes, but there are {y.shape[1]}: {table.target}. {remedy}"
        )
    if table.classes:
        return list(range(len(table.classes)))
    values = np.unique(y)
    if (values != np.rint(values)).any():
        odd = values[values != np.rint(values)][0]
        raise ValueError(
            f'class_weight needs a target with classes, but "{table.target}" has numbers such as {odd:g}. {remedy}'
        )
    return [int(value) for value in values]


_YAML_BOOLEANS = {"true": ("yes", "on"), "false": ("no", "off")}
"""How else YAML writes truth values, so that the key no of a mapping is False."""


def _key(key: Any, known: Mapping[str, int]) -> str:
    """Return the text of a key of `class_weight`: the label that it means, if there is one among `known`."""
    text = _texts(key)[-1]
    if text in known:
        return text
    if others := [label for label in known if label.lower() in _YAML_BOOLEANS.get(text.lower(), ())]:
        return others[0]
    try:
        return _texts(float(text))[-1]
    except (ValueError, OverflowError):
        return text


def _texts(label: Any) -> list[str]:
    """Return how a class may be written as a key: YAML and JSON write numbers and booleans in other ways than Python."""
    label = label.item() if isinstance(label, np.generic) else label
    texts = [str(label)]
    if isinstance(label, bool):
        texts.append(str(label).lower())
    elif isinstance(label, float) and label.is_integer():
        texts.append(str(int(label)))
    return texts


def _column(name: str, table: Table) -> tuple[np.ndarray, np.ndarray]:
    weights: Mapping[str, tuple[np.ndarray, np.ndarray]] = table.weights
    if name not in weights:
        known = f"The weights are {', '.join(weights)}." if weights else "The table has none."
        raise ValueError(
            f'weight got "{name}", but the table has no such column of weights. {known} '
            'Name the column in data: "data: {weight: COLUMN}".'
        )
    train, test = weights[name]
    return np.asarray(train, "float32"), np.asarray(test, "float32")
