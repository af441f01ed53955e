"""Takes data from Python: arrays and data frames, as a user's function returns them or an .npz file holds them.

Forms
    a data frame                               one table, of which the plan names the target
    (x, y) or (x, y, weights)                  all rows
    (x_train, y_train), (x_test, y_test)       as `keras.datasets.*.load_data` return them
    a dictionary with the keys of `KEYS`       the same by name; the keys of an .npz file

Arrays are taken as they are: they may have any rank, and no column is encoded or left out.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trainables.table.spec import DataError, DataSpec

KEYS = ("x", "y", "weights", "x_test", "y_test", "weights_test")
"""The names of given arrays; `x_train`, `y_train` and `weights_train` are other names of the first three."""

WEIGHTS = "weights"
"""The name under which the weights of given rows are kept in `Table.weights`."""


@dataclass(frozen=True)
class Given:
    """Arrays of rows.

    Attributes:
        x: float32, shape (rows, ...).
        y: shape (rows,) or (rows, targets).
        weights: float32, shape (rows,); None if rows have no weights.
        test: the same for the test rows; None if they are a share of the rows.
    """

    x: np.ndarray
    y: pd.DataFrame
    weights: np.ndarray | None = None
    test: Given | None = None

    @property
    def sha256(self) -> str:
        """SHA-256 of the content, in hexadecimal."""
        digest = hashlib.sha256()
        for array in (self.x, self.y.to_numpy(object), self.weights):
            if array is None:
                continue
            digest.update(f"{array.shape} {array.dtype}".encode())
            plain = array if array.dtype != object else np.array(list(map(repr, array.ravel())))
            digest.update(np.ascontiguousarray(plain).tobytes())
        if self.test is not None:
            digest.update(self.test.sha256.encode())
        return digest.hexdigest()


def called(spec: DataSpec) -> Given | pd.DataFrame:
    """Return what the function that `spec.path` names returns.

    Raises:
        DataError: there is no such function, it fails, or it returns something else.
    """
    path, name = Path(spec.path.rpartition(":")[0]), spec.function
    if not path.is_file():
        raise DataError(f"{path}: there is no such file. Correct data.path.")
    module_spec = importlib.util.spec_from_file_location(f"sweep_data_{path.stem}", path)
    assert module_spec is not None and module_spec.loader is not None
    module = importlib.util.module_from_spec(module_spec)
    try:
        module_spec.loader.exec_module(module)
        found = getattr(module, name)()
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
            found = {name: arrays[name] for name in arrays.files}
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
    named = _by_key(data, name)
    for new in ("x", "y", "weights"):
        if f"{new}_train" in named:
            named[new] = named.pop(f"{new}_train")
    if unknown := sorted(set(named) - set(KEYS)):
        raise DataError(f"{name}: got the array {unknown[0]!r}, but the names are {', '.join(KEYS)}.")
    if missing := [key for key in ("x", "y") if named.get(key) is None]:
        raise DataError(f"{name}: the array {missing[0]!r} is missing. The names are {', '.join(KEYS)}.")
    if (named.get("x_test") is None) != (named.get("y_test") is None):
        raise DataError(f"{name}: of x_test and y_test there is only one. Give both, or neither.")
    test = None
    if named.get("x_test") is not None:
        test = _rows(named["x_test"], named["y_test"], named.get("weights_test"), f"{name}, the test rows")
    found = _rows(named["x"], named["y"], named.get("weights"), name)
    if test is not None and test.x.shape[1:] != found.x.shape[1:]:
        raise DataError(
            f"{name}: a test row has the shape {test.x.shape[1:]}, but a train row has {found.x.shape[1:]}."
        )
    return Given(found.x, found.y, found.weights, test)


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
    if isinstance(x, Mapping):
        raise DataError(
            f"{name}: x is a dictionary of several inputs, but one array is needed. Join the inputs."
        )
    try:
        x = np.asarray(x, "float32")
    except (TypeError, ValueError) as error:
        raise DataError(
            f"{name}: x is not of numbers ({error}). Give a data frame, whose texts are encoded."
        ) from None
    y = y if isinstance(y, pd.DataFrame) else pd.DataFrame(np.asarray(y).reshape(len(y), -1))
    y = y.reset_index(drop=True)
    y.columns = pd.Index([f"y{number}" if y.shape[1] > 1 else "y" for number in range(y.shape[1])])
    wrong = []
    if x.ndim < 2:
        wrong.append(f"x has the shape {x.shape}, but needs (rows, ...)")
    if len(x) != len(y):
        wrong.append(f"x has {len(x):,} rows, but y has {len(y):,}")
    if not np.isfinite(x).all():
        wrong.append(f"x is not finite in row {int(np.argwhere(~np.isfinite(x))[0][0])}, counted from 0")
    if weights is not None:
        weights = np.asarray(weights, "float32")
        if weights.shape != (len(x),) or not (np.isfinite(weights) & (weights >= 0)).all():
            wrong.append(f"the weights need the shape ({len(x)},), and numbers from 0")
    if wrong:
        raise DataError(f"{name}: {'; '.join(wrong)}. Correct the arrays.")
    return Given(x, y.infer_objects(), weights)
