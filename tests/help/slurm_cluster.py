"""A real Slurm on this machine for the tests: daemons of its own, and nodes with an address each.

*Node*: a slurmd in namespaces of its own. A network namespace gives it an address, by which `ray symmetric-run` tells
who is the head; a process namespace keeps `ray stop` to the Ray of that node; a host name is what Slurm knows it by.
The controller is in a namespace, too, which holds the bridge between them: nothing listens outside.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("slurmctld", "slurmd", "sbatch", "munged", "ip", "unshare", "setpriv")
# A network for measurements (RFC 2544), which no other machine has; here it exists in the namespaces alone.
NETWORK = "198.18.7."

SETTINGS = """
ClusterName=test
FirstJobId={first_job}
SlurmctldHost=controller({network}1)
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
SchedulerParameters=bf_interval=2,sched_interval=2
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
ReturnToService=2
KillWait={kill_wait_s}
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str | None:
    """Return why there can be no Slurm here, or None."""
    if absent := [name for name in PROGRAMS if shutil.which(name) is None]:
        return f"needs {', '.join(absent)} (Debian: slurm-wlm, munge, iproute2)"
    name = f"sweep{os.getpid()}-probe"
    made = subprocess.run(["ip", "netns", "add", name], capture_output=True)
    if made.returncode:
        return "needs root, to make network namespaces"
    isolated = ["ip", "netns", "exec", name, "unshare", "--pid", "--uts", "--fork", "--mount-proc", "true"]
    ran = subprocess.run(isolated, capture_output=True)
    subprocess.run(["ip", "netns", "delete", name], check=True)
    return "needs process namespaces" if ran.returncode else None


class SlurmCluster:
    """A controller and nodes of one CPU, for the length of a `with` block."""

    def __init__(self, nodes: int, kill_wait_s: int = 20) -> None:
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self.kill_wait_s = kill_wait_s
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> SlurmCluster:
        with contextlib.ExitStack() as stack:  # undone if anything below fails
            # Short, as sockets' paths are; not pytest's, which are long.
            self.folder = Path(tempfile.mkdtemp(prefix="slurm-", dir="/tmp"))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            self._configure()
            self._namespaces(stack)
            self._daemons(stack)
            self._wait_until_idle()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    def run(self, *command: str, **options: object) -> subprocess.CompletedProcess[str]:
        """Run `command` where the controller is, as a person on a login node would."""
        inside = ["ip", "netns", "exec", self._name("controller"), *command]
        return subprocess.run(
            inside, env=self.environment, capture_output=True, text=True, timeout=60, **options
        )  # type: ignore

    def fields(self, kind: str, name: str) -> dict[str, str]:
        """Return what `scontrol show` says of a job or a node, by field."""
        words = self.run("scontrol", "--oneliner", "show", kind, name).stdout.split()
        return dict(word.split("=", 1) for word in words if "=" in word)

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, "SLURM_CONF": str(self.folder / "slurm.conf")}

    def logs(self) -> str:
        """Return the ends of the daemons' logs."""
        return "\n".join(f"{path}\n{path.read_text()[-3000:]}" for path in sorted(self.folder.glob("*.log")))

    def _name(self, host: str) -> str:
        return f"sweep{os.getpid()}-{host}"

    def _configure(self) -> None:
        (self.folder / "state").mkdir()
        # Jobs are numbered unlike those of other tests at the same time.
        text = SETTINGS.format(
            network=NETWORK, folder=self.folder, kill_wait_s=self.kill_wait_s, first_job=1000 + os.getpid()
        )
        for number, node in enumerate(self.nodes):
            text += f"NodeName={node} NodeAddr={NETWORK}{11 + number} CPUs=1 State=UNKNOWN\n"
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("CgroupPlugin=cgroup/v1\n")
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o400)

    def _namespaces(self, stack: contextlib.ExitStack) -> None:
        controller = self._name("controller")
        for host in ("controller", *self.nodes):
            _call("ip", "netns", "add", self._name(host))
            # With a namespace go its ends of the cables, and with the controller's the bridge.
            stack.callback(subprocess.run, ["ip", "netns", "delete", self._name(host)])
            _call("ip", "-n", self._name(host), "link", "set", "lo", "up")
        _call("ip", "-n", controller, "link", "add", "bridge", "type", "bridge")
        _call("ip", "-n", controller, "address", "add", f"{NETWORK}1/24", "dev", "bridge")
        _call("ip", "-n", controller, "link", "set", "bridge", "up")
        for number, node in enumerate(self.nodes):
            inside = self._name(node)
            _call(
                "ip", "-n", controller, "link", "add", node, "type", "veth", "peer", "eth0", "netns", inside
            )
            _call("ip", "-n", controller, "link", "set", node, "master", "bridge", "up")
            _call("ip", "-n", inside, "address", "add", f"{NETWORK}{11 + number}/24", "dev", "eth0")
            _call("ip", "-n", inside, "link", "set", "eth0", "up")

    def _daemons(self, stack: contextlib.ExitStack) -> None:
        files = {"key-file": "munge.key", "socket": "munge.socket", "pid-file": "munge.pid",
                 "log-file": "munge.log", "seed-file": "munge.seed"}  # fmt: skip
        positions = [f"--{option}={self.folder / file}" for option, file in files.items()]
        self._daemon(stack, ["munged", "--foreground", "--force", *positions])
        conf = str(self.folder / "slurm.conf")
        self._daemon(stack, [*self._inside("controller"), f"slurmctld -D -f {conf}"])
        for node in self.nodes:
            self._daemon(stack, [*self._inside(node), f"slurmd -D -f {conf} -N {node}"])

    def _inside(self, host: str) -> list[str]:
        """Return the start of a command whose last word a shell runs as the host `host`."""
        return ["ip", "netns", "exec", self._name(host), "unshare", "--pid", "--uts", "--fork", "--kill-child",
                "--mount-proc", "sh", "-c", f'hostname {host}; $0; true']  # fmt: skip

    def _daemon(self, stack: contextlib.ExitStack, command: list[str]) -> None:
        # Killed with whoever started it, also where that is killed; and with it all in its namespaces.
        process = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *command],
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(process.wait)
        stack.callback(process.kill)

    def _wait_until_idle(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            shown = self.run("sinfo", "--noheader", "--Node", "--format=%T").stdout.split()
            if shown == ["idle"] * len(self.nodes):
                return
            time.sleep(0.5)
        raise RuntimeError(f"Slurm did not start:\n{self.logs()}")


def _call(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
