"""Reads a run's fingerprint.json, which records everything that the points' numbers depend on.

`sweep.plan.fingerprint` makes the fingerprint of a plan and compares two fingerprints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from results.folder.run_folder import RunFolder


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


def read(folder: RunFolder) -> Fingerprint:
    """Return the fingerprint in `folder`; all its parts are None if the file is missing or damaged."""
    try:
        found = json.loads(folder.fingerprint.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Fingerprint()
    builder, data = (_mapping(_mapping(found).get(name)) for name in ("builder", "data"))
    seed = _mapping(found).get("seed")
    modules = builder.get("modules")
    return Fingerprint(
        builder_source=builder.get("source"),
        seed=seed,
        target=data.get("target"),
        table_sha256=data.get("sha256"),
        builder_modules=modules if isinstance(modules, Mapping) else None,
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
