"""Starts a Ray on this machine for one sweep; it ends with the sweep, and only this user can reach it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterator

from cluster.connect import ray_internals
from cluster.connect.losses import noticed
from cluster.connect.token import authentication, environment, keep_private
from cluster.errors import ClusterError


def available_cpus() -> int:
    """Return the processor cores this process may use."""
    return len(os.sched_getaffinity(0))


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
        ClusterError: Ray does not start in time.
    """
    # Usage reports and a dashboard that nobody opens cost start-up time.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    keep_private()
    import ray

    with contextlib.ExitStack() as stack:
        stack.enter_context(authentication(os.environ.get("RAY_AUTH_MODE") or "token"))
        stack.enter_context(environment(**{ray_internals.LOOPBACK_VARIABLE: "0"}))
        stack.enter_context(ray_internals.on_loopback())
        cpus = cpus or available_cpus()
        # Ray passes the interpreter's path to a shell without quotes, which a path with a space needs.
        quoted = shlex.quote(sys.executable)
        # The workers that Ray starts by itself have no runtime environment, and such a path needs one.
        preloads = bool(preload) and quoted == sys.executable
        if preloads:
            stack.enter_context(environment(**ray_internals.preloading(preload, cpus)))
        with ray_internals.without_services(), _told_if_late():
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
