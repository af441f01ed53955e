"""Reads from compiled code what it names: globals with the attributes that follow them, other attributes, and imports.

Terminology
    chain       the attributes that are read one after another from a global: `helpers.rates.alpha` reads the chain
                ("rates", "alpha") from `helpers`
    library     code that the user did not write: the standard library and everything that is installed, except the
                package of the builder
    foundation  the libraries that the program itself is made of: Keras and TensorFlow
"""

from __future__ import annotations

import dis
import functools
import hashlib
import sys
import sysconfig
import types
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainables.packages import INSTALLED, SOFTWARE

_FORMATS = ("FORMAT_VALUE", "FORMAT_SIMPLE", "FORMAT_WITH_SPEC")
"""The instructions of formatted texts, such as f"{layer}"; the first one is that of Python 3.11 and 3.12."""

UNKNOWN = "?"
"""Replaces the name of a module that only running code knows."""

_IMPORTERS = ("import_module", "__import__")
"""Functions that import the module with the name that is their first argument."""

_NOTHING = ("EXTENDED_ARG", "PUSH_NULL", "PRECALL", "CACHE", "NOT_TAKEN", "COPY_FREE_VARS")
"""Instructions that do nothing to the argument that a call gets."""

_FOLLOWED = ("LOAD_ATTR", "LOAD_METHOD")
_ON_HEAP = 1 << 9
"""The flag of classes that Python code has made, and of some made by C code, none of which is built-in."""

_FOUNDATIONS = ("keras", "tensorflow")
_USERS: set[str] = set()
"""Packages that are the user's although they are installed."""


@dataclass(frozen=True)
class Names:
    """What a piece of code and the functions defined in it name.

    Attributes:
        digest: identifies the instructions and the constants.
        chains: for each global, the chains that are read from it; the empty chain stands for another use of it.
        attributes: the names of all attributes, of whatever object.
        of_others: those of them that are not only read from `self`.
        stored: the names of the attributes that the code sets.
        texts: all texts among the constants, one of which may name an attribute.
        imports: the modules that the code imports itself, or takes out of `sys.modules`, each with dots before its name for
            those that it is relative to; `UNKNOWN` for one whose name is no constant.
    """

    digest: str
    chains: tuple[tuple[str, tuple[tuple[str, ...], ...]], ...]
    attributes: frozenset[str]
    of_others: frozenset[str]
    stored: frozenset[str]
    texts: frozenset[str]
    imports: tuple[str, ...]


@functools.lru_cache(maxsize=4096)
def names_in(code: types.CodeType) -> Names:
    """Return what `code` names."""
    chains: dict[str, set[tuple[str, ...]]] = {}
    attributes: set[str] = set()
    of_others: set[str] = set()
    stored: set[str] = set()
    texts: set[str] = set()
    imports: set[str] = set()
    waiting = [code]
    while waiting:
        one = waiting.pop()
        waiting += [constant for constant in one.co_consts if isinstance(constant, types.CodeType)]
        texts.update(constant for constant in one.co_consts if isinstance(constant, str))
        owner = ""
        chain: tuple[str, ...] = ()
        instructions = [found for found in dis.get_instructions(one) if found.opname not in _NOTHING]
        for number, instruction in enumerate(instructions):
            name = instruction.opname
            if name.startswith(("LOAD", "IMPORT_FROM")) and (
                instruction.argval in _IMPORTERS
                or (instruction.argval == "modules" and number and instructions[number - 1].argval == "sys")
            ):
                imports.update(_by_text(instructions[number : number + 5]))
            if owner and name in _FOLLOWED:
                chain = (*chain, instruction.argval)
            elif owner:
                chains.setdefault(owner, set()).add(chain)
                owner, chain = "", ()
            if name in ("LOAD_GLOBAL", "LOAD_NAME"):
                owner = instruction.argval
            elif name in (*_FOLLOWED, "LOAD_SUPER_ATTR", "IMPORT_FROM"):
                attributes.add(instruction.argval)
                if not (number and _is_self(instructions[number - 1])):
                    of_others.add(instruction.argval)
            elif name == "STORE_ATTR":
                stored.add(instruction.argval)
            elif name in _FORMATS:
                attributes.add("__format__")
            elif name == "IMPORT_NAME":
                level = instructions[number - 2].argval
                imports.add("." * level + instruction.argval)
    found = sorted((name, tuple(sorted(every))) for name, every in chains.items())
    of_attributes = frozenset(attributes), frozenset(of_others), frozenset(stored), frozenset(texts)
    return Names(digest(_content(code)), tuple(found), *of_attributes, tuple(sorted(imports)))


def _is_self(instruction: dis.Instruction) -> bool:
    """Return whether an instruction loads the variable `self` last."""
    found = instruction.argval
    is_variable = instruction.opname.startswith(("LOAD_FAST", "LOAD_DEREF"))
    return is_variable and (found[-1] if isinstance(found, tuple) else found) == "self"


def _by_text(instructions: Sequence[dis.Instruction]) -> list[str]:
    """Return the module that code takes by a text, given its instructions from the name of what gives it.

    The own module, by `sys.modules[__name__]`, is none, because code that names `sys.modules` may read all of its module.
    """
    first, *rest = instructions
    is_table = first.argval == "modules"
    if is_table and first.opname not in _FOLLOWED:
        return [UNKNOWN] if first.opname == "IMPORT_FROM" else []
    if is_table and rest and rest[0].opname in _FOLLOWED:
        if rest[0].argval != "get":
            return [UNKNOWN]
        rest = rest[1:]
    if len(rest) < 2 or not (rest[1].opname.startswith(("CALL", "BINARY_SUBSCR")) or rest[1].argrepr == "[]"):
        return [UNKNOWN]
    if is_table and rest[0].opname in ("LOAD_GLOBAL", "LOAD_NAME") and rest[0].argval == "__name__":
        return []
    text = rest[0].argval if rest[0].opname.startswith("LOAD_CONST") else None
    if not isinstance(text, str) or text.startswith("."):  # one relative to an argument
        return [UNKNOWN]
    return [text, text.partition(".")[0]] if first.argval == "__import__" else [text]


def _content(code: types.CodeType) -> Hashable:
    constants = tuple(
        _content(one)
        if isinstance(one, types.CodeType)
        else (type(one).__name__, tuple(sorted(map(repr, one))) if isinstance(one, frozenset) else repr(one))
        for one in code.co_consts
    )
    arguments = code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags
    return code.co_code, code.co_exceptiontable, code.co_names, code.co_freevars, arguments, constants


def digest(content: object) -> str:
    """Return a short text that is equal for contents with the same `repr`, or for equal bytes."""
    data = content if isinstance(content, bytes | memoryview) else repr(content).encode()
    return hashlib.blake2b(data, digest_size=16).hexdigest()


def words(text: str) -> frozenset[str]:
    """Return the words of a text."""
    return frozenset(text.split())


def count_as_users(module: str) -> None:
    """Count the package of a builder's module as code of the user, even if it is installed beside libraries."""
    if (package := _package_of(module)) not in (*SOFTWARE, *_FOUNDATIONS):
        _USERS.add(package)


def home_of(item: type | types.FunctionType) -> str:
    """Return the full name of the module in which a class or function was made; empty if it was made in none.

    Those of `eval` and `exec` are in none if the dictionary that they were given has no `__name__`.
    """
    if isinstance(item, types.FunctionType):  # `__module__` may be that of a function which it wraps
        return str(item.__globals__.get("__name__") or "")
    # Such a class takes the name from where it finds `print`, too.
    is_made_in_python = item.__flags__ & _ON_HEAP
    return "" if item.__module__ == "builtins" and is_made_in_python else str(item.__module__)


def is_library(module: str | None) -> bool:
    """Return whether a module, given by its full name, belongs to a library."""
    return _package_of(module) not in _USERS and _is_installed(module)


def is_foundation(module: str | None) -> bool:
    """Return whether a module, given by its full name, belongs to Keras or TensorFlow."""
    return _package_of(module) in _FOUNDATIONS


def is_third_party(module: str | None) -> bool:
    """Return whether a module belongs to a library beside those that come with Python, Keras and TensorFlow."""
    in_python = module is None or _package_of(module) in sys.stdlib_module_names
    return not in_python and not is_foundation(module) and is_library(module)


def _package_of(module: str | None) -> str:
    return str(module).partition(".")[0]


@functools.lru_cache(maxsize=4096)
def _is_installed(module: str | None) -> bool:
    package = _package_of(module)
    if package == "__main__":
        return False
    if module is None or package in sys.stdlib_module_names:
        return True
    found = sys.modules.get(str(module)) or sys.modules.get(package)
    file = getattr(found, "__file__", None) or next(iter(getattr(found, "__path__", ())), None)
    if file is None:
        return False
    path = Path(file).resolve()
    return any(part in INSTALLED for part in path.parts) or any(
        path.is_relative_to(folder) for folder in _standard()
    )


@functools.cache
def _standard() -> tuple[Path, ...]:
    """Return the folders of the standard library."""
    return tuple(Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib"))
