"""The imports that the files of packages have written in them: who imports whom, and the circles among them."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Import:
    """One import.

    Attributes:
        importer: the module that it is written in.
        line: its line there.
        target: the module that is imported, in full.
        for_types: whether it is under `if TYPE_CHECKING:`, and so is never carried out.
    """

    importer: str
    line: int
    target: str
    for_types: bool

    def __str__(self) -> str:
        return f"{self.importer}, line {self.line}: imports {self.target}"


def modules_of(root: Path, packages: Collection[str]) -> dict[str, Path]:
    """Return the file of each module of the packages in `root`, by the module's full name."""
    files = {path: path.relative_to(root).with_suffix("").parts for package in packages
             for path in sorted((root / package).rglob("*.py"))}  # fmt: skip
    return {".".join(parts[:-1] if parts[-1] == "__init__" else parts): path for path, parts in files.items()}


def imports_of(modules: Mapping[str, Path]) -> list[Import]:
    """Return all imports of the modules, also those inside functions."""
    return [
        Import(importer, node.lineno, target, for_types)
        for importer, path in modules.items()
        for node, for_types in _imports(ast.parse(path.read_text()), for_types=False)
        for target in _targets(node, modules)
    ]


def circles(imports: Collection[Import]) -> list[str]:
    """Return each circle as text, `a -> b -> a`; of the circles through a module, the shortest one.

    An import inside a function counts, as it only hides a circle; one for types does not.
    """
    graph: dict[str, list[str]] = {}
    for one in imports:
        if not one.for_types:
            graph.setdefault(one.importer, []).append(one.target)
    found: dict[frozenset[str], str] = {}
    for module in sorted(graph):
        if circle := _way_back(graph, module):
            found.setdefault(frozenset(circle), " -> ".join(circle))
    return list(found.values())


def between_folders(imports: Collection[Import], modules: Mapping[str, Path]) -> list[Import]:
    """Return the imports from folder to folder, without those of a folder and one inside it."""

    def folder(module: str) -> str:
        is_package = modules[module].stem == "__init__"
        return module if is_package else module.rpartition(".")[0]

    each = (
        replace(one, importer=folder(one.importer), target=folder(one.target))
        for one in imports
        if one.target in modules
    )
    return [
        one
        for one in each
        if not f"{one.importer}.".startswith(f"{one.target}.")
        and not f"{one.target}.".startswith(f"{one.importer}.")
    ]


def _imports(node: ast.AST, for_types: bool) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    if isinstance(node, ast.Import | ast.ImportFrom):
        yield node, for_types
    elif isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
        for child in node.body:
            yield from _imports(child, for_types=True)
        for child in node.orelse:
            yield from _imports(child, for_types)
    else:
        for child in ast.iter_child_nodes(node):
            yield from _imports(child, for_types)


def _targets(node: ast.Import | ast.ImportFrom, modules: Collection[str]) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    assert node.level == 0, f"relative import: {ast.unparse(node)}"
    inside = {f"{node.module}.{alias.name}" for alias in node.names}
    # A name is a module of the package, or something that the package itself defines.
    return {name if name in modules else str(node.module) for name in inside}


def _way_back(graph: Mapping[str, list[str]], start: str) -> list[str]:
    """Return the shortest way from a module to itself, or nothing."""
    ways = deque([[start]])
    seen: set[str] = set()
    while ways:
        way = ways.popleft()
        for target in graph.get(way[-1], []):
            if target == start:
                return [*way, start]
            if target not in seen:
                seen.add(target)
                ways.append([*way, target])
    return []
