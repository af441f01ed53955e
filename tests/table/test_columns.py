"""Columns that cannot be used are refused all at once, with settings that mend them."""

import numpy as np
import pandas as pd
import pytest

from trainables.table.columns import Problem, kind_of, message, stripped
from trainables.table.source import Source
from trainables.table.spec import DataError, DataSpec

CHANCE = np.random.default_rng(1)


def judged(values, **options):
    spec = DataSpec("t.csv", "y", **options)
    frame = stripped(pd.DataFrame({"c": values}), spec)
    return kind_of(frame["c"], Source("t.csv", frame), spec)


def with_texts(share, text):
    numbers = CHANCE.integers(60, 110, 200).astype(str)
    numbers[: int(200 * share)] = text
    return numbers


@pytest.mark.parametrize("categories", [[10, 20, 30], [0.5, 1.5, 2.5], ["a", "b", "c"]])
def test_categories_of_a_frame_may_have_gaps(categories):
    """A frame from Python keeps the type of its categories, which may have no value for a gap."""
    gapless = judged(pd.Categorical.from_codes([0, 1, 2, 0] * 10, categories))
    with_gaps = judged(pd.Categorical.from_codes([0, 1, 2, -1] * 10, categories), missing="fill")
    assert not isinstance(gapless, Problem) and with_gaps == gapless


@pytest.mark.parametrize("share", [0.01, 0.1, 0.3, 0.6, 0.9])
def test_a_column_of_numbers_with_texts_is_refused_however_many(share):
    problem = judged(with_texts(share, "?"))
    assert isinstance(problem, Problem) and "'?'" in problem.text and problem.settings == {"na": ["?"]}
    assert problem.missing == {"c": "fill"}
    assert judged(with_texts(share, "?"), categories={"c": "onehot"}) == "onehot"


def test_the_remedies_work():
    assert judged(["1", "2", "?"] * 20, na=["?"]) != "number"  # texts, as in Parquet
    frame = stripped(pd.DataFrame({"c": ["$1,200", "$35", None]}), DataSpec("t", "y", strip=["$"], thousands=",",
                                                                       delimiter=";"))  # fmt: skip
    np.testing.assert_array_equal(frame["c"], [1200, 35, np.nan])
    frame = stripped(pd.DataFrame({"c": ["5 %", "35%"]}), DataSpec("t", "y", strip=["%"]))
    assert frame["c"].tolist() == [5, 35]


@pytest.mark.parametrize(
    ("values", "words", "remedy"),
    [
        ([f"${n}" for n in range(40)], "a number with $", 'strip: ["$"]'),
        ([f"{n}%" for n in range(40)], "a number with %", 'strip: ["%"]'),
        ([f"{n % 5} kr" for n in range(40)], "a number with kr in each row", 'strip: ["kr"]'),
        ([f"kr {n % 5}" for n in range(40)], "a number with kr in each row", 'strip: ["kr"]'),
        ([f"Rs. {n % 5 + 1}00" for n in range(40)], "a number with Rs. in each row", 'strip: ["Rs."]'),
        ([f"{n % 9}kr" for n in range(40)], "a number with kr in each row", 'strip: ["kr"]'),
        ([f"CHF {n % 9 + 1}0" for n in range(40)], "a number with CHF in each row", 'strip: ["CHF"]'),
        ([f"USD {n % 9}" for n in range(40)], "a number with USD in each row", 'strip: ["USD"]'),
        ([f"{n % 9} EUR" for n in range(40)], "a number with EUR in each row", 'strip: ["EUR"]'),
        ([f"US${n % 9}" for n in range(40)], "a number with US$ in each row", 'strip: ["US$"]'),
        ([f"R$ {n % 9}" for n in range(40)], "a number with R$ in each row", 'strip: ["R$"]'),
        ([f"₹{n % 9 + 1},099" for n in range(40)], "looks like numbers with commas", 'strip: ["₹"]'),
        ([f"₹ {n % 2}" for n in range(40)], "a number with ₹ in each row", 'strip: ["₹"]'),
        ([f"{n},500" for n in range(1, 40)], "commas", 'thousands: ","'),
        (["2020-01-31", "2021-02-28"] * 20, "dates", 'split: {kind: time, column: "c"}'),
        ([f"id{n}x" for n in range(120)], "120 different texts", 'categories: {"c": hash}'),
        ([None] * 20, "empty in every row", None),
        (pd.date_range("2020", periods=20), "type Timestamp", 'split: {kind: time, column: "c"}'),
    ],
)
def test_other_columns_are_refused_with_a_remedy(values, words, remedy):
    problem = judged(values)
    assert words in problem.text and (remedy is None or f"  {remedy}\n" in message("t", [problem]))


@pytest.mark.parametrize("form", ["{:02}.00.00", "{:02}.30.15", "{}-24-60"])
def test_times_of_a_day_are_no_dates(form):
    assert judged([form.format(n % 24) for n in range(48)]) == "onehot"


@pytest.mark.parametrize(
    "values",
    [["3a", "4b", "5"] * 10, ["x", "y"] * 10, ["1st", "2nd", "3rd"] * 9, ["10-20", "20-30"] * 9],
)
def test_categories_are_categories(values):
    assert judged(values) == "onehot"


@pytest.mark.parametrize(
    "form",
    [
        "FR{:02}", "FR {}", "rs42935{}", "RS {}", "LV-101{}", "LV{}", "FT{}", "FT {}", "KN {}", "TK {}", "RP {}",
        "EUR{}", "USD-{}", "CHF {:02}", "kr-{}", "kr - {}", "kr{}", "Euro {}", "TL {}",
    ],
)  # fmt: skip
def test_codes_with_letters_of_a_currency_are_categories(form):
    assert judged([form.format(n % 12) for n in range(48)]) == "onehot"


@pytest.mark.parametrize(
    "values", [["CAD 1", "CAD 2", "CAD 3"], ["5 EUR", "USD"], ["kr 01", "kr 02", "kr 12"]]
)
def test_few_texts_with_codes_of_currencies_are_categories(values):
    assert judged(values * 9) == "onehot"


def test_all_that_is_wrong_is_one_message():
    gaps = Problem("a", 'column "a" has no value in row 2 (1 missing in all)', (), missing={"a": "fill"})
    other = Problem("b", 'column "b" is "?"', ('na: ["?"]',))
    nameless = Problem("column 3", "column 3 has no name", (), is_nameless=True)
    lines = message("t.csv", [gaps, other, nameless]).splitlines()
    assert lines[0] == "t.csv: 3 columns cannot be used as they are:"
    assert lines[-3:] == ['  missing: {"a": "fill"}', '  na: ["?"]', '  drop: ["a", "b", 3]']
    both = message("t.csv", [gaps, Problem("z", "z", (), missing={"z": "fill"})])
    assert "  missing: fill\n  missing: drop_rows\n" in both


def test_numbers_of_other_formats_than_text_have_gaps_by_na_too():
    frame = stripped(pd.DataFrame({"i": [1, -999, 3], "f": [-999.0, 1.5, 2.0], "b": [True, False, True]}),
                     DataSpec("t", "y", na=["-999", "?"]))  # fmt: skip
    np.testing.assert_array_equal(frame["i"], [1, np.nan, 3])
    np.testing.assert_array_equal(frame["f"], [np.nan, 1.5, 2])
    assert frame["b"].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["1.234,5", "7", None, "-12.345.678"], [1234.5, 7, np.nan, -12345678]),
        (["28.02.2024", "01.03.2024"] * 2, None),  # dates
        (["1.5", "2.5"] * 2, None),  # no thousands
    ],
)
def test_marks_between_thousands_are_before_three_digits(values, expected):
    frame = stripped(
        pd.DataFrame({"c": values}), DataSpec("t", "y", thousands=".", decimal=",", delimiter=";")
    )
    if expected is None:
        assert frame["c"].tolist() == values
    else:
        np.testing.assert_array_equal(frame["c"].astype(float), expected)


def test_texts_that_are_numbers_are_refused_and_the_remedies_work():
    texts = [f"{n / 10}" for n in range(40)]
    problem = judged(texts)
    assert "numbers as texts, such as '0.0' in row 1" in problem.text and problem.settings == {"strip": [" "]}
    assert judged(texts, strip=[" "]) == "number" and judged(texts, categories={"c": "onehot"}) == "onehot"
    assert judged(["01", "02", "10"] * 9) == "onehot"  # codes
    assert judged(pd.Series([1, 2.5, None] * 9, dtype=object)) == "number"
    assert judged(pd.Series([10**25, 1, 2] * 9, dtype=object)) == "number"
    assert "complex" in judged(np.array([1j, 2.0] * 9)).text


def test_texts_with_commas_are_thousands_only_in_groups_of_three():
    assert judged([f"{n},351.5" for n in range(1, 40)]).settings == {"thousands": ","}
    assert not judged([f"{n},36" for n in range(40)]).settings


@pytest.mark.parametrize(
    ("values", "options", "settings"),
    [
        ([f"${n},041" for n in range(1, 40)], {}, {"strip": ["$"], "thousands": ","}),
        ([f"${n},041" for n in range(1, 40)], {"thousands": ","}, {"strip": ["$"]}),
        ([f"${n},041" for n in range(1, 40)], {"strip": ["%"]}, {"strip": ["%", "$"], "thousands": ","}),
        ([f"{n},5" for n in range(40)], {"delimiter": ";"}, {"decimal": ","}),
        ([f"0,{n}" for n in range(100, 140)], {"delimiter": ";"}, {"decimal": ","}),
        ([f"{n}.041" for n in range(1, 40)], {"delimiter": ";", "decimal": ","}, {"thousands": "."}),
        ([f"{n}.5" for n in range(40)], {"delimiter": ";", "decimal": ","}, {}),
        ([f"{n}.5" for n in range(40)], {"delimiter": ";", "decimal": ",", "thousands": "."}, {}),
        (["?", *(f"${n}" for n in range(40))], {"na": ["-"]}, {"strip": ["$"], "na": ["-", "?"]}),
    ],
)
def test_all_settings_that_a_column_needs_are_told_at_once_and_do_it(values, options, settings):
    problem = judged(values, **options)
    assert isinstance(problem, Problem) and problem.settings == settings
    assert not settings or judged(values, **options | settings) == "number"


def test_columns_with_different_signs_have_one_line():
    dollars, percents = ([text.format(n) for n in range(40)] for text in ("${}", "{}%"))
    problems = [judged(dollars), judged(percents)]
    assert '\n  strip: ["$", "%"]\n' in message("t.csv", problems)
    others = [
        judged([f"{n},5" for n in range(40)], delimiter=";"),
        judged([f"{n},041.5" for n in range(1, 40)]),
    ]
    told = message("t.csv", others)
    assert 'decimal: ","' in told and "thousands" not in told  # a comma cannot be both


def test_a_comma_before_three_digits_may_be_either_mark():
    told = message("t.csv", [judged([f"{n},041" for n in range(1, 40)], delimiter=";")])
    assert 'if its commas are decimal marks, write decimal: "," instead of thousands' in told
    assert '\n  thousands: ","\n  decimal: ","\n' in told


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        ({"thousands": "."}, "data.thousands got '.', which is data.decimal too. .* write decimal: \",\""),
        ({"thousands": ",", "decimal": ",", "delimiter": ";"}, r'write decimal: "\."'),
        ({"decimal": ","}, "data.decimal got ',', which is data.delimiter too. .*delimiter: \";\""),
    ],
)
def test_one_mark_of_two_meanings_is_told_with_the_other_mark(marks, said):
    with pytest.raises(DataError, match=said):
        DataSpec("t.csv", "y", **marks)


@pytest.mark.parametrize(
    ("settings", "amounts"),
    [
        ({"strip": ["$"]}, ["05", "$1"]),
        ({"decimal": ","}, ["05", "1,5"]),
        ({"thousands": ","}, ["05", "1,500"]),
    ],
)
def test_codes_stay_texts_if_the_numbers_of_another_column_have_signs(settings, amounts):
    codes = ["0012", "12"] * 9
    frame = pd.DataFrame({"code": codes, "amount": amounts * 9, "y": codes})
    found = stripped(frame, DataSpec("t.parquet", "y", **settings))
    assert found["code"].tolist() == codes and pd.api.types.is_numeric_dtype(found["amount"])
    assert found["y"].tolist() == [12] * 18  # a target is an amount, or the plan says that it is of classes
    # Of rows to predict, the recipe says which columns hold numbers.
    known = stripped(frame, DataSpec("t.parquet", "y", **settings), {"code": True})
    assert known["code"].tolist() == [12] * 18
