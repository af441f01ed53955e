"""Parsing of a plan: it reads YAML with the line of every key, and turns plain data into checked dataclasses.

An error is a `PlanError` with the path of the wrong key. The caller that knows the file adds the line.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, get_type_hints

import pydantic
import yaml

from results.folder.path import AnyPath
from sweep.errors import SweepError

Key = tuple[str, ...]
"""The path of a key: `("fit", "epochs")`."""

Lines = dict[Key, int]
"""The line of each key in a file, counted from 1."""


class PlanError(SweepError, ValueError):
    """The plan cannot be run; the message says where it is wrong and how to mend it.

    Args:
        message: what happened, what was given, what is expected, how to mend it.
        key: the path of the wrong key; empty if the error concerns no single key.
    """

    def __init__(self, message: str, key: Key = ()) -> None:
        super().__init__(message)
        self.key = key


def refuse_unknown(given: Mapping[str, Any], known: Iterable[str], where: Key) -> None:
    """Raise a PlanError that suggests the nearest known key if `given` has a key that is not `known`."""
    known = list(known)
    for key in given:
        if key not in known:
            near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f'Did you mean "{near[0]}"?' if near else f"The keys are {', '.join(known)}."
            parent = f" in {'.'.join(where)}" if where else ""
            raise PlanError(f'unknown key "{key}"{parent}. {hint}', (*where, str(key)))


def validated(kind: Any, value: Any, where: Key) -> Any:
    """Return `value` converted to `kind`, a type or dataclass, by pydantic's strict rules for JSON.

    Raises:
        PlanError: a key is unknown or missing, or a value has the wrong type.
    """
    if is_dataclass(kind):
        _refuse_unknown_deeply(kind, value, where)
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):
        raise PlanError(
            f"{'.'.join(where)} got {value!r}, which is not plain data. Use text or numbers.", where
        ) from None
    try:
        return pydantic.TypeAdapter(kind).validate_json(text, strict=True)
    except pydantic.ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = [str(part) for part in first["loc"] if isinstance(part, int) or str(part).isidentifier()]
        where = (*where, *path)
        if first["type"] == "value_error":
            raise PlanError(str(first["ctx"]["error"]), where) from None
        key = ".".join(where)
        if first["type"] in ("missing", "missing_argument"):
            raise PlanError(f'the key "{key}" is missing. Add it.', where) from None
        expected = first["msg"].removeprefix("Input should be ").removeprefix("a valid ")
        raise PlanError(f"{key} got {first['input']!r}, but needs {expected}.", where) from None


def _refuse_unknown_deeply(kind: Any, value: Any, where: Key) -> None:
    if not isinstance(value, Mapping):
        if value is None:
            raise PlanError(f"{'.'.join(where)} is empty. Give it its keys, or remove it.", where)
        examples: dict[Key, str] = {
            ("data",): " (or the word abalone)",
            ("objective",): " (or only the name of a metric, such as auc)",
        }
        example = examples.get(where, "")
        raise PlanError(f"{'.'.join(where)} got {value!r}, but needs keys and values{example}.", where)
    refuse_unknown(value, [item.name for item in fields(kind)], where)
    for name, hint in get_type_hints(kind).items():
        inner = next((part for part in getattr(hint, "__args__", ()) if is_dataclass(part)), None)
        if inner is not None and value.get(name) is not None:
            _refuse_unknown_deeply(inner, value[name], (*where, name))


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader, but 1e-3 is a number as in YAML 1.2 (in YAML 1.1 it is text), and dates stay text."""


_Loader.yaml_implicit_resolvers = {
    first: [item for item in items if item[0] != "tag:yaml.org,2002:timestamp"]
    for first, items in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)[eE][-+]?[0-9]+$"),
    list("-+.0123456789"),
)


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
    if not isinstance(node, yaml.MappingNode) or len(where) > 8:
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


def line_of(error: PlanError, lines: Lines) -> str:
    """Return `, line N` for the wrong key, or for its nearest parent that the file has; empty if it has none."""
    key = error.key
    while key and key not in lines:
        key = key[:-1]
    return f", line {lines[key]}" if key else ""
