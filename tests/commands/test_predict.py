"""`sweep predict`: what it prints and writes, and that bad input is one message."""

import io
import json
import shutil

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from sweep.commands.main import main
from tests.help.commands import refused, sweep
from tests.help.predictions import mixed_run, write_mixed_table

pytestmark = pytest.mark.long(30)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixed")
    made = mixed_run(folder)
    rows = write_mixed_table(folder / "new.csv").drop(columns="grade")
    rows.loc[2, "kind"] = "new"
    rows[list(rows)[::-1]].to_csv(folder / "new.csv", index=False)
    return folder, made, rows


def test_it_prints_csv_and_notes_beside_it(place):
    folder, run, rows = place
    ran = CliRunner().invoke(main, ["predict", str(folder / "out"), "1", str(folder / "new.csv"), "--trust"])
    assert ran.exit_code == 0, ran.output
    with pytest.warns(UserWarning):
        expected = run.predict(1, rows, trust=True)
    found = pd.read_csv(io.StringIO(ran.stdout))
    pd.testing.assert_frame_equal(found, expected.reset_index(drop=True), check_dtype=False, rtol=1e-5)
    assert "Note: " in ran.stderr and "'new' (1 row)" in ran.stderr and "is made by the builder" in ran.stderr


def test_sheets_that_are_not_read_are_named(place):
    folder, _, rows = place
    with pd.ExcelWriter(folder / "new.xlsx") as book:
        rows.to_excel(book, sheet_name="Now", index=False)
        rows.to_excel(book, sheet_name="Before", index=False)
    ran = CliRunner().invoke(main, ["predict", str(folder / "out"), "1", str(folder / "new.xlsx"), "--trust"])
    assert ran.exit_code == 0 and len(pd.read_csv(io.StringIO(ran.stdout))) == len(rows), ran.output
    assert 'the sheet "Now" is read, and "Before" is not' in ran.stderr


@pytest.mark.parametrize("ending", [".csv", ".parquet"])
def test_it_writes_a_file(place, tmp_path, ending):
    folder, _, rows = place
    out = tmp_path / f"predictions{ending}"
    words = [
        "predict",
        str(folder / "out"),
        "0",
        str(folder / "new.csv"),
        "--trust",
        "--json",
        "--out",
        str(out),
    ]
    ran = CliRunner().invoke(main, words)
    assert ran.exit_code == 0, ran.output
    answer = json.loads(ran.stdout)
    found = pd.read_csv(out) if ending == ".csv" else pd.read_parquet(out)
    assert answer["rows"] == len(found) == len(rows) and answer["columns"] == list(found)
    assert answer["out"] == str(out) and len(answer["notes"]) == 1
    again = refused(*words)
    assert "is there already" in again


def test_json_has_the_predictions(place):
    folder, _, rows = place
    ran = CliRunner().invoke(
        main, ["predict", str(folder / "out"), "0", str(folder / "new.csv"), "--trust", "--json"]
    )
    answer = json.loads(ran.stdout)
    assert len(answer["predictions"]) == len(rows)
    assert np.isclose(sum(answer["predictions"][0][f"p_{name}"] for name in ("high", "low", "mid")), 1)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["9", "new.csv"], "the grid has the points 0 to 1"),
        (["0", "nowhere.csv"], "nowhere.csv: there is no such file. Give another file."),
        (["0", "."], "because it is a folder. Give another file."),
        (["0", "new.csv", "--out", "x.txt"], "ends with .csv or .parquet"),
        (["0", "new.csv", "--out", "nowhere/x.csv"], "there is no folder"),
        (["0", "few.csv", "--trust"], "there is no column 'a'"),
        (["0", "new.csv"], "if you trust it, say so: --trust"),
    ],
)
def test_bad_input_is_one_message(place, monkeypatch, words, said):
    folder, _, rows = place
    monkeypatch.chdir(folder)
    rows.drop(columns="a").to_csv("few.csv", index=False)
    assert said in refused("predict", "out", *words)


@pytest.mark.parametrize("ending", ["csv", "xlsx", "parquet"])
def test_a_row_is_named_as_in_its_file(place, tmp_path, ending):
    folder, _, rows = place
    rows = rows.assign(a=rows["a"].astype(object if ending != "parquet" else str))
    rows.loc[1, "a"] = "tall"
    new = tmp_path / f"new.{ending}"
    if ending == "xlsx":
        rows.to_excel(new, index=False)
    elif ending == "parquet":
        rows.to_parquet(new)
    else:
        text = rows.to_csv(index=False)
        new.write_text(text.replace("\n", "\n\n", 1))  # the empty line counts, as in an editor
    row = {"csv": 4, "xlsx": 3, "parquet": 2}[ending]
    said = refused("predict", folder / "out", 1, new, "--trust")
    assert f"column \"a\" is 'tall' in row {row}, but needs a number" in said


def test_the_remedies_for_a_new_file_are_none_of_a_plan(place, tmp_path):
    folder, _, rows = place

    def said(content):
        (tmp_path / "new.csv").write_bytes(content)
        return refused("predict", folder / "out", 1, tmp_path / "new.csv", "--trust")

    semicolons = said(rows.to_csv(index=False, sep=";").encode())
    assert "looks split at ';'. Write \",\" between the fields, as in the sweep's table." in semicolons
    latin = said(rows.to_csv(index=False).replace("new", "é").encode("latin-1"))
    assert "Save the file as utf-8, as the sweep's table is." in latin
    nameless = said(b"1,2,3\n4,5,6\n")
    assert "Write the names of the columns into the first line" in nameless
    assert all("data." not in text for text in (semicolons, latin, nameless))


def test_a_trusted_builder_that_is_not_the_run_s_is_noted(place, tmp_path, monkeypatch):
    folder, _, _ = place
    shutil.copytree(folder / "out", tmp_path / "out")
    marks = tmp_path / "out" / "fingerprint.json"

    def said():
        ran = sweep("predict", tmp_path / "out", 0, folder / "new.csv", "--trust")
        assert ran.exit_code == 0, ran.output
        return ran.stderr

    ran = json.loads(marks.read_text())
    source = ran["builder"]["source"]
    ran["builder"]["source"] = source + "# a comment\n"
    marks.write_text(json.dumps(ran))
    assert "differs" not in said()
    ran["builder"]["source"] = source.replace("relu", "tanh")
    marks.write_text(json.dumps(ran))
    assert "model.py differs from what the sweep ran" in said() and "other predictions" in said()
    ran["builder"] |= {"source": source, "modules": {"beside": "WIDTH = 3\n"}}
    marks.write_text(json.dumps(ran))
    assert "its module beside was there, and is not imported now" in said()
    marks.write_text("{}")
    assert "does not tell which builder the sweep ran" in said()
