"""The recipe of a table: what each of its columns becomes. It is fitted on the train rows and applied to any raw rows.

Terminology
    feature     one column of the array that a model is trained on
    indicator   a feature that is 1 in the rows of one category, or in the rows with a gap, and 0 in the others
    unseen      said of a category that no train row has: all of its column's indicators are 0
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from trainables.table.expected import NA_TEXTS, Expected
from trainables.table.spec import EXCEL, DataError, DataSpec

BUCKETS = 32
"""The indicators of a column that is hashed."""


def counted_row(position: int) -> str:
    """Return the number of the row at `position`, from 1, for messages about rows that are from no file."""
    return str(position + 1)


@dataclass(frozen=True)
class Column:
    """What one column becomes.

    Attributes:
        name: of the column.
        kind: number; onehot, ordinal or hash for categories; gaps if only the indicator of gaps differs among train rows.
        categories: the categories of the train rows as texts, in the order of the features or codes; of a hashed column, the
            numbers of the buckets that differ among the train rows.
        fill: what takes the place of a gap: a number or a category; None if a gap is an error.
        indicates_gaps: whether a feature says in which rows the gaps were.
        raw: what the categories were in the train rows: texts, or numbers and truth values; None if an earlier version
            fitted the recipe.
        kept: of a hashed column, the texts of the train rows that a file would change: those with blanks around them, and
            those that mean gaps there; None if an earlier version fitted the recipe.
    """

    name: str
    kind: Literal["number", "onehot", "ordinal", "hash", "gaps"]
    categories: tuple[str, ...] = ()
    fill: float | str | None = None
    indicates_gaps: bool = False
    raw: Literal["text", "number"] | None = None
    kept: tuple[str, ...] | None = None

    @property
    def features(self) -> tuple[str, ...]:
        """The names of the features that the values become."""
        if self.kind == "onehot":
            return tuple(f"{self.name}_{category}" for category in self.categories)
        if self.kind == "hash":
            return tuple(f"{self.name}_hash{bucket}" for bucket in self.categories)
        return () if self.kind == "gaps" else (self.name,)

    @property
    def is_number(self) -> bool:
        """Whether the raw values are numbers."""
        return self.kind == "number" or isinstance(self.fill, float)

    @property
    def texts(self) -> tuple[str, ...]:
        """The texts that are known to be categories; of a hashed column, those that a file would change."""
        if self.kind == "hash":
            return self.kept or ()
        if self.raw == "number":
            return ()
        return self.categories or ((self.fill,) if isinstance(self.fill, str) else ())

    def encode(self, values: pd.Series, into: np.ndarray) -> np.ndarray:
        """Write the features into `into`, float32, shape (rows, features), which is 0. Return which rows are unseen.

        An unseen category has the code after the last one if it is ordinal. A text that is a category only without the
        blanks around it, or only with some, is this category: readers of files keep blanks or leave them out.
        """
        unseen = np.zeros(len(values), bool)
        if self.kind == "number":
            numbers = values.to_numpy("float64", na_value=np.nan)
            into[:, 0] = numbers if self.fill is None else np.where(np.isnan(numbers), self.fill, numbers)
            return unseen
        if self.kind == "gaps":
            return unseen
        if self.kind == "hash":
            into[:] = hashed(self._as_trained(values), self.fill)[:, list(map(int, self.categories))]
            return unseen
        gaps = values.isna().to_numpy()
        numbers, distinct = pd.factorize(self._as_trained(values))  # -1 for a gap
        codes = np.append(self._codes(texts_of(pd.Series(distinct))), -1)[numbers]
        if self.fill is not None and gaps.any():
            codes[gaps] = self.categories.index(str(self.fill))
        unseen = (codes < 0) & ~gaps
        if self.kind == "ordinal":
            into[:, 0] = np.where(codes < 0, len(self.categories), codes)
        else:
            rows = np.flatnonzero(codes >= 0)
            into[rows, codes[rows]] = 1
        return unseen

    def _as_trained(self, values: pd.Series) -> pd.Series:
        """Return categories as in the train rows: texts that mean numbers or truth values, such as 2.0 and TRUE, as these.

        Hashed texts have those blanks around them that they had in the train rows.
        """
        if pd.api.types.is_numeric_dtype(values):
            return values
        if self.raw == "number":
            return values.astype(object).map(lambda value: _plain(str(value)), na_action="ignore")
        if self.kind != "hash" or self.kept is None:
            return values
        kept, bare = set(self.kept), _by_bare_text(self.kept)
        numbers, distinct = pd.factorize(values)  # -1 for a gap
        texts = [
            text if text in kept else self.kept[bare[text.strip()]] if text.strip() in bare else text.strip()
            for text in texts_of(pd.Series(distinct))
        ]
        return pd.Series(np.array([*texts, None], object)[numbers], index=values.index, dtype=object)

    def _codes(self, texts: Sequence[str]) -> np.ndarray:
        """Return the position of each text among the categories, -1 for those that are unseen."""
        found = pd.Index(self.categories, dtype=object).get_indexer(pd.Index(texts, dtype=object))
        if (found < 0).any():
            bare = _by_bare_text(self.categories)
            for position in np.flatnonzero(found < 0).tolist():
                found[position] = bare.get(texts[position].strip(), -1)
        return found

    def gaps_in(self, values: pd.Series, spec: DataSpec) -> list[str]:
        """Return the different texts of raw values that mean gaps, as they did in the sweep's table that `spec` names."""
        if pd.api.types.is_numeric_dtype(values):
            return []
        meant = {text.strip() for text in spec.na or []}
        is_from_file = spec.is_text or spec.ending in EXCEL
        if self.is_number:
            meant |= {*NA_TEXTS}
        elif is_from_file and self.fill is not None and (self.kind != "hash" or self.kept is not None):
            # Without a fill a gap is refused, but an unseen text is told.
            meant |= {*NA_TEXTS} if spec.keep_default_na else {""}
        meant -= set(map(str.strip, self.texts))
        return [text for text in values.dropna().unique() if isinstance(text, str) and text.strip() in meant]


@dataclass(frozen=True)
class Recipe:
    """What all columns of a table become.

    Attributes:
        columns: in the order of their features; the indicators of gaps follow at the end.
        targets: the names of the target columns.
        classes: the label of each code of the target; empty for numbers.
    """

    columns: tuple[Column, ...]
    targets: tuple[str, ...]
    classes: tuple[Any, ...] = ()
    positions: Mapping[str, tuple[int, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        ends = np.cumsum([0, *(len(column.features) for column in self.columns)]).tolist()
        spans = zip(self.columns, ends[:-1], ends[1:], strict=True)
        object.__setattr__(
            self, "positions", {column.name: tuple(range(start, end)) for column, start, end in spans}
        )

    @property
    def features(self) -> tuple[str, ...]:
        """The features' names, in the order of the array."""
        made = [name for column in self.columns for name in column.features]
        return (*made, *(f"{column.name}_missing" for column in self.columns if column.indicates_gaps))

    @property
    def groups(self) -> dict[str, tuple[int, ...]]:
        """For each column that became several features, their positions."""
        kinds = {column.name: column.kind for column in self.columns}
        return {name: span for name, span in self.positions.items() if kinds[name] in ("onehot", "hash")}

    @property
    def expected(self) -> Expected:
        """What is known of a table that the recipe is for: its columns, and the texts that are categories or classes."""
        texts: dict[str, Collection[str]] = {
            column.name: column.texts
            for column in self.columns
            # An earlier version did not say that categories were texts, but NA was no number.
            if column.raw == "text" or not set(map(str.strip, column.texts)).isdisjoint(NA_TEXTS)
        }
        if len(self.targets) == 1 and (labels := [label for label in self.classes if isinstance(label, str)]):
            texts[self.targets[0]] = labels
        return Expected(tuple(column.name for column in self.columns), texts)

    @property
    def are_numbers(self) -> dict[str, bool]:
        """Whether the columns hold numbers, or categories that were numbers; without those of which nothing says it."""
        return {
            column.name: column.is_number or column.raw == "number"
            for column in self.columns
            if column.is_number or column.raw is not None
        }

    def encode(
        self, frame: pd.DataFrame, rows: np.ndarray | None = None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Return the features of raw rows, and where they have unseen categories.

        Args:
            frame: has every column of the recipe; their order does not matter, and others are ignored.
            rows: positions of the rows to encode; None for all.

        Returns:
            float32, shape (rows, features); and for each column with unseen categories, bool, shape (rows,).
        """
        rows = np.arange(len(frame)) if rows is None else rows
        # In the order of pandas, because a sum over the rows has other bits in another order.
        array = np.zeros((len(rows), len(self.features)), np.float32, order="F")
        unseen = {}
        for column in self.columns:  # one after another, because a copy of all rows may not fit into memory
            first, count = next(iter(self.positions[column.name]), 0), len(self.positions[column.name])
            new = column.encode(frame[column.name].iloc[rows], array[:, first : first + count])
            if new.any():
                unseen[column.name] = new
        indicated = [column.name for column in self.columns if column.indicates_gaps]
        for position, name in enumerate(indicated, len(self.features) - len(indicated)):
            array[:, position] = frame[name].isna().to_numpy()[rows]
        return array, unseen

    def with_gaps(self, frame: pd.DataFrame, spec: DataSpec) -> pd.DataFrame:
        """Return raw rows, in which texts are gaps that were gaps in the file of the sweep's table.

        Args:
            frame: the rows.
            spec: of the sweep's table.
        """
        frame = frame.copy(deep=False)
        for column in self.columns:
            if column.name in frame.columns and (gaps := column.gaps_in(frame[column.name], spec)):
                frame[column.name] = frame[column.name].mask(frame[column.name].isin(gaps))
        return frame

    def checked(
        self, frame: pd.DataFrame, name: str, row: Callable[[int], str] = counted_row
    ) -> pd.DataFrame:
        """Return raw rows for `encode`: columns found by name, numbers as numbers.

        Args:
            frame: the rows.
            name: where they are from, for messages.
            row: returns where the row at a position is, for messages.

        Raises:
            DataError: columns are missing, hold texts instead of numbers, or have gaps that the recipe does not fill.
        """
        missing = [column.name for column in self.columns if column.name not in frame.columns]
        if missing:
            raise DataError(
                f"{name}: there is no column {', '.join(map(repr, missing))}. "
                f"The model needs {', '.join(column.name for column in self.columns)}, in any order. Add what is missing."
            )
        found, wrong = {}, []
        for column in self.columns:
            values = frame[column.name]
            # Else they would become their nanoseconds.
            if column.is_number and values.dtype.kind in "mM":
                wrong.append(f'column "{column.name}" holds dates or spans of time, but needs numbers')
                continue
            if column.is_number and not pd.api.types.is_numeric_dtype(values):
                numbers = pd.to_numeric(values, errors="coerce")
                if (bad := numbers.isna() & values.notna()).any():
                    wrong.append(
                        f'column "{column.name}" is {values[bad].iloc[0]!r} in row {row(_first(bad))}, but needs a number'
                    )
                values = numbers
            if column.fill is None and (gaps := frame[column.name].isna()).any():
                wrong.append(
                    f'column "{column.name}" has no value in row {row(_first(gaps))} ({gaps.sum():,} missing in all)'
                )
            found[column.name] = values
        if wrong:
            raise DataError(f"{name}: {'; '.join(wrong)}. Correct these rows, or leave them out.")
        return pd.DataFrame(found)

    def labels(self, codes: np.ndarray) -> np.ndarray:
        """Return the class labels of codes, object, of the same shape."""
        return np.array(self.classes, object)[np.asarray(codes, int)]

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe as plain data for JSON."""
        return {
            "columns": [
                # By identity, because a fill of 0 equals False.
                {
                    name: value
                    for name, value in vars(column).items()
                    if value is not None and value is not False and (value != () or name == "kept")
                }
                for column in self.columns
            ],
            "targets": list(self.targets),
            "classes": list(self.classes),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Recipe:
        """Return the recipe of which `to_dict` returned `data`."""
        columns = [
            Column(
                **{
                    **column,
                    "categories": tuple(column.get("categories", ())),
                    "kept": tuple(column["kept"]) if "kept" in column else None,
                }
            )
            for column in data["columns"]
        ]
        # An earlier version left out a fill of 0.
        columns = [
            replace(column, fill=0.0) if column.indicates_gaps and column.fill is None else column
            for column in columns
        ]
        return cls(tuple(columns), tuple(data["targets"]), tuple(data["classes"]))


def hashed(values: pd.Series, fill: float | str | None) -> np.ndarray:
    """Return the indicators of all buckets, float64, shape (rows, `BUCKETS`); a gap has the bucket of `fill`."""
    from sklearn.feature_extraction import FeatureHasher  # a second of imports, which few tables need

    numbers, distinct = pd.factorize(values)  # -1 for a gap
    texts = [*texts_of(pd.Series(distinct)), str(fill)]
    hasher = FeatureHasher(BUCKETS, input_type="string", alternate_sign=False)
    found: np.ndarray = hasher.transform([text] for text in texts).toarray()[numbers]
    return found


def shown(values: pd.Series, row: int) -> str:
    """Return a value for a message."""
    value = values.iloc[row]
    return repr(value.item() if isinstance(value, np.generic) else value)


def texts_of(values: pd.Series) -> list[str]:
    """Return categories as texts; whole numbers have no decimal point. An infinite number is a text that no category is."""
    if pd.api.types.is_float_dtype(_dtype(values)):
        return [str(int(v)) if math.isfinite(v) and v == int(v) else str(v) for v in values.tolist()]
    return [str(value) for value in values.tolist()]


def _dtype(values: pd.Series) -> Any:
    """Return the type of the values; of categories of pandas, the type of these."""
    return values.dtype.categories.dtype if isinstance(values.dtype, pd.CategoricalDtype) else values.dtype


def _plain(text: str) -> str:
    """Return a text as `texts_of` writes the number or the truth value that it means; as it is if it means none."""
    if text.strip().lower() in ("true", "false"):
        return text.strip().capitalize()
    for kind in (int, float):  # no digit of a long whole number is lost
        try:
            return texts_of(pd.Series([kind(text)]))[0]
        except (ValueError, OverflowError):  # the latter of an infinite number
            continue
    return text


def _by_bare_text(texts: Sequence[str]) -> dict[str, int]:
    """Return the position of each text by the text without the blanks around it, if no other one has the same."""
    found: dict[str, int] = {}
    for position, text in enumerate(texts):
        bare = text.strip()
        found[bare] = -1 if bare in found else position
    # Of several texts, one without blanks is meant.
    found |= {text: position for position, text in enumerate(texts) if text == text.strip()}
    return {text: position for text, position in found.items() if position >= 0}


def _kept(values: pd.Series) -> tuple[str, ...]:
    """Return what `Column.kept` says of hashed texts."""
    texts = set(texts_of(pd.Series(values.dropna().unique())))
    changed = {text for text in texts if text != text.strip() or text in NA_TEXTS}
    # Beside " a", the text "a" stays as it is.
    return tuple(sorted(changed | (texts & set(map(str.strip, changed)))))


def categories_of(values: pd.Series) -> tuple[str, ...]:
    """Return the categories of a column, sorted: numbers by value, others as texts; those of pandas in their order."""
    values = values.dropna()
    if isinstance(values.dtype, pd.CategoricalDtype):
        there = set(texts_of(pd.Series(values.unique())))
        ordered = texts_of(pd.Series(values.dtype.categories))
        return tuple(text for text in ordered if text in there)
    distinct = pd.Series(values.unique())
    if pd.api.types.is_numeric_dtype(distinct):
        return tuple(dict.fromkeys(texts_of(distinct.sort_values())))
    return tuple(sorted(set(texts_of(distinct))))


def fitted(
    frame: pd.DataFrame,
    rows: np.ndarray,
    kinds: Mapping[str, Literal["number", "onehot", "ordinal", "hash"]],
    fills: Sequence[str],
    targets: tuple[str, ...],
    classes: tuple[Any, ...],
) -> tuple[Recipe, dict[str, str]]:
    """Return a recipe that is fitted on the train rows, and the columns that are left out, with the reason.

    No feature may have one value in all train rows: its variance is 0, so a normalization would make any other value huge.
    So a column with one value is left out, or becomes an indicator of its gaps, and a hashed column has only the buckets
    that differ.

    Args:
        frame: the raw table.
        rows: positions of the train rows.
        kinds: what each column becomes.
        fills: the columns whose gaps are filled.
        targets, classes: see `Recipe`.
    """
    numbers, others, left_out = [], [], {}
    for name, kind in kinds.items():
        values = frame[name].iloc[rows]
        gaps = bool(values.isna().any())
        if values.isna().all():
            left_out[name] = "it has no value in any train row"
            continue
        distinct = _as_float32(values).nunique() if kind == "number" else values.nunique()
        if distinct == 1 and not gaps:
            rounded = " as float32" if values.nunique() > 1 else ""
            left_out[name] = f"it is {shown(values, 0)} in every train row{rounded}"
            continue
        fill: float | str | None = None
        if name in fills:
            fill = (
                float(values.median())
                if kind == "number"
                else texts_of(values.mode().astype(values.dtype))[0]
            )
        indicates = gaps and name in fills
        raw: Literal["text", "number"] = "number" if _are_numbers(values) else "text"
        if distinct == 1:
            others.append(Column(name, "gaps", (), fill, indicates))
        elif kind == "number":
            numbers.append(Column(name, kind, (), fill, indicates))
        elif kind == "hash":
            buckets = np.flatnonzero(np.ptp(hashed(values, fill), axis=0))
            if len(buckets):
                kept = _kept(values) if raw == "text" else None
                others.append(
                    Column(name, kind, tuple(map(str, buckets.tolist())), fill, indicates, raw, kept)
                )
            else:
                left_out[name] = "all its categories have the same hash"
        else:
            others.append(Column(name, kind, categories_of(values), fill, indicates, raw))
    return Recipe((*numbers, *others), targets, classes), left_out


def _are_numbers(values: pd.Series) -> bool:
    """Return whether all values are numbers or truth values; with gaps, these are objects."""
    if pd.api.types.is_numeric_dtype(_dtype(values)):
        return True
    present = values.dropna()
    is_plain = values.dtype == object and len(present) > 0
    return is_plain and all(isinstance(value, bool | int | float | np.bool_) for value in present.unique())


def _as_float32(values: pd.Series) -> pd.Series:
    return pd.Series(values.to_numpy("float32", na_value=np.nan))


def _first(mask: pd.Series) -> int:
    """Return the position of the first row of a mask."""
    return int(mask.to_numpy().argmax())
