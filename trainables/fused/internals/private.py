"""Describes private names of other libraries, and checks whether the installed version has them.

Each file of this folder that uses such names lists them in `NAMES`, checks the list when it is imported, and gets the
parts that it uses from `part`. So a missing name raises `InternalsError` before any model is built, and not an
AttributeError in the middle of a sweep. Names that only objects have are in `OBJECT_NAMES` of `models` and `keras`.

The version whose source all names of a library were read in is in `KNOWN` of `errors`. When a name is missed there, look for
what its `use` says: often the public counterpart is enough by then.
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
        owner: what has the name: a module, a class as `module:Class`, or the kind of an object ("a model").
        name: the name of the attribute.
        use: what the engine uses it for, and the public counterpart if there is one.
    """

    owner: str
    name: str
    use: str

    def __str__(self) -> str:
        return f"{self.name} of {self.owner}" if " " in self.owner else f"{self.owner}.{self.name}"

    @property
    def library(self) -> str:
        """The package that the name is from; all objects are from Keras."""
        return "tensorflow" if self.owner.startswith("tensorflow") else "keras"


def part(path: str) -> Any:
    """Return the module `path`, or the class if `path` is `module:Class`.

    Raises:
        AttributeError, ImportError: it does not exist.
    """
    module, _, names = path.partition(":")
    found: Any = importlib.import_module(module)
    for name in filter(None, names.split(".")):
        found = getattr(found, name)
    return found


def check(names: Iterable[Private], every_engine: bool = False) -> None:
    """Look up all `names` of modules and classes.

    Args:
        names: to look up.
        every_engine: whether also the engine `keras` needs them.

    Raises:
        InternalsError: one is missing; the message says which.
    """
    for name in names:
        try:
            getattr(part(name.owner), name.name)
        except (AttributeError, ImportError) as error:
            raise lacks(name.library, str(name), every_engine) from error
