"""Knows the formats of tables that are not read, and how pandas reads them in a function of the user's own."""

from __future__ import annotations

from trainables.table.spec import DataError, ending_of

_READ_BY = {
    ".json": "pandas.read_json({})",
    ".jsonl": "pandas.read_json({}, lines=True)",
    ".ndjson": "pandas.read_json({}, lines=True)",
    ".pkl": "pandas.read_pickle({})",
    ".pickle": "pandas.read_pickle({})",
    ".ods": 'pandas.read_excel({}, engine="odf")',
    ".xlsb": 'pandas.read_excel({}, engine="pyxlsb")',
    ".h5": "pandas.read_hdf({})",
    ".hdf5": "pandas.read_hdf({})",
    ".orc": "pandas.read_orc({})",
    ".dta": "pandas.read_stata({})",
    ".sav": "pandas.read_spss({})",
    ".sas7bdat": "pandas.read_sas({})",
    ".xml": "pandas.read_xml({})",
    ".npy": "numpy.load({})",
    ".mat": "scipy.io.loadmat({})",
    ".arff": "scipy.io.arff.loadarff({})",
    ".sqlite": "pandas.read_sql(...)",
}

_BEGIN = {
    b"PAR1": ".parquet",
    b"ARROW1": ".feather",
    b"PK\x03\x04": ".xlsx or .zip",
    b"\x1f\x8b": ".gz",
    b"\x80\x04": ".pkl",
    b"\x80\x05": ".pkl",
}
"""How files of formats begin, and the endings that they should have."""

_ACCEPTED = "CSV (also compressed), Parquet, Feather, Excel (.xlsx, .xlsm, .xls) and .npz files are read"


def check_ending(path: str) -> None:
    """Raise if the ending of a path names a format that is not read.

    Raises:
        DataError: it does; the message says what reads the file.
    """
    if (ending := ending_of(path)) in _READ_BY:
        call = _READ_BY[ending].format(repr(path.rsplit("/", 1)[-1]))
        raise DataError(
            f"{path}: files with the ending {ending} are not read: {_ACCEPTED}. Save the table as one of these, or write a "
            f"function that returns it, such as {call}, and name it in data.path: my_data.py:load."
        )


def told_of_folder(path: str) -> str:
    """Return the message about a path that is a folder."""
    name = path.rstrip("/").rsplit("/", 1)[-1]
    return (
        f"{path}: cannot be read as a file, because it is a folder. Correct data.path, or write a "
        f"function that returns the rows of all, such as pandas.read_parquet({name!r}), and name it in data.path: "
        "my_data.py:load."
    )


def told_of_content(path: str, data: bytes) -> str:
    """Return the message about a file of another format than text; empty if it may be text."""
    for begin, ending in _BEGIN.items():
        if data.startswith(begin):
            return f"{path}: is no text, but begins as a {ending} file does. Give it this ending, and it is read as such."
    return ""
