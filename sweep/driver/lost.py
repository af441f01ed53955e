"""Ends a sweep when Ray on this machine has lost one of its own processes.

Ray's core would end this process soon after, with exit status 1 and without a message (see `cluster.connect.losses`). So
there is no time for an orderly stop. The committed rows are on the disk, and the next run trains the rest.
"""

from __future__ import annotations

import os
import sys

from sweep.process.exits import EXIT_STOPPED
from sweep.process.signals import Stopper
from sweep.process.view import View


def end_without_ray(view: View, stopper: Stopper, resume: str | None, what: str) -> None:
    """Print what happened and end this process, unless a stop was asked for. Any thread may call this.

    Args:
        view: the live view of the sweep.
        stopper: knows whether a stop was asked for.
        resume: the command that resumes the run; None if no command started it.
        what: what Ray has lost, in words such as "raylet was killed by signal 9".
    """
    if stopper.is_set():  # a job server may stop a job by a signal to each of its processes
        return
    message = (
        f"\nError: Ray's process on this machine ended ({what}, perhaps because memory ran out), and the sweep cannot "
        "go on without it. What was finished is kept. If memory ran out, use fewer cores: --cpus.\n"
        f"Resume:  {resume or 'run the same plan into the same folder again'}"
    )
    try:
        view.end_with(message)
        print(message, file=sys.stderr, flush=True)  # standard error is the log
    finally:
        os._exit(EXIT_STOPPED)
