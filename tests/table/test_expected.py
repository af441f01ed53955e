"""Texts such as NA are gaps in columns of numbers; in columns of texts they may be values."""

import numpy as np
import pandas as pd
import pytest

from trainables.table import raws, readers
from trainables.table.data import load
from trainables.table.expected import NA_TEXTS, Expected
from trainables.table.spec import DataError, DataSpec

GARAGES = ["Attchd", "Detchd", "NA", "None"]


def table(rows=80):
    """Return a table with a category NA, gaps in a column of numbers, and a class None."""
    n = np.arange(rows)
    frame = pd.DataFrame({"area": n * 0.37 % 5, "garage": np.array(GARAGES)[n * 7 % 11 % 4]})
    frame.loc[n % 9 == 0, "area"] = np.nan
    frame["label"] = np.array(["High", "Low", "None"])[n * 5 % 7 % 3]
    return frame


def written(tmp_path, ending):
    """Write the table into a file in which the gaps of numbers are NA, too."""
    path = tmp_path / f"t{ending}"
    if ending == ".parquet":
        table().to_parquet(path)
    elif ending == ".csv":
        table().to_csv(path, index=False, na_rep="NA")
    else:
        table().to_excel(path, index=False, na_rep="NA")
    return str(path)


def test_the_texts_are_those_of_pandas():
    from pandas._libs.parsers import STR_NA_VALUES

    assert set(NA_TEXTS) == STR_NA_VALUES


@pytest.mark.parametrize("ending", [".csv", ".xlsx"])
def test_a_file_is_read_as_a_data_frame_if_texts_are_kept(tmp_path, ending):
    expected = load(DataSpec(written(tmp_path, ".parquet"), "label", missing={"area": "fill"}))
    spec = DataSpec(written(tmp_path, ending), "label", missing={"area": "fill"}, keep_default_na=False)
    found = load(spec)
    assert found.features == expected.features and "garage_NA" in found.features
    assert found.classes == expected.classes == ("High", "Low", "None")
    np.testing.assert_allclose(found.x_train, expected.x_train)
    np.testing.assert_array_equal(found.y_test, expected.y_test)
    assert found.recipe.expected == expected.recipe.expected
    missing = {"area": "fill", "label": "drop_rows", "garage": "fill"}
    without = load(DataSpec(spec.path, "label", missing=missing, keep_default_na=False, na=["None"]))
    assert without.classes == ("High", "Low")


def test_a_message_names_the_texts_and_the_key_that_keeps_them(tmp_path):
    spec = DataSpec(written(tmp_path, ".csv"), "label", missing={"area": "fill"})
    count = int(table()["label"].eq("None").sum())
    with pytest.raises(DataError) as caught:
        load(spec)
    said = str(caught.value)
    assert f"{count} of its gaps are the text 'None', which keep_default_na: false keeps as values" in said
    assert "the texts 'N" in said and "\n  keep_default_na: false" in said
    assert "keep_default_na" not in told(table()[["area", "label"]].assign(label="a"), tmp_path)


def told(frame, tmp_path):
    frame.assign(y=np.arange(len(frame))).to_csv(tmp_path / "u.csv", index=False, na_rep="NA")
    with pytest.raises(DataError) as caught:
        load(DataSpec(str(tmp_path / "u.csv"), "y"))
    return str(caught.value)


def test_a_note_says_which_gaps_of_a_column_of_texts_were_texts(tmp_path):
    frame = table()[["area", "garage"]].assign(y=np.arange(80) / 7)
    frame.loc[3, "garage"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    spec = DataSpec(str(tmp_path / "t.csv"), "y", missing="fill")
    [note] = load(spec).notes
    count = int(frame["garage"].isin(["NA", "None"]).sum())
    assert f'The column "garage" holds texts, and {count} of its gaps are the texts' in note
    assert note.endswith("If they are values, write keep_default_na: false under data.")
    assert not load(DataSpec(spec.path, "y", missing="fill", keep_default_na=False)).notes


def test_a_file_whose_column_has_only_such_texts_holds_texts_as_the_other_does(tmp_path):
    table().to_csv(tmp_path / "t.csv", index=False)
    table()[:9].assign(garage="NA").to_csv(tmp_path / "test.csv", index=False)
    spec = DataSpec(
        str(tmp_path / "t.csv"), "label", test_path=str(tmp_path / "test.csv"), keep_default_na=False
    )
    assert raws.read(spec).frame["garage"].tolist() == [*table()["garage"], *["NA"] * 9]


def test_known_texts_stay_and_others_are_gaps(tmp_path):
    (tmp_path / "t.csv").write_text('a,b\nNA,1\n"None",2\n,3\nx,NA\n')
    path = str(tmp_path / "t.csv")
    expected = Expected(("a",), {"a": ["NA"]})
    found = readers.read(path, readers.content(path), DataSpec(path, "b"), expected)
    assert found.frame["a"].fillna("gap").tolist() == ["NA", "gap", "gap", "x"]
    assert found.frame["b"].isna().tolist() == [False, False, False, True]
    assert found.gap_texts == {"a": {"None": 1}}
