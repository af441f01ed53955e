"""The errors that keep a model out of a program, and the rule for whether the model or the engine caused an error.

Terminology
    engine      the code of `trainables.fused` and of `trainables.native`
    unfusable   said of a user's model: only its own `fit` can train it, but nothing is wrong with it
    ours        said of an error: the engine or the version of a library caused it, so it would occur with every model

This file imports neither Keras nor TensorFlow, so that code can import these errors before it imports those.
"""

from __future__ import annotations

import importlib.metadata
import re
import traceback
from types import FrameType

from trainables.errors import TrainablesError

KNOWN = {"keras": ("Keras", "3.15", "3.15.1"), "tensorflow": ("TensorFlow", "2.21", "2.21.0")}
"""For each library whose private parts are used: its name in messages, the versions that fit, the one that was read."""

_ENGINE = ("trainables.fused", "trainables.native")
"""The packages whose code is the engine.

Not `trainables.builder` and the others: they look at whatever a builder returns, before anything has checked it. There, an
attribute that None or a number lacks is the builder's fault.
"""

_HOUSE, _BUILDERS = "trainables", ("trainables.abalone",)
"""This software's package, and the files in it that stand for a user's own."""

_ADDRESS = re.compile(r" (object )?at 0x[0-9a-f]+")
_NOT_THE_USERS = ("builtins", "numpy", "keras", "tensorflow")
_MISSING = (AttributeError, ImportError, NameError)
_LOOKUPS = ("__getattr__", "__getattribute__", "__setattr__", "__delattr__")


class UnfusableError(Exception):
    """The model cannot be a lane of a program; the message is the reason for the user."""

    ag_pass_through = (
        True  # otherwise TensorFlow puts a traceback into the message, if it is raised while tracing
    )

    def __init__(self, why: str) -> None:
        # Points with the same reason are counted together, and an address differs from one model to the next.
        super().__init__(_ADDRESS.sub("", why))


class InternalsError(TrainablesError, RuntimeError):
    """The engine cannot work with the installed libraries, for any model; the message says what to do.

    It ends the sweep. Otherwise each point would be trained by Keras, a hundred times slower, for a reason that has
    nothing to do with the points. Handle it before `UnfusableError` and before `Exception`.
    """


def lacks(library: str, name: str, every_engine: bool = False) -> InternalsError:
    """Return the error for a library that lacks a name.

    Args:
        library: "keras" or "tensorflow".
        name: what is missing.
        every_engine: whether also the engine `keras` needs it, so that it is no way out.
    """
    title, known, read = KNOWN[library]
    knows = "the engines know" if every_engine else "the fused engine knows"
    way_out = "" if every_engine else ", or run with `--engine keras`"
    return InternalsError(
        f"this {title} is not the one {knows}: {library} {_version(library)} (known: {known}) lacks "
        f"{name}; install {library}=={read}{way_out}"
    )


def is_ours(error: BaseException) -> bool:
    """Return whether the engine or the version of a library caused an error, and not the user's model.

    The engine caused it if a name is missing (AttributeError, ImportError, NameError) and the engine's code looked it up.
    The user's model caused it if other code looked the name up: the user's own, or that of Keras and TensorFlow, which
    then works on values from the user's model. The user's model also caused it if an attribute is missing in an object
    of a class of the user.
    """
    if isinstance(error, InternalsError):
        return True
    if not isinstance(error, _MISSING):
        return False
    asked = [frame for frame, _ in traceback.walk_tb(error.__traceback__) if not _is_lookup(frame)]
    if not asked or not _is_in(_module(asked[-1]), *_ENGINE):
        return False
    owner = getattr(error, "obj", None)
    kind = (owner if isinstance(owner, type) else type(owner)).__module__
    return _is_in(kind, _HOUSE, *_NOT_THE_USERS) and not _is_in(kind, *_BUILDERS)


def ours(error: BaseException) -> InternalsError:
    """Return the error that says that the engine caused `error`. `is_ours(error)` must be true."""
    if isinstance(error, InternalsError):
        return error
    last = traceback.extract_tb(error.__traceback__)[-1]
    found = ", ".join(f"{library} {_version(library)} (known: {KNOWN[library][1]})" for library in KNOWN)
    return InternalsError(
        f"the fused engine failed by itself with {found}: {type(error).__name__}: {error} "
        f"({last.filename}:{last.lineno}); install the known versions, or run with `--engine keras`"
    )


def raise_ours(error: BaseException) -> None:
    """Raise `InternalsError` from `error` if `is_ours(error)`; otherwise do nothing.

    Call this first in each handler that refuses a model because of any error in the user's code.
    """
    if is_ours(error):
        raise ours(error) from error


def _is_lookup(frame: FrameType) -> bool:
    """Return whether a frame only looks a name up for its caller."""
    return frame.f_code.co_name in _LOOKUPS or _is_in(_module(frame), "importlib")


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__", ""))


def _is_in(module: str, *packages: str) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"
