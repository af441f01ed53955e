"""Finds the modules of a builder's author in this process or by their sources, removes them, and compares their globals.

Terminology
    own modules   the builder's module, and the modules in its folder that it imports, directly or through one another
"""

from __future__ import annotations

import ast
import functools
import random
import sys
import sysconfig
from collections.abc import Collection, Iterable, Iterator, Mapping
from importlib.machinery import PathFinder
from importlib.util import resolve_name
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from trainables.builder.find import PICKLED, Builder, BuilderError, source_of
from trainables.kept_results import CACHED, results_of
from trainables.packages import INSTALLED, SOFTWARE

_ROOT = Path(__file__).parents[2]
_CLOCKS = {"time", "datetime"}

_LONG = 1000
"""Lists and the like with more items than this are not compared item by item."""

_DEEP = 4
"""How many levels of objects in objects are compared."""

_SEEDED = (random.random.__self__, np.random.normal.__self__)  # type: ignore[attr-defined]
"""The generators of the functions of `random` and `np.random`: the seed is set again before each call of a builder."""

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def own_modules(builder: Builder) -> dict[str, ModuleType]:
    """Return the own modules of `builder` that are loaded now, by name."""
    found: dict[str, ModuleType] = {}
    waiting = [builder.module, *_parents(builder.module)]
    while waiting:
        name = waiting.pop()
        module = sys.modules.get(name)
        if name in found or module is None:
            continue
        if name == builder.module or _is_beside(name, module, builder.folder):
            found[name] = module
            waiting += _imported(_content_of(module), module.__package__ or "")
    return found


def sources_of(module: str, path: Path, folder: Path, source: str) -> dict[str, str]:
    """Return the source of each own module but the builder's, by name. Finds them by the sources, and imports nothing.

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

    Plain data and containers are copied, and so are the values of variables, the states of random generators and the results
    that `functools.lru_cache` keeps. Functions of TensorFlow count with traces that may be old. Functions, classes and
    objects of the own modules are taken with their attributes, and functions with their defaults and closures. Other
    objects are compared by identity.
    """
    modules = own_modules(builder)
    # The functions and classes that were pickled with a function have the name of the module that they came from.
    names = {*modules, *(str(variables_of(module).get("__name__")) for module in modules.values())}
    return {
        f"{module}.{name}": _content(value, names)
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


class _Same:
    """Holds an object and is equal only to a holder of the same object."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.held is other.held

    __hash__ = None  # type: ignore[assignment]


def _content(value: Any, modules: Collection[str], depth: int = _DEEP) -> Any:
    if isinstance(value, _PLAIN):
        return type(value).__name__, repr(value)
    if (state := _state_of_draws(value)) is not None:
        return _Same(value), state
    if not depth:
        return _Same(value)
    if hasattr(type(value), "assign") and hasattr(type(value), "numpy"):  # a variable of Keras or TensorFlow
        return _Same(value), np.asarray(value.numpy()).tobytes()
    if isinstance(value, dict) and len(value) <= _LONG:
        return "dict", [_content(pair, modules, depth) for pair in value.items()]
    if isinstance(value, list | tuple | set | frozenset) and len(value) <= _LONG:
        return type(value).__name__, [_content(item, modules, depth - 1) for item in value]
    if isinstance(
        value, MethodType | BuiltinFunctionType
    ):  # such as `draw = np.random.default_rng(0).normal`
        return _content(value.__name__, modules), _content(value.__self__, modules, depth - 1)
    if isinstance(value, functools.partial):
        return _content([value.func, value.args, value.keywords], modules, depth)
    if isinstance(value, CACHED):
        held = [_content(one, modules, depth - 1) for one in results_of(value)]
        return _Same(value), value.cache_info().currsize, held
    if hasattr(type(value), "experimental_get_tracing_count"):  # a function of TensorFlow
        from trainables.fused.model.traced import has_old_trace

        traces = value.experimental_get_tracing_count() if has_old_trace(value) else 0
        return _Same(value), traces, _content(value.python_function, modules, depth - 1)
    kind = value if isinstance(value, type | FunctionType) else type(value)
    if getattr(kind, "__module__", None) in modules and hasattr(value, "__dict__"):
        own = {name: item for name, item in vars(value).items() if not name.startswith("__")}
        if value is not kind:  # an object has traces of its own
            from trainables.fused.model.traced import methods_of

            own |= {name: getattr(value, name) for name in methods_of(type(value))}
        if isinstance(value, FunctionType):
            own |= {"defaults": [value.__defaults__, value.__kwdefaults__], "closure": _closure_of(value)}
        return _Same(value), {name: _content(item, modules, depth - 1) for name, item in own.items()}
    return _Same(value)


def _closure_of(function: FunctionType) -> list[Any]:
    found = []
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # it is empty as yet
            found.append(None)
    return found


def _state_of_draws(value: Any) -> Any:
    """Return the state of a generator of random numbers; None for other objects, and for those of `_SEEDED`."""
    if any(value is one for one in _SEEDED):
        return None
    if isinstance(value, np.random.Generator):
        value = value.bit_generator
    if isinstance(value, np.random.BitGenerator):
        return _frozen(value.state)
    if isinstance(value, np.random.RandomState):
        return _frozen(value.get_state(legacy=False))
    if isinstance(value, random.Random):
        try:
            return value.getstate()
        except NotImplementedError:  # `SystemRandom` has none
            return None
    if type(value).__module__.startswith("tensorflow.") and hasattr(getattr(value, "state", None), "numpy"):
        return np.asarray(value.state.numpy()).tobytes()  # `tf.random.Generator`
    return None


def _frozen(state: Any) -> Any:
    if isinstance(state, Mapping):
        return {name: _frozen(item) for name, item in state.items()}
    return state.tobytes() if isinstance(state, np.ndarray) else state


def _is_beside(name: str, module: ModuleType, folder: Path) -> bool:
    """Return whether the file of a module is in `folder`, and no part of an installed package or of this software."""
    try:
        path = Path(str(module.__file__)).resolve().relative_to(folder.resolve())
    except (AttributeError, ValueError):
        return False
    return _is_own(name, folder.resolve() / path)


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
    return (*found, *(parent for name in found for parent in _parents(name)))


def _content_of(module: ModuleType) -> bytes:
    try:
        return Path(str(module.__file__)).read_bytes()
    except (AttributeError, OSError):  # it has no file
        return b""


def _parents(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
