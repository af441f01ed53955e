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
from trainables.builder.target_range import losses_of

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
        [one] = map(_matrix, by_key(outputs).values())
        return to_frame(one, Outputs.of(model, prepared.task, one.shape[1]), prepared)
    parts = by_key(outputs)
    keys = [[*parts][position] for position in head_order(outputs, model, prepared.targets)]
    arrays = [_matrix(parts[key]) for key in keys]
    if prepared.task == "multilabel":
        heads = heads_of(model, outputs)
        views = [heads[key] for key in keys]
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


def by_key(outputs: Any) -> dict[Any, Any]:
    """Return each part of what a model returns by its key: a name, or a position; position 0 if it is one array."""
    if isinstance(outputs, Mapping):
        return dict(outputs)
    return dict(enumerate(outputs if isinstance(outputs, list | tuple) else [outputs]))


def heads_of(model: keras.Model, outputs: Any) -> dict[Any, Any]:
    """Return by the key of each head what `sweep.models.outputs` reads from a model with this output alone.

    That is its loss, and its operations; a subclassed model does not tell these.

    Args:
        model: the compiled model.
        outputs: the heads, or what stands for them: a list or a dictionary.
    """
    import keras

    losses = _losses(model, outputs)
    tensors: dict[Any, Any] = {}
    if getattr(model, "outputs", None):
        tensors = by_key(model.output if isinstance(model.output, Mapping) else list(model.outputs))
    return {
        key: SimpleNamespace(
            loss=loss, operations=keras.Model(model.inputs, tensors[key]).operations if key in tensors else ()
        )
        for key, loss in losses.items()
    }


def _losses(model: keras.Model, outputs: Any) -> dict[Any, Any]:
    """Return the loss of each head by its key, as Keras hands them out."""
    import keras

    if not isinstance(outputs, Mapping):
        return dict(enumerate(losses_of(model, len(outputs), getattr(model, "output_names", None))))
    # Keras gives the losses of a list to the names in their sorted order, not in the order of the dictionary.
    places = keras.tree.pack_sequence_as(outputs, [*range(len(outputs))])
    names = sorted(places, key=lambda name: places[name])
    return dict(zip(names, losses_of(model, len(outputs), names), strict=True))


def _matrix(part: Any) -> np.ndarray:
    """Return an output as an array of the shape (rows, columns)."""
    return np.asarray(part).reshape(len(part), -1)
