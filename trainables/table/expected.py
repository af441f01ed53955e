"""Says what is known of a table before its file is read, and which texts of the file mean gaps.

A file has no gaps as a data frame has them: an empty field and texts such as NA are read as gaps. In a column of texts, such
a text may be a value of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

import pandas as pd

from trainables.table.spec import DataSpec

NA_TEXTS = (
    "", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>", "N/A", "NA", "NULL",
    "NaN", "None", "n/a", "nan", "null",
)  # fmt: skip
"""The texts that pandas reads as gaps."""


@dataclass(frozen=True)
class Expected:
    """What is known of a table before its file is read.

    Attributes:
        names: columns that are surely there.
        texts: columns that hold texts, even if all of them look like numbers or truth values; and of each the texts that are
            values, even if they look like gaps.
    """

    names: Collection[str] = ()
    texts: Mapping[str, Collection[str]] = field(default_factory=dict)

    def are_names(self, names: Collection[str]) -> bool:
        """Return whether the texts of a file's first line surely are the names of columns."""
        return bool(self.names) and set(self.names) <= set(names)


NOTHING = Expected()
"""Nothing is known."""


def with_texts(
    frame: pd.DataFrame, written: Callable[[list[int]], pd.DataFrame], spec: DataSpec, expected: Expected
) -> tuple[pd.DataFrame, dict[str, dict[str, int]]]:
    """Return a table with the texts that are values and not gaps; and of each column, how many gaps are from which texts.

    Args:
        frame: the table with all texts that may mean gaps as gaps.
        written: returns the columns at some positions as they are written in the file; only the texts of `spec.na` are gaps.
        spec: says whether texts such as NA are gaps in columns of texts.
        expected: says which texts are values.
    """
    kinds = [_holds_texts(frame.iloc[:, position]) for position in range(frame.shape[1])]
    positions = [n for n, is_text in enumerate(kinds) if is_text and frame.iloc[:, n].isna().any()]
    if not positions:
        return frame, {}
    frame, raw, counts = frame.copy(deep=False), written(positions), {}
    for position, name in zip(positions, raw.columns, strict=True):
        label = str(frame.columns[position])
        values, texts = frame[label], raw[name]
        was_read_as_gap = values.isna() & texts.notna()
        known = texts.isin([text.strip() for text in expected.texts.get(label, ())])
        stays = was_read_as_gap & (known | ((texts != "") & (not spec.keep_default_na)))
        if stays.any():
            frame[label] = values.where(~stays, texts)
        if found := texts[was_read_as_gap & ~stays & (texts != "")].value_counts().to_dict():
            counts[label] = {str(text): int(count) for text, count in found.items()}
    return frame, counts


def _holds_texts(values: pd.Series) -> bool:
    """Return whether a column holds texts, maybe beside numbers, as a sheet can have them."""
    if isinstance(values.dtype, pd.StringDtype):
        return True
    return values.dtype == object and any(isinstance(value, str) for value in values)
