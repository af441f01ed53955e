"""Runs `ray symmetric-run` on one node of a Slurm job so that it survives SIGTERM, and reports the command's exit code.

    python -m cluster.submit.launcher EXIT_FILE symmetric-run --address HOST:PORT --min-nodes N [start options] -- command

Slurm sends SIGTERM to every process of a job. It would end Ray's launcher at once, and Slurm would then kill the other
processes of the task, so the sweep would have no time to store finished points. Ray's launcher also exits with 0 if Ray
could not be started. So the command's own exit code is written to EXIT_FILE, which stays empty if the command did not run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

# This script runs the command and writes its exit code into the file. It has a handler for SIGTERM, so it waits for the
# command, which also gets the signal; a shell without a handler would die. SIGTERM to the job's step asks the other nodes
# to end; otherwise they would notice only after a minute that the head is gone.
SHELL_SCRIPT = """\
trap : TERM; "$@"; code=$?; echo "$code" >"$0"
if [ "${SLURM_STEP_ID:-}" ]; then
    echo "The command ended with exit code $code. The nodes are asked to end, by SIGTERM:"
    scancel --signal=TERM "$SLURM_JOB_ID.$SLURM_STEP_ID"
fi
exit "$code"
"""


def main() -> None:
    """Run Ray's command line with the arguments of this process."""
    exit_file, *arguments = sys.argv[1:]
    separator = arguments.index("--")
    options, command = arguments[:separator], arguments[separator + 1 :]
    # Not SIG_IGN: Ray's processes would inherit it, and `ray stop` could not end them.
    signal.signal(signal.SIGTERM, _go_on)
    _end_what_is_left()
    # Not in TMPDIR: the folder has sockets, whose paths are limited to 107 bytes. KILL leaves it, so its name has the job.
    prefix = f"ray-{os.environ.get('SLURM_JOB_ID', '')}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir="/tmp", ignore_cleanup_errors=True) as folder:
        # On the head, Ray looks there for the cluster that it started; on other nodes, Ray would use the head's path.
        os.environ["RAY_TMPDIR"] = folder
        options += [f"--temp-dir={folder}/ray"]
        if "SLURM_CPUS_ON_NODE" in os.environ:  # Ray would count the cores of the machine
            options += [f"--num-cpus={os.environ['SLURM_CPUS_ON_NODE']}"]
        sys.argv = ["ray", *options, "--", "sh", "-c", SHELL_SCRIPT, exit_file, *command]
        code = 0
        import ray
        from ray.scripts import scripts

        ray.init = _keeping_handler(ray.init)
        try:
            scripts.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    # Skip Ray's exit handlers, which would wait for the stopped head until Slurm kills the job.
    os._exit(code)


def _end_what_is_left() -> None:
    """Kill the processes that an earlier attempt of this job left on this node: Ray would refuse to start beside them.

    Ray's servers are daemons. Slurm's KILL reaches them if Slurm tracks processes by cgroup; otherwise it may not.
    """
    import psutil

    def attempt(environment: Mapping[str, str]) -> tuple[str | None, str]:
        return environment.get("SLURM_JOB_ID"), environment.get("SLURM_RESTART_COUNT", "0")

    job, number = attempt(os.environ)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            its_job, its_number = attempt(process.environ())
            if job is not None and its_job == job and its_number != number:
                process.kill()


def _keeping_handler(init: Callable[..., Any]) -> Callable[..., Any]:
    """Return `init` followed by installing our handler again: `ray.init` installs one that ends the process."""

    def call(*arguments: Any, **options: Any) -> Any:
        context = init(*arguments, **options)
        signal.signal(signal.SIGTERM, _go_on)
        return context

    return call


def _go_on(number: int, frame: FrameType | None) -> None:
    print("SIGTERM: waiting for Ray and the sweep to end.", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
