"""Reads the table of a sweep, checks it, turns it into float32 arrays and splits it, the same way every time.

The rules are those of the reference task: text columns become indicator columns (`pandas.get_dummies`), the
train rows are `DataFrame.sample(frac=1 - test_fraction, random_state=split_seed)`, the test rows are the rest
in file order. `Model.fit` takes the validation rows from the end of the train rows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from trainables.table import readers
from trainables.table.readers import DataError, DataSpec, TargetShape

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
MIN_ROWS = 20
MAX_CATEGORIES = 100


ABALONE = DataSpec(
    path=str(ABALONE_PATH), target="Rings", header=False, columns=list(ABALONE_COLUMNS), test_fraction=0.2
)


Task = Literal["regression", "binary", "multiclass", "multilabel"]
"""What is learned: numbers, one of two classes, one of several classes, or several yes-or-no answers."""


@dataclass(frozen=True)
class Table:
    """A table ready to train on.

    The validation rows are the last of the train rows.

    Attributes:
        x_train: float32, shape (train rows, features).
        y_train: float32, shape (train rows,), or (train rows, targets) if there are several. Classes are their codes.
        x_test: float32, shape (test rows, features).
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
        target_shape: the shape in which models take the target: auto, flat, column or onehot; see `builder.target`.
        notes: what the user must know about the preparation of the table, a sentence each.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
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
    target_shape: TargetShape = "auto"
    notes: tuple[str, ...] = ()


def load(spec: DataSpec) -> Table:
    """Read, check, encode and split the table that `spec` names.

    Raises:
        DataError: the file cannot be read as a table, or a column cannot be trained on.
    """
    path = Path(spec.path)
    try:
        sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file. Correct data.path.") from None
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Correct data.path or its rights."
        ) from None
    frame = readers.read(spec)
    frame = _without(frame, spec, path)
    _check_target(frame, spec.target, path)
    _check_features(frame.drop(columns=spec.target), path)
    encoded = pd.get_dummies(frame, prefix_sep="_")
    # get_dummies names an indicator column COLUMN_VALUE; another column may have that name already.
    if not encoded.columns.is_unique:
        name = encoded.columns[encoded.columns.duplicated()][0]
        raise DataError(
            f'{path}: an indicator column would be called "{name}", as another column is. Rename it.'
        )
    train = encoded.sample(frac=1 - spec.test_fraction, random_state=spec.split_seed)
    test = encoded.drop(train.index)
    if len(train) < 2 or len(test) < 1:
        raise DataError(
            f"{path}: {len(frame)} rows with test_fraction={spec.test_fraction} leave {len(train)} to train on and "
            f"{len(test)} to test on, but both need some. Change data.test_fraction."
        )
    features = encoded.columns.drop(spec.target)
    groups = _groups(frame, features)
    arrays: dict[str, Any] = {}
    for part, rows in (("train", train), ("test", test)):
        arrays[f"x_{part}"] = rows[features].to_numpy("float32")
        arrays[f"y_{part}"] = rows[spec.target].to_numpy("float32")
    names = tuple(map(str, features))
    return Table(
        **arrays,
        features=names,
        target=spec.target,
        sha256=sha256,
        groups=groups,
        target_shape=spec.target_shape,
    )


def _groups(frame: pd.DataFrame, features: pd.Index) -> dict[str, tuple[int, ...]]:
    """Return, for each column of `frame` that became indicator columns, their positions among the features."""
    groups = {}
    for name in frame.columns:
        # Names do not suffice: "a_b_c" may be from a column "a", from "a_b", or a numeric column of that name.
        made = pd.get_dummies(frame[[name]], prefix_sep="_").columns
        if list(made) != [name]:
            groups[str(name)] = tuple(int(position) for position in features.get_indexer(made))
    return groups


def _without(frame: pd.DataFrame, spec: DataSpec, path: Path) -> pd.DataFrame:
    for key, names in (("drop", spec.drop or []), ("target", [spec.target])):
        for name in names:
            if name not in frame.columns:
                raise DataError(
                    f'{path}: there is no column "{name}", which data.{key} names. '
                    f"The columns are: {', '.join(frame.columns[:30])}."
                )
    if spec.target in (spec.drop or []):
        raise DataError(f'data.drop names the target "{spec.target}". Remove it from one of the two.')
    frame = frame.drop(columns=spec.drop or [])
    if len(frame) < MIN_ROWS:
        raise DataError(
            f"{path}: the table has {len(frame)} rows, but needs at least {MIN_ROWS}. Give more data."
        )
    if frame.shape[1] < 2:
        raise DataError(
            f'{path}: beside the target "{spec.target}" there is no column to learn from. Add one.'
        )
    return frame


def _check_target(frame: pd.DataFrame, target: str, path: Path) -> None:
    values = frame[target]
    _check_missing(values, path)
    numbers = _to_numbers(values)
    if not pd.api.types.is_numeric_dtype(values) or numbers.isna().any():
        row = int(numbers.isna().to_numpy().argmax()) if numbers.isna().any() else 0
        raise DataError(
            f'{path}: the target "{target}" is {_shown(values, row)} in row {values.index[row]}, but needs a number in '
            "every row. Encode the target as numbers, or name another column in data.target."
        )
    _check_finite(values, path)
    if values.nunique() == 1:
        raise DataError(
            f'{path}: the target "{target}" is {_shown(values, 0)} in every row, so there is nothing to learn. '
            "Name another column in data.target."
        )


def _check_features(features: pd.DataFrame, path: Path) -> None:
    for name in features.columns:
        values = features[name]
        remedy = f'Correct it, or leave it out with data.drop: ["{name}"].'
        if values.isna().all():
            raise DataError(f'{path}: column "{name}" is empty in every row. {remedy}')
        _check_missing(values, path)
        if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
            _check_finite(values, path)
        elif odd := {type(value).__name__ for value in values} - {"str", "int", "float", "bool"}:
            raise DataError(
                f'{path}: column "{name}" holds values of type {min(odd)}, but a feature is a number or a text. '
                f"{remedy}"
            )
        else:
            _check_categories(values, path, remedy)
        if values.astype(str).nunique() == 1:
            raise DataError(f'{path}: column "{name}" is {_shown(values, 0)} in every row. {remedy}')


def _check_categories(values: pd.Series, path: Path, remedy: str) -> None:
    texts = values.astype(str)
    with_points = _to_numbers(texts.str.replace(",", ".", regex=False))
    if texts.str.contains(",").any() and with_points.notna().mean() >= 0.9:
        raise DataError(
            f'{path}: column "{values.name}" looks like numbers with commas, such as {_shown(values, 0)}. '
            f"Write them with a decimal point and nothing else. {remedy}"
        )
    numbers = _to_numbers(values)
    if 0 < numbers.isna().sum() <= 0.1 * len(values):  # a numeric column with a few mistakes
        row = int(numbers.isna().to_numpy().argmax())
        raise DataError(
            f'{path}: column "{values.name}" is {_shown(values, row)} in row {values.index[row]}, '
            f"but a number in most rows. {remedy}"
        )
    if (distinct := values.astype(str).nunique()) > MAX_CATEGORIES:
        raise DataError(
            f'{path}: column "{values.name}" has {distinct:,} different texts, but an indicator column is made for '
            f"each, at most {MAX_CATEGORIES}. {remedy}"
        )


def _to_numbers(values: pd.Series) -> pd.Series:
    """Return `values` as floats: NaN for each that is no number or too large for a float."""
    if pd.api.types.is_numeric_dtype(values):
        return values.astype("float64")
    return pd.Series([_to_number(value) for value in values], values.index, dtype="float64")


def _to_number(value: object) -> float:
    try:
        return float(value)  # type: ignore[arg-type]  # any type
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def _shown(values: pd.Series, row: int) -> str:
    value = values.iloc[row]
    return repr(value.item() if isinstance(value, np.generic) else value)


def _check_missing(values: pd.Series, path: Path) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        raise DataError(
            f'{path}: column "{values.name}" has no value in row {values.index[int(missing.argmax())]} '
            f"({int(missing.sum()):,} missing in all). Fill or remove these rows first."
        )


def _check_finite(values: pd.Series, path: Path) -> None:
    # A number outside float32's range counts as infinite, because it would be infinite in training.
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.to_numpy("float32"))
    if not finite.all():
        row = int(finite.argmin())
        raise DataError(
            f'{path}: column "{values.name}" is {_shown(values, row)} in row {values.index[row]}, '
            "but needs a finite number that float32 can hold. Correct or remove this row."
        )
