"""What the outputs of a model mean: numbers, probabilities or logits, by its last activation and its compiled loss.

Terminology
    logit  a number that a sigmoid, or a softmax over the classes, turns into a probability
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

    from trainables.table.data import Table

_PROBABLE = ("sigmoid", "softmax")
_FOR_CLASSES = ("crossentropy", "hinge")
"""Parts of the names of losses for classification, without underscores."""


@dataclass(frozen=True)
class Learned:
    """What a model has learned from its table.

    Attributes:
        task: regression, binary, multiclass or multilabel.
        classes: the label of each code, or of each answer; empty for a regression.
        note: what to know if the table does not say itself what is learned; else empty.
    """

    task: str
    classes: tuple[Any, ...]
    note: str = ""


def learned(model: keras.Model, table: Table) -> Learned:
    """Return what a model has learned: what its table says, else what its loss says.

    Raises:
        ValueError: the model has a loss for classes, but the table has other numbers than codes of classes.
    """
    if table.task == "multilabel":
        width = np.shape(table.y_test)[1]
        named = next(
            (names for names in (table.targets, table.classes) if len(names) == width), tuple(range(width))
        )
        return Learned(table.task, tuple(named))
    if table.task != "regression":
        return Learned(table.task, tuple(table.classes))
    name = loss_name(model)
    if not any(part in name.lower().replace("_", "") for part in _FOR_CLASSES):
        return Learned(table.task, ())
    codes = np.unique(np.concatenate([np.ravel(table.y_train), np.ravel(table.y_test)]))
    outputs = int(model.output_shape[-1]) if isinstance(model.output_shape, tuple) else 0
    many = max(outputs, 2)
    hinge = "hinge" in name.lower()
    if np.ndim(table.y_test) != 1 or hinge or not np.isin(codes, np.arange(many)).all():
        why = (
            "whose outputs are no probabilities"
            if hinge
            else f"but its target is not the codes 0 to {many - 1}"
        )
        raise ValueError(
            f"The model is trained by {name}, a loss for classification, {why}, so it cannot be diagnosed as one. Let the "
            "plan's data say which classes the target has, and train by a crossentropy."
        )
    note = (
        f'The table says that the target "{table.target}" is a number, but the model is trained by {name}, a loss for '
        "classes: it is diagnosed as a classification, and its classes are called by their codes."
    )
    return Learned("binary" if many == 2 else "multiclass", tuple(range(many)), note)


def loss_name(model: keras.Model) -> str:
    """Return the name of the compiled loss."""
    loss = _loss(model)
    function = getattr(loss, "func", loss)  # of a functools.partial
    return str(getattr(function, "name", None) or getattr(function, "__name__", None) or function)


def are_logits(model: keras.Model) -> bool:
    """Return whether the outputs of a classification are logits; else they are meant to be probabilities.

    The last activation decides, as in Keras' losses: after a sigmoid or a softmax, outputs are probabilities. Else they are
    logits if the compiled loss has `from_logits=True`.
    """
    if ends_in_probabilities(model):
        return False
    loss = _loss(model)
    return bool(
        getattr(loss, "from_logits", False) or getattr(loss, "keywords", {}).get("from_logits", False)
    )


def ends_in_probabilities(model: keras.Model) -> bool:
    """Return whether the last activation is a sigmoid or a softmax."""
    return _last_activation(model) in _PROBABLE


def as_probabilities(outputs: np.ndarray, logits: bool, task: str) -> np.ndarray:
    """Return the probabilities that outputs of shape (rows, outputs) mean, as float64 of the same shape."""
    found = np.asarray(outputs, "float64")
    if not logits:
        return found
    if task == "multilabel" or found.ndim == 1 or found.shape[-1] == 1:
        return np.exp(-np.logaddexp(0, -found))  # the sigmoid, which does not overflow in this form
    powers = np.exp(found - found.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def _loss(model: keras.Model) -> Any:
    loss = model.loss
    while isinstance(loss, list | tuple | dict) and len(loss) == 1:
        loss = next(iter(loss.values() if isinstance(loss, dict) else loss))
    return loss


def _last_activation(model: Any) -> str:
    """Return the name of the last activation or operation, in small letters; empty if there is none."""
    # Operations are in the order in which they are computed. A subclassed model has layers only.
    parts: Sequence[Any] = getattr(model, "operations", None) or getattr(model, "layers", None) or ()
    if not parts:
        activation = getattr(model, "activation", None)
        return str(getattr(activation, "__name__", None) or type(model).__name__).lower()
    return _last_activation(parts[-1])
