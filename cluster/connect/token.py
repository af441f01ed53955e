"""Reads and protects Ray's token, and switches Ray's token authentication on and off."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
from collections.abc import Iterator
from pathlib import Path

from cluster.connect import ray_internals
from cluster.errors import ClusterError

TOKEN_FILE = Path("~/.ray/auth_token")
"""The file in which Ray 2.60 looks for the token if no environment variable names another."""


def token() -> str | None:
    """Return the token that Ray would send, or None if there is none; make its default file private to this user.

    Raises:
        ClusterError: the file cannot be read.
    """
    if value := os.environ.get("RAY_AUTH_TOKEN"):
        return value
    named = os.environ.get("RAY_AUTH_TOKEN_PATH")
    path = Path(named or TOKEN_FILE).expanduser()
    try:
        if not named:
            keep_private(make=False)
        return path.read_text().strip() or None
    except FileNotFoundError:
        if not named:
            return None
        raise ClusterError(
            f"RAY_AUTH_TOKEN_PATH names {path}, but there is no such file. Correct it."
        ) from None
    except OSError as error:
        raise ClusterError(
            f"{path}: the token cannot be read ({error.strerror}). Correct its rights."
        ) from None


def keep_private(make: bool = True) -> None:
    """Make the token file readable by this user only; Ray writes it readable by all.

    Args:
        make: whether to create a token if there is no file.
    """
    path = TOKEN_FILE.expanduser()
    with contextlib.suppress(OSError):
        if make and not path.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(32))
        path.chmod(0o600)


@contextlib.contextmanager
def authentication(mode: str) -> Iterator[None]:
    """Switch Ray's token authentication on or off in this process and its children for the length of a `with` block.

    Args:
        mode: the value of RAY_AUTH_MODE, "token" or "disabled".
    """
    try:
        with environment(RAY_AUTH_MODE=mode):
            _read_again()
            yield
    finally:
        _read_again()


def _read_again() -> None:
    if "ray" in sys.modules:  # otherwise it reads them when it is imported
        ray_internals.read_settings_again()


@contextlib.contextmanager
def environment(**values: str) -> Iterator[None]:
    """Set environment variables for the length of a `with` block."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
