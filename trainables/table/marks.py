"""Reads texts such as "$6,200" as numbers, and finds the settings of a plan that such texts need."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from trainables.table.spec import DataSpec

_CODES = {
    "AED", "ARS", "AUD", "BAM", "BDT", "BGN", "BHD", "BRL", "CAD", "CLP", "CNY", "COP", "CRC", "CZK", "DKK", "DZD",
    "EGP", "ETB", "GHS", "HKD", "HRK", "HUF", "IDR", "ILS", "INR", "IQD", "IRR", "ISK", "JOD", "JPY", "KES", "KRW",
    "KWD", "KZT", "LBP", "LKR", "MAD", "MXN", "MYR", "NGN", "NPR", "NZD", "OMR", "PEN", "PHP", "PKR", "PYG", "QAR",
    "RMB", "RON", "RSD", "RUB", "SAR", "SGD", "THB", "TND", "TRY", "TWD", "TZS", "UAH", "UGX", "UYU", "UZS", "VND",
    "XAF", "XOF", "ZAR",
}  # fmt: skip
"""Codes of currencies that count only in capital letters, because some are words, too. Those that people write in capitals
as words, such as ALL and TOP, are left out."""

_PLAIN_CODES = {"chf", "czk", "dkk", "eur", "gbp", "huf", "inr", "nok", "pln", "rub", "sek", "usd"}
"""Codes of currencies that are no other words, in small letters."""

LEAST_OF_CODES = 5
"""Different texts with codes of currencies that a column needs: "CAD 1" and "CAD 2" alone may be names."""

_WORDS = {"kr", "kr.", "rs.", "sfr", "sfr."}
"""What people write before or behind amounts of money, in small letters. Of two letters that are much else, such as FR and
RS, only "Rs." is here, which has a point."""

_WORDS_BEHIND = {
    "cent", "cents", "dollar", "dollars", "euro", "euros", "kč", "lei", "leu", "pesos", "rupees", "yen", "yuan", "zł",
}  # fmt: skip
"""What people write behind amounts of money, in small letters; before a number, as in "Euro 5", it is a name."""

_SIGN = re.compile(r"[^\W\d_]{0,3}[^\w\s.,:;!?+\-*/<>=()\[\]{}'\"|~#&@^`\\_]")
"""A sign, with letters before it as in "US$"."""

_NUMBER = r"[+-]?[^\w\s+\-]?[ \u00a0\u202f]?(?P<{}>\d[\d.,'\u2019 \u00a0\u202f]*)[^\w\s+\-]?"
_NAMED = re.compile(
    r"^(?:[+-]?[ \u00a0]*(?P<before>[^\W\d_]+(?:\.|\.?(?=[ \u00a0\u202f])))[ \u00a0\u202f]*(?!-\s)"
    + _NUMBER.format("after_it")
    + "|"
    + _NUMBER.format("before_it")
    + r"[ \u00a0\u202f]*(?P<behind>[^\W\d_]+\.?))$",
    re.MULTILINE,
)
"""A text of a word and a number: the word has a blank or a point behind it, or is behind the number."""

GROUPS = ",.'\u2019 \u00a0\u202f"
"""Marks that people write between thousands; the last three are a curly apostrophe and spaces that break no line."""

_GROUP = re.compile(f"[{GROUPS}]")

MAX_ODD = 10
"""The most different texts between numbers that may mean "no value"."""


@dataclass(frozen=True)
class Reading:
    """How the different texts of a column are read as numbers.

    Attributes:
        settings: the keys of the plan's `data` that are needed together, with their values; those of the plan stay in force.
        is_read: whether each text is a number with them.
        share: the share of the rows whose text is a number with them.
        instead: a line of the plan that reads as many texts as `thousands`, but as other numbers.
        hindrance: why the file's texts cannot be read, as the end of a sentence.
    """

    settings: Mapping[str, Any]
    is_read: np.ndarray
    share: float
    instead: tuple[str, ...] = ()
    hindrance: str = ""


def to_number(value: object) -> float:
    """Return a value as a float: NaN if it is no number or too large for a float."""
    try:
        return float(value)  # type: ignore[arg-type]  # any type
    except (TypeError, ValueError, OverflowError):
        return float("nan")


def signs_in(texts: Iterable[str]) -> list[str]:
    """Return the signs that people write into numbers and that are there, the longest first.

    These are "%", the currency signs of Unicode, also with letters before them, and names of currencies that are apart from
    their number or behind it: "FR01" and "kr-5" are codes of something else.
    """
    joined = "\n".join(texts)
    found = {sign for sign in set(_SIGN.findall(joined)) if _is_sign(sign)} | _names_in(joined)
    return sorted(found, key=lambda sign: (-len(sign), sign))


def _is_sign(mark: str) -> bool:
    return mark[-1] == "%" or unicodedata.category(mark[-1]) == "Sc"


def _names_in(lines: str) -> set[str]:
    """Return the names of currencies beside the numbers of lines; one that is beside a number such as 01 is none."""
    words: set[str] = set()
    wrong: set[str] = set()
    codes: dict[str, set[str]] = {}
    for match in _NAMED.finditer(lines):
        name, number = match["before"] or match["behind"], match["after_it"] or match["before_it"]
        word, is_behind = name.lower(), match["behind"] is not None
        is_code = name.removesuffix(".") in _CODES or word.removesuffix(".") in _PLAIN_CODES
        if not (is_code or word in _WORDS or (is_behind and (word in _WORDS_BEHIND or name == "TL"))):
            continue
        if re.match(r"0\d", number):
            wrong.add(name)
        elif is_code or name == "TL":
            codes.setdefault(name, set()).add(match[0])
        else:
            words.add(name)
    if len(set().union(*codes.values())) >= LEAST_OF_CODES:
        words |= set(codes)
    return words - wrong


def without(text: str, signs: Iterable[str]) -> str:
    """Return a text without signs and blanks."""
    for sign in signs:
        text = text.replace(sign, "")
    return re.sub(r"\s", "", text)


def numbers_of(texts: pd.Series, spec: DataSpec) -> pd.Series:
    """Return texts as numbers, as `spec` says how these are written: NaN where one is no number."""
    texts = texts.str.strip()
    for sign in sorted(spec.strip or [], key=len, reverse=True):  # "US$" before "$"
        texts = texts.str.replace(sign, "", regex=False).str.strip()
    if spec.strip:
        texts = texts.str.replace(r"^([+-])\s+", r"\1", regex=True)  # as in "- 5", which was "-$ 5"
    if spec.thousands:
        mark, point = re.escape(spec.thousands), re.escape(spec.decimal)
        grouped = texts.str.fullmatch(
            rf"[+-]?\d{{1,3}}({mark}\d{{2,3}})*{mark}\d{{3}}({point}\d*)?", na=False
        )
        texts = texts.mask(grouped, texts.str.replace(spec.thousands, "", regex=False))
    if spec.decimal != ".":  # a point is no decimal mark then
        texts = texts.where(~texts.str.contains(".", regex=False, na=False)).str.replace(
            spec.decimal, ".", regex=False
        )
    return pd.to_numeric(texts, errors="coerce")


def reading(counts: pd.Series, spec: DataSpec) -> Reading:
    """Return the settings that read most rows of a column as numbers; each of them is tried.

    Args:
        counts: how many rows have each different value of the column, by the value.
        spec: its settings stay in force, and what it says about marks is not changed.
    """
    texts, rows = pd.Series(counts.index.map(str), dtype=object), counts.to_numpy()
    is_like = np.array(_are_like_numbers(texts), bool)
    settings, read = _best(texts[is_like], rows[is_like], spec)
    is_read = is_like.copy()
    is_read[is_like] = read
    share = float(rows[is_read].sum() / rows.sum())
    if not settings and (share == 1 or not spec.is_text) and not spec.strip:
        # Texts are read only with such a key; a text file without odd texts has none.
        settings = {"strip": [" "]}
    is_split_at_commas = spec.is_text and spec.delimiter == ","
    if settings.get("decimal") == "," and is_split_at_commas:
        hindrance = (
            '; the file is split at ",", so write points for its decimal commas, or save it with another delimiter, '
            'such as ";"'
        )
        return Reading({}, is_read, share, hindrance=hindrance)
    instead: tuple[str, ...] = ()
    if settings.get("thousands") == "," and not is_split_at_commas:
        others = {key: value for key, value in settings.items() if key != "thousands"} | {"decimal": ","}
        if np.array_equal(_are_read(texts[is_like], others, spec), read):
            instead = (line("decimal", ","),)
    return Reading(settings, is_read, share, instead)


def _best(texts: pd.Series, rows: np.ndarray, spec: DataSpec) -> tuple[dict[str, Any], np.ndarray]:
    """Return the settings that read the most rows, the least settings of several, and whether each text is read."""
    best: dict[str, Any] = {}
    read = np.zeros(len(texts), bool)
    for settings in _candidates(texts, spec):
        found = _are_read(texts, settings, spec)
        if rows[found].sum() > rows[read].sum():
            best, read = settings, found
        if read.all():
            break
    return best, read


def _are_read(texts: pd.Series, settings: Mapping[str, Any], spec: DataSpec) -> np.ndarray:
    # The delimiter has no meaning here, and may be a mark.
    return numbers_of(texts, replace(spec, **{**settings, "delimiter": "\t"})).notna().to_numpy()


def _candidates(texts: pd.Series, spec: DataSpec) -> Iterator[dict[str, Any]]:
    """Yield settings that may read texts, those that need the least first."""
    there = set("".join(texts))
    signs = [sign for sign in signs_in(texts) if sign not in (spec.strip or [])]
    for strip in [[], signs] if signs else [[]]:
        for marks in _marks(texts, there, spec):
            yield {"strip": [*(spec.strip or []), *strip], **marks} if strip else {**marks}


def _marks(texts: pd.Series, there: set[str], spec: DataSpec) -> Iterator[dict[str, str]]:
    """Yield the marks that texts may have and that the plan says nothing about."""
    yield {}
    may_be_commas = spec.decimal == "." and spec.thousands != "," and "," in there
    points = [spec.decimal, ","] if may_be_commas else [spec.decimal]
    for point in points:
        decimal = {"decimal": point} if point != spec.decimal else {}
        groups = [mark for mark in GROUPS if mark in there and mark != point] if not spec.thousands else []
        groups = [mark for mark in groups if not _begins_with_zero(texts, mark)]
        # Points alone are decimal marks, unless the plan says otherwise.
        if decimal:
            yield decimal
        yield from ({**decimal, "thousands": mark} for mark in groups)


def _begins_with_zero(texts: pd.Series, mark: str) -> bool:
    """Return whether a text such as "0,123" is there, whose mark cannot be between thousands."""
    escaped = re.escape(mark)
    return bool(texts.str.contains(rf"(?:^|[^\d{escaped}])0\d*{escaped}\d").any())


def needed(counts: pd.Series, found: Reading, spec: DataSpec) -> dict[str, Any]:
    """Return the settings with which a column holds only numbers and gaps; empty if no settings do this."""
    odd = [str(text) for text, is_read in zip(counts.index, found.is_read, strict=True) if not is_read]
    # A number with other marks is no gap.
    if found.hindrance or len(odd) > MAX_ODD or any(_are_like_numbers(odd)):
        return {}
    return {**found.settings, **({"na": [*(spec.na or []), *odd]} if odd else {})}


def _are_like_numbers(texts: Iterable[str]) -> list[bool]:
    """Return whether each text is a number but for signs and marks between thousands."""
    texts = list(texts)
    signs = signs_in(texts)

    def is_like(text: str) -> bool:
        if not np.isnan(to_number(_GROUP.sub("", text))):
            return True
        if not signs or not any(map(str.isdigit, text)):
            return False
        return not np.isnan(to_number(_GROUP.sub("", without(text, signs))))

    return list(map(is_like, texts))


def together(settings: Mapping[str, Any], makes_gaps: bool) -> str:
    """Return, in brackets after a space, which settings are needed together; empty if it is one."""
    keys = [*settings, *(["missing"] if makes_gaps else [])]
    return f" (write {', '.join(keys[:-1])} and {keys[-1]} together)" if len(keys) > 1 else ""


def line(key: str, value: Any) -> str:
    """Return a line of a plan's `data`; a sign that nobody sees is written as its code."""
    plain = value if isinstance(value, str) else "".join(value)
    return f"{key}: {json.dumps(value, ensure_ascii=not plain.isprintable())}"
