"""Reads a table from a file into a data frame, with a separate error for each possible fault.

Formats: delimited text (also compressed), Parquet, Feather, Excel. A path may be a URI that pyarrow can open.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable, Collection
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.feather
import pyarrow.fs
import pyarrow.parquet as pq

from trainables.table import delimited, excel, named_index, other_formats, whole
from trainables.table.expected import NOTHING, Expected
from trainables.table.source import Source, check_names, with_names
from trainables.table.spec import COMPRESSIONS, EXCEL, DataError, DataSpec, ending_of


def content(path: str) -> bytes:
    """Return the bytes of the file `path`, a path or a URI.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if "://" not in path:
            return Path(path).read_bytes()
        system, inside = pyarrow.fs.FileSystem.from_uri(path)
        with system.open_input_file(inside) as file:
            return bytes(file.read())
    except FileNotFoundError:
        raise DataError(f"{path}: there is no such file. Correct data.path.") from None
    except pa.ArrowInvalid as error:
        remedy = (
            "Download it, and name the file in data.path."
            if path.startswith("http")
            else "Correct data.path."
        )
        raise DataError(f"{path}: no file system is known for this address ({error}). {remedy}") from None
    except IsADirectoryError:
        raise DataError(other_formats.told_of_folder(path)) from None
    except OSError as error:
        reason = error.strerror or str(error).splitlines()[0]
        raise DataError(
            f"{path}: cannot be read ({reason}). Correct data.path, or correct its rights."
        ) from None


def read(
    path: str, data: bytes, spec: DataSpec, expected: Expected = NOTHING, others: Collection[str] | None = ()
) -> Source:
    """Return the table in a file.

    Args:
        path: of the file.
        data: its bytes.
        spec: how to read it. Its own path is not used. Texts with marks between thousands stay texts.
        expected: what is known of the table.
        others: names of columns that the plan gives outside of `data`. None if the rows are to be predicted, so that nothing
            is told of a named index.

    Raises:
        DataError: the file cannot be read as a table.
    """
    other_formats.check_ending(path)
    ending = ending_of(path)
    if ending in (".parquet", ".pq"):
        # Unlike `read_table`, this reads a file in which a name is there twice, so that the message can say so.
        return _read_arrow(
            path, "Parquet", lambda: pq.ParquetFile(pa.BufferReader(data)).read(), spec, others
        )
    if ending in (".feather", ".arrow"):
        return _read_arrow(
            path, "Feather", lambda: pyarrow.feather.read_table(pa.BufferReader(data)), spec, others
        )
    if ending in EXCEL:
        return _read_excel(path, data, spec, expected)

    def again() -> bytes:
        return _decompressed(path, content(path))

    return delimited.read(path, _decompressed(path, data), spec, expected, again)


def _read_arrow(
    path: str, kind: str, load: Callable[[], pa.Table], spec: DataSpec, others: Collection[str] | None
) -> Source:
    try:
        table = load()
        check_names([str(name) for name in table.schema.names], path)
        frame = whole.of_arrow(table.to_pandas(), table, spec.categories or ())
    except DataError:
        raise
    except Exception as error:  # pyarrow raises many types
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise DataError(f"{path}: cannot be read as {kind} ({reason}). Correct data.path.") from None
    frame.columns = frame.columns.map(str)
    frame, notes = named_index.as_columns(frame, path, spec, others or ())
    return Source(path, frame, notes=() if others is None else notes)


def _read_excel(path: str, data: bytes, spec: DataSpec, expected: Expected) -> Source:
    sheet = excel.read(path, data, spec, expected)
    check_names([name for name in sheet.names if name], path, sheet.names)
    source = with_names(path, sheet.frame, sheet.names, lambda: sheet.rows)
    return replace(source, notes=(*sheet.notes, *source.notes), gap_texts=sheet.gap_texts)


def _decompressed(path: str, data: bytes) -> bytes:
    ending = next((one for one in COMPRESSIONS if path.lower().endswith(one)), "")
    try:
        if ending in (".gz", ".gzip"):
            return gzip.decompress(data)
        if ending == ".bz2":
            return bz2.decompress(data)
        if ending == ".xz":
            return lzma.decompress(data)
        if ending == ".zst":
            with pa.CompressedInputStream(pa.BufferReader(data), "zstd") as stream:
                return bytes(stream.read())
        if ending == ".zip":
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                [name] = [name for name in archive.namelist() if not name.endswith("/")]
                return archive.read(name)
    except ValueError:
        raise DataError(
            f"{path}: the archive holds more than one file, or none. Unpack it, and name one file in data.path."
        ) from None
    except (OSError, EOFError, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise DataError(f"{path}: cannot be decompressed ({error}). Correct the file.") from None
    return data
