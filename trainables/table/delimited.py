"""Reads delimited text into a data frame, and tells the line of each fault."""

from __future__ import annotations

import contextlib
import csv
import io
import itertools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from trainables.table import other_formats, whole
from trainables.table.expected import Expected, with_texts
from trainables.table.source import Source, check_names, with_names
from trainables.table.spec import WHITESPACE, DataError, DataSpec

FIRST_LINES = 100
"""Lines of a text file that are looked at before it is read."""


def read(path: str, data: bytes, spec: DataSpec, expected: Expected, again: Callable[[], bytes]) -> Source:
    """Return the table in a text file.

    Args:
        path: of the file.
        data: its bytes, no longer compressed.
        spec: how to read it.
        expected: what is known of the table.
        again: returns `data` once more, for the lines of the rows in messages.

    Raises:
        DataError: the file cannot be read as a table.
    """
    # Spreadsheet programs begin a UTF-8 file with a byte order mark, which is no part of the first name.
    encoding = "utf-8-sig" if spec.encoding.lower() in ("utf-8", "utf8") else spec.encoding
    with _readable(path, data, spec, encoding):
        first = list(itertools.islice(_rows(data, spec, encoding), FIRST_LINES))
    if not first:
        raise DataError(f"{path}: the file is empty, but needs a table. Correct data.path.")
    names = _names(path, data, first, spec, encoding, expected)
    body = first[1:] if spec.header else first
    if not body:
        raise DataError(f"{path}: there is no row below the names. Correct data.path.")
    if len(body[0][0]) != len(names):
        others_agree = len(body) > 1 and len({len(row) for row, _ in body}) == 1
        remedy = (
            f"Name every column in line {first[0][1]}, or remove it if it holds no names."
            if others_agree
            else ""
        )
        raise _ragged(path, len(body[0][0]), body[0][1], len(names), first[0][1], remedy)
    labels = [name or f"column {position}" for position, name in enumerate(names, 1)]
    skip = first[0][1] if spec.header else 0

    def written(positions: list[int], with_gaps: bool = False) -> pd.DataFrame:
        return _as_written(data, spec, encoding, labels, skip, positions, with_gaps)

    with _readable(path, data, spec, encoding):
        try:
            frame = _parsed(data, spec, encoding, labels, skip, expected)
            frame = whole.of_text(
                frame, spec.categories or (), spec.decimal, lambda some: written(some, True)
            )
            frame, gap_texts = with_texts(frame, written, spec, expected)
        except pd.errors.ParserError as error:
            _check_lengths(path, data, spec, encoding, len(names))
            raise DataError(
                f"{path}: this is no delimited text ({str(error).strip()}). Correct data.path, or correct the file."
            ) from None
    if frame.iloc[:, -1].isna().any():  # pandas fills short rows
        _check_lengths(path, data, spec, encoding, len(names))
    _check_count(path, data, spec, encoding, skip, len(frame))

    def lines() -> np.ndarray:
        # The file is read again, so that its bytes take no memory meanwhile.
        rows = _rows(again(), spec, encoding)
        return np.array([line for _, line in itertools.islice(rows, int(spec.header), None)])

    return replace(with_names(path, frame, names, lines), gap_texts=gap_texts)


def _parsed(
    data: bytes, spec: DataSpec, encoding: str, labels: list[str], skip: int, expected: Expected
) -> pd.DataFrame:
    """Return the rows below the first `skip` lines of a text file."""
    for low_memory in (True, False):
        with warnings.catch_warnings():
            # Reading in parts takes two thirds of the memory, but a part of a column may have a type of its own.
            warnings.simplefilter("error", pd.errors.DtypeWarning)
            with contextlib.suppress(pd.errors.DtypeWarning):
                return pd.read_csv(
                    _below(data, encoding, skip), header=None, names=labels, index_col=False, skipinitialspace=True,
                    sep=_separator(spec), decimal=spec.decimal, na_values=spec.na,
                    low_memory=low_memory, dtype={name: str for name in labels if name in expected.texts},
                )  # fmt: skip
    raise AssertionError("pandas finds several types in a column that it reads at once")


def _as_written(
    data: bytes,
    spec: DataSpec,
    encoding: str,
    labels: list[str],
    skip: int,
    positions: list[int],
    with_gaps: bool,
) -> pd.DataFrame:
    """Return the columns at some positions as texts, in which those of the plan's `na` are gaps, others `with_gaps`."""
    return pd.read_csv(
        _below(data, encoding, skip), header=None, names=labels, index_col=False, skipinitialspace=True,
        sep=_separator(spec), na_values=spec.na or [], keep_default_na=with_gaps,
        usecols=[labels[position] for position in positions], dtype=str,
    )  # fmt: skip


def _below(data: bytes, encoding: str, lines: int) -> io.TextIOWrapper:
    """Return the text below the first lines of a file.

    pandas must not skip them: its `skiprows` takes names with a line break in quotes for one line, and for a quote inside of
    a name, such as 5", it skips all lines up to the next quote.
    """
    # Line breaks stay as they are, since they may be in values.
    file = io.TextIOWrapper(io.BytesIO(data), encoding=encoding, newline="")
    for _ in range(lines):
        file.readline()
    return file


def _separator(spec: DataSpec) -> str:
    return r"\s+" if spec.delimiter == WHITESPACE else spec.delimiter


def _rows(data: bytes, spec: DataSpec, encoding: str) -> Iterator[tuple[list[str], int]]:
    """Yield each row that is not empty, and the line on which it ends."""
    return _split(data, spec.delimiter, encoding)


def _split(data: bytes, delimiter: str, encoding: str) -> Iterator[tuple[list[str], int]]:
    blanks = " \t".replace(delimiter, "")
    is_in_row = False

    def lines() -> Iterator[str]:
        nonlocal is_in_row
        for line in _below(data, encoding, 0):
            if delimiter == WHITESPACE:
                # The parser skips all blanks after a delimiter, so that a run of them is one.
                yield line.strip(" \t\r\n").replace("\t", " ") + "\n"
            elif not is_in_row and line[0] in blanks and not line.strip(blanks + "\r\n"):
                yield "\n"  # pandas takes blanks for an empty line, unless they are in quotes
            else:
                is_in_row = True
                yield line

    reader = csv.reader(
        lines(), delimiter=" " if delimiter == WHITESPACE else delimiter, skipinitialspace=True
    )
    for row in reader:
        is_in_row = False
        if row:
            yield row, reader.line_num


@contextlib.contextmanager
def _readable(path: str, data: bytes, spec: DataSpec, encoding: str) -> Iterator[None]:
    """Turn the errors of decoding and parsing into a `DataError`."""
    try:
        yield
    except UnicodeDecodeError as error:
        if told := other_formats.told_of_content(path, data):
            raise DataError(told) from None
        offset = _offset_of_bad_byte(data, encoding)
        line = data.count(b"\n", 0, offset) + 1
        raise DataError(
            f"{path}: line {line} is not {spec.encoding} (byte 0x{error.object[error.start]:02x}). "
            "Set data.encoding, such as latin-1, or save the file as UTF-8."
        ) from None
    except csv.Error as error:
        raise DataError(
            f"{path}: this is no delimited text ({error}). Correct data.path, or correct the file."
        ) from None
    except DataError:
        raise
    except (LookupError, UnicodeError, ValueError) as error:
        raise DataError(
            f'{path}: data.encoding "{spec.encoding}" does not fit the file ({error}). Set utf-8, for example.'
        ) from None


def _check_lengths(path: str, data: bytes, spec: DataSpec, encoding: str, fields: int) -> None:
    """Raise a DataError if a row has more or fewer fields than there are names."""
    with _readable(path, data, spec, encoding):
        first = 0
        for row, line in _rows(data, spec, encoding):
            first = first or line
            if len(row) != fields:
                raise _ragged(path, len(row), line, fields, first)


def _check_count(path: str, data: bytes, spec: DataSpec, encoding: str, skip: int, rows: int) -> None:
    """Raise a DataError if pandas finds `rows` below the first `skip` lines, and the csv module another number.

    They can differ only where line breaks are in quotes, so other files are not read once more.
    """
    lines = data.count(b"\n") + (not data.endswith(b"\n"))
    if b'"' not in data or rows == lines - skip:
        return
    with _readable(path, data, spec, encoding):
        try:
            found = sum(1 for _ in _rows(data, spec, encoding)) - int(spec.header)
        except csv.Error:  # a text is longer than the csv module allows
            return
    if rows != found:
        raise DataError(
            f"{path}: it is not sure where its rows end: pandas finds {rows:,}, and Python's csv module {found:,}. A quote "
            "may be missing, or one too many. Correct the quotes, or save the table as Parquet."
        )


def _ragged(path: str, found: int, line: int, expected: int, first: int, remedy: str = "") -> DataError:
    return DataError(
        f"{path}: line {line} has {found} fields, but line {first} has {expected}. {remedy or 'Correct the line.'}"
    )


def _names(
    path: str,
    data: bytes,
    first: list[tuple[list[str], int]],
    spec: DataSpec,
    encoding: str,
    expected: Expected,
) -> list[str]:
    """Return the columns' names, empty for a column without one, from the first rows of a text file and their lines."""
    row, line = first[0]
    names = [name.strip() for name in row] if spec.header else list(spec.columns or [])
    if expected.are_names(names) and len(names) == len(row):
        check_names([name for name in names if name], path, names)
        return names
    if problem := _misfit(data, first, names, spec, encoding):
        raise DataError(f"{path}: {problem}")
    if len(names) != len(row):
        raise DataError(
            f"{path}: line {line} has {len(row)} fields, but data.columns names {len(names)}. "
            "Name every column of the file, in its order."
        )
    if spec.header and all(map(_is_number, names)):
        raise DataError(
            f"{path}: line {line} should hold the columns' names, but holds only numbers ({', '.join(names[:4])}, ...). "
            "Set data.header: false and name the columns in data.columns."
        )
    check_names([name for name in names if name], path, names)
    return names


def _offset_of_bad_byte(data: bytes, encoding: str) -> int:
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        return error.start
    return 0


def _misfit(
    data: bytes, first: list[tuple[list[str], int]], names: list[str], spec: DataSpec, encoding: str
) -> str | None:
    """Return why the first rows of a text file are not split into columns, with the remedy; None if they are."""
    (row, line), lengths = first[0], {len(one) for one, _ in first[1:]}
    others_agree = len(first) > 2 and len(lengths) == 1 and max(lengths) > 1
    may_be_one_column = len(row) == 1 or lengths == {1}
    if may_be_one_column and (other := _likelier_delimiter(data, spec, encoding, not others_agree)):
        at = line if len(row) == 1 else first[1][1]
        return (
            f'line {at} has one field when split at "{spec.delimiter}", but looks split at {_told(other)}. '
            f"Set data.delimiter: {_written(other)}."
        )
    if spec.delimiter == " " and len(names) != len(row) and _agree(_lengths(data, WHITESPACE, encoding)):
        return (
            f"line {line} has {len(row)} fields when split at each blank, but looks split at runs of blanks. "
            f"Set data.delimiter: {WHITESPACE}."
        )
    # Several names, but not as many as there are fields, may be names without one for the index.
    may_be_no_row = not spec.header or len(row) == 1
    if may_be_no_row and others_agree and len(row) not in lengths:
        what = "line of names" if spec.header else "row of the table"
        fields = f"{len(row)} field{'s' * (len(row) > 1)}"
        return (
            f"line {line} is no {what}: it has {fields}, but the lines after it have {max(lengths)} each. "
            "Remove it from the file."
        )
    return None


def _likelier_delimiter(data: bytes, spec: DataSpec, encoding: str, by_some: bool) -> str | None:
    """Return the delimiter that splits the first lines into the most fields, and all of them into as many.

    If none does, the first line may be no row, or a later line may have a fault. With `by_some`, all lines but the first one
    decide then, or the first two.
    """
    lengths = {
        other: _lengths(data, other, encoding)
        for other in (",", ";", "\t", "|", WHITESPACE)
        if other != spec.delimiter
    }
    blank = lengths.pop(WHITESPACE, [])
    for start, end in ((0, None), (1, None), (0, 2)) if by_some else ((0, None),):
        if fits := [other for other, found in lengths.items() if _agree(found[start:end])]:
            return max(fits, key=lambda other: lengths[other][-1])
        if end is None and len(blank) > start + 1 and _agree(blank[start:]):  # a text may have blanks in it
            return WHITESPACE
    return None


def _lengths(data: bytes, delimiter: str, encoding: str) -> list[int]:
    """Return the numbers of fields of the first rows."""
    try:
        return [len(row) for row, _ in itertools.islice(_split(data, delimiter, encoding), FIRST_LINES)]
    except csv.Error:
        return []


def _agree(lengths: list[int]) -> bool:
    """Return whether rows have as many fields, and several."""
    return len(set(lengths)) == 1 and lengths[0] > 1


def _told(delimiter: str) -> str:
    return "runs of blanks" if delimiter == WHITESPACE else repr(delimiter)


def _written(delimiter: str) -> str:
    """Return a delimiter as a plan has it; YAML knows a tab in double quotes only."""
    return {WHITESPACE: WHITESPACE, "\t": '"\\t"'}.get(delimiter, repr(delimiter))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
