"""Reads a run's fingerprint.json, which records everything that the points' numbers depend on.

`sweep.plan.fingerprint` makes the fingerprint of a plan and compares two fingerprints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from results.folder.errors import FolderError
from results.folder.run_folder import RunFolder

_PARTS = ("builder", "data")
"""The parts of a fingerprint that have parts of their own, which are read here."""


@dataclass(frozen=True)
class Fingerprint:
    """Parts of a fingerprint; each is None if the file does not have it.

    Attributes:
        builder_source: the text of the file with the builder.
        seed: of the plan.
        target: the name of the table's target.
        table_sha256: SHA-256 of the table's bytes, in hexadecimal.
        builder_modules: the texts of the modules beside it that it imports, by name; earlier versions did not
            write them.
    """

    builder_source: Any = None
    seed: Any = None
    target: Any = None
    table_sha256: Any = None
    builder_modules: Mapping[str, Any] | None = None


def read_fingerprint(folder: RunFolder) -> dict[str, Any]:
    """Return the whole fingerprint in `folder`, which `sweep.plan.fingerprint.changes` compares.

    Raises:
        FolderError: the file is missing or damaged, or the store does not answer.
    """
    try:
        found = json.loads(folder.fingerprint.read_text(encoding="utf-8"))
    except FolderError:  # its message says what to do
        raise
    except (OSError, ValueError, RecursionError):
        found = None
    if not isinstance(found, dict) or not all(isinstance(found.get(name, {}), dict) for name in _PARTS):
        raise FolderError(
            f"{folder.fingerprint}: cannot be read, so nothing tells which plan the rows beside it are of. "
            "Put it back, or run into another folder."
        )
    return found


def read(folder: RunFolder) -> Fingerprint:
    """Return the fingerprint in `folder`; all its parts are None if the file is missing or damaged."""
    try:
        found = read_fingerprint(folder)
    except FolderError:
        return Fingerprint()
    builder, data = (found.get(name, {}) for name in _PARTS)
    modules = builder.get("modules")
    return Fingerprint(
        builder_source=builder.get("source"),
        seed=found.get("seed"),
        target=data.get("target"),
        table_sha256=data.get("sha256"),
        builder_modules=modules if isinstance(modules, Mapping) else None,
    )
