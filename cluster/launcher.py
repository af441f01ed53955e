"""The former address of the launcher: Slurm scripts that version 0.1.0 wrote call `python -m cluster.launcher`."""

from __future__ import annotations

from cluster.submit.launcher import main

if __name__ == "__main__":
    main()
