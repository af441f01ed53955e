"""Turns the outputs of a model into labels, probabilities and numbers under the names of the targets.

Terminology
    logits   outputs that a link turns into probabilities: the sigmoid of each, or the softmax of all of a row
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from sweep.models.outputs import Link, as_probabilities, ends_in_probabilities, link_of, loss_name
from sweep.models.preparation import Preparation

if TYPE_CHECKING:
    import keras

_OF_PROBABILITIES = ("crossentropy", "focal", "kldivergence")
"""Parts of the names of losses that compare probabilities."""


@dataclass(frozen=True)
class Outputs:
    """What the outputs of a model are.

    Attributes:
        count: how many there are for a row.
        link: what turns them into probabilities: "sigmoid" or "softmax"; None if nothing does.
        are_probabilities: whether they are probabilities, after the link.
        threshold: of two classes with one output, the second is predicted where the output is above this.
    """

    count: int
    link: Link | None
    are_probabilities: bool
    threshold: float

    @classmethod
    def of(cls, model: keras.Model, task: str, count: int) -> Outputs:
        """Return what the outputs of a compiled model are, by its loss and the activation of its last layer.

        Args:
            model: the model.
            task: what is learned.
            count: its outputs for a row.
        """
        if task == "regression":
            return cls(count, None, False, 0.5)
        name = loss_name(model).lower().replace("_", "")
        are_probabilities = any(part in name for part in _OF_PROBABILITIES) or ends_in_probabilities(model)
        link = link_of(model, task, count)
        return cls(count, link, are_probabilities, 0.0 if "hinge" in name else 0.5)


def to_frame(
    outputs: np.ndarray, kind: Outputs, prepared: Preparation
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return outputs as a table, and what the user must know about them.

    Args:
        outputs: of the model, shape (rows, outputs).
        kind: what they are.
        prepared: names the targets and classes.
    """
    names, classes = prepared.targets, prepared.classes
    joined = ", ".join(names)
    if prepared.task == "regression":
        if kind.count == len(names):
            return pd.DataFrame(outputs, columns=list(names)), ()
        note = f"The model has {kind.count} outputs for the target {joined}; they are output_0, output_1, ..."
        return _numbered(outputs), (note,)
    values, notes = as_probabilities(outputs, kind.link), []
    if kind.link:
        notes.append(
            f"The loss of the model has from_logits=True, so the probabilities are the {kind.link} of its outputs."
        )
    is_probability = kind.are_probabilities and bool(((values >= 0) & (values <= 1)).all())
    if not is_probability:
        notes.append(
            "The outputs of the model are no probabilities, so their columns are called score_LABEL."
        )
    prefix = "p_" if is_probability else "score_"
    while any(prefix + name in names for name in names):  # as another target is called
        prefix += "_"
    threshold = 0.5 if is_probability else kind.threshold
    if prepared.task == "multilabel" and kind.count == len(names):
        found = pd.DataFrame((values > threshold).astype(int), columns=list(names))
        return found.join(pd.DataFrame(values, columns=[prefix + name for name in names])), tuple(notes)
    if kind.count == 1 and len(classes) == 2:
        codes = (values[:, 0] > threshold).astype(int)
        if is_probability:
            values = np.concatenate([1 - values, values], axis=1)
            shown: list[Any] = list(classes)
        else:
            shown = [classes[1]]
    elif kind.count == len(classes):
        codes, shown = values.argmax(axis=1), list(classes)
    else:
        numbered = ", ".join(f"{code} is {label}" for code, label in enumerate(classes[:10]))
        note = (
            f"The model has {kind.count} outputs for {len(classes)} classes of {joined} ({numbered}), so no class "
            "follows from them."
        )
        return _numbered(outputs), (note,)
    labels = pd.Series(list(np.array(classes, object)[codes]), name=names[0])
    return labels.to_frame().join(
        pd.DataFrame(values, columns=[f"{prefix}{label}" for label in shown])
    ), tuple(notes)


def _numbered(outputs: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(outputs, columns=[f"output_{number}" for number in range(outputs.shape[1])])
