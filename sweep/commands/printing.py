"""Helpers for the output of commands: text without control characters, silence, the command's name, a page in a file."""

from __future__ import annotations

import contextlib
import errno
import os
import shlex
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from results.folder.errors import FolderError
from results.folder.files import replace_file
from results.folder.path import AnyPath
from sweep.errors import InputError


def printable(text: str) -> str:
    """Return `text` without control characters, which a terminal would obey: names and values come from files."""
    return "".join(character if character.isprintable() else "?" for character in text)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard all output of the code inside: TensorFlow logs from C++ when it starts, and no setting silences all of it."""
    from sweep.process.view import noise_to  # it loads rich, which `sweep --help` does not need

    with noise_to(Path(os.devnull)):
        yield


_UNREAD = (errno.EPIPE, errno.EIO, errno.EBADF, errno.ENOSPC, errno.EDQUOT)
"""What a write to a pipe without a reader, a lost terminal or a full disk ends with."""


@contextlib.contextmanager
def even_unread() -> Iterator[None]:
    """Go on if nobody reads what the code inside prints any more, or its disk is full; all later output is discarded.

    Otherwise the exit code would tell of the reader, and not of what the command did. Other errors of files go through.
    """
    try:
        yield
        sys.stdout.flush()
    except OSError as error:
        if isinstance(error, FolderError) or error.errno not in _UNREAD:
            raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        # Python writes at its end what they hold, which would fail again.
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):
                os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def command() -> str:
    """Return what the user types into a shell for this command, with quotes: its name, if the shell would find it.

    Else its path, or the Python that runs it by `python -m sweep`.
    """
    called = Path(sys.argv[0])
    if not shutil.which("sweep"):
        if called.name == "sweep":
            return _typed(called)
        if called.parts[-2:] == ("sweep", "__main__.py"):
            return f"{_typed(Path(sys.executable))} -m sweep"
    return "sweep"


def _typed(program: Path) -> str:
    """Return the path of a program as it is typed: from the current folder, or the whole path if that is shorter."""
    return shlex.quote(min(os.path.relpath(program), str(program.absolute()), key=len))


def write_page(target: AnyPath, page: str) -> None:
    """Write a page into the file `target`.

    Raises:
        InputError: there is no folder to write it into.
    """
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: there is no folder {target.absolute().parent}. Make it first.")
    replace_file(target, page.encode())
