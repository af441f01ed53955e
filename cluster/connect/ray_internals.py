"""Everything that this software uses of Ray beyond its public interface: private names, texts of errors, requests.

All of it was found in the source of Ray 2.60.0. Ray is imported only when a name is needed, and a missing name raises
`ClusterError`. Changed texts and requests cannot be detected in that way; tests that start Ray detect them.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.metadata
from collections.abc import Iterator
from typing import Any

from cluster.errors import ClusterError

KNOWN, READ = "2.60", "2.60.0"
"""The versions of Ray that are supported, and the one whose source was read."""

NAMES = {
    ("ray._private.utils", "read_ray_address"): "what `ray.init(address='auto')` attaches to",
    (
        "ray._private.ray_constants",
        "ENABLE_RAY_CLUSTER",
    ): "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER, read when Ray was imported",
    ("ray._raylet", "Config"): "all settings of the environment, read when Ray was imported",
    ("ray._raylet", "AuthenticationTokenLoader"): "the token, kept since Ray first read it",
}
"""Private names, each by its module and its name, and what they are."""

UPLOAD_LOGGERS = ("ray", "ray.dashboard.modules.dashboard_sdk", "ray._private.runtime_env.packaging")
"""Loggers that report each upload of a job's folder."""

CHECK_ALIVE = "/ray.rpc.NodeInfoGcsService/CheckAlive"
"""The gRPC method of a head that reports whether nodes are alive; an empty request is harmless."""

NODES_SUMMARY = "/nodes?view=summary"
"""The dashboard's list of nodes, as JSON: data, summary, of each `raylet`: state, nodeManagerAddress and -Port."""

VERSIONS_DIFFER = "ersion mismatch"
"""Part of the error of `ray.init` if the cluster has another version of Ray or Python."""

NO_NODE_HERE = ("node_ip_address.json", "is not a part of", "on this node")
"""Parts of the errors of `ray.init` on a machine that is not a node of the cluster."""

NO_AGENT = "No available agent to submit job"
"""Part of the error of a Jobs server whose head has just started."""

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
"""Parts of the errors of a trial whose actor was lost with its node or could not be reached."""

LAST_FAILURE = "Failure # "
"""The beginning of each entry in the file in which Tune records the errors of a trial."""

NEEDED = ("raylet", "gcs_server")
"""The processes that a Ray on this machine starts as children and needs."""

HEADS_PYTHON = (
    "$(sed -n 's/.*--python_worker_command=\\([^ ]*\\) .*/\\1/p' "
    "/proc/$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$PPID/status)/cmdline)"
)
"""Shell code for a job: prints the Python that runs Ray on the head. Ray itself would use the PATH of `ray start`.

The shell's parent is Ray's job supervisor. The parent of that is the raylet, whose arguments name the worker's Python.
"""


def address_of_this_machine() -> str | None:
    """Return the `HOST:PORT` of the head of the cluster that this machine is a node of; None if it is not a node."""
    found = _name("ray._private.utils", "read_ray_address")()
    return str(found) if found else None


@contextlib.contextmanager
def on_loopback() -> Iterator[None]:
    """Make a Ray that is started in a `with` block listen on the loopback address.

    Ray uses the machine's network address, except on systems whose firewall asks the user about each program that listens
    there. This makes Ray in this process believe that it is on one; RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER=0 does so for
    Ray's other processes.
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
    """Make Ray read its settings and the token again; by itself it reads them only when it is imported."""
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
            f"This version of Ray is not supported: ray {importlib.metadata.version('ray')} (supported: {KNOWN}) lacks "
            f"{module}.{name}. Install ray=={READ}."
        ) from None
