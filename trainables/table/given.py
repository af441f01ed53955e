"""Takes data from Python: arrays and data frames, as a user's function returns them or an .npz file holds them.

Forms
    a data frame                               one table, of which the plan names the target
    (x, y) or (x, y, weights)                  all rows
    (x_train, y_train), (x_test, y_test)       as `keras.datasets.*.load_data` return them
    a dictionary with the keys of `KEYS`       the same by name; the keys of an .npz file

Arrays are taken as they are: they may have any rank, and no column is encoded or left out. `x` may be a dictionary of arrays
for a model with several inputs, and `y` one for several outputs. In an .npz file their names are `x/NAME` and `y/NAME`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from trainables.source_file import run_file
from trainables.table import inputs
from trainables.table.inputs import Features
from trainables.table.marks import to_number
from trainables.table.spec import DataError, DataSpec

KEYS = ("x", "y", "weights", "x_test", "y_test", "weights_test")
"""The names of given arrays; `x_train`, `y_train` and `weights_train` are other names of the first three."""

_OF_COLUMNS = ("drop", "categories", "missing", "weight", "split.column", "test_path", "validation_path")
"""The keys of a plan's `data` that are about columns and files."""

_HARMLESS = ("drop", "categories", "missing")
"""Those that change nothing if there are no columns."""

DIGEST = "digest.json"
"""The file beside the data that `sweep.search` has written; their plan follows from a call in Python."""

WEIGHTS = "weights"
"""The name under which the weights of given rows are kept in `Table.weights`."""


@dataclass(frozen=True)
class Given:
    """Arrays of rows.

    Attributes:
        x: float32, shape (rows, ...), or a dictionary of such arrays.
        y: one column for each target.
        weights: float32, shape (rows,); None if rows have no weights.
        test: the same for the test rows; None if they are a share of the rows.
    """

    x: Features
    y: pd.DataFrame
    weights: np.ndarray | None = None
    test: Given | None = None

    @property
    def all_weights(self) -> np.ndarray | None:
        """The weights of all rows and then of the test rows; 1 where only the others have some, None if none have."""
        parts = [self] if self.test is None else [self, self.test]
        if all(part.weights is None for part in parts):
            return None
        return np.concatenate(
            [np.ones(len(part.y), np.float32) if part.weights is None else part.weights for part in parts]
        )

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        digest = hashlib.sha256()
        arrays = dict(self.x) if isinstance(self.x, Mapping) else {"": self.x}
        for name, array in (*arrays.items(), ("y", self.y.to_numpy(object)), ("weights", self.weights)):
            if array is None:
                continue
            digest.update(f"{name} {array.shape} {array.dtype}".encode())
            plain = array if array.dtype != object else np.array(list(map(repr, array.ravel())))
            digest.update(np.ascontiguousarray(plain).tobytes())
        if self.test is not None:
            digest.update(self.test.sha256.encode())
        return digest.hexdigest()


def save(found: Given, path: Path) -> None:
    """Write the arrays into an .npz file, from which `from_npz` reads the same."""
    arrays: dict[str, Any] = {}
    for ending, part in (("", found), ("_test", found.test)):
        if part is None:
            continue
        if isinstance(part.x, Mapping):
            arrays |= {f"x{ending}/{name}": array for name, array in part.x.items()}
        else:
            arrays[f"x{ending}"] = part.x
        # Texts are written as texts, because an array of objects would be code.
        columns = {
            name: column.to_numpy() if is_numeric_dtype(column) else np.array(column.tolist())
            for name, column in part.y.items()
        }
        several = len(columns) > 1
        arrays |= {
            f"y{ending}/{name}" if several else f"y{ending}": column for name, column in columns.items()
        }
        if part.weights is not None:
            arrays[f"weights{ending}"] = part.weights
    np.savez(path, **arrays)


def called(spec: DataSpec) -> Given | pd.DataFrame:
    """Return what the function that `spec.path` names returns.

    Raises:
        DataError: there is no such function, it fails, or it returns something else.
    """
    path, name = Path(spec.path.rpartition(":")[0]), spec.function
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. Correct data.path.")
    try:
        found = getattr(run_file(f"sweep_data_{path.stem}", path), name)()
    except Exception as error:  # the user's code
        raise DataError(
            f"{spec.path}: the function that returns the data failed ({type(error).__name__}: {error}). Correct it."
        ) from None
    return given(found, spec.path)


def from_npz(path: str, content: bytes) -> Given:
    """Return the arrays of an .npz file.

    Raises:
        DataError: they are no rows and targets.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            found: dict[str, Any] = {}
            for name in arrays.files:
                key, several, inner = name.partition("/")
                if several:
                    found.setdefault(key, {})[inner] = arrays[name]
                else:
                    found[name] = arrays[name]
    except (ValueError, OSError, EOFError) as error:
        raise DataError(f"{path}: cannot be read as arrays of NumPy ({error}). Correct data.path.") from None
    result = given(found, path)
    assert isinstance(result, Given)
    return result


def given(data: Any, name: str) -> Given | pd.DataFrame:
    """Return data in one of the forms above as `Given`, or the data frame.

    Args:
        data: the data.
        name: where they are from, for messages.

    Raises:
        DataError: they have another form, or their shapes do not fit together.
    """
    if isinstance(data, pd.DataFrame):
        return data
    named = by_name(_by_key(data, name), name)
    test = None
    if isinstance(named["x"], pd.DataFrame) and isinstance(named.get("x_test"), pd.DataFrame):
        named["x_test"] = _in_order(named["x_test"], named["x"], name)
    if named.get("x_test") is not None:
        test = _rows(named["x_test"], named["y_test"], named.get("weights_test"), f"{name}, the test rows")
    found = _rows(named["x"], named["y"], named.get("weights"), name)
    if test is not None and inputs.shape(test.x) != inputs.shape(found.x):
        raise DataError(
            f"{name}: a test row has the shape {inputs.shape(test.x)}, but a train row has {inputs.shape(found.x)}."
        )
    if test is not None and list(test.y.columns) != list(found.y.columns):
        raise DataError(f"{name}: y_test has the targets {list(test.y)}, but y has {list(found.y)}.")
    return Given(found.x, found.y, found.weights, test)


def _in_order(test: pd.DataFrame, train: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the test rows with their columns in the order of the train rows, since arrays have no names.

    Raises:
        DataError: a column is in one of the two only, or twice.
    """
    for label, frame in (("x", train), ("x_test", test)):
        if frame.columns.has_duplicates:
            twice = frame.columns[frame.columns.duplicated()][0]
            raise DataError(f"{name}: {label} has the column {twice!r} twice. Remove one.")
    for label, other, only in (
        ("x_test", "x", train.columns.difference(test.columns, sort=False)),
        ("x", "x_test", test.columns.difference(train.columns, sort=False)),
    ):
        if len(only):
            names = ", ".join(map(repr, only[:10]))
            raise DataError(
                f"{name}: {label} has no column {names}, as {other} has. Both need the same columns, in any order."
            )
    return test[list(train.columns)]


def by_name(data: Mapping[Any, Any], name: str) -> dict[str, Any]:
    """Return arrays by the names of `KEYS`.

    Args:
        data: the arrays by these names, or by their other names.
        name: where they are from, for messages.

    Raises:
        DataError: a name is unknown, is there twice, or lacks its pair.
    """
    named = {str(key): array for key, array in data.items()}
    for new in ("x", "y", "weights"):
        if f"{new}_train" in named:
            if new in named:
                raise DataError(
                    f"{name}: got the arrays {new!r} and '{new}_train', which are the same. Give one."
                )
            named[new] = named.pop(f"{new}_train")
    if unknown := sorted(set(named) - set(KEYS)):
        raise DataError(f"{name}: got the array {unknown[0]!r}, but the names are {', '.join(KEYS)}.")
    if missing := [key for key in ("x", "y") if named.get(key) is None]:
        raise DataError(f"{name}: the array {missing[0]!r} is missing. The names are {', '.join(KEYS)}.")
    if (named.get("x_test") is None) != (named.get("y_test") is None):
        raise DataError(f"{name}: of x_test and y_test there is only one. Give both, or neither.")
    if named.get("weights_test") is not None and named.get("x_test") is None:
        raise DataError(f"{name}: weights_test is given without x_test and y_test. Give all three, or none.")
    return named


def targets_of_plan(y: pd.DataFrame, spec: DataSpec) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the targets of arrays that the plan names, and notes.

    The name `y` means all. The plan's names are those of an array without any. One call of `sweep.search`, or an estimator
    in a pipeline, may be for data frames and arrays, so keys about columns that change nothing are a note there.

    Args:
        y: one column for each target.
        spec: what the plan says.

    Raises:
        DataError: there are no such targets, or the plan has keys that are for columns and files.
    """
    names, wrong = [str(name) for name in y.columns], []
    is_nameless = names in (["y"], [f"y{n}" for n in range(len(names))])
    if spec.targets == ("y",):
        pass  # all of them, although one may be called y
    elif set(spec.targets) <= set(names):
        y = y[list(spec.targets)]
    elif is_nameless and len(spec.targets) == len(names):
        y = y.set_axis(list(spec.targets), axis=1)
    else:
        some = ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")
        wrong.append(
            f"data.target got {spec.target!r}, but the targets of the arrays are {some}. Write their names, or target: y "
            "for all of them."
        )
    changed = {**spec.changed(), **({"split.column": spec.how.column} if spec.how.column is not None else {})}
    of_columns = {key: f"{key} ({changed[key]!r})" for key in _OF_COLUMNS if key in changed}
    if positions := [item for item in spec.drop or [] if isinstance(item, int)]:
        del of_columns["drop"]
        wrong.append(
            f"data.drop names the columns {', '.join(map(str, positions))} by position, but arrays are taken as they are. "
            f"Remove it, and leave them out of x, as by numpy.delete(x, {[item - 1 for item in positions]}, axis=1)."
        )
    notes: tuple[str, ...] = ()
    if (Path(spec.path).parent / DIGEST).is_file():
        harmless = [of_columns.pop(key) for key in _HARMLESS if key in of_columns]
        if harmless:
            notes = (
                f"Arrays have no columns, so these keys under data change nothing: {', '.join(harmless)}.",
            )
    if of_columns:
        wrong.append(
            "arrays have no columns or other files, so these keys under data have no meaning: "
            f"{', '.join(of_columns.values())}. Remove them. Give x_test, y_test and weights as arrays, and a data frame if "
            "its columns are to be prepared."
        )
    if wrong:
        raise DataError("\n".join(f"{spec.path}: {one}" for one in wrong))
    return y, notes


def told_of_gaps(found: Given, spec: DataSpec) -> str:
    """Return that features of arrays are numbers that mean gaps by `na`; empty if none are."""
    numbers = [number for text in spec.na or [] if not np.isnan(number := to_number(text))]
    for label, part in (("x", found), ("x_test", found.test)):
        arrays = {} if part is None else part.x if isinstance(part.x, Mapping) else {"": part.x}
        for name, array in arrays.items() if numbers else ():
            if (odd := np.isin(array, np.array(numbers, np.float32))).any():
                what = f"{label}[{name!r}]" if name else label
                row = int(np.argwhere(odd)[0][0])
                return (
                    f"{what} is {array[odd][0]:g} in row {row}, counted from 0, which data.na takes for a gap, but arrays "
                    "have none. Leave such rows out, fill them, or give a data frame and write missing: fill under data."
                )
    return ""


def _by_key(data: Any, name: str) -> dict[str, Any]:
    if isinstance(data, Mapping):
        return dict(data)
    if isinstance(data, tuple | list):
        if len(data) == 2 and all(isinstance(part, tuple | list) and len(part) in (2, 3) for part in data):
            train, test = data
            return {
                **dict(zip(("x", "y", "weights"), train, strict=False)),
                **dict(zip(("x_test", "y_test", "weights_test"), test, strict=False)),
            }
        if len(data) in (2, 3):
            return dict(zip(("x", "y", "weights"), data, strict=False))
    raise DataError(
        f"{name}: got {type(data).__name__}, but needs a data frame, (x, y), ((x_train, y_train), (x_test, y_test)) or a "
        f"dictionary with {', '.join(KEYS)}."
    )


def _rows(x: Any, y: Any, weights: Any, name: str) -> Given:
    found, wrong = {}, []
    for key, values in (x if isinstance(x, Mapping) else {"x": x}).items():
        label = f"x[{key!r}]" if isinstance(x, Mapping) else "x"
        if lengths := _lengths(values):
            wrong.append(
                f"{label} has rows of different lengths, such as {lengths[0]} and {lengths[1]}; pad them, as by "
                "keras.utils.pad_sequences(x)"
            )
            continue
        try:
            array = found[str(key)] = np.asarray(values, "float32")
        except (TypeError, ValueError) as error:
            wrong.append(f"{label} is not of numbers ({error}); give a data frame, whose texts are encoded")
            continue
        if np.ma.is_masked(values):
            wrong.append(
                f"{label} has masked values; fill them, or give a data frame with gaps in their place"
            )
        elif array.ndim < (1 if isinstance(x, Mapping) else 2):
            wrong.append(f"{label} has the shape {array.shape}, but needs (rows, ...)")
            del found[str(key)]
        elif not np.isfinite(array).all():
            odd = np.argwhere(~np.isfinite(array))[0]
            wrong.append(
                f"{label} is not finite in row {odd[0]}, counted from 0 ({array[tuple(odd)]}); leave such rows out, fill "
                "them, as by numpy.where(numpy.isfinite(x), x, 0), or give a data frame and write missing: fill under data"
            )
    for label, values in (("y has", y), ("the weights have", weights)):
        for one in values.values() if isinstance(values, Mapping) else [values]:
            if np.ma.is_masked(one):
                wrong.append(f"{label} masked values; leave these rows out")
    targets = _targets(y, wrong)
    sizes = {len(array) for array in found.values()}
    if len(sizes) > 1 or (sizes and targets is not None and sizes != {len(targets)}):
        listed = ", ".join(f"{len(array):,}" for array in found.values())
        wrong.append(f"x has {listed} rows, but y has {len(targets) if targets is not None else 0:,}")
    if weights is not None:
        weights = np.asarray(weights, "float32")
        if weights.shape != (max(sizes, default=0),) or not (np.isfinite(weights) & (weights >= 0)).all():
            wrong.append(f"the weights need the shape ({max(sizes, default=0)},), and numbers from 0")
        elif not weights.any():
            wrong.append("the weights are 0 in every row")
    if wrong or targets is None:
        raise DataError(f"{name}: {'; '.join(wrong)}. Correct the arrays.")
    return Given(found if isinstance(x, Mapping) else found["x"], targets, weights)


def _lengths(values: Any) -> tuple[int, int] | None:
    """Return two different lengths of rows that are sequences; None if they have one length, or are no sequences."""
    if isinstance(values, np.ndarray) and (values.dtype != object or not values.ndim):
        return None
    if not isinstance(values, np.ndarray | list | tuple | pd.Series):
        return None
    lengths = [
        len(row) if isinstance(row, list | tuple) or (isinstance(row, np.ndarray) and row.ndim) else -1
        for row in values
    ]
    other = next((length for length in lengths if length != lengths[0]), None)
    return None if other is None or min(lengths) < 0 else (lengths[0], other)


def _targets(y: Any, wrong: list[str]) -> pd.DataFrame | None:
    """Return a column for each target; None, and a sentence more in `wrong`, if `y` is something else."""
    if isinstance(y, Mapping):
        columns = {str(name): np.asarray(values) for name, values in y.items()}
        if any(column.ndim > 2 or column[:1].size > 1 for column in columns.values()):
            wrong.append("y is a dictionary, so each of its arrays needs the shape (rows,)")
            return None
        return pd.DataFrame({name: column.reshape(len(column)) for name, column in columns.items()})
    if isinstance(y, pd.DataFrame):
        names = y.columns.map(str)  # those of get_dummies may be numbers or truth values
        if names.has_duplicates:
            wrong.append(f"y has two columns with the name {names[names.duplicated()][0]!r}; rename one")
            return None
        return y.reset_index(drop=True).set_axis(names, axis=1)
    if lengths := _lengths(y):
        wrong.append(f"y has rows of different lengths, such as {lengths[0]} and {lengths[1]}")
        return None
    array = np.asarray(y)
    if array.dtype.kind == "S":  # texts, as some file formats keep them
        array = np.char.decode(array, "utf-8", "replace")
    if array.ndim not in (1, 2):
        wrong.append(f"y has the shape {array.shape}, but needs (rows,) or (rows, targets)")
        return None
    frame = pd.DataFrame(array[:, None] if array.ndim == 1 else array).infer_objects()
    frame.columns = pd.Index([f"y{n}" for n in range(frame.shape[1])] if frame.shape[1] > 1 else ["y"])
    return frame
