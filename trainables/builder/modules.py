"""Finds the modules of a builder's author in this process or by their sources, removes them, and compares their globals.

Terminology
    own modules   the builder's module, and the modules that it imports, directly or through one another, and that are in its
                  folder, or in another one that is no part of an installed package, of Python or of this software
"""

from __future__ import annotations

import ast
import contextlib
import functools
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from importlib.util import resolve_name
from pathlib import Path
from types import ModuleType
from typing import Any

from trainables.builder.find import PICKLED, Builder, BuilderError, source_of
from trainables.fused.model.code import is_library
from trainables.packages import INSTALLED, SOFTWARE

_ROOT = Path(__file__).parents[2]
_CLOCKS = {"time", "datetime"}


def own_modules(builder: Builder) -> dict[str, ModuleType]:
    """Return the own modules of `builder` that are loaded now, by name."""
    found: dict[str, ModuleType] = {}
    waiting = [builder.module, *_parents(builder.module)]
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if name in found or module is None:
            continue
        if name == builder.module or _is_the_authors(name, module, builder.folder):
            found[name] = module
            waiting += _imported(_content_of(module), module.__package__ or "")
    return found


def sources_of(module: str, path: Path, folder: Path, source: str) -> dict[str, str]:
    """Return the source of each own module in the builder's folder but the builder's, by name. Import nothing.

    Args:
        module: the builder's module.
        path: its file.
        folder: the folder from which it is imported.
        source: the text of the file.
    """
    if path.suffix == PICKLED:  # only a text lies beside it
        return {}
    names = [*_imported(source, _package_of(module, path)), *_parents(module)]
    return sources_in(names, folder, module)


def sources_in(names: Iterable[str], folder: Path, module: str = "") -> dict[str, str]:
    """Return the sources of those modules among `names` that are in `folder`, and of those that they import, by name.

    Args:
        names: of modules, of which others are passed over.
        folder: the folder from which they are imported.
        module: one that is left out; what is in its package is in `folder` for sure.
    """
    found: dict[str, str] = {}
    waiting = [*names, *(parent for name in names for parent in _parents(name))]
    while waiting:
        name = waiting.pop()
        file = None if name in (*found, module) else _file_beside(name, module, folder)
        if file is None:
            continue
        try:
            found[name] = source_of(file)
        except BuilderError:  # no text, so no import can read it either
            continue
        waiting += _imported(found[name], _package_of(name, file))
    return dict(sorted(found.items()))


def forget(builder: Builder) -> None:
    """Remove the own modules of `builder` from this process, so that an import executes them again."""
    for name, module in own_modules(builder).items():
        del sys.modules[name]
        parent, _, last = name.rpartition(".")
        # `from package import module` would take the old module from here.
        if parent in sys.modules and vars(sys.modules[parent]).get(last) is module:
            delattr(sys.modules[parent], last)


def variables_of(module: ModuleType) -> dict[str, Any]:
    """Return the globals of a module; of the module of a pickled function, those that the function has now."""
    found = vars(module).get("pickled_variables")
    return vars(module) if found is None else found()


def read_clocks(builder: Builder) -> bool:
    """Return whether an own module imports a module that tells the time."""
    return any(
        _CLOCKS & set(_imported(_content_of(module), module.__package__ or ""))
        for module in own_modules(builder).values()
    )


def globals_of(builder: Builder) -> dict[str, Any]:
    """Return what the globals of the own modules hold, in a form that `==` compares.

    See `trainables.builder.contents`.
    """
    from trainables.builder.contents import content_of

    modules = own_modules(builder)
    # The functions and classes that were pickled with a function have the name of the module that they came from.
    names = {*modules, *(str(variables_of(module).get("__name__")) for module in modules.values())}
    return {
        f"{module}.{name}": content_of(value, names)
        for module, of_module in modules.items()
        for name, value in variables_of(of_module).items()
        if not name.startswith("__") and not isinstance(value, ModuleType)
    }


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> str:
    """Return which global differs between two results of `globals_of`, as words for a message; empty if none does."""
    for name in {**before, **after}:
        if (name in before) != (name in after) or before[name] != after[name]:
            return f"the global {name.rpartition('.')[2]}"
    return ""


def _is_the_authors(name: str, module: ModuleType, folder: Path) -> bool:
    file = getattr(module, "__file__", None)
    return file is not None and _is_own_file(name, str(file), folder)


@functools.lru_cache(maxsize=4096)  # it is asked before each model, and the file system answers slowly
def _is_own_file(name: str, file: str, folder: Path) -> bool:
    """Return whether a file in `folder`, or a Python file elsewhere, is no part of a package or of this software."""
    path = Path(file).resolve()
    if path.is_relative_to(folder.resolve()):
        return _is_own(name, path)
    # A compiled module elsewhere may not be importable twice.
    return path.suffix == ".py" and not is_library(name) and _is_own(name, path)


def _is_own(name: str, file: Path) -> bool:
    """Return whether the file of the module `name` is no part of an installed package or of this software."""
    if any(part in INSTALLED for part in file.parts):
        return False
    if file.is_relative_to(sysconfig.get_path("stdlib")):
        return False
    return not (name.partition(".")[0] in SOFTWARE and file.is_relative_to(_ROOT))


def _file_beside(name: str, module: str, folder: Path) -> Path | None:
    """Return the file in `folder` that an import of `name` would run for the builder's module; None if there is none."""
    top, _, _ = name.partition(".")
    if not all(map(str.isidentifier, name.split("."))) or top in (*sys.stdlib_module_names, "__main__"):
        return None
    path = folder.joinpath(*name.split("."))
    files = (path / "__init__.py", path.parent / f"{path.name}.py")
    file = next((one for one in files if one.is_file()), None)
    if file is None or not _is_own(name, file.resolve()):
        return None
    # The folder comes last on `sys.path`, so an installed package of the same name hides the file.
    installed = [one for one in sys.path if any(part in INSTALLED for part in Path(one).parts)]
    hiding = None if top == module.partition(".")[0] else PathFinder.find_spec(top, installed)
    return file if hiding is None or hiding.origin is None else None  # a folder without a file hides nothing


def _package_of(name: str, file: Path) -> str:
    """Return the package to which relative imports in a file refer."""
    return name if file.name == "__init__.py" else name.rpartition(".")[0]


@functools.lru_cache(maxsize=256)  # it is asked before each model, and parsing takes some milliseconds
def _imported(source: str | bytes, package: str) -> tuple[str, ...]:
    """Return the names of the modules that a file in `package` imports anywhere, and of their parents."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):  # no Python source
        return ()
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            try:
                base = resolve_name(base, package)
            except ImportError:  # a relative import in a file that is in no package
                continue
            found += [base, *(f"{base}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Call) and (name := _imported_by(node)):
            with contextlib.suppress(ImportError):
                found.append(resolve_name(name, package))
    return (*found, *(parent for name in found for parent in _parents(name)))


def _imported_by(call: ast.Call) -> str:
    """Return the name of the module that a call of `importlib.import_module` or `__import__` takes; empty for others."""
    function = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if function not in ("import_module", "__import__") or not call.args:
        return ""
    name = getattr(call.args[0], "value", None)
    return name if isinstance(name, str) else ""


def _content_of(module: ModuleType) -> bytes:
    try:
        return Path(str(module.__file__)).read_bytes()
    except (AttributeError, OSError):  # it has no file
        return b""


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
