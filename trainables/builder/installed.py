"""Tells the folders into which Python or pip has put modules from those that are only on `sys.path`.

What is installed here is taken to be installed on the nodes of a cluster, too. A module that a plain import finds because
its folder is the working directory, the folder of a script or one of PYTHONPATH is not.
"""

from __future__ import annotations

import os
import sys
import sysconfig
from pathlib import Path


def is_installed(folder: Path, base: Path) -> bool:
    """Return whether the modules in a folder, which a plain import finds, are installed.

    Args:
        folder: the folder from which a module or its top-level package is imported.
        base: the plan's folder.
    """
    folder = folder.resolve()
    if folder in _standard() or folder.name in ("site-packages", "dist-packages"):
        return True
    if any(folder.glob("*.dist-info")):  # by `pip install --target`
        return True
    if folder in _own(base):
        return False
    # The folder of an editable installation: a finder of its own knows it, or a .pth file names it.
    on_path = {_resolved(entry) for entry in sys.path}
    return folder not in on_path or folder in _named_by_pth()


def _resolved(entry: str) -> Path:
    return Path(entry or os.curdir).resolve()


def _standard() -> set[Path]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    return {_resolved(sysconfig.get_path(name)) for name in names}


def _own(base: Path) -> set[Path]:
    """Return the folders that are on `sys.path` for this process alone."""
    given = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return {base.resolve(), Path.cwd(), *map(_resolved, sys.path[:1]), *map(_resolved, filter(None, given))}


def _named_by_pth() -> set[Path]:
    """Return the folders that .pth files in the folders of packages add to `sys.path`."""
    found = set()
    for entry in sys.path:
        if Path(entry).name in ("site-packages", "dist-packages"):
            for file in Path(entry).glob("*.pth"):
                lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
                # site runs the lines that begin with import
                found |= {
                    (Path(entry) / line.strip()).resolve()
                    for line in lines
                    if line.strip() and not line.startswith(("#", "import ", "import\t"))
                }
    return found
