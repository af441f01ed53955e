"""Finds a user's builder by its name, reads its arguments without importing it, and imports it in a worker.

The contract of a builder
    1. It is a function that returns a compiled Keras model; it needs no code for this software.
    2. It is named `package.module:function` or `path/to/file.py:function`. One that has no file of its own, such as a
       notebook's, is pickled: `path/to/file.pkl:function`, with its source in `path/to/file.py`.
    3. It is called with keyword arguments, one for each axis that is a parameter of it.
    4. Every argument without a default must be an axis of the plan, or `input_shape`, `normalizer`, `outputs` or
       `classes`.
    5. `input_shape` is the shape of one row, such as `(10,)`.
    6. `normalizer` is a `keras.layers.Normalization` that is adapted on all train rows.
       `outputs` is how many outputs the target needs: 1 for numbers and for two classes, else a number for each class,
       or for each target column. `classes` is the list of the classes' labels, in the order of their codes. An axis of
       one of these two names, or a default, comes first.
    7. An axis that is not a parameter of it goes to `Model.fit`, if it is `batch_size`, `shuffle`,
       `validation_split`, `class_weight`, or `weight`, which names the column of `sample_weight`.
    8. A point's numbers are those of a fresh process that sets the plan's seed (`keras.utils.set_random_seed`), imports
       the builder's module, sets the seed again, and calls the builder once. Every engine keeps this rule.
    9. It may be called many times in one process. If it keeps state between calls, its module and those beside it are
       imported anew for each model, and the user is told so.
    10. If two models of one point differ even then, as with a clock or numbers from the operating system, its points
        are trained one by one, and their rows say so.
    11. If it raises, the point's row says `failed` with the message, and the sweep goes on.
"""

from __future__ import annotations

import ast
import difflib
import importlib
import importlib.util
import inspect
import os
import pickle
import sys
import tokenize
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from trainables.errors import TrainablesError
from trainables.source_file import run_file

SUPPLIED = ("input_shape", "normalizer")
"""Arguments that are always supplied from the data."""

OFFERED = ("outputs", "classes")
"""Arguments without a default that are supplied from the data, unless the plan has an axis of that name."""

PICKLED = ".pkl"
"""The ending of the file of a function that was pickled by value."""


class BuilderError(TrainablesError, ValueError):
    """The builder cannot be found or called; the message says why and what to write."""


@dataclass(frozen=True)
class Builder:
    """The description of a builder, read from its source.

    Attributes:
        name: as in the plan, with the path of a file made absolute.
        module: the module's name after the import.
        function: the function's name inside it.
        path: the file that defines it.
        folder: the folder that must be on `sys.path` to import it and the modules beside it.
        source: the file's text.
        parameters: its arguments' names, in order.
        required: those of them without a default.
        takes_any: whether it takes `**kwargs`.
    """

    name: str
    module: str
    function: str
    path: Path
    folder: Path
    source: str
    parameters: tuple[str, ...]
    required: frozenset[str]
    takes_any: bool

    @property
    def signature(self) -> str:
        """The signature for messages, such as `build(units, rate=...)`."""
        shown = [name if name in self.required else f"{name}=..." for name in self.parameters]
        return f"{self.function}({', '.join(shown + ['**kwargs'] * self.takes_any)})"

    def takes(self, argument: str) -> bool:
        """Return whether the function accepts `argument` by name."""
        return argument in self.parameters or self.takes_any

    def moved(self, origin: Path, to: Path) -> Builder:
        """Return the builder for another machine, where the folder `origin` is at `to` in the working directory."""
        path = to / self.path.relative_to(origin)
        name = f"{path}:{self.function}" if self.name.startswith(str(self.path)) else self.name
        return replace(self, name=name, path=path, folder=to / self.folder.relative_to(origin))

    def arrived(self) -> Builder:
        """Return the builder with absolute paths, if it was `moved`; make its folder the working directory."""
        if self.path.is_absolute():
            return self
        path, folder = self.path.absolute(), self.folder.absolute()
        name = f"{path}:{self.function}" if self.name.startswith(str(self.path)) else self.name
        os.chdir(folder)
        return replace(self, name=name, path=path, folder=folder)

    def load(self) -> Callable[..., Any]:
        """Import the builder's module, which usually imports Keras, and return the function.

        Raises:
            BuilderError: the import raised, or the module has no such function.
        """
        # Append: a file called json.py beside the builder must not hide the standard module of that name.
        if str(self.folder) not in sys.path:
            sys.path.append(str(self.folder))
        try:
            if self.path.suffix == PICKLED:
                return _unpickled(self)
            if self.path.suffix == ".py" and self.name.startswith(str(self.path)):
                module = run_file(self.module, self.path, is_kept=True)
            else:
                module = importlib.import_module(self.module)
        except (Exception, SystemExit) as error:
            raise BuilderError(
                f"builder: importing {self.path} raised {type(error).__name__}: {error}. Correct the file."
            ) from error
        origin = getattr(module, "__file__", None)
        # On another machine, the module may have another path if its source is the same.
        if origin is None or (
            Path(origin).resolve() != self.path.resolve() and source_of(Path(origin)) != self.source
        ):
            raise BuilderError(
                f'builder: "{self.module}" is {origin or "another module"} here, not {self.path}. '
                "Rename the module, or name its file: path/to/file.py:function."
            )
        function: Any = module
        for part in self.function.split("."):
            function = getattr(function, part, None)
        if not callable(function):
            raise BuilderError(f'builder: {self.path} has no function "{self.function}". Correct the name.')
        return function


def find(name: str, base: Path) -> Builder:
    """Find the builder called `name` and read its signature. Import it only if its source does not show the signature.

    Args:
        name: `package.module:function` or `path/to/file.py:function`.
        base: the folder to which relative paths refer; modules are also searched in it.

    Raises:
        BuilderError: there is no such file, module or function, or its source cannot be read.
    """
    where, function = _parts(name)
    if where.endswith((".py", PICKLED)):
        path = _locate_file(where, base, name)
        # The prefix keeps a file called random.py or results.py from hiding the module of that name.
        module, folder, full_name = f"_builder_{path.stem}", path.parent, f"{path}:{function}"
    else:
        path, folder, _ = _locate_module(where, base)
        module, full_name = where, name
    source = source_of(path)
    try:
        tree = ast.parse(
            _text_file(path).read_bytes()
        )  # bytes, so that a coding cookie or byte order mark counts
    except SyntaxError as error:
        raise BuilderError(f"builder: {path}, line {error.lineno}: {error.msg}. Correct the file.") from None
    except ValueError as error:
        raise BuilderError(f"builder: {path} cannot be read ({error}). Correct the path.") from None
    builder = Builder(full_name, module, function, path, folder, source, (), frozenset(), False)
    parameters = _static_parameters(tree, function, path) or _imported_parameters(builder)
    return Builder(full_name, module, function, path, folder, source, *parameters)


def locate(name: str, base: Path) -> tuple[Path, bool]:
    """Return the file of the builder called `name`, and whether a plain import finds it, as for an installed package.

    Raises:
        BuilderError: there is no such file or module.
    """
    where, _ = _parts(name)
    if where.endswith((".py", PICKLED)):
        return _locate_file(where, base, name), False
    path, _, installed = _locate_module(where, base)
    return path, installed


def source_of(path: Path) -> str:
    """Return the source of a builder's file.

    Raises:
        BuilderError: the file cannot be read.
    """
    try:
        with tokenize.open(_text_file(path)) as file:
            return file.read()
    except SyntaxError as error:
        raise BuilderError(f"builder: {path}, line {error.lineno}: {error.msg}. Correct the file.") from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise BuilderError(f"builder: {path} cannot be read ({error}). Correct the path.") from None


def _text_file(path: Path) -> Path:
    """Return the file with a builder's source."""
    return path.with_suffix(".py") if path.suffix == PICKLED else path


def _parts(name: str) -> tuple[str, str]:
    where, colon, function = name.rpartition(":")
    if not colon or not where or not function:
        raise BuilderError(
            f'builder got "{name}", but needs package.module:function or path/to/file.py:function. '
            "Add a colon and the function's name."
        )
    return where, function


def _locate_file(where: str, base: Path, name: str) -> Path:
    try:
        path = (base / Path(where).expanduser()).resolve()
        is_file = path.is_file()
    except (ValueError, RuntimeError, OSError) as error:  # a null byte, no such home, too long
        raise BuilderError(f"builder got {name!r}, which names no file ({error}).") from None
    if not is_file:
        raise BuilderError(f"builder: there is no file {path}. Correct the path in builder: {name}.")
    return path


def _locate_module(module: str, base: Path) -> tuple[Path, Path, bool]:
    """Return the file of `module`, the folder from which it is imported, and whether a plain import finds it.

    No parent package is imported.
    """
    search = [str(base), str(Path.cwd())]
    path: list[str] | None = search
    folder: Path | None = None
    installed = True
    for part in module.split("."):
        # Search like a plain import first; then in the plan's folder, which `load` appends to sys.path.
        spec = _import_spec(part) if path is search else None
        if spec is None and path is not None:
            installed = installed and path is not search
            spec = PathFinder.find_spec(part, path)
        if spec is None:
            raise BuilderError(
                f'builder: there is no module "{module}" ("{part}" was not found). '
                "Correct the name, install the package, or name the file: path/to/file.py:function."
            )
        origin = spec.origin
        if folder is None:
            first = Path(origin or next(iter(spec.submodule_search_locations or ["."])))
            folder = first.parent.parent if spec.submodule_search_locations and origin else first.parent
        path = list(spec.submodule_search_locations) if spec.submodule_search_locations else None
    if origin is None or not origin.endswith(".py"):
        raise BuilderError(
            f'builder: "{module}" is no Python file. Name the module that defines the function.'
        )
    return Path(origin), folder or base, installed


def _import_spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError):  # __main__ has no spec
        return None


def _static_parameters(
    tree: ast.Module, function: str, path: Path
) -> tuple[tuple[str, ...], frozenset[str], bool] | None:
    """Return the arguments found in the source, or None if they can be found only by an import."""
    plain = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    node = plain.get(function)
    if node is None:
        names = {item.id for item in ast.walk(tree) if isinstance(item, ast.Name)}
        names |= {
            alias.asname or alias.name
            for item in ast.walk(tree)
            if isinstance(item, ast.ImportFrom)
            for alias in item.names
        } | {item.name for item in tree.body if isinstance(item, ast.ClassDef)}
        names |= {
            item.name for item in ast.walk(tree) if isinstance(item, ast.FunctionDef)
        }  # also those inside an if or try
        if function.split(".")[0] in names or "*" in names:
            return None
        near = difflib.get_close_matches(function, plain, n=1)
        hint = f'Did you mean "{near[0]}"?' if near else f"It has: {', '.join(plain) or 'no function'}."
        raise BuilderError(f'builder: {path} has no function "{function}". {hint}')
    if node.decorator_list:
        return None
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    if arguments.posonlyargs:
        raise BuilderError(
            f"builder: {function} in {path} takes {arguments.posonlyargs[0].arg} by position only, but arguments are "
            "given by name. Remove the / from its signature."
        )
    required = [item.arg for item in positional[: len(positional) - len(arguments.defaults)]]
    required += [a.arg for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is None]
    names_in_order = tuple(item.arg for item in [*positional, *arguments.kwonlyargs])
    return names_in_order, frozenset(required), arguments.kwarg is not None


def _imported_parameters(builder: Builder) -> tuple[tuple[str, ...], frozenset[str], bool]:
    try:
        parameters = inspect.signature(builder.load()).parameters.values()
    except (TypeError, ValueError) as error:
        if isinstance(error, BuilderError):
            raise
        raise BuilderError(f"builder: the signature of {builder.name} cannot be read ({error}).") from None
    named = [p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)]
    required = frozenset(p.name for p in named if p.default is p.empty)
    return tuple(p.name for p in named), required, any(p.kind is p.VAR_KEYWORD for p in parameters)


def _unpickled(builder: Builder) -> Callable[..., Any]:
    """Return a pickled function, and put a module in place that has its globals, for `trainables.builder.modules`."""
    function = pickle.loads(builder.path.read_bytes())
    if not callable(function):
        raise TypeError(f"it holds {type(function).__name__}, which cannot be called")
    module = ModuleType(builder.module)
    module.__file__ = str(_text_file(builder.path))

    def variables() -> dict[str, Any]:
        inner = inspect.unwrap(function)
        if not inspect.isfunction(inner):
            return {"function": function}
        return {**inner.__globals__, **inspect.getclosurevars(inner).nonlocals}

    module.__dict__.update(pickled_variables=variables, **{builder.function: function})
    sys.modules[builder.module] = module
    return function
