"""`ray symmetric-run` on one node of a Slurm job: it outlives SIGTERM, and tells how the command on the head ended.

    python -m cluster.submit.launcher EXIT_FILE symmetric-run --address HOST:PORT --min-nodes N [start options] -- command

Slurm sends SIGTERM to every process of a job. Ray's launcher dies of it at once, and Slurm kills what a dead task leaves
behind: the sweep would have no time to store what is finished. And the launcher exits with 0 where Ray could not be
started, so the command's own exit code is written to EXIT_FILE, which stays empty where there was no command.
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

# A shell with a handler waits for its command, which has the signal too, where one without would die. The other nodes
# would notice only after a minute that the head is gone: a SIGTERM to the job's step is how Slurm asks them to end.
TELLS = """\
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
    # A handler and not SIG_IGN, which Ray's processes would inherit, and `ray stop` could end none of them.
    signal.signal(signal.SIGTERM, _go_on)
    _end_what_is_left()
    # Not where TMPDIR says: sockets are in it, whose paths may have 107 bytes. Named for who finds what a KILL left.
    prefix = f"ray-{os.environ.get('SLURM_JOB_ID', '')}-"
    with tempfile.TemporaryDirectory(prefix=prefix, dir="/tmp", ignore_cleanup_errors=True) as folder:
        # On the head Ray looks there for what it has started; on the others it would take the head's folder.
        os.environ["RAY_TMPDIR"] = folder
        options += [f"--temp-dir={folder}/ray"]
        if "SLURM_CPUS_ON_NODE" in os.environ:  # Ray would count the machine's, not the job's
            options += [f"--num-cpus={os.environ['SLURM_CPUS_ON_NODE']}"]
        sys.argv = ["ray", *options, "--", "sh", "-c", TELLS, exit_file, *command]
        code = 0
        import ray
        from ray.scripts import scripts

        ray.init = _deaf(ray.init)
        try:
            scripts.main()
        except SystemExit as ended:
            code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    sys.stdout.flush()
    # Without Ray's own exit, which would wait for the head that has just been stopped until Slurm's patience ends.
    os._exit(code)


def _end_what_is_left() -> None:
    """Kill what an earlier attempt of this job left on this node, for which Ray would refuse to start.

    Ray's servers are daemons, which a KILL reaches where Slurm follows processes by cgroup, and else may not.
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


def _deaf(init: Callable[..., Any]) -> Callable[..., Any]:
    """Put our handler back after `init`: with a connection to a cluster Ray installs one that ends the process."""

    def call(*arguments: Any, **options: Any) -> Any:
        context = init(*arguments, **options)
        signal.signal(signal.SIGTERM, _go_on)
        return context

    return call


def _go_on(number: int, frame: FrameType | None) -> None:
    print("SIGTERM: waiting for Ray and the sweep to end.", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
