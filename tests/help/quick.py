"""The quick tests (`pytest --quick`): those that load neither Ray nor TensorFlow, found by what they import.

Whatever imports one of `HEAVY` in this process is skipped then: a test file as a whole where it imports it at its top,
else the one test. In a process that a test starts the import fails, so such a test is marked `heavy`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from pathlib import Path

import pytest

HEAVY = ("ray", "tensorflow", "keras")


class _Skips(MetaPathFinder):
    """Skips the test that imports one of `HEAVY`, instead of finding it."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> None:
        if fullname in HEAVY:
            pytest.skip(f"loads {fullname}", allow_module_level=True)


def keep_quick(folder: Path) -> None:
    """Keep Ray and TensorFlow out of this process and of those that it starts.

    Args:
        folder: an empty one, for modules that stand in for them in other processes.
    """
    if loaded := [name for name in HEAVY if name in sys.modules]:
        raise pytest.UsageError(f"{', '.join(loaded)} was loaded before the first test, so no test is quick.")
    sys.meta_path.insert(0, _Skips())
    for name in HEAVY:
        text = f"raise ImportError('A quick test must not load {name}. Mark it heavy: @pytest.mark.heavy')\n"
        (folder / f"{name}.py").write_text(text)
    os.environ["PYTHONPATH"] = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
