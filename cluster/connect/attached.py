"""Attaches this process to a running cluster for one sweep, and sends the sweep's code to the nodes."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from cluster.connect import parcel, ray_internals, reach
from cluster.connect.local import ended_quietly
from cluster.connect.token import authentication
from cluster.errors import ClusterError

HEAD_LOST_AFTER_S = 30
"""Seconds after which the driver gives up on a head that it cannot reach; Ray's default is 60."""

PASSED_ON = ("SWEEP_KERNEL",)
"""Variables of the driver that its workers and a submitted driver get, too, if they are set; see trainables/native."""


def passed_on() -> dict[str, str]:
    """Return the variables `PASSED_ON` of this process that are set."""
    return {name: os.environ[name] for name in PASSED_ON if os.environ.get(name)}


@contextlib.contextmanager
def attached(address: str, user: Path | None) -> Iterator[dict[str, float]]:
    """Attach this process to the cluster whose head is at `address` for the length of a `with` block.

    Args:
        address: `HOST:PORT`, checked by `reach.check_head`.
        user: the folder of the user's code, which is sent with this software; None if it is installed on the nodes.

    Yields:
        The resources of the cluster at this time, by name.

    Raises:
        ClusterError: this machine is not a node of the cluster, or the code is too large to be sent.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault(ray_internals.HEAD_TIMEOUT_VARIABLE, str(HEAD_LOST_AFTER_S))
    # Otherwise the workers of a submitted driver would get the runtime environment of its job, which is larger.
    os.environ[ray_internals.OWN_RUNTIME_ENV_VARIABLE] = "1"
    os.environ.pop("RAY_ADDRESS", None)
    import ray

    with (
        tempfile.TemporaryDirectory(prefix="sweep-parcel-") as scratch,
        authentication("token" if reach.asks_for_token(address) else "disabled"),
        ended_quietly(),
    ):
        made = parcel.make(Path(scratch) / "parcel", user)
        try:
            ray.init(
                address=address,
                runtime_env={
                    "working_dir": str(made),
                    "env_vars": {"TF_CPP_MIN_LOG_LEVEL": "2", **passed_on()},
                },
                log_to_driver=True,
                logging_level=logging.WARNING,
            )
        except (RuntimeError, ValueError, ConnectionError) as error:
            raise ClusterError(_explained(address, error)) from None
        yield ray.cluster_resources()


def _explained(address: str, error: Exception) -> str:
    text = str(error).strip()
    if ray_internals.VERSIONS_DIFFER in text:
        return f"The cluster at {address} and this driver have different versions:\n{text}"
    if any(words in text for words in ray_internals.NO_NODE_HERE):
        return (
            f"This machine is no node of the cluster at {address}. Make it one (`ray start --address={address}`), or "
            "submit the sweep from here: sweep submit PLAN --address http://HEAD:8265."
        )
    return f"The cluster at {address} cannot be attached to: {text}"
