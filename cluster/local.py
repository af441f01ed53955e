"""Ray on this machine alone: started for one sweep, ended with it."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import shlex
import sys
from collections.abc import Iterator


def available_cpus() -> int:
    """Return the processor cores this process may use."""
    return len(os.sched_getaffinity(0))


@contextlib.contextmanager
def started(cpus: int | None = None, gpus: int | None = None) -> Iterator[dict[str, float]]:
    """Run a Ray of this machine for the length of a `with` block.

    Its processes end with the block, and also when this process is killed: Ray ties them to it.

    Args:
        cpus: cores Ray may hand out; all that this process may use if None.
        gpus: GPUs Ray may hand out; those it finds if None.

    Yields:
        What Ray can hand out, by name: "CPU" and, where there is one, "GPU".
    """
    # Reports of use, and a dashboard nobody opens, cost start-up time.
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    # Ray hands the interpreter's path to a shell as it is, so a path with a space needs quotes of ours.
    quoted = shlex.quote(sys.executable)
    ray.init(
        runtime_env={"py_executable": quoted} if quoted != sys.executable else None,
        address="local",
        num_cpus=cpus or available_cpus(),
        num_gpus=gpus,
        include_dashboard=False,
        log_to_driver=True,
        logging_level=logging.WARNING,
    )
    try:
        yield ray.cluster_resources()
    finally:
        # Ray prints what its workers have left to say, which must not end the shutdown where the disk is full.
        with contextlib.redirect_stderr(io.StringIO()) as left:
            ray.shutdown()
        with contextlib.suppress(OSError):
            sys.stderr.write(left.getvalue())
            sys.stderr.flush()
