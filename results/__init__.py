"""The rows of a run's folder, and what people do with them; needs neither Ray nor TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from results.run import Run


def open(location: str | Path) -> Run:
    """Open a run's folder: `run = results.open("runs/abalone")`, or a URI, then `run.points`, `run.top()`, `run.model(idx)`.

    Raises:
        ValueError: there is no run, or none that can be read.
    """
    from results.run import Run

    return Run(location)
