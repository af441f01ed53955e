"""What this software knows of Ray beyond its public interface: private names, texts of errors, how its processes talk.

Read in Ray 2.60.0. Ray is imported only where a name of it is needed, and a name that is missing is a `ClusterError`.
Texts and requests cannot be checked so; tests that start Ray do.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections.abc import Iterator
from typing import Any

from cluster.errors import ClusterError

KNOWN, READ = "2.60", "2.60.0"
"""The versions of Ray that fit, and the one that was read."""

NAMES = {
    ("ray._private.utils", "read_ray_address"): "what `ray.init(address='auto')` attaches to",
    (
        "ray._private.ray_constants",
        "ENABLE_RAY_CLUSTER",
    ): "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER, as Ray was imported",
    ("ray._raylet", "Config"): "all settings of the environment, as Ray was imported",
    ("ray._raylet", "AuthenticationTokenLoader"): "the token, as Ray first read it",
}
"""Private names by module, and what each is."""

UPLOAD_LOGGERS = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging")
"""Loggers that tell of each upload of a job's folder."""

CHECK_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"
"""The harmless question to a head, by gRPC; an empty message."""

NODES_SUMMARY = "/nodes?view=summary"
"""The dashboard's page of its nodes, as JSON: data, summary, of each `raylet`: state, nodeManagerAddress and -Port."""

VERSIONS_DIFFER = "ersion mismatch"
"""In the error of `ray.init` where the cluster has another Ray or Python."""

NO_NODE_HERE = ("node_ip_address.json", "is not a part of", "on this node")
"""In the error of `ray.init` on a machine that is no node of the cluster."""

NO_AGENT = "No available agent to submit job"
"""In the error of a Jobs server whose head has just begun."""

NODE_LOST = (
    "node has died",
    "node was terminated",
    "node is dead",
    "node failure",
    "is unavailable:",
    "preempted",
    "RpcError",
    "rpc_code",
)
"""In the error of a trial whose actor was lost with its node, or could not be reached."""

LAST_FAILURE = "Failure # "
"""What each entry begins with in the file where Tune writes down the errors of a trial."""

NEEDED = ("raylet", "gcs_server")
"""Processes that a Ray of this machine starts as children, and cannot do without."""

HEADS_PYTHON = (
    "$(sed -n 's/.*--python_worker_command=\\([^ ]*\\) .*/\\1/p' "
    "/proc/$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status)/cmdline)"
)
"""Shell, in a job: the Python that the head runs Ray by. Ray itself would leave it to the PATH that `ray start` happened
to have.

The shell's parent is Ray's job supervisor, and the parent of that is the raylet, which was told how to start workers.
"""


def address_of_this_machine() -> str | None:
    """Return the `HOST:PORT` of the head that this machine was started as a node of; None if it was not."""
    found = _name("ray._private.utils", "read_ray_address")()
    return str(found) if found else None


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Let a Ray that is started in a `with` block listen on the loopback address.

    Ray takes the address that other machines would use, unless it believes to be on a system whose firewall asks the
    user about each program that listens there. For its processes RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 says so.
    """
    name = "ENABLE_RAY_CLUSTER"
    before = _name("ray._private.ray_constants", name)
    constants = importlib.import_module("ray._private.ray_constants")
    setattr(constants, name, False)
    try:
        yield
    finally:
        setattr(constants, name, before)


def read_settings_again() -> None:
    """Have Ray read its settings and the token again, which it does by itself only when it is imported."""
    _name("ray._raylet", "Config").initialize("")
    _name("ray._raylet", "AuthenticationTokenLoader").instance().reset_cache()


def _name(module: str, name: str) -> Any:
    """Return one of `NAMES`.

    Raises:
        ClusterError: this Ray has no such name.
    """
    assert (module, name) in NAMES
    try:
        return getattr(importlib.import_module(module), name)
    except (AttributeError, ImportError):
        raise ClusterError(
            f"This Ray is not the one that is known here: ray {importlib.metadata.version('ray')} (known: {KNOWN}) lacks "
            f"{module}.{name}. Install ray=={READ}."
        ) from None
