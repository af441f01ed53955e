"""`python -m sweep`: the command line."""

from __future__ import annotations

import sys

from sweep.process.exits import EXIT_STOPPED

try:
    from sweep.commands.main import main
except KeyboardInterrupt:  # while modules are imported
    print("Stopped.", file=sys.stderr)
    sys.exit(EXIT_STOPPED)

main()
