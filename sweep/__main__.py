"""`python -m sweep`: the command line."""

from __future__ import annotations

from sweep.commands.main import main

main()
