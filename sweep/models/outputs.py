"""What the outputs of a model mean: numbers, probabilities or logits, by its last activation and its compiled loss.

Terminology
    logit  a number that a sigmoid, or a softmax over the classes, turns into a probability
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from scipy.special import expit, softmax

if TYPE_CHECKING:
    import keras

    from trainables.table.data import Table

Link = Literal["sigmoid", "softmax"]
"""What turns logits into probabilities: the sigmoid of each, or the softmax of all of a row."""

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
    if is_regression(model, table.task, table.classes):
        note = (
            f'The values of the target "{table.target}" could be codes of classes, but neither the loss nor the '
            "outputs of the model are for classes. So the model is a regression."
        )
        return Learned("regression", (), note if table.classes else "")
    if table.task != "regression":
        return Learned(table.task, tuple(table.classes))
    name = loss_name(model)
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


def is_regression(model: keras.Model, task: str, classes: Sequence[Any]) -> bool:
    """Return whether a model has learned numbers: its loss is not for classes, and its target is of numbers or their codes.

    A table of the numbers 0, 1, 2, ... says that they are classes, but they may be amounts: the model decides.

    Args:
        model: the compiled model.
        task, classes: what the table says.
    """
    is_for_classes = any(part in loss_name(model).lower().replace("_", "") for part in _FOR_CLASSES)
    if task == "regression":
        return not is_for_classes
    if task == "multilabel" or list(classes) != list(range(len(classes))) or isinstance(classes[0], bool):
        return False
    has_one_output = isinstance(model.output_shape, tuple) and model.output_shape[-1] == 1
    return has_one_output and not is_for_classes and not ends_in_probabilities(model)


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
    if isinstance(loss, functools.partial):
        return bool(loss.keywords.get("from_logits"))
    if (found := getattr(loss, "from_logits", None)) is not None:
        return bool(found)
    try:
        return bool(loss.get_config().get("from_logits"))
    except Exception:  # functions have no configuration, and that of a user's class may fail
        return False


def link_of(model: keras.Model, task: str, outputs: int) -> Link | None:
    """Return what turns the outputs of a classification into probabilities; None if they are no logits.

    Args:
        model: the compiled model.
        task: binary, multiclass or multilabel.
        outputs: how many there are for a row.
    """
    if not are_logits(model):
        return None
    return (
        "sigmoid"
        if outputs == 1 or task == "multilabel" or "binary" in loss_name(model).lower()
        else "softmax"
    )


def ends_in_probabilities(model: keras.Model) -> bool:
    """Return whether the last activation is a sigmoid or a softmax."""
    return _last_operation(model) in _PROBABLE


def as_probabilities(outputs: np.ndarray, link: Link | None) -> np.ndarray:
    """Return what a link makes of outputs of shape (rows, outputs), as float64 of the same shape."""
    found = np.asarray(outputs, "float64")
    if link is None:
        return found
    return expit(found) if link == "sigmoid" else softmax(found, axis=-1)


def _loss(model: keras.Model) -> Any:
    loss = model.loss
    while isinstance(loss, list | tuple | dict) and len(loss) == 1:
        loss = next(iter(loss.values() if isinstance(loss, dict) else loss))
    return loss


def _last_operation(model: Any) -> str:
    """Return the name of the last activation or operation, in small letters; empty if there is none."""
    # Operations are in the order in which they are computed. A subclassed model has layers only.
    parts: Sequence[Any] = getattr(model, "operations", None) or getattr(model, "layers", None) or ()
    if not parts:
        activation = getattr(model, "activation", None)
        return str(getattr(activation, "__name__", None) or type(model).__name__).lower()
    return _last_operation(parts[-1])
