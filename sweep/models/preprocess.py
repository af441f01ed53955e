"""Puts the preparation of raw columns into a model: layers of Keras that do what the recipe of the table does.

The model takes a dictionary: for each column of the table an array of the shape (rows, 1). A column of numbers takes
float32, a column of categories takes texts. A gap is NaN or the empty text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sweep.errors import InputError
from sweep.models.outputs import Link, as_probabilities
from sweep.models.preparation import Preparation
from trainables.table.recipe import Column, Recipe, texts_of

if TYPE_CHECKING:
    import keras

GAP = ""
"""The text of a gap."""


def with_preprocessing(model: keras.Model, prepared: Preparation) -> keras.Model:
    """Return a model of raw columns that predicts what `model` predicts for the features that the recipe makes of them.

    If the loss of `model` has from_logits=True, the new model returns the probabilities.

    Raises:
        InputError: the sweep was run on arrays, or layers of Keras cannot prepare a column.
    """
    recipe = checked_recipe(prepared)
    import keras

    from sweep.models.heads import by_key, has_heads, heads_of
    from sweep.models.predictions import Outputs

    inputs = {
        # Keras takes no layer's name with a slash.
        column.name: keras.Input(
            (1,), name=f"column_{number}" if "/" in column.name else column.name, dtype=_dtype(column)
        )
        for number, column in enumerate(recipe.columns)
    }
    parts, indicators = [], []
    for number, column in enumerate(recipe.columns):
        if column.features:
            parts.append(_encoded(column, inputs[column.name], f"preparation_{number}"))
        if column.indicates_gaps:
            indicators.append(_is_gap(column, inputs[column.name], f"preparation_{number}"))
    joined = [*parts, *indicators]
    features = keras.layers.Concatenate(name="preparation")(joined) if len(joined) > 1 else joined[0]
    outputs = model(features)
    found = by_key(outputs)
    heads = heads_of(model, outputs) if has_heads(outputs) else dict.fromkeys(found, model)
    links = {
        key: Outputs.of(heads[key], prepared.task, int(output.shape[-1])).link
        for key, output in found.items()
    }
    linked: Any = {
        key: output
        if links[key] is None
        else keras.layers.Activation(links[key], name=_numbered("preparation_link", number))(output)
        for number, (key, output) in enumerate(found.items())
    }
    if not isinstance(outputs, Mapping):
        linked = [*linked.values()] if isinstance(outputs, list | tuple) else linked[0]
    wrapped = keras.Model(inputs, linked)
    _prove(wrapped, model, recipe, links)
    return wrapped


def _numbered(name: str, number: int) -> str:
    return f"{name}_{number}" if number else name


def checked_recipe(prepared: Preparation) -> Recipe:
    """Return the recipe if layers of Keras can follow it.

    Raises:
        InputError: the sweep was run on arrays, or a column is hashed.
    """
    if prepared.recipe is None:
        raise InputError(
            "The sweep was run on arrays, which are not preprocessed. Export the model without --with-preprocessing."
        )
    hashed = [column.name for column in prepared.recipe.columns if column.kind == "hash"]
    if hashed:
        raise InputError(
            f"The columns {', '.join(map(repr, hashed))} are hashed (categories: hash), which no layer of Keras does in the "
            "same way. Export the model without --with-preprocessing, and predict by `sweep predict`."
        )
    for column in prepared.recipe.columns:
        if column.fill is not None and GAP in column.categories:
            raise InputError(
                f"The column {column.name!r} has gaps and the empty text as a category, which an exported model cannot tell "
                "apart. Export the model without --with-preprocessing."
            )
    return prepared.recipe


def raw_inputs(frame: pd.DataFrame, recipe: Recipe) -> dict[str, np.ndarray]:
    """Return raw rows as the exported model takes them.

    Args:
        frame: checked rows, from `Recipe.checked`.
        recipe: of the table.

    Returns:
        For each column, shape (rows, 1): float32, or texts.
    """
    found = {}
    for column in recipe.columns:
        values = frame[column.name]
        if column.is_number:
            array = values.to_numpy("float64", na_value=np.nan).astype("float32")
        else:
            gaps = values.isna().to_numpy()
            array = np.array(
                [GAP if gap else text for gap, text in zip(gaps, texts_of(values), strict=True)], object
            )
        found[column.name] = array[:, None]
    return found


def card_lines(prepared: Preparation, escape: Any, na: Sequence[str] = ()) -> list[str]:
    """Return the lines of a card about the raw columns.

    Args:
        prepared: of the table.
        escape: makes a text fit into a table of Markdown.
        na: the texts and numbers that mean gaps in the sweep's table.
    """
    recipe = checked_recipe(prepared)
    rows = []
    for column in recipe.columns:
        missing = "make the prediction NaN" if column.is_number else "are as other texts"
        gaps = missing if column.fill is None else f"become {column.fill}"
        if column.indicates_gaps:
            gaps += ", and an indicator is 1"
        unseen = {
            "number": "",
            "onehot": "all indicators are 0",
            "ordinal": f"the code {len(column.categories)}",
        }.get(column.kind, "")
        categories = ", ".join(column.categories[:20]) + (", ..." if len(column.categories) > 20 else "")
        rows.append(
            f"| {escape(column.name)} | {column.kind} | {escape(categories)} | {escape(gaps)} | {unseen} |"
        )
    about_na = []
    if na:
        texts = escape(", ".join(map(repr, na)))
        about_na = [
            "",
            f"In the sweep's table, {texts} meant gaps: give NaN, or the empty text, instead.",
        ]
    return [
        "The model takes raw columns, a dictionary of arrays of the shape (rows, 1): float32 for numbers, texts for "
        "categories. A gap is NaN, or the empty text. `sweep predict` leaves out blanks around texts; this model does not, "
        "so give it the texts without them, or as the table below has them.",
        *about_na,
        "",
        "| column | becomes | categories | gaps | other texts |",
        "|---|---|---|---|---|",
        *rows,
        "",
        *(
            [f"- Classes, in the order of their codes: {escape(', '.join(map(str, prepared.classes)))}"]
            if prepared.classes
            else []
        ),
    ]


def _dtype(column: Column) -> str:
    return "float32" if column.is_number else "string"


def _is_gap(column: Column, values: Any, name: str) -> Any:
    import keras

    if column.is_number:
        return keras.ops.cast(keras.ops.isnan(values), "float32")
    return keras.ops.cast(_lookup([GAP], f"{name}_gap", "int")(values), "float32")


def _encoded(column: Column, values: Any, name: str) -> Any:
    import keras

    ops = keras.ops
    if column.kind == "number":
        return (
            values
            if column.fill is None
            else ops.where(ops.isnan(values), float(np.float32(column.fill)), values)
        )
    count = len(column.categories)
    is_filled = column.fill is not None
    filled = column.categories.index(str(column.fill)) if is_filled else 0
    # Position 0 is for all other texts, and the last one for a gap that is filled.
    words = [*column.categories, GAP] if is_filled else list(column.categories)
    if column.kind == "ordinal":
        position = ops.cast(_lookup(words, f"{name}_lookup", "int")(values), "float32")
        codes = ops.where(ops.equal(position, 0.0), float(count), position - 1.0)
        return ops.where(ops.equal(position, float(count + 1)), float(filled), codes)
    ones = ops.cast(_lookup(words, f"{name}_lookup", "multi_hot")(values), "float32")
    if not is_filled:
        return ones[:, 1:]
    gap = ones[:, count + 1 :]
    parts = [ones[:, 1 : 1 + filled], ones[:, 1 + filled : 2 + filled] + gap, ones[:, 2 + filled : 1 + count]]
    parts = [part for part, width in zip(parts, (filled, 1, count - filled - 1), strict=True) if width]
    return keras.layers.Concatenate(name=f"{name}_indicators")(parts) if len(parts) > 1 else parts[0]


def _lookup(words: Sequence[str], name: str, mode: str) -> Any:
    """Return a layer with a position for each of the words, counted from 1; position 0 is for all other texts."""
    import keras

    other = "[UNK]"
    while other in words:
        other += "_"
    return keras.layers.StringLookup(
        vocabulary=list(words), num_oov_indices=1, oov_token=other, output_mode=mode, name=name
    )


def _prove(
    wrapped: keras.Model, model: keras.Model, recipe: Recipe, links: Mapping[Any, Link | None]
) -> None:
    """Check the layers on rows with each category, gaps, and texts that are no category.

    Raises:
        InputError: they predict something else than the recipe's features.
    """
    size = max([3, *(len(column.categories) + 2 for column in recipe.columns)])
    chance = np.random.default_rng(0)
    columns: dict[str, Any] = {}
    for number, column in enumerate(recipe.columns):
        gaps = [] if column.fill is None else [np.nan]
        if column.is_number:
            columns[column.name] = np.resize([*chance.normal(size=size), *gaps, number], size)[::-1].astype(
                "float64"
            )
        else:
            columns[column.name] = np.resize(np.array([*column.categories, "\x00", *gaps], object), size)
    frame = pd.DataFrame(columns)
    x, _ = recipe.encode(frame)
    from sweep.models.heads import by_key

    expected = by_key(model.predict(x, verbose=0))
    found = by_key(wrapped.predict(as_tensors(raw_inputs(frame, recipe)), verbose=0))
    if not all(
        np.allclose(found[key], as_probabilities(expected[key], link), rtol=1e-5, atol=1e-6, equal_nan=True)
        for key, link in links.items()
    ):
        raise InputError(
            "The layers for the preprocessing give other predictions than the sweep's preparation of the table, so "
            "nothing is written. Export the model without --with-preprocessing."
        )


def as_tensors(arrays: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return arrays as tensors: `Model.predict` takes no NumPy arrays of texts."""
    import tensorflow as tf

    return {
        name: tf.constant(array.tolist() if array.dtype == object else array)
        for name, array in arrays.items()
    }
