"""Networks of this machine's own: hosts with addresses of their own in network namespaces, to be counted and cut off."""

from __future__ import annotations

import contextlib
import os
import subprocess

# A network for measurements (RFC 2544); here it exists in the namespaces alone.
NETWORK = "198.18.9."


class Network:
    """A head's namespace, which holds a bridge, and one for each node, for the length of a `with` block.

    Args:
        nodes: how many.

    Raises:
        PermissionError: no namespaces can be made here.
    """

    def __init__(self, nodes: int) -> None:
        self.head = f"swn{os.getpid()}-head"
        self.nodes = [f"swn{os.getpid()}-n{number}" for number in range(nodes)]
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Network:
        with contextlib.ExitStack() as stack:  # undone if anything below fails
            for name in (self.head, *self.nodes):
                try:
                    _ip("netns", "add", name)
                except (OSError, subprocess.CalledProcessError) as error:
                    raise PermissionError(
                        "no network namespace can be made: needs root and iproute2"
                    ) from error
                stack.callback(subprocess.run, ["ip", "netns", "delete", name], timeout=30)
                _ip("-n", name, "link", "set", "lo", "up")
            _ip("-n", self.head, "link", "add", "bridge", "type", "bridge")
            _ip("-n", self.head, "address", "add", f"{self.address()}/24", "dev", "bridge")
            _ip("-n", self.head, "link", "set", "bridge", "up")
            for number, name in enumerate(self.nodes):
                link = f"link{number}"
                _ip("-n", self.head, "link", "add", link, "type", "veth", "peer", "eth0", "netns", name)
                _ip("-n", self.head, "link", "set", link, "master", "bridge", "up")
                _ip("-n", name, "address", "add", f"{self.address(number)}/24", "dev", "eth0")
                _ip("-n", name, "link", "set", "eth0", "up")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def address(self, node: int | None = None) -> str:
        """Return the address of a node, or of the head."""
        return f"{NETWORK}{1 if node is None else node + 2}"

    def inside(self, name: str) -> tuple[str, ...]:
        """Return the words in front of a command that is to run in a namespace."""
        return ("ip", "netns", "exec", name)

    def cut(self, node: int, off: bool = True) -> None:
        """Take a node's link down, or up again."""
        _ip("-n", self.head, "link", "set", f"link{node}", "down" if off else "up")

    def passed(self) -> tuple[int, int]:
        """Return the bytes that have gone to the nodes, and that have come from them."""
        text = subprocess.check_output(
            [*self.inside(self.head), "cat", "/proc/net/dev"], text=True, timeout=30
        )
        rows = [line.split() for line in text.splitlines() if line.strip().startswith("link")]
        return sum(int(row[9]) for row in rows), sum(int(row[1]) for row in rows)


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=30)
