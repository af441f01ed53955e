"""Benchmark of distribution: two raylets of one core each against one raylet of two cores, and the bytes on the network.

`python -m tests.benchmarks distribution` trains a seeded sample of the points of four of the default grid's 24 programs. It
attaches to both clusters in turn, three times each, and an earlier run has compiled the programs. `python -m
tests.benchmarks.distribution POINTS` takes another number of points. The head has no cores. The head and each raylet have a
network namespace of their own; the bytes are counted on the links between them, in both directions. Needs root.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from sweep import Plan
from tests.help.clusters import RayNode
from tests.help.networks import NETWORK, Network

SWEEP = str(Path(sys.executable).with_name("sweep"))
PART = {"hidden": [8, 4], "batch_size": 128}
POINTS = 480
TIMES = 3
PORT = 6379
TIMEOUT_S = 900


@contextlib.contextmanager
def cluster(network: Network, cpus: Sequence[int], scratch: Path, cache: Path) -> Iterator[str]:
    """Start a head without cores and a raylet in each of the nodes' namespaces; yield the head's address."""
    address, temporary = f"{NETWORK}1:{PORT}", scratch / "ray"
    temporary.mkdir(exist_ok=True)
    environment = {"RAY_AUTH_MODE": "disabled", "XDG_CACHE_HOME": str(cache)}
    options = ["--head", f"--port={PORT}", f"--node-ip-address={NETWORK}1", "--num-cpus=0"]
    options += ["--include-dashboard=false", f"--temp-dir={temporary}"]
    started: list[RayNode] = []
    try:
        started.append(RayNode(*options, wrapper=tuple(network.inside(network.head)), **environment).wait())
        for number, (name, cores) in enumerate(zip(network.nodes, cpus, strict=True)):
            # Each node mounts a disk of its own at Ray's temporary folder: nodes with several addresses cannot share one.
            own = [
                "unshare",
                "--mount",
                "sh",
                "-c",
                f"mount -t tmpfs none '{temporary}' && exec \"$@\"",
                "sh",
            ]
            words = [
                f"--address={address}",
                f"--node-ip-address={NETWORK}{number + 2}",
                f"--num-cpus={cores}",
            ]
            wrapper = (*network.inside(name), *own)
            started.append(RayNode(*words, wrapper=wrapper, **environment).wait())
        yield address
    finally:
        for node in reversed(started):
            node.kill()


def sample(points: int) -> list[int]:
    """Return so many points of the part `PART` of the default grid, drawn by a fixed seed."""
    space = Plan.load().space
    part = [idx for idx in range(len(space)) if PART.items() <= space[idx].items()]
    return sorted(random.Random(0).sample(part, points))


def sweep(cpus: Sequence[int], points: int, cache: Path) -> dict[str, float]:
    """Run the sample on raylets with these numbers of cores; return the seconds, and the bytes on the links."""
    with tempfile.TemporaryDirectory(prefix="swd-") as folder, Network(len(cpus)) as network:
        out, scratch = Path(folder) / "out", Path(folder)
        with cluster(network, cpus, scratch, cache) as address:
            time.sleep(2)
            before = network.passed()
            command = [
                *network.inside(network.head),
                SWEEP,
                "run",
                "--out",
                str(out),
                "--idx",
                ",".join(map(str, sample(points))),
            ]
            command += ["--scheduler", "none", "--address", address, "--insecure"]
            environment = {**os.environ, "XDG_CACHE_HOME": str(cache)}
            ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S)
            after = network.passed()
            assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-2000:]
        tally = json.loads((out / "progress.json").read_text())
    assert tally["done"] == points
    return {
        "training_s": tally["training_s"],
        "work_s": sum(tally["spent_s"].values()),
        "to_nodes": after[0] - before[0],
        "from_nodes": after[1] - before[1],
    }


def main(points: int = POINTS, times: int = TIMES) -> None:
    try:
        with Network(1):
            pass
    except PermissionError as error:
        print(f"skipped: {error}")
        return
    kinds = {"one raylet of two cores": [2], "two raylets of one core": [1, 1]}
    found: dict[str, list[dict[str, float]]] = {kind: [] for kind in kinds}
    load = [os.getloadavg()[0]]
    with tempfile.TemporaryDirectory(prefix="swd-") as cache:
        sweep([2], points, Path(cache))  # this compiles the programs that the other runs use
        for _ in range(times):
            for kind, cpus in kinds.items():
                found[kind].append(sweep(cpus, points, Path(cache)))
                load.append(os.getloadavg()[0])
    print(
        f"{points} points of the default grid with {PART}, no pruning, programs compiled before; load {min(load):.1f} to "
        f"{max(load):.1f}"
    )
    medians = {}
    for kind, runs in found.items():
        medians[kind] = statistics.median(run["training_s"] for run in runs)
        into, out = (
            statistics.median(run[way] for run in runs) / points for way in ("to_nodes", "from_nodes")
        )
        print(
            f"{kind}: training {', '.join(format(run['training_s'], '.1f') for run in runs)} s, median "
            f"{medians[kind]:.1f} s; over the links {(into + out) * points / 1e6:.1f} MB, the software and the table with "
            f"it: a point {(into + out) / 1e3:.1f} kB, {into / 1e3:.1f} to the nodes and {out / 1e3:.1f} from them"
        )
    one, two = medians.values()
    print(f"cost of distribution: {two / one - 1:+.1%}")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
