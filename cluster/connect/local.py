"""Starts a Ray on this machine for one sweep; it ends with the sweep, and only this user can reach it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from cluster.connect import ray_internals
from cluster.connect.losses import noticed
from cluster.connect.token import TOKEN_FILE, authentication, environment, keep_private
from cluster.errors import ClusterError


def available_cpus() -> int:
    """Return the processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # macOS cannot bind a process to cores


def check_writable() -> None:
    """Check that Ray can keep its token below HOME, and its files and sockets below TMPDIR. Writes nothing else.

    Raises:
        ClusterError: it cannot; the message names the folder, the variable and the remedy.
    """
    keep_private()
    has_token = os.environ.get("RAY_AUTH_TOKEN") or os.environ.get("RAY_AUTH_TOKEN_PATH")
    token = TOKEN_FILE.expanduser()
    if _mode() == "token" and not has_token and not os.access(token, os.R_OK):
        raise ClusterError(
            f"{token.parent}: cannot be written, but Ray needs a token there. Correct the rights of the folder, or have "
            "the variable HOME name one that you can write: HOME=/path/of/a/folder"
        )
    is_mac = sys.platform == "darwin"  # where Ray does not read TMPDIR
    variable = "RAY_TMPDIR" if os.environ.get("RAY_TMPDIR") or is_mac else "TMPDIR"
    wanted = Path(os.environ.get(variable) or "/tmp") / "ray"
    nearest = next(folder for folder in (wanted, *wanted.absolute().parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=nearest):
            pass
    except OSError as error:
        raise ClusterError(
            f"{wanted}: cannot be written ({error.strerror or error}), but Ray keeps its files there while it runs. Make "
            f"room, correct the rights, or have the variable {variable} name another folder: {variable}=/path/of/a/folder"
        ) from None
    socket = ray_internals.LONGEST_SOCKET.format(folder=wanted, pid=os.getpid())
    most = 103 if is_mac else 107
    if (length := len(os.fsencode(socket))) > most:
        raise ClusterError(
            f"{wanted}: the path is too long for Ray's sockets, which would have {length} bytes there, but {most} are the "
            "most. Have the variable RAY_TMPDIR name a folder with a shorter path: RAY_TMPDIR=/tmp"
        )


def _mode() -> str:
    return os.environ.get("RAY_AUTH_MODE") or "token"


@contextlib.contextmanager
def started(
    cpus: int | None = None, lost: Callable[[str], None] | None = None, preload: str = ""
) -> Iterator[dict[str, float]]:
    """Run a Ray on this machine for the length of a `with` block.

    It listens on the loopback address and asks for this user's token, unless RAY_AUTH_MODE says otherwise. Its
    processes end with the block, and also when this process is killed, because Ray ties them to it.

    Args:
        cpus: cores that Ray may use; if None, all cores that this process may use.
        lost: called if Ray loses a process that it needs, unless it is None; see `losses.noticed`.
        preload: a module that Ray's workers import as soon as they are started, which is one worker for each core before
            this function yields. Trials of Tune then begin in these workers. Empty for none.

    Yields:
        Ray's resources by name: "CPU" and, if there is one, "GPU".

    Raises:
        ClusterError: Ray does not start in time, or cannot write its files.
    """
    # Usage reports and a dashboard that nobody opens cost start-up time.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    check_writable()
    import ray

    with contextlib.ExitStack() as stack:
        stack.enter_context(authentication(_mode()))
        stack.enter_context(environment(**{ray_internals.LOOPBACK_VARIABLE: "0"}))
        stack.enter_context(ray_internals.on_loopback())
        cpus = cpus or available_cpus()
        # Ray passes the interpreter's path to a shell without quotes, which a path with a space needs.
        quoted = shlex.quote(sys.executable)
        # The workers that Ray starts by itself have no runtime environment, and such a path needs one.
        preloads = bool(preload) and quoted == sys.executable
        if preloads:
            stack.enter_context(environment(**ray_internals.preloading(preload, cpus)))
        with ray_internals.without_services(), _told_if_late(), _outliving_the_terminal():
            ray.init(
                runtime_env={"py_executable": quoted} if quoted != sys.executable else None,
                address="local",
                num_cpus=cpus,
                include_dashboard=False,
                log_to_driver=True,
                logging_level=logging.WARNING,
            )
        stack.enter_context(ended_quietly())
        if preloads:  # after the start of Ray, because this imports Tune
            stack.enter_context(ray_internals.in_any_worker())
        with noticed(lost) if lost else contextlib.nullcontext():
            yield ray.cluster_resources()


@contextlib.contextmanager
def _outliving_the_terminal() -> Iterator[None]:
    """Let the processes that are started inside ignore a lost terminal: this process needs them to stop in order."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread can do this
        yield
        return
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        yield
    finally:
        if before is not None:  # it was not installed by Python
            signal.signal(signal.SIGHUP, before)


@contextlib.contextmanager
def _told_if_late() -> Iterator[None]:
    """Turn Ray's error about its own limit for its start, which cannot be set, into a message."""
    try:
        yield
    except Exception as error:  # Ray raises no type of its own
        if "timed out during startup" not in str(error):
            raise
        raise ClusterError(
            "Ray did not start within its 30 seconds, most likely because this machine is too busy. Nothing is lost: run "
            "the same command again when less is running."
        ) from None


@contextlib.contextmanager
def ended_quietly() -> Iterator[None]:
    """Shut Ray down at the end of a `with` block, even if its last output cannot be written."""
    import ray

    try:
        yield
    finally:
        # Ray prints the last output of its workers; an error because the disk is full must not interrupt the shutdown.
        with contextlib.redirect_stderr(io.StringIO()) as left:
            ray.shutdown()
        with contextlib.suppress(OSError):
            sys.stderr.write(left.getvalue())
            sys.stderr.flush()
