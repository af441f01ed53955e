"""The former address of the command line: `python -m sweep.cli` still works."""

from __future__ import annotations

from sweep.commands.main import main

if __name__ == "__main__":
    main()
