"""The packages that this software needs, and those that only some of its commands need: which are missing, and the remedy.

Nothing is imported: the versions are those that pip has written down.
"""

from __future__ import annotations

import importlib.metadata
import platform
import re
from collections.abc import Iterable
from dataclasses import dataclass

SOFTWARE = "keras-grid-sweep"

LOCKED = "Install the locked packages: `make`, or `pip install --requirement requirements.lock`."

OPTIONAL = (
    (("openpyxl",), "tables in Excel files", "pip install openpyxl"),
    (("mlflow", "mlflow-skinny"), "sweep export-to mlflow", f'pip install "{SOFTWARE}[mlflow]"'),
    (("tensorboard",), "looking at what sweep export-to tensorboard writes", "pip install tensorboard"),
)
"""Packages of which one is enough, what needs them, and how to install them."""


@dataclass(frozen=True)
class Missing:
    """Something that is not on this machine.

    Attributes:
        what: its name, and what was found in its place.
        needed_for: what cannot be done without it.
        remedy: how to get it.
        needed: whether no sweep can run without it.
    """

    what: str
    needed_for: str
    remedy: str
    needed: bool = False


def version(package: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def missing() -> list[Missing]:
    """Return the packages that a sweep needs and that are missing or have another version, and the Python if it is wrong."""
    try:
        about = importlib.metadata.metadata(SOFTWARE)
    except importlib.metadata.PackageNotFoundError:
        remedy = "Install it: `make`, or `pip install .` in its folder."
        return [Missing(f"{SOFTWARE}: it is not installed", "the command sweep", remedy, needed=True)]
    try:
        return _unmet(",".join(about.get_all("Requires-Python") or []), about.get_all("Requires-Dist") or [])
    except ModuleNotFoundError as error:
        return [Missing(f"{error.name}: it is not installed", "a sweep", LOCKED, needed=True)]


def _unmet(python: str, required: Iterable[str]) -> list[Missing]:
    """Return what is missing.

    Args:
        python: the versions of Python that are allowed, such as ">=3.11,<3.14".
        required: the packages, as in the metadata of a package.
    """
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    found = []
    if platform.python_version() not in SpecifierSet(python, prereleases=True):
        what = f"Python {platform.python_version()}: {python} is needed"
        found.append(Missing(what, "a sweep", "Set up with another one: make PYTHON=python3.11", needed=True))
    for one in map(Requirement, required):
        if one.marker is not None and not one.marker.evaluate({"extra": ""}):
            continue
        has = version(one.name)
        if has is None:
            found.append(Missing(f"{one.name}: it is not installed", "a sweep", LOCKED, needed=True))
        elif not one.specifier.contains(has, prereleases=True):
            what = f"{one.name} {has}: {one.specifier} is needed"
            found.append(Missing(what, "a sweep", LOCKED, needed=True))
    return found


def optional() -> list[Missing]:
    """Return the packages that are missing and that only some commands need."""
    return [
        Missing(names[0], needed_for, remedy)
        for names, needed_for, remedy in OPTIONAL
        if not any(map(version, names))
    ]


def lacks_cuda() -> bool:
    """Return whether TensorFlow was installed without the packages by which it uses a GPU."""
    if version("tensorflow") is None:
        return False
    listed = importlib.metadata.requires("tensorflow") or []
    of_cuda = [re.match(r"[\w.-]+", one) for one in listed if "and-cuda" in one]
    return any(version(found.group()) is None for found in of_cuda if found)
