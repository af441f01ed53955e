"""Joins what a model with several outputs predicts into one table, in the order of the targets.

Terminology
    head   one of several outputs of a model; it predicts one target
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sweep.errors import InputError
from sweep.models.outputs import as_probabilities
from sweep.models.predictions import Outputs, to_frame
from sweep.models.preparation import Preparation

if TYPE_CHECKING:
    import keras


def named(outputs: Any, model: keras.Model, prepared: Preparation) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return predictions as a table, and what the user must know about them.

    Args:
        outputs: of `Model.predict`: an array; or a list or dictionary of arrays, the heads. Each has the shape (rows, ...).
        model: the compiled model.
        prepared: names the targets and classes.

    Raises:
        InputError: there are not as many heads as targets.
    """
    if not has_heads(outputs):
        [one] = _flat(outputs)
        return to_frame(one, Outputs.of(model, prepared.task, one.shape[1]), prepared)
    order, parts = head_order(outputs, model, prepared.targets), _flat(outputs)
    arrays = [parts[position] for position in order]
    if prepared.task == "multilabel":
        views = [heads_of(model)[position] for position in order]
        kinds = [Outputs.of(one, prepared.task, 1) for one in views]
        if all(array.shape[1] == 1 for array in arrays) and len({repr(kind) for kind in kinds}) == 1:
            joined = Outputs(len(arrays), kinds[0].link, kinds[0].are_probabilities, kinds[0].threshold)
            return to_frame(np.concatenate(arrays, axis=1), joined, prepared)
        arrays = [as_probabilities(array, kind.link) for array, kind in zip(arrays, kinds, strict=True)]
    names = [
        name if array.shape[1] == 1 else f"{name}_{number}"
        for name, array in zip(prepared.targets, arrays, strict=True)
        for number in range(array.shape[1])
    ]
    return pd.DataFrame(np.concatenate(arrays, axis=1), columns=names), ()


def has_heads(outputs: Any) -> bool:
    """Return whether what a model returns is of several outputs."""
    return isinstance(outputs, Mapping | list | tuple) and len(outputs) > 1


def head_order(outputs: Any, model: keras.Model, targets: Sequence[str]) -> list[int]:
    """Return the position of each target's head: that of the target's name if all have one, else in order.

    The engines give the heads their targets by the same rule; see `trainables.builder.target`.

    Args:
        outputs: the heads, or what stands for them: a list or a dictionary.
        model: the model.
        targets: the names of the targets.

    Raises:
        InputError: there are not as many heads as targets.
    """
    names = list(outputs) if isinstance(outputs, Mapping) else list(getattr(model, "output_names", ()) or ())
    if len(outputs) != len(targets):
        raise InputError(
            f"The model has {len(outputs)} outputs, but the sweep's table has {len(targets)} targets: "
            f"{', '.join(targets)}. So no output can be named by its target. Call run.model(idx).predict with the features."
        )
    return [names.index(name) for name in targets] if set(names) == set(targets) else [*range(len(targets))]


def keys_of(model: keras.Model, targets: Sequence[str]) -> list[Any]:
    """Return under which key of what the model returns the head of each target is; empty if the model has one output."""
    if len(getattr(model, "outputs", None) or ()) < 2 or len(model.outputs) != len(targets):
        return []
    outputs = model.output
    keys = list(outputs) if isinstance(outputs, Mapping) else list(range(len(outputs)))
    return [keys[position] for position in head_order(outputs, model, targets)]


def heads_of(model: keras.Model) -> list[Any]:
    """Return for each head what `sweep.models.outputs` reads from a model with this output alone: loss and operations."""
    import keras

    if not getattr(model, "outputs", None):  # a subclassed model does not tell its operations
        losses = list(model.loss.values()) if isinstance(model.loss, Mapping) else model.loss
        return [SimpleNamespace(loss=loss, operations=()) for loss in losses]
    outputs = dict(model.output) if isinstance(model.output, Mapping) else list(model.outputs)
    names = list(outputs) if isinstance(outputs, dict) else list(model.output_names)
    losses = model.loss
    if isinstance(losses, Mapping):
        losses = [losses.get(name) for name in names]
    elif not isinstance(losses, list | tuple):
        losses = [losses] * len(names)
    tensors = list(outputs.values()) if isinstance(outputs, dict) else outputs
    return [
        SimpleNamespace(loss=loss, operations=keras.Model(model.inputs, tensor).operations)
        for loss, tensor in zip(losses, tensors, strict=True)
    ]


def _flat(outputs: Any) -> list[np.ndarray]:
    """Return the outputs as arrays of the shape (rows, columns)."""
    several = outputs.values() if isinstance(outputs, Mapping) else outputs
    parts = several if isinstance(outputs, Mapping | list | tuple) else [outputs]
    return [np.asarray(part).reshape(len(part), -1) for part in parts]
