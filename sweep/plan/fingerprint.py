"""The fingerprint of a plan: everything that the results of its points depend on.

A run's folder keeps the fingerprint of the plan that it was begun with. A plan with another fingerprint is refused there,
because its results could not be compared with those in the folder. The engine, the resources, the timeout, the retries
and `verify` are not in the fingerprint, so they may change between two runs on one folder. Nor are the repeats, since more
of them change no point; see `sweep.plan.repeats`. `keep_weights` is in it, so that one rule holds for all points of a
folder.
"""

from __future__ import annotations

import ast
import difflib
import json
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from results.grammar import parsed
from sweep.plan.plan import Plan
from trainables.builder.modules import sources_of
from trainables.settings import Callbacks

_LATER = {"monitor": None, "mode": "auto", "start_from_epoch": 0, "baseline": None}
"""Settings of the rules that earlier versions did not have, each with the value that changes nothing."""

_CONTENT = re.compile(r'^_content = "(.+): SHA-256 ([0-9a-f]{64})"\n', re.MULTILINE)
"""The line in the source of a pickled function that `content_line` writes."""

_MODULE = "builder.modules."
"""The beginning of the keys of the modules beside the builder that it imports."""


def fingerprint(plan: Plan) -> dict[str, Any]:
    """Return everything that the results of `plan` depend on, as plain data. Reads the table."""
    spec, builder = plan.data_spec, plan.found_builder
    budget: dict[str, Any] = {
        # An argument that a plan does not give is left out: it was no argument in earlier versions.
        "fit": {name: value for name, value in asdict(plan.fit).items() if value is not None},
        "callbacks": _rules(plan.callbacks),
        "scheduler": plan.scheduler,
    }
    if (plan.objective.metric, plan.objective.mode) not in (("loss", "auto"), ("loss", "min")):
        budget["objective"] = asdict(plan.objective)
    if plan.scheduler == "asha":
        budget["asha"] = asdict(plan.asha)
    return {
        "space": plan.space.to_dict(),
        "only": {name: parsed(text).plain for name, text in plan.space.only.items()},
        "builder": {
            "function": builder.function,
            "source": builder.source,
            "modules": sources_of(builder.module, builder.path, builder.folder, builder.source),
        },
        "data": {
            "sha256": plan.table.sha256,
            "target": spec.target,
            "test_fraction": spec.test_fraction,
            "split_seed": spec.split_seed,
            "columns": spec.columns,
            "delimiter": spec.delimiter,
            "encoding": spec.encoding,
            "drop": spec.drop,
            **_later_options(plan),
        },
        "budget": budget,
        "seed": plan.seed,
        "keep_weights": plan.keep_weights,
    }


def _later_options(plan: Plan) -> dict[str, Any]:
    """Return the options of the data that runs of earlier versions did not have, if they do not have their defaults."""
    spec = plan.data_spec
    known = ("test_fraction", "split_seed", "header", "columns", "delimiter", "encoding", "drop")
    # The files of other parts are in the checksum.
    found = {
        key: value
        for key, value in spec.changed().items()
        if key not in (*known, "test_path", "validation_path")
    }
    return found | ({"split": asdict(spec.split)} if spec.split is not None else {})


def _rules(callbacks: Callbacks) -> dict[str, Any]:
    """Return the rules as data, without the settings of `_LATER` that have no effect: earlier runs did not have them."""
    return {
        name: rule and {key: value for key, value in rule.items() if value != _LATER.get(key, ...)}
        for name, rule in asdict(callbacks).items()
    }


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return one line for each difference between two fingerprints; an empty list if there is none.

    A change of comments or layout in the source of the builder, or of a module beside it, is no difference.
    """
    found = []
    before, after = dict(_flat(old)), dict(_flat(new))
    if not all(
        "modules" in tree.get("builder", {}) for tree in (old, new)
    ):  # earlier versions did not have them
        before, after = (
            {k: v for k, v in one.items() if not k.startswith(_MODULE)} for one in (before, after)
        )
    for key in dict.fromkeys([*before, *after]):
        was, is_now = before.get(key, "nothing"), after.get(key, "nothing")
        # A builder may treat 4 and 4.0 differently. Elsewhere they are the same setting, which YAML writes either way.
        if json.dumps(was) == json.dumps(is_now) or (
            not key.startswith("space.") and _by_value(was) == _by_value(is_now)
        ):
            continue
        if key == "builder.source" or (key.startswith(_MODULE) and key in before and key in after):
            (was, read_before), (is_now, read_now) = _parted(was), _parted(is_now)
            if program_of(was) == program_of(is_now):
                # Runs of earlier versions have no such line, and another version of Python has other bytecode.
                if read_before and read_now and read_before[0] == read_now[0] and read_before != read_now:
                    found.append(
                        "builder: its source is the same, but something changed that it reads: a function, an attribute or "
                        "a value that its source does not show"
                    )
            else:
                what = "source" if key == "builder.source" else f"module {key.removeprefix(_MODULE)}"
                found.append(f"builder: its {what} changed:")
                found += _source_diff(was, is_now)
        elif key.startswith(_MODULE):
            there = (
                "was not there, and is imported now" if key in after else "was there, and is not imported now"
            )
            found.append(f"builder: its module {key.removeprefix(_MODULE)} {there}")
        else:
            found.append(f"{key}: was {_short(was)}, is {_short(is_now)}")
    return found


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def content_line(digest: str) -> str:
    """Return the line for the source of a pickled function that has the digest of everything that it reads."""
    return f'_content = "Python {sys.version_info.major}.{sys.version_info.minor}, form 1: SHA-256 {digest}"'


def _parted(source: str) -> tuple[str, tuple[str, str] | None]:
    """Return a source without its `content_line`, and that line's two parts."""
    found = _CONTENT.search(source)
    return (source, None) if found is None else (_CONTENT.sub("", source), (found[1], found[2]))


def _by_value(value: Any) -> str:
    """Return a text that is equal for equal plain data, in which 4 and 4.0 are equal, but 1 and True are not."""
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_by_value, value))}]"
    if isinstance(value, float) and value.is_integer():
        return json.dumps(int(value))
    return json.dumps(value)


def program_of(source: str) -> str:
    """Return a text that is equal for sources that differ in comments and layout only."""
    try:
        return ast.dump(ast.parse(source))
    except (SyntaxError, ValueError):
        return source


def _source_diff(was: str, is_now: str, most_lines: int = 20) -> list[str]:
    diff = difflib.unified_diff(was.splitlines(), is_now.splitlines(), "before", "now", lineterm="", n=1)
    lines = [f"    {line}" for line in diff]
    return (
        lines
        if len(lines) <= most_lines
        else [*lines[:most_lines], f"    ... {len(lines) - most_lines} lines more"]
    )


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
