"""Parses a plan: it reads YAML with the line of every key, and turns plain data into checked dataclasses.

An error is a `PlanError` with the path of the wrong key. The caller that knows the file adds the line. All faults of a plan
that do not depend on each other are found before one error with all of them is raised.
"""

from __future__ import annotations

import copy
import difflib
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import pydantic
import yaml

from results.folder.path import AnyPath
from sweep.errors import SweepError
from sweep.plan import hints

Key = tuple[str, ...]
"""The path of a key: `("fit", "epochs")`."""

Lines = dict[Key, int]
"""The line of each key in a file, counted from 1."""


class PlanError(SweepError, ValueError):
    """The plan cannot be run; the message says where it is wrong and how to mend it.

    Args:
        message: what happened, what was given, what is expected, how to mend it.
        key: the path of the wrong key; empty if the error concerns no single key.
        faults: the errors that this one joins; none if it is a single one.
    """

    def __init__(self, message: str, key: Key = (), faults: Sequence[PlanError] = ()) -> None:
        super().__init__(message)
        self.key = key
        self.faults: tuple[PlanError, ...] = tuple(faults) or (self,)


def joined(faults: Sequence[PlanError], where: str = "") -> PlanError:
    """Return one error for all `faults`: the fault itself if it is the only one, else one with a line for each.

    Args:
        faults: at least one.
        where: begins the message of several faults, such as the file.
    """
    if len(faults) == 1:
        return faults[0]
    listed = "\n".join(textwrap.indent(str(fault), "    ").removeprefix("  ") for fault in faults)
    return PlanError(f"{where}{len(faults)} things are wrong:\n{listed}", (), faults)


def located(error: PlanError, path: AnyPath, lines: Lines) -> PlanError:
    """Return the error with the file and the line of each of its faults, in the order of the file."""
    order = {key: position for position, key in enumerate(lines)}
    faults = sorted(error.faults, key=lambda fault: order.get(_known_part(fault.key, lines), -1))
    if len(faults) == 1:
        return PlanError(f"{path}{line_of(error, lines)}: {error}", error.key)
    in_file = []
    for fault in faults:
        line = line_of(fault, lines).removeprefix(", ")
        in_file.append(PlanError(f"{line}: {fault}" if line else str(fault), fault.key))
    return joined(in_file, f"{path}: ")


def unknown_keys(given: Mapping[Any, Any], known: Iterable[str], where: Key) -> list[PlanError]:
    """Return an error for each key of `given` that is not `known`; it says what to write instead."""
    known = list(known)
    found = []
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f'Did you mean "{near[0]}"?' if near else f"The keys are {', '.join(known)}."
            hint = hints.instead_of(where, str(key)) or hint
            parent = f" in {'.'.join(where)}" if where else ""
            found.append(PlanError(f'unknown key "{key}"{parent}. {hint}', (*where, str(key))))
    return found


def validated(kind: Any, value: Any, where: Key) -> tuple[Any, list[PlanError]]:
    """Convert `value` to `kind`, a type or dataclass, by pydantic's strict rules for JSON.

    Returns:
        The converted value, and all faults that were found: unknown and missing keys, wrong types, values out of range.
        If there are faults, the value counts for nothing.
    """
    faults: list[PlanError] = []
    if is_dataclass(kind):
        value = _known_keys(kind, value, where, faults)
    removed: set[Key] = set()
    while value is not _NOTHING:
        try:
            text = json.dumps(value)
        except (TypeError, ValueError):
            message = f"{'.'.join(where)} got {value!r}, which is not plain data. Use text or numbers."
            return None, [*faults, PlanError(message, where)]
        try:
            return pydantic.TypeAdapter(kind).validate_json(text, strict=True), faults
        except pydantic.ValidationError as error:
            before, whole = len(removed), copy.deepcopy(value)
            for detail in error.errors(include_url=False):
                faults += _new_faults(detail, whole, value, where, removed, faults)
            if len(removed) == before:  # nothing is left that could hide another fault
                break
    return None, faults


def _new_faults(
    detail: Any, whole: Any, value: Any, where: Key, removed: set[Key], faults: Sequence[PlanError]
) -> list[PlanError]:
    """Return the fault that pydantic found in `whole`, unless it is known, and remove its key from `value`."""
    is_missing = detail["type"] in ("missing", "missing_argument")
    path, inner = _path_in(whole, detail["loc"], is_missing)
    if detail["type"] == "value_error":
        message = str(detail["ctx"]["error"])
        keys = inner if isinstance(inner, dict) else {}
        named = sorted((match.start(), key) for key in keys if (match := _word(key).search(message)))
        if named:
            path = (*path, named[0][1])
        # A fault that speaks of a key with a fault would not be there with the right value.
        if any(one[:-1] == path[:-1] and _word(one[-1]).search(message) for one in removed):
            message = ""
    elif is_missing:
        message = f'the key "{".".join((*where, *path))}" is missing. Add it.'
    else:
        expected = hints.expected_of((*where, *path), detail["type"], detail["input"])
        expected = expected or detail["msg"].removeprefix("Input should be ").removeprefix("a valid ")
        message = f"{'.'.join((*where, *path))} got {detail['input']!r}, but needs {expected}."
    wrong = tuple(part for part in path if not part.isdigit())
    if wrong in removed:  # pydantic has an error for each type that a value could have
        return []
    if _remove(value, wrong):
        removed.add(wrong)
    elif any(one.key == (*where, *path) for one in faults):
        return []
    return [PlanError(message, (*where, *path))] if message else []


def _path_in(value: Any, loc: Sequence[Any], is_missing: bool) -> tuple[Key, Any]:
    """Return pydantic's path of a fault without the names of types in it, and what `value` has there.

    Args:
        value: the value with the fault.
        loc: pydantic's path.
        is_missing: whether the fault is that the last key of the path is missing.
    """
    path: list[str] = []
    for part in loc:
        if isinstance(value, dict) and part in value:
            value = value[part]
        elif is_missing and isinstance(value, dict) and str(part).isidentifier():
            value = None
        elif not isinstance(part, int):
            continue
        path.append(str(part))
    return tuple(path), value


def _remove(value: Any, key: Key) -> bool:
    """Remove a key from nested mappings; return whether it was there."""
    for part in key[:-1]:
        value = value.get(part) if isinstance(value, dict) else None
    if not key or not isinstance(value, dict) or key[-1] not in value:
        return False
    del value[key[-1]]
    return True


def _word(key: str) -> re.Pattern[str]:
    return re.compile(rf"\b{re.escape(key)}\b")


_NOTHING = object()


def _known_keys(kind: Any, value: Any, where: Key, faults: list[PlanError]) -> Any:
    """Return a copy of `value` with the known keys of the dataclass `kind`, or `_NOTHING`; note other keys as faults."""
    if not isinstance(value, Mapping):
        if value is None:
            message = f"{'.'.join(where)} is empty. Give it its keys, or remove it."
        else:
            message = f"{'.'.join(where)} got {value!r}, but needs keys and values{hints.example_of(where)}."
        faults.append(PlanError(message, where))
        return _NOTHING
    known = [item.name for item in fields(kind)]
    faults += unknown_keys(value, known, where)
    kept = {name: item for name, item in value.items() if name in known}
    for name, hint in get_type_hints(kind).items():
        inner = next((part for part in getattr(hint, "__args__", ()) if is_dataclass(part)), None)
        if inner is not None and kept.get(name) is not None:
            kept[name] = _known_keys(inner, kept[name], (*where, name), faults)
            if kept[name] is _NOTHING:
                del kept[name]
    return kept


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but 1e-3 is a number as in YAML 1.2 (in YAML 1.1 it is text), and dates stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [item for item in items if item[0] != "tag:yaml.org,2002:timestamp"]
    for first, items in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Dumper(yaml.SafeDumper):
    """PyYAML's safe dumper, but it quotes a text such as 1e-3, which the loader would read as a number."""


for _kind in (_Loader, _Dumper):
    _kind.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
        list("-+.0123456789"),
    )


_NUMBERS = ("tag:yaml.org,2002:int", "tag:yaml.org,2002:float")
_OCTAL = re.compile(r"[-+]?0[0-7_]+")
_BASE_60 = re.compile(r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?")
"""Numbers as YAML 1.1 writes them, and as most people do not mean them: 010 is 8, and 1:30 is 90."""


def to_yaml(data: Mapping[str, Any], width: int = 80) -> str:
    """Return data as the text of a plan file, from which `read_yaml` reads the same.

    Args:
        data: plain data.
        width: of a line that is folded, in characters.
    """
    return yaml.dump(data, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)


def read_yaml(text: str, path: AnyPath) -> tuple[dict[str, Any], Lines]:
    """Parse the text of a plan file.

    Args:
        text: of the file.
        path: of the file, for messages.

    Returns:
        The data, and the line of each key by the key's path.

    Raises:
        PlanError: the text is not YAML, has a key twice, or is no mapping.
    """
    lines: Lines = {}
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is not None:
            _note_lines(node, (), lines, path)
            if faults := list(_surprising_numbers(node, (), set())):
                raise located(joined(faults), path, lines)
        raw = loader.construct_document(node) if node is not None else None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise PlanError(f"{path}{line}: this is not YAML ({error.problem}). Correct the line.") from None
    except PlanError:
        raise
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise PlanError(
            f"{path}: this is not YAML ({str(error).splitlines()[0]}). Correct the file."
        ) from None
    if not isinstance(raw, dict):
        kind = "is empty" if raw is None else f"holds a {type(raw).__name__}"
        raise PlanError(f"{path}: the plan {kind}, but needs keys such as data, builder and space.")
    return raw, lines


def _note_lines(node: yaml.Node, where: Key, lines: Lines, path: AnyPath) -> None:
    if len(where) > 8:
        return
    if isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            _note_lines(item, (*where, str(number)), lines, path)
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        key_path = (*where, str(key.value))
        if key_path in lines:
            raise PlanError(
                f'{path}, line {key.start_mark.line + 1}: the key "{key.value}" is there twice (first in line '
                f"{lines[key_path]}). Remove one."
            )
        lines[key_path] = key.start_mark.line + 1
        _note_lines(value, key_path, lines, path)


def _surprising_numbers(node: yaml.Node, where: Key, seen: set[int]) -> Iterator[PlanError]:
    """Yield a fault for each number that YAML reads in base 8 or 60."""
    if id(node) in seen:  # an anchor
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _surprising_numbers(key, where, seen)
            yield from _surprising_numbers(value, (*where, str(key.value)), seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _surprising_numbers(item, where, seen)
    elif isinstance(node, yaml.ScalarNode) and node.tag in _NUMBERS and not node.style:
        base = 8 if _OCTAL.fullmatch(node.value) else 60 if _BASE_60.fullmatch(node.value) else None
        if base is not None:
            loader = yaml.SafeLoader("")
            construct = loader.construct_yaml_int if node.tag.endswith("int") else loader.construct_yaml_float
            number = construct(node)
            yield PlanError(
                f"{'.'.join(where)} got {node.value}, which YAML reads in base {base}, as {number}. Write "
                f'"{node.value}" for the text, or {number} for the number.',
                where,
            )


def line_of(error: PlanError, lines: Lines) -> str:
    """Return `, line N` for the wrong key, or for its nearest parent that the file has; empty if it has none."""
    key = _known_part(error.key, lines)
    return f", line {lines[key]}" if key else ""


def _known_part(key: Key, lines: Lines) -> Key:
    """Return the path of a key, or of its nearest parent that the file has; empty if it has none."""
    while key and key not in lines:
        key = key[:-1]
    return key
