"""Real Ray clusters for the tests: a head and nodes by `ray start` on this machine, each to be killed as a whole."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.help.networks import Network

RAY = [sys.executable, "-m", "ray.scripts.scripts"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], Any], timeout_s: float = 180, what: str = "") -> Any:
    deadline = time.monotonic() + timeout_s
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what or condition}"
        time.sleep(0.2)
    return found


def _end_with_parent() -> None:
    """Have a node end with the tests, also if they are killed: `ray start --block` takes its processes along."""
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


class RayNode:
    """The processes of one `ray start --block`, in a session of their own.

    Args:
        arguments: of `ray start`.
        wrapper: words in front of the command, such as `ip netns exec NAME`.
        environment: variables beside this process's own.
    """

    def __init__(self, *arguments: str, wrapper: tuple[str, ...] = (), **environment: str) -> None:
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # kept for as long as the node
        self.process = subprocess.Popen(
            # Without an agent's port of its own, only the first Ray of a machine takes jobs.
            [*wrapper, *RAY, "start", *arguments, f"--dashboard-agent-listen-port={free_port()}", "--block"],
            env={**os.environ, "RAY_USAGE_STATS_ENABLED": "0", **environment},
            stdout=self._log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,
        )

    @property
    def output(self) -> str:
        return os.pread(self._log.fileno(), 10**6, 0).decode(errors="replace")

    def wait(self) -> RayNode:
        """Wait until it has joined."""

        def joined() -> bool:
            assert self.process.poll() is None, self.output
            return "Ray runtime started" in self.output

        wait_until(joined, what="a node that starts")
        return self

    def processes(self) -> list[psutil.Process]:
        """Return all processes of the node, also those whose parent has gone."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, ProcessLookupError):
                if os.getsid(process.pid) == self.process.pid:
                    found.append(process)
        with contextlib.suppress(psutil.Error):
            found += psutil.Process(self.process.pid).children(recursive=True)
        return list({process.pid: process for process in found}.values())

    def signal(self, number: int) -> None:
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.send_signal(number)

    def kill(self) -> None:
        """End the node as a power cut does."""
        self.signal(signal.SIGKILL)
        self.signal(signal.SIGKILL)  # what was started meanwhile
        self.process.wait()


class Cluster:
    """A head without cores, and as many nodes as are added.

    Args:
        token: Ray's authentication token; None for a cluster that asks for none.
        dashboard: whether to start the Jobs server.
        head_cpus: cores of the head.
        dashboard_host: the address that the Jobs server listens on.
    """

    def __init__(
        self,
        token: str | None = None,
        dashboard: bool = False,
        head_cpus: int = 0,
        dashboard_host: str = "127.0.0.1",
        **environment: str,
    ) -> None:
        if " " in sys.executable:
            pytest.skip("a cluster of `ray start` does not stay up if the path of its Python has a space")
        self.scratch = Path(tempfile.mkdtemp(prefix="swc-"))  # a short path: sockets are in it
        self.port, self.dashboard_port = free_port(), free_port()
        self.address = f"127.0.0.1:{self.port}"
        self.url = f"http://127.0.0.1:{self.dashboard_port}"
        self.environment = {"RAY_AUTH_MODE": "disabled", **environment}
        if token:
            self.environment |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": token}
        self.nodes: list[RayNode] = []
        arguments = ["--head", f"--port={self.port}", f"--num-cpus={head_cpus}", f"--temp-dir={self.scratch}"]
        arguments.append("--no-monitor")  # of an autoscaler, as there is none
        arguments += [
            f"--include-dashboard={str(dashboard).lower()}",
            f"--dashboard-port={self.dashboard_port}",
            f"--dashboard-host={dashboard_host}",
        ]
        self.head = RayNode(*arguments, **self.environment).wait()

    def add(self, cpus: int = 1, *arguments: str, **environment: str) -> RayNode:
        """Start another node, and wait until it has joined.

        Each has a folder of its own, as nodes on other machines have: each raylet unpacks the working directory anew, even
        where another one has unpacked it and its workers read it.
        """
        own = self.scratch / f"n{len(self.nodes)}"
        node = RayNode(
            f"--address={self.address}",
            f"--num-cpus={cpus}",
            f"--temp-dir={own}",
            *arguments,
            **{**self.environment, **environment},
        )
        self.nodes.append(node)
        return node.wait()

    def kill(self) -> None:
        for node in [*self.nodes, self.head]:
            node.kill()
        shutil.rmtree(self.scratch, ignore_errors=True)


@contextlib.contextmanager
def running(nodes: int = 0, **options: Any) -> Iterator[Cluster]:
    """Run a cluster for the length of a `with` block."""
    cluster = Cluster(**options)
    try:
        for _ in range(nodes):
            cluster.add()
        yield cluster
    finally:
        cluster.kill()


@contextlib.contextmanager
def on_network(network: Network, scratch: Path) -> Iterator[str]:
    """Run a head and a node of one core in each namespace, each with an address of its own; yield the head's."""
    address, started = f"{network.address()}:6379", []
    position = scratch / "r"
    position.mkdir()
    head = ["--head", "--port=6379", f"--node-ip-address={network.address()}", "--num-cpus=0"]
    head += ["--include-dashboard=false", f"--temp-dir={position}"]
    try:
        started.append(RayNode(*head, wrapper=network.inside(network.head), RAY_AUTH_MODE="disabled").wait())
        for number, name in enumerate(network.nodes):
            # A disk of its own at Ray's place: nodes of several addresses do not share one.
            own = ("unshare", "--mount", "sh", "-c", f"mount -t tmpfs none '{position}' && exec \"$@\"", "sh")
            words = [f"--address={address}", f"--node-ip-address={network.address(number)}", "--num-cpus=1"]
            wrapper = (*network.inside(name), *own)
            started.append(RayNode(*words, wrapper=wrapper, RAY_AUTH_MODE="disabled"))
        for node in started:
            node.wait()
        yield address
    finally:
        for node in reversed(started):
            node.kill()
