"""Reads users' Python files from their text, never from kept bytecode.

Python takes bytecode for that of a file if the size and the second of the last change are the same. So a file that was
written twice within a second could be run as it was before.
"""

from __future__ import annotations

import importlib.util
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType


class _TextLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled text."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def spec_of(name: str, path: Path) -> ModuleSpec:
    """Return what `importlib` needs to import a file as the module `name`.

    Raises:
        ImportError: it is no Python file.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    if isinstance(spec.loader, SourceFileLoader):
        spec.loader = _TextLoader(name, str(path))
    return spec
