"""Imports Keras and TensorFlow into a worker, in two thirds of the core time that a plain import takes.

Keras' wrappers for scikit-learn import scikit-learn and SciPy, although a model needs neither. Here they are imported when
something first reads an attribute of them. And Python's garbage collector would look through half a million new objects
several times, of which none is garbage.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.abc import Loader
from typing import Any

from trainables.fused.internals.private import Private, check

_OF_TENSORFLOW = "keras._tf_keras.keras"

NAMES = (
    Private(
        _OF_TENSORFLOW, "wrappers", "`keras.wrappers` as TensorFlow offers it in `tf.keras`; imported late"
    ),
)

LAZY = ("keras.wrappers", *(f"{name.owner}.{name.name}" for name in NAMES))
"""Modules that load when they are first used. Nothing but the package that lists them imports them."""


def import_keras() -> None:
    """Import Keras, and TensorFlow with it; the flags in the environment must have been set. Later calls do nothing.

    Raises:
        InternalsError: Keras has no such module as `NAMES` says.
    """
    if "keras" in sys.modules:
        return
    with uncollected(), lazily(LAZY):
        import keras  # noqa: F401
    check(NAMES, every_engine=True)  # here, because this file must be imported before Keras


@contextmanager
def uncollected() -> Iterator[None]:
    """Keep the garbage collector out of a `with` block."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def lazily(names: tuple[str, ...]) -> Iterator[None]:
    """Make the modules `names`, if they are imported in a `with` block, load when an attribute of them is first read."""
    finder: Any = _Lazily(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Lazily:
    """A finder that finds some modules as other finders do, but with a loader that waits."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self._names = names

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        if name not in self._names:
            return None
        for finder in sys.meta_path:
            found = None if finder is self else finder.find_spec(name, path, target)
            if found is not None and found.loader is not None:
                found.loader = _Later(found.loader)
                return found
        return None


class _Later(Loader):
    """A loader that runs a module's code when an attribute of it is missed.

    `importlib.util.LazyLoader` runs it when any attribute is read. TensorFlow's autograph reads `__file__` of all modules,
    to find where a function is from.
    """

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        def missed(name: str) -> Any:
            if name.startswith("__") and name != "__all__":
                raise AttributeError(name)
            del module.__getattr__  # the code itself may miss an attribute
            try:
                self._loader.exec_module(module)
            except BaseException:
                module.__getattr__ = missed
                raise
            return getattr(module, name)

        module.__getattr__ = missed
