"""What the end of the command means to others: exit codes, the command to resume, and a terminal in order."""

from __future__ import annotations

EXIT_DONE = 0
"""Every point has a row and none failed."""
EXIT_SOME_FAILED = 1
"""Every point has a row, but some failed or ran out of time."""
EXIT_BAD_INPUT = 2
"""The input is bad; nothing was started."""
EXIT_STOPPED = 3
"""The sweep stopped before its end; the same command resumes it."""

RESUME = "SWEEP_RESUME"
"""The environment variable that holds the command to resume, if `sweep submit`, Slurm or Kubernetes started the driver."""

SHOW_CURSOR = "\x1b[?25h"
"""What a terminal is sent to show its cursor again, which the live view hides."""
