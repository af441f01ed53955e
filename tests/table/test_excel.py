"""Excel files, which openpyxl writes and reads."""

import datetime
import sys

import numpy as np
import openpyxl
import pandas as pd
import pytest

from sweep import Plan
from tests.help.plans import write_folder, write_plan, write_table
from trainables.table.data import load
from trainables.table.spec import DataError, DataSpec, Split


def book(path, **sheets):
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return str(path)


def rows(count=40, first=("a", "flag", "colour", "label")):
    body = [
        [n * 0.37 % 5, n % 3 == 0, ["red", "blue"][n % 2], ["no", "yes", "maybe"][n % 3]]
        for n in range(count)
    ]
    return [list(first), *body]


def test_a_sheet_gives_the_same_rows_as_a_text_file(tmp_path):
    pd.DataFrame(rows()[1:], columns=rows()[0]).to_csv(tmp_path / "t.csv", index=False)
    path = book(tmp_path / "t.xlsx", Table=rows())
    found, expected = (load(DataSpec(one, "label")) for one in (path, str(tmp_path / "t.csv")))
    assert found.features == expected.features == ("a", "flag", "colour_blue", "colour_red")
    assert (found.classes, found.task, found.notes) == (("maybe", "no", "yes"), "multiclass", ())
    np.testing.assert_array_equal(found.x_train, expected.x_train)
    np.testing.assert_array_equal(found.x_test, expected.x_test)
    np.testing.assert_array_equal(found.y_train, expected.y_train)


def test_a_plan_takes_a_sheet(tmp_path):
    folder = tmp_path / "sweep"
    write_folder(folder)
    write_table(folder / "table.csv").to_excel(folder / "table.xlsx", index=False, sheet_name="rows")
    data = {"path": "table.xlsx", "target": "target", "sheet": "rows"}
    found = Plan.load(write_plan(folder, data=data)).table
    expected = load(DataSpec(str(folder / "table.csv"), "target"))
    np.testing.assert_array_equal(found.x_train, expected.x_train)
    np.testing.assert_array_equal(found.y_test, expected.y_test)


def test_the_first_of_several_sheets_is_read_unless_another_one_is_named(tmp_path):
    path = book(tmp_path / "t.xlsx", Old=rows(30), New=rows(50), Notes=[["by hand"]])
    first = load(DataSpec(path, "label"))
    assert len(first.y_train) + len(first.y_test) == 30
    [note] = first.notes
    assert 'the sheet "Old" is read, and "New", "Notes" are not' in note and 'sheet: "New"' in note
    second = load(DataSpec(path, "label", sheet="New"))
    assert (len(second.y_train) + len(second.y_test), second.notes) == (50, ())
    with pytest.raises(DataError, match=r"no sheet \"new\".*The sheets are: 'Old', 'New', 'Notes'"):
        load(DataSpec(path, "label", sheet="new"))
    with pytest.raises(DataError, match="only an Excel file has sheets"):
        DataSpec("t.csv", "label", sheet="New")


def test_gaps_are_named_by_the_rows_of_excel(tmp_path):
    made = rows()
    made[7][0] = None
    made[12][2] = "#N/A"
    path = book(tmp_path / "t.xlsx", Table=made)
    with pytest.raises(DataError) as error:
        load(DataSpec(path, "label"))
    assert 'column "a" has no value in row 8 (1 missing in all)' in str(error.value)
    assert 'column "colour" has no value in row 13' in str(error.value)
    assert "a_missing" in " ".join(load(DataSpec(path, "label", missing="fill")).features)


def test_rows_without_a_value_are_left_out(tmp_path):
    made = rows()
    blank = [[None] * 4]
    path = book(tmp_path / "t.xlsx", Table=[*blank, *made[:10], *blank, *made[10:], *blank])
    found = load(DataSpec(path, "flag"))
    assert (len(found.y_train) + len(found.y_test), found.classes) == (40, (False, True))
    assert "1 rows without a value are left out" in found.notes[0]
    made[20][0] = "many"
    path = book(tmp_path / "t.xlsx", Table=[*blank, *made[:10], *blank, *made[10:]])
    with pytest.raises(DataError, match="'many' in row 23"):  # two blank ones, the names, and 20 rows
        load(DataSpec(path, "flag"))


def test_dates_may_split_the_rows_but_are_no_feature(tmp_path):
    day = datetime.datetime(2024, 1, 1)
    made = [
        [*row, "day" if not n else day + datetime.timedelta(days=(n * 7) % 41)]
        for n, row in enumerate(rows())
    ]
    path = book(tmp_path / "t.xlsx", Table=made)
    with pytest.raises(DataError, match=r'"day" holds values of type (Timestamp|datetime)'):
        load(DataSpec(path, "a"))
    found = load(DataSpec(path, "a", split=Split(kind="time", column="day")))
    last = sorted(range(1, 41), key=lambda n: (n * 7) % 41)[-8:]
    assert sorted(found.y_test.tolist()) == sorted(np.float32([made[n][0] for n in last]).tolist())


@pytest.mark.parametrize(
    ("first", "body", "options", "words"),
    [
        (["a", "b", "a"], [[1, 2, 3]], {}, ['two columns are called "a" (the second is column 3)']),
        ([1, 2, 3], [[1, 2, 3]], {}, ["row 1 should hold the columns' names", "header: false"]),
        (["a", "b", "y"], [], {}, ["no row below the names"]),
        ([1, 2, 3], [[1, 2, 3]], {"header": False, "columns": ["a", "y"]}, ["3 columns, but data.columns names 2"]),
        ([], [], {}, ['sheet "Table": is empty']),
        (["a", None, "y"], [[n, n % 3, n % 7] for n in range(30)], {}, ["column 2 has no name"]),
    ],
)  # fmt: skip
def test_a_sheet_that_is_no_table_is_told(tmp_path, first, body, options, words):
    path = book(tmp_path / "t.xlsx", Table=[first, *body])
    with pytest.raises(DataError) as error:
        load(DataSpec(path, "y", **options))
    for word in words:
        assert word in str(error.value)


def test_a_sheet_without_names_takes_those_of_the_plan(tmp_path):
    path = book(tmp_path / "t.xlsx", Table=rows()[1:])
    found = load(DataSpec(path, "w", header=False, columns=["x", "y", "z", "w"]))
    assert found.features == ("x", "y", "z_blue", "z_red")


def test_numbers_that_were_stored_as_texts_are_numbers(tmp_path):
    body = [[f"{n},5", n % 4, n * 2.5] for n in range(30)]
    path = book(tmp_path / "t.xlsx", Table=[["a", "b", "y"], *body])
    found = load(DataSpec(path, "y", delimiter=";", decimal=","))
    assert found.features == ("a", "b")
    assert {*found.x_train[:, 0].tolist(), *found.x_test[:, 0].tolist()} == {n + 0.5 for n in range(30)}


def test_a_file_that_is_no_excel_file_is_told(tmp_path):
    (tmp_path / "t.xlsx").write_bytes(b"PK")
    with pytest.raises(DataError, match="cannot be read as Excel"):
        load(DataSpec(str(tmp_path / "t.xlsx"), "y"))


@pytest.mark.parametrize(
    ("package", "ending", "command"),
    [
        ("openpyxl", "xlsx", r"pip install 'keras-grid-sweep\[excel\]'"),
        ("openpyxl", "xlsm", r"keras-grid-sweep\[excel\]"),
        ("xlrd", "xls", "pip install xlrd"),
    ],
)
def test_a_package_that_is_missing_is_told(tmp_path, monkeypatch, package, ending, command):
    book(tmp_path / "t.xlsx", Table=rows())
    path = tmp_path / f"t.{ending}"
    old = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(600)  # how the files of old versions begin
    path.write_bytes(old if ending == "xls" else (tmp_path / "t.xlsx").read_bytes())
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(DataError, match=rf"needs the package {package}, .*{command}.*save the file as CSV"):
        load(DataSpec(str(path), "label"))
