"""How a file is replaced whole, and how an error of writing is explained."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from results.folder.errors import FolderError
from results.folder.path import AnyPath


@contextlib.contextmanager
def explained(path: AnyPath) -> Iterator[None]:
    """Turn an OSError while `path` is written into a FolderError that says what to do."""
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
    """Replace `path` by `content`, all or nothing, also if the machine dies.

    On an object store, any write does that. On this machine the bytes go to a hidden file beside it, which readers of
    the folder pass over, and take its name once they are on the disk.

    Raises:
        FolderError: the bytes cannot be written; `path` is as it was.
    """
    if not isinstance(path, Path):
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
