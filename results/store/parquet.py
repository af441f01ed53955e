"""Writes and reads one Parquet file, with checksums that detect every changed bit.

Page checksums cover the values, but not the footer, which describes the values. So the file also has a seal: a digest of
all its other bytes, between the last page and the footer. Parquet readers find pages by their offsets and the footer from
the end of the file, so they ignore the seal.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from results.errors import ResultsError
from results.folder.path import AnyPath

_SEAL_BYTES = 32
_REMEDY = "Run the sweep on its folder again: it sets the file aside and trains its points again."
_TAIL_BYTES = 8  # the footer's length and the magic number "PAR1"


class DamagedError(ResultsError, ValueError):
    """The file's bytes are not those that were written."""


def to_bytes(table: pa.Table, multiple: int = 1) -> bytes:
    """Return `table` as a sealed Parquet file whose size in bytes is a multiple of `multiple`."""
    buffer = io.BytesIO()
    # Floats and weights hardly repeat: a dictionary of them would take most of the time and enlarge the file.
    repeating = [
        item.name
        for item in table.schema
        if not pa.types.is_floating(item.type) and not pa.types.is_binary(item.type)
    ]
    pq.write_table(table, buffer, compression="zstd", use_dictionary=repeating, write_page_checksum=True)
    raw = buffer.getvalue()
    footer = len(raw) - _TAIL_BYTES - int.from_bytes(raw[-_TAIL_BYTES:-4], "little")
    pages = raw[:footer] + bytes(-(len(raw) + _SEAL_BYTES) % multiple)
    return pages + _digest(pages, raw[footer:]) + raw[footer:]


def read(path: AnyPath, idx: Sequence[int] | None = None) -> pa.Table:
    """Return the table in the sealed file `path`, or only its rows with one of the `idx`.

    Raises:
        DamagedError: the file is truncated or a bit of it has changed.
    """
    raw = path.read_bytes()
    if len(raw) < _TAIL_BYTES + _SEAL_BYTES:
        raise DamagedError(f"{path} is truncated. {_REMEDY}")
    footer = len(raw) - _TAIL_BYTES - int.from_bytes(raw[-_TAIL_BYTES:-4], "little")
    seal = footer - _SEAL_BYTES
    if seal < 0 or raw[seal:footer] != _digest(raw[:seal], raw[footer:]):
        raise DamagedError(f"{path} is damaged. {_REMEDY}")
    filters = None if idx is None else [("idx", "in", set(idx))]
    return pq.read_table(io.BytesIO(raw), page_checksum_verification=True, filters=filters)


def _digest(pages: bytes, footer: bytes) -> bytes:
    return hashlib.blake2b(pages + footer, digest_size=_SEAL_BYTES).digest()


def conform(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return `table` with exactly the columns of `schema`; columns that it lacks are null."""
    columns = [
        table[item.name].cast(item.type)
        if item.name in table.column_names
        else pa.nulls(table.num_rows, item.type)
        for item in schema
    ]
    return pa.table(columns, schema=schema)
