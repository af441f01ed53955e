"""This repository: where it is, its documents, and the blocks in them that readers type."""

import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]

README = "README.md"
FOLDERS = ("sweep", "trainables", "results", "cluster", "tests")
DOCUMENTS = tuple(
    path.relative_to(ROOT).as_posix()
    for path in (
        *sorted(ROOT.glob("*.md")),
        *(md for name in FOLDERS for md in sorted((ROOT / name).rglob("*.md"))),
    )
)
"""What people read, from the root of the repository: every Markdown file in it."""


def text(document: str) -> str:
    return (ROOT / document).read_text()


def blocks(language: str, document: str = README) -> list[str]:
    """Return the blocks of a document that are marked with this language."""
    found = re.findall(rf"^( *)```{language}\n(.*?)^\1```$", text(document), re.DOTALL | re.MULTILINE)
    return [textwrap.dedent(block) for _, block in found]


def without_blocks(text: str) -> str:
    """Return the text of a document without its blocks, which may be indented, as in lists."""
    return re.sub(r"^( *)```.*?^\1```$", "", text, flags=re.DOTALL | re.MULTILINE)


def spans(document: str) -> list[str]:
    """Return what stands between single backticks outside of blocks."""
    return re.findall(r"`([^`\n]+)`", without_blocks(text(document)))
