"""Replaces files atomically, and explains errors of writing."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from typing import Any

from results.folder.errors import FolderError
from results.folder.path import AnyPath, is_remote


@contextlib.contextmanager
def explained(path: AnyPath) -> Iterator[None]:
    """Turn an OSError raised while writing `path` into a FolderError that says what to do."""
    try:
        yield
    except FolderError:
        raise
    except OSError as error:
        raise FolderError(
            f"{path}: cannot be written ({error.strerror or error}). "
            "Make room or correct the rights, then run the same command again."
        ) from error


def replace_file(path: AnyPath, content: bytes) -> None:
    """Replace `path` by `content`, all or nothing, even if the machine dies.

    On an object store, every write is atomic. On this machine the bytes are first written to a hidden file in the same
    folder, which readers ignore. Once they are on the disk, that file is renamed to `path`.

    Raises:
        FolderError: the bytes cannot be written; `path` is unchanged.
    """
    if is_remote(path):
        path.write_bytes(content)
        return
    part = path.with_name(f".{path.name}.tmp")
    with explained(path):
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(path)
        except OSError:
            with contextlib.suppress(OSError):
                part.unlink()
            raise
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def write_json(path: AnyPath, content: Any) -> None:
    """Replace `path` by `content` as JSON, all or nothing."""
    replace_file(path, json.dumps(content, indent=1).encode())
