"""Runs a Python file of the user from its text, never from kept bytecode.

Python takes bytecode for that of a file if the size and the second of the last change are the same. So a file that was
written twice within a second could be run as it was before.
"""

from __future__ import annotations

import importlib.util
import sys
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType


class _TextLoader(SourceFileLoader):
    def get_code(self, fullname: str) -> CodeType:
        """Return the compiled text."""
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def run_file(name: str, path: Path, is_kept: bool = False) -> ModuleType:
    """Run a file, and return it as a module.

    Args:
        name: the name of the module.
        path: the file. Modules that it imports are imported as Python always does.
        is_kept: whether `sys.modules` gets it, so that classes in it can be pickled and dataclasses resolved.

    Raises:
        ImportError: it is no Python file.
    """
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} is no Python file")
    if isinstance(spec.loader, SourceFileLoader):
        spec.loader = _TextLoader(name, str(path))
    module = importlib.util.module_from_spec(spec)
    if is_kept:
        sys.modules[name] = module
    spec.loader.exec_module(module)
    return module
