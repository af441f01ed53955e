"""Reads, analyses, plots and exports the rows in a run's folder; needs neither Ray nor TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.run import Run


def open(location: str | Path) -> Run:
    """Open the run at a path or a URI: `run = results.open("runs/abalone")`, then `run.points`, `run.top()`, ...

    Raises:
        ValueError: there is no run, or it cannot be read.
    """
    from results.run import Run

    return Run(location)
