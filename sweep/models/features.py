"""Takes features that are given as arrays to predict, and checks that they have the shapes of the sweep's features."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import numpy as np

from sweep.errors import InputError
from sweep.models.preparation import Preparation
from trainables.table.data import DataError
from trainables.table.given import from_npz
from trainables.table.inputs import Features, in_words


def of_array(table: Any, prepared: Preparation, name: str) -> np.ndarray:
    """Return an array of features, float32, shape (rows, ...).

    Args:
        table: the features.
        prepared: says what the sweep's features are.
        name: where they are from, for messages.

    Raises:
        InputError: they are no numbers, or have another shape.
    """
    if isinstance(prepared.shape, Mapping):
        raise InputError(
            f"{name} is {type(table).__name__}, but the model has several inputs. Give {prepared.described}."
        )
    or_frame = "Give a data frame of raw rows to have them prepared"
    try:
        array = np.asarray(table, "float32")
    except (TypeError, ValueError) as error:
        remedy = f"{or_frame}, or" if prepared.recipe else "Give"
        raise InputError(f"{name} is no array of numbers ({error}). {remedy} {prepared.described}.") from None
    if not array.ndim or array.shape[1:] != prepared.shape:
        names = (
            f", the features in their order: {', '.join(prepared.recipe.features)}" if prepared.recipe else ""
        )
        remedy = f" {or_frame}." if prepared.recipe else ""
        raise InputError(
            f"{name} has the shape {array.shape}, but needs {prepared.described}{names}.{remedy}"
        )
    return array


def of_inputs(
    table: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], name: str
) -> dict[str, np.ndarray]:
    """Return an array for each input of a model, float32, shape (rows, ...).

    Args:
        table: the arrays by the names of the inputs.
        shapes: of one row, for each input.
        name: where they are from, for messages.

    Raises:
        InputError: the message names each input that is missing, unknown, or has no numbers or another shape.
    """
    wrong = [f"there is no array {key!r}" for key in shapes if key not in table]
    wrong += [f"{key!r} is no input" for key in table if key not in shapes]
    found = {}
    for key, shape in shapes.items():
        if key not in table:
            continue
        try:
            array = found[key] = np.asarray(table[key], "float32")
        except (TypeError, ValueError) as error:
            wrong.append(f"{key!r} is no array of numbers ({error})")
            continue
        if not array.ndim or array.shape[1:] != shape:
            wrong.append(f"{key!r} has the shape {array.shape}")
    counts = {key: len(array) for key, array in found.items() if array.ndim}
    if len(set(counts.values())) > 1:
        wrong.append(
            f"the arrays have {', '.join(f'{count:,} ({key})' for key, count in counts.items())} rows"
        )
    if wrong:
        needed = ", ".join(f"{key} {in_words(shape)}" for key, shape in shapes.items())
        raise InputError(f"{name}: {'; '.join(wrong)}. The model needs an array for each input: {needed}.")
    return found


def of_npz(path: str, content: bytes) -> Features:
    """Return the array x of an .npz file, or the arrays x/NAME by their names.

    Raises:
        DataError: there are no such arrays.
    """
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            if any(key.partition("/")[0] == "y" for key in arrays.files):
                return from_npz(path, content).x
            inputs = {key.removeprefix("x/"): arrays[key] for key in arrays.files if key.startswith("x/")}
            return inputs or np.asarray(arrays["x"], "float32")
    except (ValueError, OSError, EOFError, KeyError) as error:
        raise DataError(
            f"{path}: has no array x of numbers ({error}). Save it by numpy.savez(path, x=x); for a model with several "
            'inputs by numpy.savez(path, **{"x/NAME": array, ...}).'
        ) from None


def remedy_of(prepared: Preparation) -> str:
    """Return how a table becomes the features, as the end of a sentence."""
    if isinstance(prepared.shape, Mapping):
        return ', or an .npz file with the arrays "x/NAME"'
    return ": table.to_numpy(), or an .npz file with the array x"
