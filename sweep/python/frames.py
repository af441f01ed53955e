"""Writes a data frame of a session into a file that keeps the kinds of its columns.

A frame becomes a Parquet file. If it has categories that are no texts, it becomes a Feather file, because Parquet would make
them plain numbers.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import pandas as pd


def file_of(frame: pd.DataFrame, what: str, wrong: list[str]) -> tuple[str, bytes]:
    """Return the ending and the content of the file of a table, or add to `wrong` why it cannot be stored."""
    kinds = [kind for kind in frame.dtypes if isinstance(kind, pd.CategoricalDtype)]
    of_texts = all(isinstance(label, str) for kind in kinds for label in kind.categories)
    kind, ending = ("Parquet", ".parquet") if of_texts else ("Feather", ".feather")

    def written(some: pd.DataFrame) -> bytes:
        buffer = io.BytesIO()
        some.to_parquet(buffer, index=False) if of_texts else some.to_feather(buffer)
        return buffer.getvalue()

    try:
        return ending, written(frame)
    except Exception as error:  # pyarrow raises many types
        of_all = error
    of_each: dict[str, Exception] = {}
    for column in frame:
        try:
            written(frame[[column]])
        except Exception as error:
            of_each[f"the column {column!r}"] = error
    for where, reason in (of_each or {"some column": of_all}).items():
        words = str(reason.args[0] if reason.args else reason).splitlines()[0]
        wrong.append(
            f"{what} cannot be stored as {kind}: {where} ({words}). Give each column values of one type: numbers, truth "
            "values or texts."
        )
    return ending, b""


def categories_of(frame: pd.DataFrame) -> Iterator[tuple[str, list[Any], bool]]:
    """Yield the categories that have an order of their own, or that earlier versions took for numbers."""
    for name, kind in frame.dtypes.items():
        if isinstance(kind, pd.CategoricalDtype):
            labels = kind.categories.tolist()
            texts = [label for label in labels if isinstance(label, str)]
            if kind.ordered or texts != labels or texts != sorted(texts):
                yield str(name), labels, bool(kind.ordered)
