"""Takes a builder that has no file of its own, such as a notebook's: it is pickled by value, and its source is written down.

Terminology
    by value   with its code and with the values of the globals and of the closure that it uses, instead of by its name
"""

from __future__ import annotations

import ast
import contextlib
import dis
import functools
import hashlib
import inspect
import sys
import sysconfig
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import cloudpickle
import numpy as np
import pandas as pd

from sweep.errors import InputError
from sweep.plan.fingerprint import content_line

_PLAIN = (bool, int, float, complex, str, bytes, type(None))
_LONG = 2000
"""Characters of a value that are written into the source; of a longer one, the checksum is."""


@dataclass(frozen=True)
class Pickled:
    """A function by value.

    Attributes:
        name: the function's name.
        content: the pickle.
        source: Python text that has the function's signature and source, the values that it uses, and a digest of everything
            that it reads. Two functions with equal texts build equal models.
    """

    name: str
    content: bytes
    source: str


def named(function: Callable[..., Any]) -> str | None:
    """Return the name of a function that a file defines at its top level; None for others.

    It is `path/to/file.py:name`; of a file with relative imports, `package.module:name`, because they need the package.
    """
    if not inspect.isfunction(function):
        return None
    name, module, given = function.__qualname__, function.__module__ or "", function.__globals__
    there = vars(sys.modules[module]) if module in sys.modules else {}
    if there.get(name) is not function and given.get("__name__") == module:
        there = given  # the module was imported anew since, as for a model of its own
    path = str(there.get("__file__"))
    if module == "__main__" or not path.endswith(".py") or there.get(name) is not function:
        return None
    return f"{module}:{name}" if _imports_relatively(Path(path)) else f"{Path(path).resolve()}:{name}"


def _imports_relatively(path: Path) -> bool:
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return False
    return any(isinstance(node, ast.ImportFrom) and node.level for node in ast.walk(tree))


def pickled(function: Callable[..., Any]) -> Pickled:
    """Return a function by value.

    Raises:
        InputError: a value that the function uses cannot be pickled.
    """
    name = str(getattr(function, "__name__", ""))
    name = name if name.isidentifier() else "build"
    try:
        with _by_value(function):
            content = cloudpickle.dumps(function)
    except Exception as error:  # whatever the values' own methods raise
        raise InputError(
            f"build: the function {name} cannot be pickled ({type(error).__name__}: {error}). Make in it what it needs, "
            "instead of using objects from outside, or write it into a file and import it from there."
        ) from None
    return Pickled(name, content, source_of(function, name))


@contextlib.contextmanager
def _by_value(function: Callable[..., Any]) -> Iterator[None]:
    """Pickle the functions of the same file by value, too: a worker need not find the file."""
    while isinstance(function, functools.partial):
        function = function.func
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    if module is None or module.__name__ == "__main__" or _is_installed(module):
        yield
        return
    cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        cloudpickle.unregister_pickle_by_value(module)


def _is_installed(module: ModuleType) -> bool:
    path = getattr(module, "__file__", None)
    if path is None:
        return module.__name__ in sys.builtin_module_names
    folders = {sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib", "purelib", "platlib")}
    return any(Path(path).is_relative_to(folder) for folder in folders)


def source_of(function: Callable[..., Any], name: str) -> str:
    """Return the text `Pickled.source` of a function."""
    writer = _Writer(function)
    inner = function
    while isinstance(inner, functools.partial):
        writer.value("_arguments", [inner.args, inner.keywords])
        inner = inner.func
    text = writer.text_of(inner, name)
    if not _is_plain_function(text, name) or inner is not function:
        text = f"_source = {text!r}\n\n\n{_stub(function, name)}"
    from sweep.python.content import digest_of  # which imports Keras

    digest = digest_of(function)
    lines = [content_line(digest) if digest else "", *writer.lines]
    head = f'"""The source of the function {name}, and the values that it uses. What runs is the pickle beside this file."""'
    return "\n".join([head, *dict.fromkeys(filter(None, lines)), "", text.rstrip(), ""])


class _Writer:
    """Collects lines of Python about everything that a function uses."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.lines: list[str] = []
        self._seen: set[int] = set()
        self._home = getattr(function, "__module__", None)

    def text_of(self, function: Any, name: str) -> str:
        """Return the source of a function, and collect lines about what it uses."""
        self._seen.add(id(function))
        inner = inspect.unwrap(function)
        if not isinstance(inner, FunctionType):
            kind = type(function)
            self.value(f"_state_of_{name}", getattr(function, "__dict__", {}))
            return (
                f"{kind.__module__}.{kind.__qualname__}"
                if kind.__module__ != self._home
                else self._class(kind)
            )
        for number, cell in enumerate(inner.__closure__ or ()):
            with contextlib.suppress(ValueError):  # an empty cell
                self.value(inner.__code__.co_freevars[number], cell.cell_contents)
        for used in sorted(set(_globals_in(inner.__code__))):
            if used in inner.__globals__:
                self.value(used, inner.__globals__[used])
        if inner.__defaults__ or inner.__kwdefaults__:
            self.value(f"_defaults_of_{name}", [inner.__defaults__, inner.__kwdefaults__])
        if function is not inner:
            self.value(f"_wrapper_of_{name}", function)
        try:
            return textwrap.dedent(inspect.getsource(inner))
        except (OSError, TypeError):  # typed into a plain interpreter, for example
            return f"code with the SHA-256 {_digest_of_code(inner.__code__)}"

    def value(self, name: str, value: Any) -> None:
        """Collect a line about a value."""
        if isinstance(value, ModuleType):
            self.lines.append(
                f"import {value.__name__}" if name == value.__name__ else f"import {value.__name__} as {name}"
            )
            return
        if (isinstance(value, FunctionType | type) or callable(value)) and self._is_home(value):
            if id(value) in self._seen:
                return
            self._seen.add(id(value))
            text = self._class(value) if isinstance(value, type) else self.text_of(value, name)
            self.lines.append(text if _is_plain_function(text, name) else f"{name} = {text!r}")
            return
        self.lines.append(f"{name} = {self._literal(value)}")

    def _is_home(self, value: Any) -> bool:
        kind = value if isinstance(value, FunctionType | type) else type(value)
        return getattr(kind, "__module__", None) in (self._home, "__main__")

    def _class(self, kind: type) -> str:
        with contextlib.suppress(OSError, TypeError):
            return textwrap.dedent(inspect.getsource(kind))
        parts = [f"class {kind.__qualname__}({', '.join(base.__qualname__ for base in kind.__bases__)})"]
        for name, value in vars(kind).items():  # a notebook's class: its methods still have their sources
            if isinstance(value, FunctionType):
                parts.append(self.text_of(value, name))
            elif not name.startswith("__"):
                parts.append(f"{name} = {self._literal(value)}")
        return "\n".join(parts)

    def _literal(self, value: Any) -> str:
        text = self._text(value)
        return text if len(text) <= _LONG else repr(f"SHA-256 {hashlib.sha256(text.encode()).hexdigest()}")

    def _text(self, value: Any) -> str:
        if isinstance(value, _PLAIN):
            return repr(value)
        if isinstance(value, list | tuple | set | frozenset):
            items = [self._text(item) for item in value]
            items = sorted(items) if isinstance(value, set | frozenset) else items
            return f"[{', '.join(items)}]" if isinstance(value, list) else f"({', '.join([*items, ''])})"
        if isinstance(value, dict):
            return (
                "{" + ", ".join(f"{self._text(key)}: {self._text(item)}" for key, item in value.items()) + "}"
            )
        if isinstance(value, np.ndarray | np.generic):
            array = np.asarray(value)
            plain = array if array.dtype != object else np.array(list(map(repr, array.ravel())))
            return repr(f"{array.dtype} {array.shape} {hashlib.sha256(plain.tobytes()).hexdigest()}")
        if isinstance(value, pd.DataFrame | pd.Series | pd.Index):
            rows = pd.util.hash_pandas_object(value).to_numpy()
            return repr(f"{type(value).__name__} {hashlib.sha256(rows.tobytes()).hexdigest()}")
        if hasattr(value, "__qualname__"):
            return repr(f"{value.__module__}.{value.__qualname__}")
        kind = f"{type(value).__module__}.{type(value).__qualname__}"
        with contextlib.suppress(
            Exception
        ):  # layers, losses and the like of Keras; names are counted up in a session
            settings = {key: item for key, item in value.get_config().items() if key != "name"}
            weights = value.get_weights() if hasattr(value, "get_weights") else []
            return repr(f"{kind} {self._text(settings)} {self._text(weights)}")
        with contextlib.suppress(Exception):
            return repr(f"{kind} {hashlib.sha256(cloudpickle.dumps(value)).hexdigest()}")
        return repr(kind)


def _globals_in(code: CodeType) -> Iterator[str]:
    """Yield the names of the globals that code uses, also in functions inside it."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL"):
            yield instruction.argval
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _globals_in(constant)


def _digest_of_code(code: CodeType) -> str:
    inner = [_digest_of_code(item) if isinstance(item, CodeType) else repr(item) for item in code.co_consts]
    return hashlib.sha256(repr((code.co_code, code.co_names, code.co_varnames, inner)).encode()).hexdigest()


def _is_plain_function(text: str, name: str) -> bool:
    """Return whether a text is the definition of the function `name` without decorators."""
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError):
        return False
    return (
        len(body) == 1
        and isinstance(body[0], ast.FunctionDef)
        and body[0].name == name
        and not body[0].decorator_list
    )


def _stub(function: Callable[..., Any], name: str) -> str:
    """Return a definition with the signature of a function."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError) as error:
        raise InputError(
            f"build: the signature of {name} cannot be read ({error}). Give a plain function."
        ) from None
    plain = [
        item.replace(annotation=item.empty, default=item.empty if item.default is item.empty else ...)
        for item in parameters
    ]
    shown = str(inspect.Signature(plain)).replace("Ellipsis", "...")
    return f"def {name}{shown}:\n    ...\n"
