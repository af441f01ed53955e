"""Lists the nodes of a cluster that this process is attached to, and checks that all have the same versions.

Nodes with different versions can compute different numbers for the same point, or fail. So each node is asked once which
versions it would import: the first nodes before the first point, a later node when it is first seen. In case a node has not
answered yet, each worker also compares the versions before it begins.
"""

from __future__ import annotations

import functools
import importlib.metadata
import os
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cluster.connect import parcel, ray_internals
from cluster.errors import ClusterError

COMPARED = ("ray", "tensorflow", "keras", "numpy", "pyarrow")
"""The packages whose versions must be the same on all nodes, in addition to Python and this software."""

WITHOUT_PRELOAD = "SWEEP_WITHOUT_PRELOAD"
"""An environment variable of workers that should not import what the other workers preload."""

DRIVER = "driver"
_EXPRESSIONS = ("!", "in(")
TIMEOUT_S = 120.0
"""Seconds within which a node must have unpacked the parcel and answered."""


@dataclass(frozen=True)
class Node:
    """A living node.

    Attributes:
        node_id: Ray's id of the node, in hexadecimal.
        name: its address, followed by the first letters of its id if several nodes have the same address.
    """

    node_id: str
    name: str


def alive() -> list[Node]:
    """Return the living nodes, sorted by name."""
    import ray

    found = [node for node in ray.nodes() if node["Alive"]]
    addresses = [node["NodeManagerAddress"] for node in found]
    nodes = []
    for node, address in zip(found, addresses, strict=True):
        name = f"{address} ({node['NodeID'][:6]})" if addresses.count(address) > 1 else address
        nodes.append(Node(node["NodeID"], name))
    return sorted(nodes, key=lambda node: node.name)


def room(amounts: Mapping[str, float], labels: Mapping[str, str]) -> int:
    """Return how many trials the living nodes can hold at once, if nothing else runs there.

    Args:
        amounts: what a trial asks for, by the names of Ray's resources, each above 0.
        labels: the value that each label of its node must have. One that is an expression of Ray's label selectors, such as
            `!north` or `in(north,south)`, is taken to hold.
    """
    import ray

    return sum(_fits(node, amounts, labels) for node in ray.nodes() if node["Alive"])


def _fits(node: Mapping[str, Any], amounts: Mapping[str, float], labels: Mapping[str, str]) -> int:
    has, own = node["Resources"], node.get("Labels") or {}
    if any(own.get(name) != value for name, value in labels.items() if not value.startswith(_EXPRESSIONS)):
        return 0
    # 1e-6: four times a quarter of a GPU is one.
    return min(int(has.get(name, 0.0) / amount + 1e-6) for name, amount in amounts.items())


def beside_driver(kind: type, *arguments: Any) -> Any:
    """Start an actor of class `kind` on the driver's own node, and return its handle.

    It ends with the driver, not with another node. If the network fails, a call may arrive twice. If Ray's workers preload a
    module, it gets another worker, which has `WITHOUT_PRELOAD` in its environment: the module should then do nothing.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(num_cpus=0, max_task_retries=-1)(kind)
    light = {"env_vars": {WITHOUT_PRELOAD: "1"}} if os.environ.get(ray_internals.PRELOAD_VARIABLE) else None
    return actor.options(scheduling_strategy=here, runtime_env=light).remote(*arguments)


def own_versions() -> dict[str, str]:
    """Return the versions that this process computes with: Python, the packages `COMPARED`, and this software."""
    return {**installed(COMPARED), "this software": parcel.digest()}


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of `packages`, without importing them."""
    found = {"Python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


class Agreement:
    """Checks that all nodes have the versions of this process; each node is asked once.

    Args:
        mine: the versions of this process; if None, they are looked up.
    """

    def __init__(self, mine: Mapping[str, str] | None = None) -> None:
        self._mine = mine or own_versions()
        self._seen: set[str] = set()
        self._asked: dict[Node, Any] = {}

    def check(self, wait_s: float = 0.0) -> None:
        """Ask the nodes that were not asked before, and compare the answers that have arrived.

        Args:
            wait_s: seconds within which all must answer; with 0, a later check compares the missing answers.

        Raises:
            ClusterError: versions differ, or a node does not answer in time or cannot run this software.
        """
        import ray
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        ask = ray.remote(num_cpus=0, max_retries=3)(own_versions)
        for node in alive():
            if node.node_id not in self._seen:
                self._seen.add(node.node_id)
                there = NodeAffinitySchedulingStrategy(node.node_id, soft=False)
                self._asked[node] = ask.options(scheduling_strategy=there).remote()
        if not self._asked:
            return
        answered, _ = ray.wait(list(self._asked.values()), num_returns=len(self._asked), timeout=wait_s)
        answers: dict[str, Mapping[str, str]] = {DRIVER: self._mine}
        for node, reference in list(self._asked.items()):
            if reference in answered:
                del self._asked[node]
                try:
                    answers[node.name] = ray.get(reference)
                except ray.exceptions.RayError as error:
                    if not wait_s or node.node_id not in {one.node_id for one in alive()}:
                        continue  # the node has left; or it is new, and its workers will raise the same error
                    reason = str(error).strip().splitlines()[-1]
                    raise ClusterError(f"The node {node.name} cannot run this software: {reason}") from None
            elif wait_s:
                raise ClusterError(
                    f"The node {node.name} has not answered within {wait_s:g} s. Look at its logs, or remove it from the "
                    "cluster."
                )
        if message := skew(answers):
            raise ClusterError(message)

    def guard(self) -> Callable[[], None]:
        """Return a function that a worker calls before it begins; it raises `ClusterError` if the versions differ."""
        return functools.partial(_same_as, dict(self._mine))


def _same_as(expected: Mapping[str, str]) -> None:
    if message := skew({DRIVER: expected, platform.node(): own_versions()}):
        raise ClusterError(message)


def skew(answers: Mapping[str, Mapping[str, str]]) -> str:
    """Return a message with a table of the versions that differ; empty if none does.

    Args:
        answers: the versions by package, for the driver and each node.
    """
    names = list(dict.fromkeys(name for answer in answers.values() for name in answer))
    differing = [name for name in names if len({answer.get(name, "-") for answer in answers.values()}) > 1]
    if not differing:
        return ""
    rows = [["", *differing]]
    rows += [[node, *(answer.get(name, "-") for name in differing)] for node, answer in answers.items()]
    widths = [max(len(row[position]) for row in rows) for position in range(len(rows[0]))]
    table = "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return (
        f"The driver and the nodes have different versions, and could give different numbers:\n{table}\n"
        "Install the same versions on all of them (see requirements.lock), and start the cluster again."
    )
