"""What can keep a model out of a program: the model itself, or a library that is not the one the engine knows.

Terminology
    engine      the code of `trainables.fused`
    unfusable   said of a user's model: its own `fit` trains it, and nothing is wrong
    ours        said of an error: the engine is to blame, or the version of a library, and every model would meet it

This file imports neither Keras nor TensorFlow, so that whoever handles these errors can import it first.
"""

from __future__ import annotations

import importlib.metadata
import traceback
from types import FrameType

from trainables.errors import TrainablesError

KNOWN = {"keras": ("Keras", "3.15", "3.15.1"), "tensorflow": ("TensorFlow", "2.21", "2.21.0")}
"""Of each library that has private parts in use: its name for people, the versions that fit, the one that was read."""

_ENGINE = "trainables.fused"
_NOT_THE_USERS = ("builtins", "numpy", "keras", "tensorflow")
_MISSING = (AttributeError, ImportError, NameError)
_LOOKUPS = ("__getattr__", "__getattribute__", "__setattr__", "__delattr__")


class UnfusableError(Exception):
    """The model cannot be a lane of a program; the message is the reason, as a person would read it."""


class InternalsError(TrainablesError, RuntimeError):
    """The engine cannot work with the libraries as they are here, whatever the model; the message says what to do.

    It ends a sweep: without it, each point would be trained by Keras alone, a hundred times slower, for a reason that has
    nothing to do with the points. Handle it before `UnfusableError` and before `Exception`.
    """


def lacks(library: str, name: str) -> InternalsError:
    """Return the error that says that `library`, "keras" or "tensorflow", has no `name`."""
    title, known, read = KNOWN[library]
    return InternalsError(
        f"this {title} is not the one the fused engine knows: {library} {_version(library)} (known: {known}) lacks "
        f"{name}; install {library}=={read}, or run with `--engine keras`"
    )


def is_ours(error: BaseException) -> bool:
    """Return whether the engine, or the version of a library, is to blame for an error, and not the user's model.

    The rule: it is ours if a name is missing (AttributeError, ImportError, NameError) and the code that asked for it is
    the engine's. It is the user's if other code asked: the user's own, or Keras' and TensorFlow's, which then work on
    what the user's model gave them. It is also the user's if an object lacks an attribute whose class is the user's.
    """
    if isinstance(error, InternalsError):
        return True
    if not isinstance(error, _MISSING):
        return False
    asked = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if not _is_lookup(frame)]
    if not asked or not _is_in(_module(asked[-1]), _ENGINE):
        return False
    owner = getattr(error, "obj", None)
    kind = owner if isinstance(owner, type) else type(owner)
    return any(_is_in(kind.__module__, name) for name in (_ENGINE, *_NOT_THE_USERS))


def ours(error: BaseException) -> InternalsError:
    """Return the error that says that the engine is to blame for `error`, of which `is_ours` is true."""
    if isinstance(error, InternalsError):
        return error
    last = traceback.extract_tb(error.__traceback__)[-1]
    found = ", ".join(f"{library} {_version(library)} (known: {KNOWN[library][1]})" for library in KNOWN)
    return InternalsError(
        f"the fused engine failed by itself with {found}: {type(error).__name__}: {error} "
        f"({last.filename}:{last.lineno}); install the known versions, or run with `--engine keras`"
    )


def raise_ours(error: BaseException) -> None:
    """Raise `InternalsError` from `error` if that is ours; do nothing if it is the user's.

    Call it first in each handler that takes any error of a user's code for a reason to refuse a model.
    """
    if is_ours(error):
        raise ours(error) from error


def _is_lookup(frame: FrameType) -> bool:
    """Return whether a frame only looks a name up for the one that called it."""
    return frame.f_code.co_name in _LOOKUPS or _is_in(_module(frame), "importlib")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_in(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
