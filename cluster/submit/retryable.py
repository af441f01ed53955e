"""Runs a command, and fails only if a retry would help: KubeRay starts a new cluster for every job that fails.

    python -m cluster.submit.retryable COMMAND [ARGUMENTS]

A script in the entrypoint cannot do this: `ray job submit` quotes words only as Windows does, so a shell would replace what
begins with a dollar sign.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

_REFUSED, _STOPPED = 2, 3
_ENDS = {
    1: "some points failed, ran out of time, or are not what Keras trains",
    _REFUSED: "it was refused twice, see above",
}
"""The exit codes of `sweep run` after which a retry would end in the same way, and what they mean."""

PAUSE_S = float(os.environ.get("SWEEP_PAUSE_S", "90"))
"""Seconds before a refused command is tried again. The lease of a driver whose cluster was lost ends after 60 seconds, and
a store or a node that does not answer may do so then."""


def main() -> None:
    """Run the command in the arguments of this process, and exit."""
    stops: list[int] = []
    # Ray sends a stop to this process and to the command, which then stores finished points.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: stops.append(number))
    code = subprocess.call(sys.argv[1:])
    if code == _REFUSED:
        print(f"The sweep was refused. It is tried once more in {PAUSE_S:.0f} seconds.", flush=True)
        again_at = time.monotonic() + PAUSE_S
        while time.monotonic() < again_at and not stops:
            time.sleep(min(0.5, PAUSE_S))
        code = _STOPPED if stops else subprocess.call(sys.argv[1:])
    if code in _ENDS:
        print(
            f"The sweep ended with exit code {code}: {_ENDS[code]}. A retry would end in the same way, so the job ends as "
            "if it had succeeded.",
            flush=True,
        )
        code = 0
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
