"""The former home of the command line, kept for what still calls `python -m sweep.cli`."""

from __future__ import annotations

from sweep.commands.main import main

if __name__ == "__main__":
    main()
