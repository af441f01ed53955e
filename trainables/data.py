"""The table a sweep trains on: found, checked, turned into float32 arrays and split, the same way every time.

The rules are those of the reference task: text columns become indicator columns (`pandas.get_dummies`), the
train rows are `DataFrame.sample(frac=1 - test_fraction, random_state=split_seed)`, the test rows are the rest
in file order. `Model.fit` takes the validation rows off the end of the train rows.
"""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

ABALONE_PATH = Path(__file__).parent / "abalone.data"
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


class DataError(ValueError):
    """The table cannot be used; the message names the file, the place in it, and the remedy."""


@dataclass(frozen=True)
class DataSpec:
    """Where the table is and how to read and split it.

    Args:
        path: a .csv (or .data, .tsv, .txt) or .parquet file.
        target: name of the numeric column to predict.
        test_fraction: share of the rows kept for the test, between 0 and 1.
        split_seed: seed of the train/test split.
        header: whether the first line of a text file holds the columns' names.
        columns: the columns' names where `header` is false.
        drop: columns to leave out, such as an identifier.
        delimiter: what separates the fields of a text file.
        encoding: the encoding of a text file.

    Raises:
        DataError: an option is out of its range or contradicts another.
    """

    path: str
    target: str
    test_fraction: float = 0.2
    split_seed: int = 0
    header: bool = True
    columns: list[str] | None = None
    drop: list[str] | None = None
    delimiter: str = ","
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if not 0 < self.test_fraction < 1:
            raise DataError(
                f"data.test_fraction got {self.test_fraction}, but needs a share between 0 and 1, such as 0.2."
            )
        if not 0 <= self.split_seed < 2**32:
            raise DataError(
                f"data.split_seed got {self.split_seed}, but needs an integer from 0 to 2**32 - 1."
            )
        if len(self.delimiter) != 1:
            raise DataError(f'data.delimiter got {self.delimiter!r}, but needs one character, such as ";".')
        if self.header and self.columns is not None:
            raise DataError(
                "data.columns is given, but data.header is true. "
                "Set header: false if the file has no line of names, or remove columns."
            )
        if not self.header and self.columns is None and not self.is_parquet:
            raise DataError(
                "data.header is false, so data.columns must name the columns, in the file's order."
            )

    @property
    def is_parquet(self) -> bool:
        """Whether the file is read as Parquet."""
        return Path(self.path).suffix.lower() in (".parquet", ".pq")


ABALONE = DataSpec(
    path=str(ABALONE_PATH), target="Rings", header=False, columns=list(ABALONE_COLUMNS), test_fraction=0.2
)


@dataclass(frozen=True)
class Table:
    """A table ready to train on.

    Attributes:
        x_train: float32, shape (train rows, features).
        y_train: float32, shape (train rows,).
        x_test: float32, shape (test rows, features).
        y_test: float32, shape (test rows,).
        features: the features' names, in the arrays' order.
        target: the target's name.
        sha256: of the file's bytes, in hexadecimal.
    """

    x_train: np.ndarray
    y_train: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    features: tuple[str, ...]
    target: str
    sha256: str


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
    frame = _read_parquet(path) if spec.is_parquet else _read_text(path, spec)
    # The line of row 0 in an editor: after the header, counted from 1; Parquet rows count from 1.
    first_row = 2 if spec.header and not spec.is_parquet else 1
    frame = _without(frame, spec, path)
    _check_target(frame, spec.target, path, first_row)
    _check_features(frame.drop(columns=spec.target), path, first_row)
    encoded = pd.get_dummies(frame, prefix_sep="_")
    # get_dummies names an indicator COLUMN_VALUE, which another column may be called already.
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
    arrays: dict[str, np.ndarray] = {}
    for part, rows in (("train", train), ("test", test)):
        arrays[f"x_{part}"] = rows[features].to_numpy("float32")
        arrays[f"y_{part}"] = rows[spec.target].to_numpy("float32")
    return Table(**arrays, features=tuple(map(str, features)), target=spec.target, sha256=sha256)


def _read_parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path).reset_index(drop=True)
    except Exception as error:  # pyarrow raises many kinds
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read as Parquet ({reason}). Correct data.path.") from None


def _read_text(path: Path, spec: DataSpec) -> pd.DataFrame:
    # Spreadsheets begin a UTF-8 file with a byte order mark, which is no part of the first name.
    encoding = "utf-8-sig" if spec.encoding.lower() in ("utf-8", "utf8") else spec.encoding
    try:
        with path.open(encoding=encoding, newline="") as file:
            first = next(csv.reader(file, delimiter=spec.delimiter), None)
            for _ in file:  # decode the whole file, so that a wrong byte is found here
                pass
    except UnicodeDecodeError as error:
        line = path.read_bytes().count(b"\n", 0, _offset_of_bad_byte(path, encoding)) + 1
        raise DataError(
            f"{path}: line {line} is not {spec.encoding} (byte 0x{error.object[error.start]:02x}). "
            "Set data.encoding, such as latin-1, or save the file as UTF-8."
        ) from None
    except LookupError:
        raise DataError(
            f'data.encoding got "{spec.encoding}", which is no encoding. Use utf-8, for example.'
        ) from None
    except csv.Error as error:
        raise DataError(f"{path}: line 1 is not delimited text ({error}). Correct data.path.") from None
    if not first:
        raise DataError(f"{path}: the file is empty, but needs a table. Correct data.path.")
    names = [name.strip() for name in first] if spec.header else list(spec.columns or [])
    if len(first) == 1 and (other := _likelier_delimiter(first[0], spec.delimiter)):
        raise DataError(
            f'{path}: line 1 has one field when split at "{spec.delimiter}", but looks split at '
            f"{other!r}. Set data.delimiter: {other!r}."
        )
    if len(names) != len(first):
        raise DataError(
            f"{path}: line 1 has {len(first)} fields, but data.columns names {len(names)}. "
            "Name every column of the file, in its order."
        )
    if spec.header and all(map(_is_number, names)):
        raise DataError(
            f"{path}: line 1 should hold the columns' names, but holds only numbers ({', '.join(names[:4])}, ...). "
            "Set data.header: false and name the columns in data.columns."
        )
    _check_names(names, path)
    try:
        return pd.read_csv(
            path,
            header=None,
            names=names,
            index_col=False,
            skiprows=1 if spec.header else 0,
            sep=spec.delimiter,
            encoding=encoding,
            skipinitialspace=True,
            low_memory=False,
            on_bad_lines="error",
        )
    except pd.errors.EmptyDataError:
        raise DataError(f"{path}: there is no row below the names. Correct data.path.") from None
    except (pd.errors.ParserError, ValueError) as error:
        reason = str(error).removeprefix("Error tokenizing data. C error: ").strip()
        raise DataError(f"{path}: {reason}. Every line needs the {len(names)} fields of the first.") from None


def _offset_of_bad_byte(path: Path, encoding: str) -> int:
    try:
        path.read_bytes().decode(encoding)
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _likelier_delimiter(line: str, delimiter: str) -> str | None:
    counts = {other: line.count(other) for other in ",;\t|" if other != delimiter}
    best = max(counts, key=lambda other: counts[other])
    return best if counts[best] else None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _check_names(names: list[str], path: Path) -> None:
    seen: set[str] = set()
    for place, name in enumerate(names, start=1):
        if not name:
            raise DataError(
                f"{path}: column {place} has no name. Name every column, or drop it from the file."
            )
        if name in seen:
            raise DataError(
                f'{path}: two columns are called "{name}" (the second is column {place}). Rename one.'
            )
        seen.add(name)


def _without(frame: pd.DataFrame, spec: DataSpec, path: Path) -> pd.DataFrame:
    frame.columns = frame.columns.map(str)
    _check_names(list(frame.columns), path)
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


def _check_target(frame: pd.DataFrame, target: str, path: Path, first_row: int) -> None:
    values = frame[target]
    _check_missing(values, path, first_row)
    numbers = pd.to_numeric(values, errors="coerce")
    if not pd.api.types.is_numeric_dtype(values) or numbers.isna().any():
        row = int(numbers.isna().to_numpy().argmax()) if numbers.isna().any() else 0
        raise DataError(
            f'{path}: the target "{target}" is {_shown(values, row)} in row {row + first_row}, but needs a number in '
            "every row. Encode the target as numbers, or name another column in data.target."
        )
    _check_finite(values, path, first_row)
    if values.nunique() == 1:
        raise DataError(
            f'{path}: the target "{target}" is {_shown(values, 0)} in every row, so there is nothing to learn. '
            "Name another column in data.target."
        )


def _check_features(features: pd.DataFrame, path: Path, first_row: int) -> None:
    for name in features.columns:
        values = features[name]
        remedy = f'Correct it, or leave it out with data.drop: ["{name}"].'
        if values.isna().all():
            raise DataError(f'{path}: column "{name}" is empty in every row. {remedy}')
        _check_missing(values, path, first_row)
        if pd.api.types.is_bool_dtype(values) or pd.api.types.is_numeric_dtype(values):
            _check_finite(values, path, first_row)
        elif pd.api.types.is_datetime64_any_dtype(values) or pd.api.types.is_timedelta64_dtype(values):
            raise DataError(
                f'{path}: column "{name}" holds times, but a feature is a number or a text. {remedy}'
            )
        else:
            _check_categories(values, path, first_row, remedy)
        if values.astype(str).nunique() == 1:
            raise DataError(f'{path}: column "{name}" is {_shown(values, 0)} in every row. {remedy}')


def _check_categories(values: pd.Series, path: Path, first_row: int, remedy: str) -> None:
    numbers = pd.to_numeric(values, errors="coerce")
    if 0 < numbers.isna().sum() <= 0.1 * len(values):  # a numeric column with a few slips
        row = int(numbers.isna().to_numpy().argmax())
        raise DataError(
            f'{path}: column "{values.name}" is {_shown(values, row)} in row {row + first_row}, '
            f"but a number in most rows. {remedy}"
        )
    if (distinct := values.astype(str).nunique()) > MAX_CATEGORIES:
        raise DataError(
            f'{path}: column "{values.name}" has {distinct:,} different texts, but an indicator column is made for '
            f"each, at most {MAX_CATEGORIES}. {remedy}"
        )


def _shown(values: pd.Series, row: int) -> str:
    value = values.iloc[row]
    return repr(value.item() if isinstance(value, np.generic) else value)


def _check_missing(values: pd.Series, path: Path, first_row: int) -> None:
    missing = values.isna().to_numpy()
    if missing.any():
        raise DataError(
            f'{path}: column "{values.name}" has no value in row {int(missing.argmax()) + first_row} '
            f"({int(missing.sum()):,} missing in all). Fill or remove these rows first."
        )


def _check_finite(values: pd.Series, path: Path, first_row: int) -> None:
    # Beyond float32's range counts as infinite, since that is what training would see.
    with np.errstate(over="ignore"):
        finite = np.isfinite(values.to_numpy("float32"))
    if not finite.all():
        row = int(finite.argmin())
        raise DataError(
            f'{path}: column "{values.name}" is {_shown(values, row)} in row {row + first_row}, '
            "but needs a finite number that float32 can hold. Correct or remove this row."
        )
