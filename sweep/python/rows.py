"""Takes the rows of a search from Python and turns them into files of full precision, which a plan can name.

Data frames become Parquet or Feather files, arrays an .npz file. A table's rows are then prepared as those of any file.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq

from sweep.errors import InputError
from sweep.python.frames import categories_of, file_of
from trainables.table.data import DataError
from trainables.table.given import Given, by_name, given

WEIGHT = "sample_weight"
"""The name of the column with given weights."""


@dataclass
class Rows:
    """The files of given rows.

    Attributes:
        files: the content of each file, by its name.
        spec: the keys of a plan's `data` that follow; paths are the names of the files.
        digest: SHA-256 of the content of the rows, in hexadecimal.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    spec: dict[str, Any] = field(default_factory=dict)
    digest: str = ""


def rows_of(x: Any, y: Any = None, weights: Any = None, validation: Any = None) -> Rows:
    """Return the files of given rows.

    Args:
        x: a data frame; an array, or a dictionary with one for each input; `(x_train, y_train)`, or both pairs of
            `keras.datasets.*.load_data()`; or a dictionary of x, y, weights, x_test, y_test and weights_test.
        y: for a data frame, the name of its target or a list of names, or values for its rows; for arrays, the targets, or a
            dictionary with those of each output; if x is `(x_train, y_train)`, `(x_test, y_test)`.
        weights: of the rows in loss and weighted metrics; for a data frame, also the name of a column.
        validation: `(x, y)` or `(x, y, weights)` of the validation rows.

    Raises:
        InputError: the message names everything that is wrong.
    """
    train, test = _parts(x, y, weights)
    if isinstance(validation, pd.DataFrame):
        validation = (validation,)  # with the targets of x
    if validation is not None and not isinstance(validation, tuple | list):
        raise InputError(
            f"validation_data got {type(validation).__name__}, but needs (x, y) or (x, y, weights)."
        )
    parts = {"data": train, "test": test, "validation": None if validation is None else tuple(validation)}
    if wrong := [line for name, part in parts.items() for line in _unfit(part or (), name)]:
        raise InputError("\n".join(wrong))
    try:
        if isinstance(train[0], pd.DataFrame):
            return _of_frames({name: part for name, part in parts.items() if part is not None})
        return _of_arrays(train, test, parts["validation"])
    except DataError as error:
        raise InputError(str(error)) from None


def _parts(x: Any, y: Any, weights: Any) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
    """Return the train rows and the test rows, each as (x, y) or (x, y, weights)."""
    if isinstance(x, Mapping) and y is None and all({key, f"{key}_train"} & {*x} for key in ("x", "y")):
        return _of_keys(x, weights)
    if isinstance(x, tuple) and len(x) == 2 and y is None and all(isinstance(part, tuple) for part in x):
        return _parts(x[0], x[1], weights)
    if isinstance(x, tuple) and len(x) in (2, 3) and (y is None or isinstance(y, tuple)):
        train = (*x, weights) if weights is not None and len(x) == 2 else x
        return train, y
    return (x, y, weights), None


def _of_keys(data: Mapping[Any, Any], weights: Any) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
    """Return the train rows and the test rows of a dictionary that has them by the names of `given`.

    Raises:
        InputError: a name is unknown, or half of a pair is missing, or there are two arrays of weights.
    """
    try:
        named = by_name(data, "x")
    except DataError as error:
        raise InputError(str(error)) from None
    if weights is not None and named.get("weights") is not None:
        raise InputError("x has the key 'weights', and sample_weight is given, too. Remove one.")
    train = (named["x"], named["y"], named.get("weights") if weights is None else weights)
    if named.get("x_test") is None:
        return train, None
    return train, (named["x_test"], named["y_test"], named.get("weights_test"))


def _unfit(part: tuple[Any, ...], name: str) -> list[str]:
    """Return what is wrong with the kinds of the values of a part, whatever x is."""
    wrong = []
    of_rows = "" if name == "data" else f" of the {name} rows"
    is_frame = bool(part) and isinstance(part[0], pd.DataFrame)
    for label, value in zip(("x", "y", "sample_weight"), part, strict=False):
        what = f"{label}{of_rows}"
        if isinstance(value, Mapping):
            if label == "sample_weight":
                wrong.append(f"{what} is a dictionary, but needs one weight for each row, shape (rows,).")
            elif label == "y" and is_frame:
                wrong.append(
                    f"{what} is a dictionary, but x is a data frame. Give pandas.DataFrame(y), or the names of the targets "
                    "in x."
                )
            elif not value:
                wrong.append(f"{what} is an empty dictionary, but needs an array for each input or output.")
            else:
                for key, one in value.items():
                    named = f"{label}[{key!r}]"
                    wrong += _unfit_values(one, f"{named}{of_rows}", named, label == "x", True)
            continue
        if label == "y" and isinstance(value, str) and part and isinstance(part[0], Mapping):
            wrong.append(
                f"{what} got {value!r}, the name of a column, but x is a dictionary of arrays, one for each input. Give the "
                "targets; or, if x has the columns of one table, give pandas.DataFrame(x)."
            )
            continue
        wrong += _unfit_values(value, what, label, label == "x", False)
    return wrong


def _unfit_values(value: Any, what: str, argument: str, is_x: bool, is_one_of_several: bool) -> list[str]:
    """Return what is wrong with one array or frame.

    Args:
        value: the array or frame.
        what: its name, with the part whose rows it has.
        argument: its name as Python, for remedies.
        is_x: whether it has features.
        is_one_of_several: whether it is the array of one input or output, so that a data frame is no remedy.
    """
    if hasattr(value, "nnz") and hasattr(value, "toarray"):
        return [f"{what} is a sparse matrix, but needs all values. Give {argument}.toarray()."]
    if np.ma.is_masked(value):
        has_remedy = is_x and not is_one_of_several
        remedy = ", or give a data frame with gaps and data={'missing': 'fill'}." if has_remedy else "."
        return [f"{what} has masked values. Leave these rows out{remedy}"]
    if is_x and isinstance(value, np.ndarray | pd.DataFrame) and not len(value):
        return [f"{what} has no rows."]
    return []


def _of_frames(parts: Mapping[str, tuple[Any, ...]]) -> Rows:
    found, wrong, digest = Rows(), [], hashlib.sha256()
    targets: list[str] | None = None
    for name, part in parts.items():
        what = "x" if name == "data" else f"the {name} rows"
        try:
            frame, names, weight = _joined(*part, what=what, targets=targets)
        except InputError as error:
            wrong.append(str(error))
            continue
        if targets is None:
            targets = names
            found.spec["target"] = names[0] if len(names) == 1 else names
            if weight:
                found.spec["weight"] = weight
        ending, content = file_of(frame, what, wrong)
        index = part[0].index
        if content and any(label is not None for label in index.names):
            with contextlib.suppress(pa.ArrowException):  # no file can hold its values, so no plan can use it
                content = _with_index(frame, index, ending)
            digest.update(repr(index.names).encode())
            digest.update(pd.util.hash_pandas_object(index).to_numpy().tobytes())
        key = "path" if name == "data" else f"{name}_path"
        found.files[f"{name}{ending}"], found.spec[key] = content, f"{name}{ending}"
        described = [(str(column), str(kind)) for column, kind in frame.dtypes.items()]
        digest.update(repr((name, described, *categories_of(frame))).encode())
        try:
            digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
        except TypeError:  # values that cannot be hashed, such as lists; the table refuses them later
            digest.update(content)
    if wrong:
        raise InputError("\n".join(wrong))
    found.digest = digest.hexdigest()
    return found


def _with_index(frame: pd.DataFrame, index: pd.Index, ending: str) -> bytes:
    """Return the content of the file of a table with its index, which is no column, but which the plan may name."""
    table, buffer = pa.Table.from_pandas(frame.set_axis(index)), io.BytesIO()
    pq.write_table(table, buffer) if ending == ".parquet" else pyarrow.feather.write_feather(table, buffer)
    return buffer.getvalue()


def _joined(
    x: Any, y: Any = None, weights: Any = None, *, what: str, targets: list[str] | None
) -> tuple[pd.DataFrame, list[str], str | None]:
    """Return one part's rows as one table, the names of its targets, and the name of its column of weights."""
    if not isinstance(x, pd.DataFrame):
        raise InputError(f"{what} got {type(x).__name__}, but needs a data frame, as the train rows are one.")
    if isinstance(x.columns, pd.MultiIndex):
        raise InputError(f"{what} has columns with names of several levels. Give each column one name.")
    frame = x.reset_index(drop=True).set_axis(x.columns.map(str), axis=1)
    wrong = [
        f"{what} has the column {name!r} twice. Rename one."
        for name in frame.columns[frame.columns.duplicated()]
    ]
    if y is None and targets is None:
        wrong.append(
            "y is missing. Give the name of the target column in x, a list of several names, or a Series of targets."
        )
    if isinstance(y, list | tuple) and len(y) == len(frame) and not {*map(str, y)} <= {*frame.columns}:
        y = pd.Series(list(y))  # the values of the rows, which may be texts
    if np.isscalar(y):  # a column may have a number for its name
        y = str(y)
    elif isinstance(y, list | tuple) and len(y) != len(frame) and {*map(str, y)} <= {*frame.columns}:
        y = [str(name) for name in y]
    named = [y] if isinstance(y, str) else list(y) if isinstance(y, list | tuple) else None
    if y is None:
        named = targets or []
    if named is not None and all(isinstance(name, str) for name in named):
        wrong += [
            f"{what} has no column {name!r}, which y names. It has {', '.join(frame.columns[:20])}."
            for name in named
            if name not in frame.columns
        ]
        names = named
    else:
        values = (
            y.reset_index(drop=True)
            if isinstance(y, pd.DataFrame | pd.Series)
            else pd.DataFrame(np.asarray(y))
        )
        if isinstance(values, pd.Series):
            values = values.to_frame(values.name if values.name is not None else "y")
        elif not isinstance(y, pd.DataFrame):
            labels = targets or (["y"] if values.shape[1] == 1 else [f"y{n}" for n in range(values.shape[1])])
            values = values.set_axis(labels[: values.shape[1]], axis=1)
        values = values.set_axis(values.columns.map(str), axis=1)
        names = list(values.columns)
        if targets is not None and names != targets and len(names) == len(targets):
            values, names = values.set_axis(targets, axis=1), targets
        if len(values) != len(frame):
            wrong.append(f"{what} has {len(frame):,} rows, but its y has {len(values):,}.")
        if twice := [name for name in names if name in frame.columns]:
            shown = ", ".join(map(repr, twice[:20]))
            wrong.append(
                f"{what} has a column {shown}, and y has this name, too. Leave it out of x, or rename y."
                if len(twice) == 1
                else f"{what} has the columns {shown}, and y has these names, too. Give as y only the names of the targets "
                "in x, or leave the targets out of x."
            )
        if not wrong:
            frame = pd.concat([frame, values], axis=1)
    weight = None
    if isinstance(weights, str):
        weight = weights
        if weights not in frame.columns:
            wrong.append(f"{what} has no column {weights!r}, which the weights name.")
    elif weights is not None:
        array, weight = np.asarray(weights), WEIGHT
        if array.shape != (len(frame),):
            wrong.append(f"the weights of {what} have the shape {array.shape}, but need ({len(frame):,},).")
        elif WEIGHT in frame.columns:
            wrong.append(
                f"{what} has a column {WEIGHT!r}, and weights are given, too. Rename it, or name it as the weights."
            )
        else:
            frame[WEIGHT] = array
    if wrong:
        raise InputError("\n".join(wrong))
    return frame, names, weight


def _of_arrays(
    train: tuple[Any, ...], test: tuple[Any, ...] | None, validation: tuple[Any, ...] | None
) -> Rows:
    if train[1] is None:
        raise InputError("y is missing. Give the targets of the rows, shape (rows,) or (rows, targets).")
    for part in (train, validation, test):
        if part is not None and len(part) > 2 and isinstance(part[2], str):
            raise InputError(
                f"sample_weight got {part[2]!r}, the name of a column, but x is an array. Give the weights, shape (rows,)."
            )
    found, named = Rows(spec={"path": "data.npz", "target": "y"}), _named(train, "")
    if validation is not None:
        if test is None:
            raise InputError(
                "validation_data of arrays need test rows, too: give x=(x_train, y_train), y=(x_test, y_test). Without "
                "them, leave validation_data out: the rows are split at random."
            )
        more = _named(validation, "")
        given(_nested(more), "validation_data")
        if lacking := set(named) ^ set(more):
            raise InputError(
                f"Of the train rows and validation_data, only one has {', '.join(sorted(lacking))}. Give both."
            )
        before = _count(named)
        named = {key: np.concatenate([named[key], more[key]]) for key in named}
        count = _count(named)
        # Half a row less than the share, so that no rounding moves a row.
        found.spec["split"] = {"validation": (count - before - 0.5) / count}
    if test is not None:
        named |= _named(test, "_test")
    checked = given(_nested(named), "x")
    assert isinstance(checked, Given)
    buffer = io.BytesIO()
    stored: dict[str, Any] = {key: _storable(value) for key, value in named.items()}
    np.savez(buffer, **stored)
    found.files["data.npz"], found.digest = buffer.getvalue(), checked.sha256
    return found


def _named(part: tuple[Any, ...], ending: str) -> dict[str, np.ndarray]:
    """Return the arrays of a part by their names in an .npz file: that of an input is x/NAME."""
    found: dict[str, np.ndarray] = {}
    for name, value in zip(("x", "y", "weights"), part, strict=False):
        if isinstance(value, Mapping):
            found |= {f"{name}{ending}/{key}": np.asarray(one) for key, one in value.items()}
        elif value is not None:
            found[f"{name}{ending}"] = np.asarray(value)
    return found


def _nested(named: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Return arrays of such names as a dictionary of arrays and dictionaries, as `given` takes them."""
    found: dict[str, Any] = {}
    for name, array in named.items():
        key, several, inner = name.partition("/")
        if several:
            found.setdefault(key, {})[inner] = array
        else:
            found[key] = array
    return found


def _count(named: Mapping[str, np.ndarray]) -> int:
    """Return the number of rows."""
    return len(next(array for name, array in named.items() if name.partition("/")[0] == "x"))


def _storable(array: np.ndarray) -> np.ndarray:
    """Return an array that a file can hold without pickling: objects are texts or numbers."""
    if array.dtype != object:
        return array
    kinds = {type(value) for value in array.ravel().tolist()}
    if kinds <= {str}:
        return array.astype(str)
    if kinds <= {int, float, bool}:
        return np.array(array.tolist())
    raise InputError(
        f"y holds values of the types {', '.join(sorted(kind.__name__ for kind in kinds))}, but needs texts or numbers."
    )
