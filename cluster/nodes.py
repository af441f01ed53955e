"""The nodes of a cluster that this process is attached to: what runs on each, and whether they agree.

Two nodes with different versions can give different numbers for the same point, or none. So each node is asked what it
would import, before the first point.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cluster import parcel
from cluster.errors import ClusterError

COMPARED = ("ray", "tensorflow", "keras", "numpy", "pyarrow")
"""The packages whose versions must be the same everywhere, beside Python and this software."""

DRIVER = "driver"
TIMEOUT_S = 120.0
"""Seconds in which a node must have unpacked the parcel and answered."""


@dataclass(frozen=True)
class Node:
    """A living node.

    Attributes:
        node_id: Ray's, in hexadecimal.
        name: its address, with the first letters of its id where several have the same.
        resources: what it can hand out, by name.
        labels: by name.
    """

    node_id: str
    name: str
    resources: Mapping[str, float]
    labels: Mapping[str, str]


def alive() -> list[Node]:
    """Return the living nodes, by name."""
    import ray

    found = [node for node in ray.nodes() if node["Alive"]]
    addresses = [node["NodeManagerAddress"] for node in found]
    nodes = []
    for node, address in zip(found, addresses, strict=True):
        name = f"{address} ({node['NodeID'][:6]})" if addresses.count(address) > 1 else address
        nodes.append(Node(node["NodeID"], name, node.get("Resources", {}), node.get("Labels") or {}))
    return sorted(nodes, key=lambda node: node.name)


def beside_driver(kind: type, *arguments: Any) -> Any:
    """Start an actor of class `kind` on the driver's own node, and return its handle.

    It ends with the driver and not with another node. What it is asked may arrive twice where the network fails.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(num_cpus=0, max_task_retries=-1)(kind)
    return actor.options(scheduling_strategy=here).remote(*arguments)


def versions() -> dict[str, str]:
    """Return what this process computes with: Python, the packages `COMPARED`, and this software."""
    return {**installed(COMPARED), "this software": parcel.digest()}


def installed(packages: Iterable[str]) -> dict[str, str]:
    """Return the versions of Python and of `packages`, which need not be imported."""
    found = {"Python": platform.python_version()}
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def check_versions() -> None:
    """Compare the versions of this process with those of every living node.

    Raises:
        ClusterError: they differ, or a node does not answer.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    ask = ray.remote(num_cpus=0, max_retries=3)(versions)
    nodes = alive()
    asked = {
        node.name: ask.options(
            scheduling_strategy=NodeAffinitySchedulingStrategy(node.node_id, soft=False)
        ).remote()
        for node in nodes
    }
    answered, _ = ray.wait(list(asked.values()), num_returns=len(asked), timeout=TIMEOUT_S)
    answers = {DRIVER: versions()}
    for name, reference in asked.items():
        if reference not in answered:
            raise ClusterError(
                f"The node {name} has not answered within {TIMEOUT_S:g} s. Look at its logs, or take it out of the cluster."
            )
        try:
            answers[name] = ray.get(reference)
        except ray.exceptions.RayError as error:
            if name not in {node.name for node in alive()}:
                continue  # it left while it was asked
            reason = str(error).strip().splitlines()[-1]
            raise ClusterError(f"The node {name} cannot run this software: {reason}") from None
    if message := skew(answers):
        raise ClusterError(message)


def skew(answers: Mapping[str, Mapping[str, str]]) -> str:
    """Return a message with a table of who has what, of the things that are not the same for all; empty if all are.

    Args:
        answers: for the driver and each node, versions by package.
    """
    names = list(dict.fromkeys(name for answer in answers.values() for name in answer))
    differing = [name for name in names if len({answer.get(name, "-") for answer in answers.values()}) > 1]
    if not differing:
        return ""
    rows = [["", *differing]]
    rows += [[who, *(answer.get(name, "-") for name in differing)] for who, answer in answers.items()]
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    table = "\n".join(
        "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
    return (
        f"The driver and the nodes have different versions, and could give different numbers:\n{table}\n"
        "Install the same on all of them (requirements.lock has the versions), and start the cluster again."
    )
