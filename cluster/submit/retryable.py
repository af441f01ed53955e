"""Runs a command, and fails only if a retry would help: KubeRay starts a new cluster for every job that fails.

    python -m cluster.submit.retryable COMMAND [ARGUMENTS]

A script in the entrypoint cannot do this: `ray job submit` quotes words only as Windows does, so a shell would replace what
begins with a dollar sign.
"""

from __future__ import annotations

import signal
import subprocess
import sys

_ENDS = {
    1: "some points failed, ran out of time, or are not what Keras trains",
    2: "bad input, see above",
}
"""The exit codes of `sweep run` after which a retry would end in the same way, and what they mean."""


def main() -> None:
    """Run the command in the arguments of this process, and exit."""
    # Ray sends a stop to this process and to the command, which then stores finished points.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    code = subprocess.call(sys.argv[1:])
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
