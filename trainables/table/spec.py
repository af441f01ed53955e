"""What a plan says about its table: the file, how to read it, what its columns become, and how its rows are split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args

from trainables.errors import TrainablesError

Task = Literal["regression", "binary", "multiclass", "multilabel"]
"""What is learned: numbers, one of two classes, one of several classes, or several yes-or-no answers."""

Missing = Literal["refuse", "fill", "drop_rows"]
"""What to do with the gaps of a column."""

Encoding = Literal["onehot", "ordinal", "hash"]
"""What a column of categories becomes."""

TargetShape = Literal["auto", "flat", "column", "onehot"]
"""The shape in which models take one target column."""

Kind = Literal["random", "stratified", "group", "time"]
"""How rows are split."""


class DataError(TrainablesError, ValueError):
    """The table cannot be used; the message names the file, the line or column, and the remedy.

    A reader knows a file, but not why it is read. So its remedy names the key data.path, and whoever reads another file says
    what to write instead.
    """

    def with_remedy(self, remedy: str, instead: str) -> DataError:
        """Return the error with another text for a part of its remedy."""
        before, separator, told = str(self).rpartition(": ")  # the file's name is as it is
        return DataError(f"{before}{separator}{told.replace(remedy, instead)}")


@dataclass(frozen=True)
class Split:
    """How the rows are split into train rows and test rows; the validation rows are part of the train rows.

    Args:
        test: share of the rows kept for the test, between 0 and 1.
        validation: share of the train rows that are the validation rows; None: `fit.validation_split` of them.
        kind: random; stratified (each part has each class in the same share); group (all rows with one value of `column`
            are in one part); time (the last rows by `column` are the test rows, those right before them the validation
            rows). None: stratified if the target is of classes, else random.
        column: the column of groups or times. It is no feature.
        seed: seed of the split.
    """

    test: float = 0.2
    validation: float | None = None
    kind: Kind | None = None
    column: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        wrong = []
        for name, share in (("test", self.test), ("validation", self.validation)):
            if share is not None and not 0 < share < 1:
                wrong.append(
                    f"data.split.{name} got {share}, but needs a share between 0 and 1, such as 0.2."
                )
        if not 0 <= self.seed < 2**32:
            wrong.append(f"data.split.seed got {self.seed}, but needs an integer from 0 to 2**32 - 1.")
        if self.kind in ("group", "time") and self.column is None:
            wrong.append(
                f"data.split.kind is {self.kind}, so data.split.column must name the column. "
                f"Write split: {{kind: {self.kind}, column: NAME}}."
            )
        if self.column is not None and self.kind not in ("group", "time"):
            wrong.append(
                f"data.split.column got {self.column!r}, but data.split.kind is {self.kind}. "
                f"Write split: {{kind: group, column: {self.column}}}, or time instead of group."
            )
        if wrong:
            raise DataError("\n".join(wrong))


@dataclass(frozen=True)
class DataSpec:
    """The table's file, how to read it, what its columns become, and how its rows are split.

    Args:
        path: a text file (.csv, .data, .tsv, .txt, also compressed: .gz, .bz2, .xz, .zst, .zip), .parquet, .feather, .xlsx,
            .xlsm, .xls or .npz file, a path or a URI; or `my_data.py:load`, a function that returns the data.
        target: name of the column to predict, or a list of several.
        test_fraction: share of the rows kept for the test, as in `split`.
        split_seed: seed of the train/test split, as in `split`.
        header: whether the first line of a text file holds the columns' names.
        columns: the columns' names where `header` is false.
        drop: columns to leave out, by name or by position, counted from 1.
        delimiter: the character that separates the fields of a text file; whitespace: any run of blanks and tabs.
        encoding: the encoding of a text file.
        task: what is learned; auto: classes if the target is of texts or truth values, or has only two different numbers;
            else a regression. Texts that look like numbers, such as "$6,200", are refused.
        decimal: the decimal mark of numbers in texts.
        thousands: the mark between thousands of numbers in texts.
        strip: signs to remove from numbers, such as "$" and "%".
        na: texts that mean "no value", besides the empty text, NA, NaN, null and the like.
        keep_default_na: whether NA, None, null and the like mean "no value" in columns of texts of a text or Excel file. If
            not, only the empty field and the texts of `na` do. In columns of numbers they always do.
        missing: what to do with gaps, for all columns or by column. fill: the median of the train rows, or their most
            frequent category, and an indicator column.
        categories: what a column of categories becomes, by column. onehot: an indicator column for each value, at most
            1,000 of them; ordinal: numbers from 0, for an Embedding; hash: indicator columns of 32 buckets. The default
            is onehot for columns with at most 100 texts.
        split: how the rows are split.
        test_path: a file of test rows, instead of a share of the rows.
        validation_path: a file of validation rows, instead of a share of the train rows.
        weight: the column that weights the rows in loss and weighted metrics; it is no feature.
        target_shape: how models take one target column: flat, shape (rows,); column, shape (rows, 1); onehot, shape
            (rows, classes); auto finds out what a model's loss and metrics need.
        sheet: name of the sheet of an Excel file; None: the first.

    Raises:
        DataError: an option is out of range or contradicts another one.
    """

    path: str
    target: str | list[str]
    test_fraction: float = 0.2
    split_seed: int = 0
    header: bool = True
    columns: list[str] | None = None
    drop: list[str | int] | None = None
    delimiter: str = ","
    encoding: str = "utf-8"
    task: Literal["auto", "regression", "binary", "multiclass", "multilabel"] = "auto"
    decimal: str = "."
    thousands: str | None = None
    strip: list[str] | None = None
    na: list[str] | None = None
    missing: Missing | dict[str, Missing] = "refuse"
    categories: dict[str, Encoding] | None = None
    split: Split | None = None
    test_path: str | None = None
    validation_path: str | None = None
    weight: str | None = None
    target_shape: TargetShape = "auto"
    sheet: str | None = None
    keep_default_na: bool = True

    def __post_init__(self) -> None:
        if self.delimiter == r"\s+":  # as pandas writes it
            object.__setattr__(self, "delimiter", WHITESPACE)
        wrong = list(self._wrong())
        if wrong:
            raise DataError("\n".join(wrong))

    def _wrong(self) -> list[str]:
        found = []
        if not 0 < self.test_fraction < 1:
            found.append(
                f"data.test_fraction got {self.test_fraction}, but needs a share between 0 and 1, such as 0.2."
            )
        if not 0 <= self.split_seed < 2**32:
            found.append(f"data.split_seed got {self.split_seed}, but needs an integer from 0 to 2**32 - 1.")
        for name in ("delimiter", "decimal", "thousands"):
            value = getattr(self, name)
            if value is not None and len(value) != 1 and (name != "delimiter" or value != WHITESPACE):
                blanks = f", or {WHITESPACE} for runs of blanks" if name == "delimiter" else ""
                found.append(f'data.{name} got {value!r}, but needs one character, such as ";"{blanks}.')
        if self.decimal == self.thousands:
            other = "," if self.thousands == "." else "."
            found.append(
                f"data.thousands got {self.thousands!r}, which is data.decimal too. If the file writes "
                f'1{self.thousands}234{other}5, write decimal: "{other}".'
            )
        elif self.is_text and self.decimal == self.delimiter:
            found.append(
                f"data.decimal got {self.decimal!r}, which is data.delimiter too. Write the mark that stands between the "
                'columns: delimiter: ";", for example.'
            )
        if self.header and self.columns is not None:
            found.append(
                "data.columns is given, but data.header is true. "
                "Set header: false if the file has no line of names, or remove columns."
            )
        if not self.header and self.columns is None and self.is_text:
            found.append("data.header is false, so data.columns must name the columns, in the file's order.")
        if self.function and (self.test_path or self.validation_path):
            found.append(
                f"data.path got {self.path!r}, a function, so data.test_path and data.validation_path have no meaning. "
                "Let it return ((x_train, y_train), (x_test, y_test))."
            )
        paths = (self.path, self.test_path, self.validation_path)
        if self.sheet is not None and not any(path and ending_of(path) in EXCEL for path in paths):
            found.append(
                f"data.sheet got {self.sheet!r}, but only an Excel file has sheets ({', '.join(EXCEL)}). Remove it."
            )
        if isinstance(self.target, list):
            if not self.target:
                found.append("data.target got an empty list, but needs at least one column.")
            if len(set(self.target)) < len(self.target):
                found.append(f"data.target got {self.target}, which names a column twice. Remove one.")
        if self.test_path and self.test_fraction != DEFAULTS["test_fraction"]:
            found.append(
                "data.test_path gives the test rows, so data.test_fraction has no effect. Remove one."
            )
        if self.split is not None:
            for old, new in (("test_fraction", "test"), ("split_seed", "seed")):
                if getattr(self, old) != DEFAULTS[old]:
                    found.append(
                        f"data.{old} and data.split are both given. "
                        f"Write split: {{{new}: {getattr(self, old)}, ...}} and remove {old}."
                    )
            if self.test_path and self.split.test != Split.test:
                found.append(
                    "data.test_path gives the test rows, so data.split.test has no effect. Remove one."
                )
            if self.validation_path and self.split.validation is not None:
                found.append(
                    "data.validation_path gives the validation rows, so data.split.validation has no effect. Remove one."
                )
        return found

    @property
    def targets(self) -> tuple[str, ...]:
        """The names of the target columns."""
        return (self.target,) if isinstance(self.target, str) else tuple(self.target)

    @property
    def ending(self) -> str:
        """See `ending_of`."""
        return ending_of(self.path)

    @property
    def is_text(self) -> bool:
        """Whether the file is delimited text, which is the format if the ending names no other."""
        return self.ending not in (".parquet", ".pq", ".feather", ".arrow", *EXCEL, ".npz") and not (
            self.function
        )

    @property
    def function(self) -> str:
        """The function if `path` names one, such as `load` in `my_data.py:load`; else empty."""
        file, colon, name = self.path.rpartition(":")
        return name if colon and file.endswith(".py") and name.isidentifier() else ""

    @property
    def how(self) -> Split:
        """How the rows are split: `split`, or the two older keys."""
        return self.split or Split(self.test_fraction, seed=self.split_seed)

    def missing_in(self, column: str) -> Missing:
        """What to do with the gaps of `column`."""
        return self.missing if isinstance(self.missing, str) else self.missing.get(column, "refuse")

    def changed(self) -> dict[str, Any]:
        """Return the options that do not have their defaults."""
        return {
            item.name: getattr(self, item.name)
            for item in fields(self)
            if item.name in DEFAULTS and getattr(self, item.name) != DEFAULTS[item.name]
        }


def ending_of(path: str) -> str:
    """Return the ending of a path that names the format, such as ".csv", without that of a compression."""
    path = path.lower()
    for compression in COMPRESSIONS:
        path = path.removesuffix(compression)
    return f".{path.rsplit('.', 1)[-1]}" if "." in path.rsplit("/", 1)[-1] else ""


COMPRESSIONS = (".gz", ".gzip", ".bz2", ".xz", ".zst", ".zip")
"""The endings of compressed text files."""

WHITESPACE = "whitespace"
"""The delimiter that is any run of blanks and tabs."""

EXCEL = (".xlsx", ".xlsm", ".xls")
"""The endings of Excel files."""

DEFAULTS: Mapping[str, Any] = {
    item.name: item.default for item in fields(DataSpec) if item.name not in ("path", "target")
}
"""The default of each option of a `DataSpec`."""

TASKS = get_args(Task)
