"""This repository: where it is, its documents, and the blocks in them that readers type."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]

README = "README.md"
DOCUMENTS = (
    README,
    "sweep/README.md",
    "trainables/README.md",
    "results/README.md",
    "cluster/README.md",
    "tests/benchmarks/README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
)
"""What people read, from the root of the repository."""


def text(document: str) -> str:
    return (ROOT / document).read_text()


def blocks(language: str, document: str = README) -> list[str]:
    """Return the blocks of a document that are marked with this language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text(document), re.DOTALL | re.MULTILINE)


def spans(document: str) -> list[str]:
    """Return what stands between single backticks outside of blocks."""
    return re.findall(
        r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text(document), flags=re.DOTALL | re.MULTILINE)
    )
