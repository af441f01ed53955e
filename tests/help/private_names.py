"""Finds the private names of others that Python files use: attributes and texts that begin with one underscore."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests.help.repository import ROOT

SEAMS = (ROOT / "trainables" / "fused" / "internals", ROOT / "cluster" / "connect" / "ray_internals.py")
"""The folder and the file that may use private names of libraries."""

HOUSE = ("cluster", "results", "sweep", "trainables")

PUBLIC = {"os._exit"}
"""What has the form of a private name but is documented."""

_PRIVATE = re.compile(r"_[a-zA-Z]\w*")
_DOTTED = re.compile(r"\w+([.:]\w+)*")
_OURS = ("self", "cls", "super()")


def files() -> Iterator[Path]:
    """Yield the Python files that use no private names of libraries."""
    for package in HOUSE:
        for path in sorted((ROOT / package).rglob("*.py")):
            if not any(path.is_relative_to(seam) for seam in SEAMS):
                yield path


def private_parts(text: str) -> set[str]:
    """Return the private names among the parts of a dotted name; empty if the text is none."""
    return set(filter(_PRIVATE.fullmatch, re.split("[.:]", text))) if _DOTTED.fullmatch(text) else set()


def attributes(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Yield owner, name and line of each attribute that is read, set or asked for by its name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            yield ast.unparse(node.value), node.attr, node.lineno
        elif isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("getattr", "setattr", "hasattr"):
            match node.args:
                case [owner, ast.Constant(value=str(name)), *_]:
                    yield ast.unparse(owner), name, node.lineno


def foreign(tree: ast.AST) -> Iterator[tuple[str, str, int]]:
    """Yield those of `attributes` that are private and that no class of the file has or reads in itself."""
    own = {name for owner, name, _ in attributes(tree) if owner in _OURS}
    for owner, name, line in attributes(tree):
        is_ours = owner in _OURS or name in own or f"{owner}.{name}" in PUBLIC
        if _PRIVATE.fullmatch(name) and not is_ours:
            yield owner, name, line


def used_in(tree: ast.Module, listing: str) -> set[str]:
    """Return the private names of others in a file: attributes, and texts that are names.

    Args:
        tree: the file.
        listing: the name of the class whose arguments list names, which are not used there.
    """
    own = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    own |= {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    found = {name for owner, name, _ in attributes(tree) if owner not in _OURS and _PRIVATE.fullmatch(name)}
    return found.union(*map(private_parts, _texts(tree, listing))) - (own - found)


def _texts(node: ast.AST, listing: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Call) and getattr(child.func, "id", "") == listing:
            continue
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            yield child.value
        yield from _texts(child, listing)
