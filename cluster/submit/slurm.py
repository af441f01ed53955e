"""Writes and submits a Slurm batch script that starts Ray on the nodes of a job and a sweep on the first of them.

The job can be requeued at any moment. At SIGTERM the sweep stores finished points. After a KILL the requeued job runs the
same command on the same folder, so it trains the points that are left.

The script contains no secrets. The job gets a login environment (`--export=NONE`), because Slurm would keep the
environment of `sbatch` in its records. The token of the Ray cluster is in a file that only its owner can read.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

# Our names of parameters, with units, and sbatch's names.
FLAGS = {
    "nodes": "nodes",
    "cpus_per_node": "cpus-per-task",
    "gpus_per_node": "gpus-per-node",
    "mem_gb": "mem",
    "time": "time",
    "partition": "partition",
    "account": "account",
    "qos": "qos",
    "job_name": "job-name",
}
# Options of sbatch (22.05 to 25.05) that may be given under sbatch's name: they change nothing that the script relies on.
OTHERS = (
    "begin", "chdir", "cluster-constraint", "clusters", "comment", "constraint", "core-spec", "deadline", "dependency",
    "error", "exclude", "gres", "gpu-bind", "gpu-freq", "gpus-per-task", "licenses", "mail-type", "mail-user",
    "mem-per-cpu", "mem-per-gpu", "network", "nice", "nodelist", "output", "prefer", "priority", "reservation",
    "signal", "switches", "thread-spec", "tmp", "wckey",
)  # fmt: skip
_TIME = re.compile(r"\d+(:\d\d){0,2}|\d+-\d\d?(:\d\d){0,2}")
# Printable ASCII without sbatch's quotes, escapes and comments. For Bash these lines are comments.
_VALUE = re.compile(r"[!$-&(-\[\]-~]+")

_SCRIPT = """\
#!/bin/bash
{directives}

# Written by `sweep slurm`. Ray runs on every node of the job, the sweep on the first. A requeue, or submitting this script
# again, trains the points that have no row yet.
{setup}
export PATH={path}:"$PATH"
export RAY_USAGE_STATS_ENABLED=0
export RAY_SYMMETRIC_RUN_CLUSTER_WAIT_TIMEOUT=300 # seconds until all nodes must have joined: a shared disk can be slow
{environment}unset RAY_ADDRESS # Ray would prefer that cluster to this one

# Ray runs any code that reaches it, so this cluster asks for a token. It is in a file that only you can read.
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN_PATH=${{RAY_AUTH_TOKEN_PATH:-$HOME/.ray/auth_token}}
unset RAY_AUTH_TOKEN
if [ ! -s "$RAY_AUTH_TOKEN_PATH" ]; then
    mkdir -p "$(dirname "$RAY_AUTH_TOKEN_PATH")"
    fresh=$(mktemp "$RAY_AUTH_TOKEN_PATH.XXXXXX")
    od -An -N32 -tx1 /dev/urandom | tr -d ' \\n' >"$fresh"
    mv -n "$fresh" "$RAY_AUTH_TOKEN_PATH" # if another job was faster, keep its token
    rm -f "$fresh"
fi
chmod 600 "$RAY_AUTH_TOKEN_PATH"

# The head is the node with this address. Not its name, because a node often resolves its own name to 127.0.1.1.
{address}
port={port}

exit_file=$(mktemp) # on this node, which is the head
trap : TERM # Slurm also sends it to this shell, which must wait for the sweep
{srun} \\
    {python} -m cluster.submit.launcher "$exit_file" symmetric-run --address "$address:$port" --min-nodes {nodes}{gpus} \\
    -- {command} --address "$address:$port"
code=$(cat "$exit_file")
rm "$exit_file"
exit "${{code:-3}}" # the sweep's exit code; 3 (stopped before the end) if Ray did not start or was killed
"""

# The first node's address according to Slurm; a loopback address is replaced, because other nodes cannot use it.
_ADDRESS = """\
first=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
address=$(scontrol --oneliner show node "$first" | sed -n 's/.*NodeAddr=\\([^ ]*\\).*/\\1/p')
address=$(getent ahostsv4 "$address" | awk 'NR == 1 {print $1}')
case "$address" in "" | 127.*) address=$(hostname -I | awk '{print $1}') ;; esac"""


def batch_script(
    command: Sequence[str],
    parameters: Mapping[str, object],
    *,
    others: Mapping[str, str] | None = None,
    setup: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    port: int | None = None,
) -> str:
    """Return the text of a batch script that runs `command` on a Ray cluster of the job's nodes.

    Args:
        command: program and arguments; the script adds `--address HOST:PORT` of the cluster's head.
        parameters: values by the names in `FLAGS`; for None, Slurm's default applies. Without `cpus_per_node` the job has
            its nodes exclusively.
        others: values by sbatch's names, see `OTHERS`.
        setup: lines of bash that run before everything else, such as `module load python`.
        environment: variables of the sweep; the script shows them, so they must not be secrets.
        port: of Ray's head; if None, it is computed from the job's number, so that two jobs on a node differ.

    Raises:
        ValueError: a name is unknown, or a value cannot be used.
    """
    given = {name: value for name, value in parameters.items() if value is not None}
    _refuse_unknown(given, FLAGS)
    _refuse_unknown(others or {}, OTHERS, " for --sbatch")
    for name in ("nodes", "cpus_per_node", "gpus_per_node"):
        _check_count(name, given)
    if port is not None and not 1024 <= port <= 65535:
        raise ValueError(f"port got {port}, but needs 1024 to 65535.")
    nodes = given.setdefault("nodes", 1)
    lines = [f"--{FLAGS[name]}={_value(name, value)}" for name, value in given.items()]
    lines += [] if "cpus_per_node" in given else ["--exclusive"]
    lines += ["--ntasks-per-node=1", "--requeue", "--open-mode=append", "--export=NONE"]
    lines += [f"--{name}={_value(name, value)}" for name, value in (others or {}).items()]
    return _SCRIPT.format(
        directives="\n".join(f"#SBATCH {line}" for line in lines),
        setup="\n".join(map(_setup, setup)),
        environment="".join(
            f"export {name}={shlex.quote(value)}\n" for name, value in (environment or {}).items()
        ),
        path=shlex.quote(str(Path(sys.executable).parent)),
        # No other machine needs to reach a cluster of one node.
        address="address=127.0.0.1" if nodes == 1 else _ADDRESS,
        port=port or "$((20000 + SLURM_JOB_ID % 10000))",
        nodes=nodes,
        srun=_srun(given),
        python=shlex.quote(sys.executable),
        # Only GPUs are given here: the launcher gives Ray the cores, on each node.
        gpus=f" --num-gpus={given['gpus_per_node']}" if "gpus_per_node" in given else "",
        command=shlex.join(command),
    )


def submit(script: str) -> str:
    """Hand `script` to sbatch and return the job's id.

    Raises:
        ValueError: there is no sbatch, or it refuses the job.
    """
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        raise ValueError(
            "sbatch is not found, so nothing was submitted. Run this on a login node of the cluster, or write the "
            "script to a file (--file) and submit it there."
        )
    # --export is repeated here, because SBATCH_EXPORT in the environment would override the script.
    ran = subprocess.run(
        [sbatch, "--parsable", "--export=NONE"], input=script, capture_output=True, text=True, check=False
    )
    if ran.returncode:
        raise ValueError(f"sbatch refused the job: {ran.stderr.strip()}")
    return ran.stdout.strip().split(";")[0]


def _refuse_unknown(
    given: Mapping[str, object], known: Mapping[str, str] | Sequence[str], where: str = ""
) -> None:
    if unknown := [name for name in given if name not in known]:
        raise ValueError(f'"{unknown[0]}" is no parameter{where}. Valid ones are {", ".join(sorted(known))}.')


def _check_count(name: str, given: Mapping[str, object]) -> None:
    value = given.get(name, 1)
    if not isinstance(value, int) or value < 1:
        raise ValueError(f"{name} got {value!r}, but needs a whole number from 1.")


def _value(name: str, value: object) -> str:
    """Return a value in sbatch's form."""
    if name == "mem_gb":
        if not isinstance(value, int | float) or not 0 < value < 1e6:
            raise ValueError(f"mem_gb got {value!r}, but needs gibibytes above 0.")
        return f"{round(value * 1024)}M"
    text = str(value)
    if name == "time" and not _TIME.fullmatch(text):
        raise ValueError(f'time got {text!r}, but needs minutes, or Slurm\'s "HH:MM:SS" or "D-HH:MM:SS".')
    if not _VALUE.fullmatch(text):
        raise ValueError(
            f"{name} got {text!r}, but needs printable ASCII without spaces, quotes, backslash and #. Rename it."
        )
    return text


def _setup(line: str) -> str:
    """Return a line of bash that ends the job if it fails; a sweep without its modules would fail less clearly."""
    try:
        shlex.split(line)
    except ValueError as error:
        raise ValueError(f"setup got {line!r}, which is not a line of bash ({error}). Correct it.") from None
    if not line.isprintable():
        raise ValueError(f"setup got {line!r}, but needs one line each. Repeat the option for each line.")
    # On a line of its own: after a comment or a semicolon, it would have no effect.
    return f"{line}\n[ $? = 0 ] || exit 3"


def _srun(given: Mapping[str, object]) -> str:
    # The task gets exactly the exported variables of this shell, and may use every core of the node.
    cores = f" --cpus-per-task={given['cpus_per_node']}" if "cpus_per_node" in given else ""
    return f"srun --export=ALL --cpu-bind=none --kill-on-bad-exit=0{cores}"
