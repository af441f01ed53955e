"""The card of an exported model, in Markdown: its settings and metrics, what goes in, what comes out, and its origin."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from results import fingerprint
from results.run import Run
from results.schema import column_of
from sweep.models.heads import heads_of, keys_of
from sweep.models.outputs import Learned, ends_in_probabilities, learned
from sweep.models.predictions import Outputs
from sweep.process.provenance import versions
from trainables.table import inputs

if TYPE_CHECKING:
    from trainables.table.data import Table

MOST_FEATURES = 500
"""The most features that a card lists."""


def card(
    run: Run, idx: int, target: Path, kind: str, metrics: Mapping[str, float], model: Any, table: Table,
    about: Sequence[str] = (),
) -> str:  # fmt: skip
    """Return the card of an exported model.

    Args:
        run: the run.
        idx: of the point.
        target: where the model is exported to.
        kind: the format.
        metrics: on the test rows.
        model: the compiled `keras.Model`.
        table: that it was trained on.
        about: lines about the raw columns, if the file takes these; it then returns probabilities instead of logits, too.
    """
    row = run.points.set_index("idx").loc[idx]
    ran = fingerprint.read(run.folder)
    command = shlex.join(["sweep", "export", str(run.folder.path), str(idx), str(target), "--format", kind])
    command += " --with-preprocessing" if about else ""
    best, epochs, seed, params = (_whole(row[name]) for name in ("best_epoch", "epochs", "seed", "params"))
    lines = [
        f"# {target.name}",
        "",
        f"Point {idx} of a sweep, with the weights of its best epoch ({best} of {epochs}).",
        "",
        "| axis | value |",
        "|---|---|",
        *(f"| {cell(name)} | {cell(json.dumps(value))} |" for name, value in _settings(run, idx).items()),
        "",
        "| metric | train rows | validation rows | test rows |",
        "|---|---|---|---|",
        *(
            f"| {cell(name)} | {row[column_of(name, 'tr')]:.6g} | {row[column_of(name, 'va')]:.6g} | {value:.6g} |"
            for name, value in metrics.items()
        ),
        "",
        *_outputs(model, table, "the raw columns, see below" if about else _taken(table), bool(about)),
        *_inputs(table, bool(about)),
        *about,
        "## Where it comes from",
        "",
        f"- Target: {cell(str(ran.target))}; the table's SHA-256: {cell(str(ran.table_sha256))}",
        f"- Builder: {cell(str(run.plan.get('builder')))}; seed {seed}; trained by: {cell(str(row['engine']))}; "
        f"parameters: {params}",
        "- Versions: " + ", ".join(f"{name} {version}" for name, version in versions().items()),
        f"- Made by: `{command.replace('`', '')}`",
        "",
        "The best of many points on the same validation rows looks better than it is: see its metrics on the test rows.",
        "",
    ]
    return "\n".join(lines)


def _outputs(model: Any, table: Table, x: str, is_linked: bool) -> list[str]:
    """Return the lines about task, targets and classes, and how outputs become labels.

    Args:
        model: the compiled model.
        table: that it was trained on.
        x: says what the model takes.
        is_linked: whether the file returns probabilities where `model` returns logits.
    """
    try:
        found = learned(model, table)
    except ValueError as error:  # the loss does not fit the target; the model is exported all the same
        found = Learned(table.task, tuple(table.classes), str(error))
    targets = ", ".join(map(_code, table.targets or (table.target,)))
    lines = ["## What comes out", "", f"- Task: {found.task}; target: {targets}"]
    keys = keys_of(model, table.targets)
    if keys:
        where = ", ".join(
            f"[{key!r}] is {_code(name)}" for key, name in zip(keys, table.targets, strict=True)
        )
        lines.append(f"- The model returns an array for each target: {where}")
    if found.task == "regression":
        lines.append("- Outputs: the predicted number, or one for each target in this order")
    else:
        known = "answers, in the order of the outputs"
        if found.task != "multilabel":
            known = "classes, in the order of their codes"
        lines.append(f"- {known.capitalize()}: {', '.join(map(_code, found.classes))}")
        heads = heads_of(model, model.output) if keys else {}
        judged = [heads[key] for key in keys] or [model]
        kinds = [Outputs.of(one, found.task, 1 if keys else _width(model) or 1) for one in judged]
        whats = [_what(one, kind, is_linked) for one, kind in zip(judged, kinds, strict=True)]
        if len(set(whats)) > 1:
            whats = [f"{what} of {_code(name)}" for what, name in zip(whats, table.targets, strict=True)]
        lines.append(f"- Outputs: {', '.join(dict.fromkeys(whats))}{_meaning(found, model)}")
        levels = [_level(kind, is_linked) for kind in kinds]
    if found.note:
        lines.append(f"- {cell(found.note)}")
    if found.task != "regression" and found.classes:
        lines += ["", "```python", *_decision(found, levels, _width(model), x, keys), "```"]
    return [*lines, ""]


def _what(model: Any, kind: Outputs, is_linked: bool) -> str:
    """Return what the outputs of a model, or of one of its heads, are."""
    if kind.link and not is_linked:
        return "logits"
    if not kind.are_probabilities:
        return "scores, which are no probabilities"
    if not kind.link and not ends_in_probabilities(model):
        return "probabilities (by the loss; the last activation is neither a sigmoid nor a softmax)"
    return "probabilities"


def _level(kind: Outputs, is_linked: bool) -> str:
    """Return the number above which an output means yes, or the second class; see `sweep.models.predictions.to_frame`."""
    if kind.link and not is_linked:
        return "0"
    return "0.5" if kind.are_probabilities else f"{kind.threshold:g}"


def _meaning(found: Learned, model: Any) -> str:
    if found.task == "multilabel":
        return ", one for each answer, of yes"
    if _width(model) == 1 and found.classes:
        return f", one for each row, of the class {_code(found.classes[-1])}"
    return ", one for each class, in this order"


def _decision(
    found: Learned, levels: Sequence[str], width: int | None, x: str, keys: Sequence[Any] = ()
) -> list[str]:
    """Return the lines of Python that turn outputs into labels.

    Args:
        found: what the model has learned.
        levels: above which an output means yes or the second class: one, or one for each answer.
        width: of the output.
        x: says what the model takes.
        keys: of the arrays of several outputs.
    """
    level = levels[0]
    labels = [_plain(label) for label in found.classes]
    # No backtick of a label can end the block of code.
    lines = [
        f"classes = {labels!r}".replace("`", "\\x60"),
        f"outputs = model.predict(x)  # x: {x}",
    ]
    if keys:
        joined = f"numpy.hstack([outputs[key] for key in {list(keys)!r}])".replace("`", "\\x60")
        lines = ["import numpy", "", *lines, f"outputs = {joined}"]
    if found.task == "multilabel":
        if len(set(levels)) > 1:
            return [
                *lines,
                f"levels = [{', '.join(levels)}]",
                "labels = [",
                "    [name for name, value, level in zip(classes, row, levels) if value > level] for row in outputs",
                "]",
            ]
        return [
            *lines,
            f"labels = [[name for name, value in zip(classes, row) if value > {level}] for row in outputs]",
        ]
    if width == 1:
        return [*lines, f"labels = [classes[int(value > {level})] for value in outputs[:, 0]]"]
    return [*lines, "labels = [classes[code] for code in outputs.argmax(axis=1)]"]


def _inputs(table: Table, is_raw: bool) -> list[str]:
    """Return the lines about the features, their order and their encodings; and whether the model makes them itself."""
    names = [_code(name) for name in table.features[:MOST_FEATURES]]
    if len(table.features) > MOST_FEATURES:
        names.append(f"and {len(table.features) - MOST_FEATURES:,} more")
    what = f"Inputs: {_taken(table)}"
    if names:
        what += f"; the features in this order: {', '.join(names)}"
    if is_raw:
        what = "Inputs: the raw columns of the table below, of which the model makes these features in this order: "
        what += ", ".join(names)
    lines = ["## What goes in", "", f"- {what}"]
    for name, positions in table.groups.items():
        columns = ", ".join(_code(table.features[position]) for position in positions[:MOST_FEATURES])
        lines.append(
            f"- {_code(name)} is encoded as indicators, of which one is 1 and the others are 0: {columns}"
        )
    return [*lines, *(f"- {cell(note)}" for note in table.notes), ""]


def _taken(table: Table) -> str:
    """Return what the model takes: an array, or a dictionary of arrays for several inputs."""
    shapes = inputs.shape(table.x_train)
    if not isinstance(shapes, Mapping):
        return f"float32, shape {inputs.in_words(shapes)}"
    listed = [f"{_code(name)} of the shape {inputs.in_words(shape)}" for name, shape in shapes.items()]
    return f"a dictionary of float32 arrays, {', '.join(listed)}"


def _width(model: Any) -> int | None:
    """Return how many numbers the model gives for a row; None if it has several outputs, or does not know."""
    shape = getattr(model, "output_shape", None)
    return (
        int(shape[-1])
        if isinstance(shape, Sequence) and len(shape) > 1 and isinstance(shape[-1], int)
        else None
    )


def _whole(value: Any) -> str:
    """Return a whole number as text. Its column holds floats if it has a null elsewhere, as that of a failed point."""
    return "not known" if pd.isna(value) else str(int(value))


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _code(label: Any) -> str:
    """Return a name or label as Markdown's code, which shows it literally."""
    text = str(_plain(label)).replace("\n", " ")
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _settings(run: Run, idx: int) -> dict[str, Any]:
    """Return the value of each axis that acts at a point."""
    return run.conditional.shown(idx) if run.conditional else run.config(idx)


def cell(text: str) -> str:
    """Return a text for the cell of a table in Markdown."""
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
