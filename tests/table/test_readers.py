"""Files of all accepted formats are read, and a file that cannot be read is named with a remedy."""

import bz2
import csv as csv_module
import gzip
import io
import lzma
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sweep.models import predict
from tests.help.plans import write_table
from trainables.table import delimited, raws, readers
from trainables.table.data import load
from trainables.table.expected import Expected
from trainables.table.spec import DataError, DataSpec


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "table.csv"
    write_table(path)
    return path


def zipped(path, data):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("table.csv", data)


WRITERS = {
    ".gz": lambda path, data: path.write_bytes(gzip.compress(data)),
    ".gzip": lambda path, data: path.write_bytes(gzip.compress(data)),
    ".bz2": lambda path, data: path.write_bytes(bz2.compress(data)),
    ".xz": lambda path, data: path.write_bytes(lzma.compress(data)),
    ".zst": lambda path, data: path.write_bytes(pa.Codec("zstd").compress(data, asbytes=True)),
    ".zip": zipped,
}


@pytest.mark.parametrize("ending", WRITERS)
def test_a_compressed_text_is_read(csv, ending):
    packed = csv.with_name(f"table.csv{ending}")
    WRITERS[ending](packed, csv.read_bytes())
    np.testing.assert_array_equal(
        load(DataSpec(str(packed), "target")).x_train, load(DataSpec(str(csv), "target")).x_train
    )
    packed.write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot be decompressed"):
        load(DataSpec(str(packed), "target"))


@pytest.mark.parametrize("ending", [".parquet.gzip", ".parquet.gz", ".snappy.parquet"])
def test_parquet_with_the_compression_in_its_name_is_read(csv, ending):
    path = csv.with_name(f"table{ending}")
    pd.read_csv(csv).to_parquet(path, compression="snappy" if "snappy" in ending else "gzip")
    found, plain = load(DataSpec(str(path), "target")), load(DataSpec(str(csv), "target"))
    np.testing.assert_array_equal(found.x_train, plain.x_train)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("t.json", "such as pandas.read_json('t.json'), and name it in data.path: my_data.py:load"),
        ("t.pkl", "pandas.read_pickle('t.pkl')"),
        ("t.ods", "pandas.read_excel('t.ods', engine=\"odf\")"),
        ("t.jsonl.gz", "pandas.read_json('t.jsonl.gz', lines=True)"),
        ("folder", "it is a folder.*pandas.read_parquet('folder')"),
        ("parquet.csv", "begins as a .parquet file does. Give it this ending"),
        ("pickle.data", "begins as a .pkl file does"),
    ],
)
def test_another_format_is_told_with_what_reads_it(csv, name, words):
    frame, path = pd.read_csv(csv), csv.with_name(name)
    if name == "folder":
        path.mkdir()
        frame.to_parquet(path / "part.parquet")
    elif name == "parquet.csv":
        frame.to_parquet(path)
    elif name in ("t.pkl", "pickle.data"):
        frame.to_pickle(path, compression=None)
    elif "json" in name:
        frame.to_json(path, orient="records", lines="jsonl" in name)
    else:
        path.write_bytes(b"PK\x03\x04\xff")
    with pytest.raises(DataError) as error:
        load(DataSpec(str(path), "target"))
    first, *rest = words.split(".*")
    assert first in str(error.value) and all(word in str(error.value) for word in rest)
    assert "encoding" not in str(error.value) and "rights" not in str(error.value)


def test_feather_and_an_address_are_read(csv):
    plain = load(DataSpec(str(csv), "target"))
    feather = csv.with_suffix(".feather")
    pyarrow.feather.write_feather(pa.Table.from_pandas(pd.read_csv(csv)), feather)
    np.testing.assert_array_equal(load(DataSpec(str(feather), "target")).x_train, plain.x_train)
    np.testing.assert_array_equal(load(DataSpec(csv.as_uri(), "target")).x_train, plain.x_train)


def test_an_address_that_cannot_be_opened_is_told():
    with pytest.raises(DataError, match=r"no file system is known.*Download it"):
        load(DataSpec("https://example.com/table.csv", "y"))


def test_numbers_in_other_countries_are_read(tmp_path):
    plain = write_table(tmp_path / "plain.csv")
    texts = plain.astype(object)
    for name in ("a", "b", "target"):
        texts[name] = [f"{value * 1000:,.4f}".translate(str.maketrans(",.", ".,")) for value in plain[name]]
    texts.to_csv(tmp_path / "table.csv", sep=";", index=False)
    spec = DataSpec(str(tmp_path / "table.csv"), "target", delimiter=";", decimal=",", thousands=".")
    expected = load(DataSpec(str(tmp_path / "plain.csv"), "target"))
    np.testing.assert_allclose(load(spec).x_train[:, :2], expected.x_train[:, :2] * 1000, rtol=1e-6)


def test_empty_columns_at_the_end_are_left_out(tmp_path):
    lines = ["a;b;y;;", *(f"{n};{n % 7};{n % 5};;" for n in range(30))]
    (tmp_path / "t.csv").write_text("\n".join(lines))
    table = load(DataSpec(str(tmp_path / "t.csv"), "y", delimiter=";"))
    assert table.features == ("a", "b") and "the last 2 columns" in table.notes[0]


def test_an_index_is_recognised_and_dropped_by_position(tmp_path):
    path = tmp_path / "t.csv"
    write_table(tmp_path / "plain.csv").to_csv(path)
    with pytest.raises(
        DataError, match=r"column 1 has no name and counts the rows from 0.*\n.*\n  drop: \[1\]"
    ):
        load(DataSpec(str(path), "target"))
    table = load(DataSpec(str(path), "target", drop=[1]))
    assert table.features == ("a", "b", "kind_x", "kind_y")


def test_a_row_is_named_by_its_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + '"1\n",2\n' * 10 + "3,4\n" * 20 + "x,5\n")
    with pytest.raises(DataError, match="row 42"):
        load(DataSpec(str(path), "y"))


GERMAN = ["A14 62  A31 2 ", "A12 48 A30   1 ", "A11 49\tA30 1 "] * 9


@pytest.mark.parametrize("delimiter", ["whitespace", r"\s+"])
def test_runs_of_blanks_separate_fields(tmp_path, delimiter):
    path = tmp_path / "german.data"
    path.write_text("\n".join(GERMAN) + "\n")
    spec = DataSpec(str(path), "y", header=False, columns=["a", "b", "c", "y"], delimiter=delimiter)
    assert spec.delimiter == "whitespace"
    source = raws.read(spec).source()
    assert source.frame.iloc[0].tolist() == ["A14", 62, "A31", 2] and source.frame["b"].dtype == "int64"
    assert source.row(1) == "2" and len(source.frame) == 27
    path.write_text("\n".join([*GERMAN[:4], "A14 62 A31", *GERMAN]))
    with pytest.raises(DataError, match="line 5 has 3 fields, but line 1 has 4"):
        load(spec)


@pytest.mark.parametrize(
    ("lines", "options", "said"),
    {
        "blanks": (GERMAN, {}, "looks split at runs of blanks. Set data.delimiter: whitespace."),
        "one blank": (GERMAN, {"delimiter": " "}, "Set data.delimiter: whitespace."),
        "a title": (
            ["|1x3 Cross validator", *["31, no, 3, 4"] * 5], {},
            "line 1 is no row of the table: it has 1 field, but the lines after it have 4 each. Remove it",
        ),
        "a title and its delimiter": (
            ["|1x3 Cross validator", *["31, no, 3, 4"] * 5], {"delimiter": "|"}, "Set data.delimiter: ','.",
        ),
        "a title above names": (
            ["My table", "a,b,c,y", *["31,no,3,4"] * 5], {"header": True, "columns": None},
            "line 1 is no line of names: it has 1 field, but the lines after it have 4 each. Remove it",
        ),
        "decimal commas": (
            ["a;b;c;y", *["1,5;2,5;3,5;4"] * 5], {"header": True, "columns": None}, "Set data.delimiter: ';'.",
        ),
        "tabs": (["31\tno\t3\t4"] * 5, {}, r'Set data.delimiter: "\t".'),
        "names without one for the index": (
            ["a,b,y", *["31,no,3,4"] * 5], {"header": True, "columns": None},
            "line 2 has 4 fields, but line 1 has 3. Name every column in line 1, or remove it if it holds no names.",
        ),
    }.values(),
)  # fmt: skip
def test_lines_that_are_not_split_are_told_with_a_remedy_that_helps(tmp_path, lines, options, said):
    path = tmp_path / "t.data"
    path.write_text("\n".join(lines) + "\n")
    spec = DataSpec(str(path), "y", **{"header": False, "columns": ["a", "b", "c", "y"], **options})
    with pytest.raises(DataError) as caught:
        load(spec)
    assert said in str(caught.value)


def test_blanks_in_texts_of_one_column_are_no_delimiter(tmp_path):
    path = str(tmp_path / "new.csv")
    (tmp_path / "new.csv").write_text("home town\nNew York\nLos Angeles\n")
    found = readers.read(path, readers.content(path), DataSpec(path, "y"), Expected(("home town",)))
    assert found.frame["home town"].tolist() == ["New York", "Los Angeles"]


def read_text(folder, text, **options):
    path = folder / "t.csv"
    path.write_bytes(text.encode(options.get("encoding", "utf-8")))
    return raws.read(DataSpec(str(path), "y", **options)).source()


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize(
    ("first", "names"),
    [
        ('"Weight\n(kg)",y', ["Weight\n(kg)", "y"]),
        ('"Weight\r\n(kg)","in\n\nall\n",y', ["Weight\r\n(kg)", "in\n\nall", "y"]),
        ('\n \n\t\n"Weight\n(kg)",y', ["Weight\n(kg)", "y"]),
        ('Pipe of 5",y', ['Pipe of 5"', "y"]),
        ('"Pipe ""A\n""",of 5" or 6,y', ['Pipe "A\n"', 'of 5" or 6', "y"]),
    ],
)
def test_only_the_line_of_names_is_no_row_whatever_is_quoted_in_it(tmp_path, first, names, end):
    rows = [f"{number},{'0,' * (len(names) - 2)}{number % 2}" for number in range(9)]
    source = read_text(tmp_path, end.join([first, *rows]) + end)
    assert list(source.frame) == names and source.frame[names[0]].tolist() == [*range(9)]
    lines = first.replace("\r\n", "\n").count("\n") + 1
    assert [source.row(position) for position in (0, 8)] == [str(lines + 1), str(lines + 9)]


def test_names_of_two_lines_shift_no_predictions_and_no_categories(tmp_path):
    text = '"Weight\n(kg)","kind of\nit",y\n' + "".join(
        f"{n},{'None' if n % 3 else 'b'},{n % 2}\n" for n in range(30)
    )
    spec = DataSpec(str(tmp_path / "t.csv"), "y", keep_default_na=False)
    source = read_text(tmp_path, text, keep_default_na=False)
    assert source.frame["kind of\nit"].tolist() == ["b", "None", "None"] * 10
    rows, _, row = predict.rows_of(spec.path, spec, load(spec).recipe)
    assert rows["Weight\n(kg)"].tolist() == [*range(30)] and row(0) == "4"


def test_a_line_of_blanks_is_no_row(tmp_path):
    source = read_text(tmp_path, " \na,b,y\n1,2,\n\t \n3,4,5\n  ")
    assert source.frame["a"].tolist() == [1, 3] and source.row(1) == "5"
    source = read_text(tmp_path, 'y\ta\n1\t2\n\t\n" \n "\t4', delimiter="\t")
    assert source.frame["a"].fillna(0).tolist() == [2, 0, 4]


def test_lines_are_counted_as_an_editor_does_above_and_in_names(tmp_path):
    with pytest.raises(
        DataError, match=r"line 4 has 3 fields, but line 3 has 2. Name every column in line 3"
    ):
        read_text(tmp_path, '\n"a\nb",y\n1,2,3\n4,5,6\n')
    with pytest.raises(DataError, match="line 2 should hold the columns' names, but holds only numbers"):
        read_text(tmp_path, "\n1,2\n3,4\n")
    with pytest.raises(DataError, match="line 3 has one field when split at \",\", but looks split at ';'"):
        read_text(tmp_path, '\n"a\nb";y\n1;2\n3;4\n')


def test_rows_that_two_readers_count_otherwise_are_an_error(tmp_path, monkeypatch):
    parsed = delimited._parsed
    monkeypatch.setattr(delimited, "_parsed", lambda *given: parsed(*given).iloc[1:])
    with pytest.raises(DataError, match=r"pandas finds 8, and Python's csv module 9\. A quote may be"):
        read_text(tmp_path, "a,y\n" + '"u\nv",2\n' * 9)
    text = "x" * 200_000  # the csv module takes no text as long
    assert len(read_text(tmp_path, "a,y\n" + '"u\nv",2\n' * 120 + f'"{text}",3').frame) == 120


def as_field(text, special, is_quoted):
    must = is_quoted or not text or text[0] in ' \t"' or set(text) & {*"\r\n", *special}
    return '"' + text.replace('"', '""') + '"' if must else text


@st.composite
def files(draw):
    """Return a file's text, its delimiter, how that is written, the names, and the line on which each row ends."""
    delimiter = draw(st.sampled_from([",", ";", "\t", "whitespace"]))
    written = draw(st.sampled_from([" ", "\t ", "  "])) if delimiter == "whitespace" else delimiter
    special = " \t" if delimiter == "whitespace" else delimiter
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    words = st.text('a1 \t",;\n\r', max_size=5)
    # After a lone \r, pandas takes a line of blanks for a row of gaps if runs of blanks separate fields.
    is_row_of_gaps = delimiter == "whitespace" and end == "\r"
    blanks = st.lists(st.sampled_from([""] if is_row_of_gaps else ["", " ", "  "]), max_size=2)
    width = draw(st.integers(1, 3))
    names = ["n", *(f"{letter}{draw(words)}" for letter in "uvw"[:width])]
    text, lines = "", []
    for number in range(-1, draw(st.integers(1, 8))):
        values = names if number < 0 else [str(number), *(draw(words) for _ in range(width))]
        row = written.join(as_field(value, special, draw(st.booleans())) for value in values)
        text += "".join(blank + end for blank in draw(blanks)) + row + end
        lines.append(len(io.StringIO(text, newline="").readlines()))
    if draw(st.booleans()):
        text = text.removesuffix(end) + end.join(["", *draw(blanks)])
    return text, delimiter, written, [name.strip() for name in names], lines[1:]


@pytest.mark.heavy  # takes seconds
@given(files())
@settings(max_examples=200, deadline=None)
def test_the_rows_are_those_of_the_csv_module(file):
    text, delimiter, written, names, lines = file
    with tempfile.TemporaryDirectory() as folder:
        source = read_text(Path(folder), text, delimiter=delimiter)
        assert source.frame["n"].tolist() == [*range(len(lines))]
        assert [source.row(position) for position in source.frame.index] == [*map(str, lines)]
    of_csv = csv_module.reader(io.StringIO(text, newline=""), delimiter=written[0], skipinitialspace=True)
    _, *rows = (row for row in of_csv if len(row) > 1)
    if delimiter != "whitespace":  # blanks in names are runs, too
        assert list(source.frame) == names
    texts = Expected(texts=dict.fromkeys(source.frame, ()))
    frame = readers.read("t.csv", text.encode(), DataSpec("t.csv", "y", delimiter=delimiter), texts).frame
    assert frame.fillna("").to_numpy().tolist() == rows
