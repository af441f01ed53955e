"""What several commands share: arguments, options, and how bad input is told."""

from __future__ import annotations

from pathlib import Path

import click


class InputError(ValueError):
    """An argument of a command cannot be used."""


FOLDER = click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
JSON = click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
DESCENDING = click.option("--descending", is_flag=True, help="A higher value is better.")
WHERE = click.option(
    "--where",
    metavar="CONDITION",
    help="Only points like 'activation == \"relu\" and params < 200'; columns compared, joined by and, or, not.",
)
