"""A list of another library's private names: what each is, and whether this version of the library has it.

Each file of this folder that uses such names lists them as `NAMES`, checks the list when it is imported, and takes from
`part` what it uses. So a missing name is an `InternalsError` before any model is built, and not some AttributeError in
the middle of a sweep.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from trainables.fused.internals.errors import lacks


@dataclass(frozen=True)
class Private:
    """A private name.

    Attributes:
        owner: what has it: a module, or something in one, as `module:Class`. Of an object, what it is ("a model").
        name: of the attribute.
        use: what the engine uses it for, or the public thing that it stands for.
    """

    owner: str
    name: str
    use: str

    def __str__(self) -> str:
        return f"{self.name} of {self.owner}" if " " in self.owner else f"{self.owner}.{self.name}"

    @property
    def library(self) -> str:
        """The package to blame; objects are Keras'."""
        return "tensorflow" if self.owner.startswith("tensorflow") else "keras"


def part(path: str) -> Any:
    """Return the module `path`, or of `module:Class` the class.

    Raises:
        AttributeError, ImportError: there is none.
    """
    module, _, names = path.partition(":")
    found: Any = importlib.import_module(module)
    for name in filter(None, names.split(".")):
        found = getattr(found, name)
    return found


def check(names: Iterable[Private]) -> None:
    """Look up all `names` of modules and classes.

    Raises:
        InternalsError: one is missing; the message says which.
    """
    for name in names:
        try:
            getattr(part(name.owner), name.name)
        except (AttributeError, ImportError) as error:
            raise lacks(name.library, str(name)) from error
