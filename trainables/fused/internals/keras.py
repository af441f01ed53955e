"""Wraps private parts of Keras' models and optimizers that programs need in functions that are named for their purpose.

Based on the source of Keras 3.15.1.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from copy import copy as copy_of
from dataclasses import dataclass
from typing import Any

import keras

from trainables.fused.internals import models
from trainables.fused.internals.private import Private, check, part
from trainables.fused.internals.updates import watched

_MASKING = "keras.src.backend.common.masking"
_MODELS = "keras.src.models"
_TRACKING = "keras.src.utils.tracking"
_TF_OPTIMIZER = "keras.src.backend.tensorflow.optimizer"
_BASE_OPTIMIZER = "keras.src.optimizers.base_optimizer:BaseOptimizer"
_HISTORY = "keras.src.ops.node:KerasHistory"

_STATELESS = (
    "assign",
    "assign_add",
    "assign_sub",
    "stateless_apply",
    "_backend_update_step",
    "_var_key",
    "_apply_weight_decay",
    "_clip_by_norm",
)
"""Methods that Keras' TensorFlow optimizer overrides for tf.distribute, and which then ignore a stateless scope."""

_EXCLUDED = "_exclude_from_weight_decay_cache"
_EXCLUSIONS = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern", _EXCLUDED)
"""Attributes that an optimizer has once its `exclude_from_weight_decay` was called; the last one also after a step."""

NAMES = (
    Private(_MASKING, "set_keras_mask", "say which rows of a tensor count; stands for the masks of layers"),
    Private(_MASKING, "get_keras_mask", "which rows count, of what a loss makes of its rows"),
    Private(_MODELS, "Functional", "what `keras.Model(inputs, outputs)` is an instance of"),
    Private("keras:Model", "_compute_loss", "`Model.compute_loss`, also one without the argument `training`"),
    Private(_TF_OPTIMIZER, "TFOptimizer", "the base of `keras.optimizers.Optimizer` on TensorFlow"),
    *(Private(_BASE_OPTIMIZER, name, "`stateless_apply` of the other backends") for name in _STATELESS),
    Private(_BASE_OPTIMIZER, "_clip_gradients", "`clipnorm`, `global_clipnorm` and `clipvalue` applied"),
    Private(_BASE_OPTIMIZER, "_use_weight_decay", "whether `exclude_from_weight_decay` named a variable"),
    Private(_TRACKING, "TrackedList", "a list in an attribute, whose variables are tracked"),
    Private(_TRACKING, "TrackedDict", "a dictionary in an attribute, whose variables are tracked"),
    Private(_TRACKING, "TrackedSet", "a set in an attribute, whose variables are tracked"),
    Private(_HISTORY, "operation", "the layer whose call made a tensor"),
    Private(_HISTORY, "node_index", "the position of that call among the layer's calls"),
    Private(_HISTORY, "tensor_index", "the position of the tensor among the outputs of that call"),
)

OBJECT_NAMES = (
    Private("a model", "_call_has_training_arg", "whether `call` takes `training`"),
    Private("a model", "_losses_override", "`Model.losses`, as `stateless_call` has returned them"),
    Private("a model", "_loss_tracker", "the metric that logs `loss`"),
    Private("a model", "_nodes_by_depth", "the calls that a functional model is made of"),
    Private("a model's losses", "_flat_losses", "the losses of all outputs, once it has seen a batch"),
    Private("a model's metrics", "_flat_weighted_metrics", "the weighted metrics, once it has seen a batch"),
    Private("a metric of a function", "_fn", "the function"),
    Private("a metric of a function", "_fn_kwargs", "its other arguments"),
    Private("an AUC", "_thresholds_distributed_evenly", "whether `AUC(thresholds=...)` was given"),
    Private("an AUC", "_from_logits", "`AUC(from_logits=...)`"),
    Private("a symbolic tensor", "_keras_history", "the call that made it"),
    Private("a layer", "_inbound_nodes", "its calls"),
    Private("a layer", "_called", "whether it was called"),
    Private("a call", "operation", "the layer that is called"),
    Private("a call", "arguments", "what it is called with"),
    Private("a call's arguments", "args", "by position"),
    Private("a call's arguments", "kwargs", "by name"),
    Private("a call's arguments", "keras_tensors", "the symbolic tensors among them"),
    Private("an optimizer", "_trainable_variables", "what `build` was called with"),
    Private("an optimizer", "_tracker", "what makes `Optimizer.variables` of the variables in attributes"),
    *(
        Private("an optimizer", name, "what `exclude_from_weight_decay` was called with")
        for name in _EXCLUSIONS
    ),
    Private("a tracker", "config", "a test and a list for each kind of what is tracked"),
    Private("a tracker", "stored_ids", "the ids of what is in these lists"),
    Private("a tracked set", "tracker", "the tracker that learns what is added"),
)
"""Names that only objects have, in addition to those of `models`."""

check(NAMES)

set_mask = part(f"{_MASKING}:set_keras_mask")
"""Say which rows of a tensor count: `set_mask(tensor, mask)`."""

mask_of = part(f"{_MASKING}:get_keras_mask")
"""Return which rows of a tensor count: `mask_of(tensor)`; None if all do."""

_TRACKED = tuple(part(f"{_TRACKING}:{name}") for name in ("TrackedList", "TrackedDict", "TrackedSet"))
_Functional: Any = part(f"{_MODELS}:Functional")
_BaseOptimizer: Any = part(_BASE_OPTIMIZER)
_Stateless: Any = type(
    "_Stateless",
    (part(f"{_TF_OPTIMIZER}:TFOptimizer"),),
    {name: getattr(_BaseOptimizer, name) for name in _STATELESS},
)


@functools.cache
def check_objects() -> None:
    """Look up the names of objects that a program needs, once in a process and before the first model.

    Raises:
        InternalsError: one is missing; the message says which.
    """
    models.check_objects()
    models.look_up(OBJECT_NAMES)


def training_argument(model: keras.Model, training: bool) -> dict[str, bool]:
    """Return the argument `training` for a call of `model`; empty if the model does not take it."""
    return {"training": training} if model._call_has_training_arg else {}


def batch_loss(
    model: keras.Model,
    x: Any,
    y: Any,
    predicted: Any,
    training: bool,
    penalties: Sequence[Any] = (),
    weights: Any = None,
) -> Any:
    """Return the loss of a batch, computed like in `train_step` and `test_step`.

    Args:
        model: a compiled model.
        x, y: features and target.
        predicted: the model's outputs.
        training: the argument `training` of the loss.
        penalties: the losses that `stateless_call` returned; if empty, the model's own are used.
        weights: of the rows; None if every row counts once.
    """
    model._losses_override = list(penalties)
    try:
        return model._compute_loss(x=x, y=y, y_pred=predicted, sample_weight=weights, training=training)
    finally:
        model._losses_override = []


def log_loss(model: keras.Model, loss: Any, rows: Any) -> None:
    """Add the loss of a batch with `rows` rows to the mean that is logged."""
    model._loss_tracker.update_state(loss, sample_weight=rows)


@contextlib.contextmanager
def batches_counted(model: keras.Model) -> Iterator[None]:
    """Let each batch count once in the logged mean of each output's loss, inside a `with` block around `batch_loss`.

    Keras weighs a batch by the rows in its shape. But if the last one is smaller, the shape that `fit` and `evaluate` trace
    has no number of rows, and each batch counts once. If all are equal, so it is anyway.
    """
    means = model._compile_loss.metrics if model._compile_loss is not None else []

    def counted(mean: Any) -> Callable[..., Any]:
        return lambda loss, sample_weight=None: type(mean).update_state(mean, loss)

    for mean in means:
        mean.update_state = counted(mean)
    try:
        yield
    finally:
        for mean in means:
            del mean.update_state


@dataclass(frozen=True)
class Call:
    """One call of an operation in a functional model.

    Attributes:
        operation: a layer, or another operation of Keras.
        sources: for each symbolic tensor that it takes: the position of the call that made the tensor (None if that is
            outside the model), and the tensor's position among the outputs of that call.
        others: its other arguments.
        arguments: its arguments in their places and with their names; a text stands for each symbolic tensor.
    """

    operation: Any
    sources: tuple[tuple[int | None, int], ...]
    others: list[Any]
    arguments: Any


def calls_of(model: Any) -> list[Call]:
    """Return the calls that a functional model is made of; empty for other kinds of models."""
    found = []
    nodes = _nodes_of(model)
    positions = {id(node): position for position, node in enumerate(nodes)}
    for node in nodes:
        sources = tuple(_source(tensor, positions) for tensor in node.arguments.keras_tensors)
        given = [node.arguments.args, node.arguments.kwargs]
        others = [leaf for leaf in keras.tree.flatten(given) if not isinstance(leaf, keras.KerasTensor)]
        found.append(Call(node.operation, sources, others, _with_texts(given)))
    return found


def ends_of(model: Any) -> Any:
    """Return the structures of a functional model's inputs and outputs, with the source of each as in `Call.sources`."""
    nodes = _nodes_of(model)
    positions = {id(node): position for position, node in enumerate(nodes)}
    ends = [model.input, model.output] if nodes else []
    return _with_texts(ends), tuple(_source(tensor, positions) for tensor in keras.tree.flatten(ends))


def _nodes_of(model: Any) -> list[Any]:
    if not isinstance(model, _Functional):
        return []
    return [
        node for depth in sorted(model._nodes_by_depth, reverse=True) for node in model._nodes_by_depth[depth]
    ]


def _source(tensor: Any, positions: dict[int, int]) -> tuple[int | None, int]:
    # Find a call by the node that made the tensor: the supplied normalizer has nodes in other models too.
    made = tensor._keras_history
    return positions.get(id(made.operation._inbound_nodes[made.node_index])), made.tensor_index


def _with_texts(structure: Any) -> Any:
    return keras.tree.map_structure(
        lambda leaf: "a tensor" if isinstance(leaf, keras.KerasTensor) else leaf, structure
    )


def attributes_of(layer: Any) -> dict[str, Any]:
    """Return the attributes of a layer, without the one that its first call sets."""
    return {name: value for name, value in vars(layer).items() if name != "_called"}


CLIPS = ("clipnorm", "global_clipnorm", "clipvalue")
"""The settings by which optimizers clip gradients, in the order in which Keras asks for them."""


def clip_of(optimizer: Any) -> str | None:
    """Return the setting by which an optimizer clips gradients; None for none. Keras clips by no number below zero."""
    return next((name for name in CLIPS if (getattr(optimizer, name) or 0) > 0), None)


def decays(optimizer: Any, variable: Any) -> bool:
    """Return whether an optimizer's weight decay, if it has one, applies to a variable.

    The optimizer stays as it was: it would keep the answer, also for Keras' own training.
    """
    known = vars(optimizer).pop(_EXCLUDED, None)
    try:
        # Keras asks for the variable of TensorFlow, whose name begins with that of its layer.
        return bool(optimizer._use_weight_decay(variable.value))
    finally:
        vars(optimizer).pop(_EXCLUDED, None)
        if known is not None:
            vars(optimizer)[_EXCLUDED] = known


def stateless(kind: type) -> Any:
    """Return a subclass of the optimizer class `kind` whose `stateless_apply` works."""
    # `_Stateless` is the last base, so it comes right before TFOptimizer in the order of lookup. So methods that a
    # user's optimizer overrides stay in effect.
    return type(kind.__name__, (kind, _Stateless), {})


def copied(optimizer: Any) -> Any:
    """Return an optimizer with the attributes of `optimizer`, which must not be built, whose `stateless_step` works.

    Its lists, dictionaries and sets are its own, because `build` adds to them. Everything else is shared.
    """
    kind = stateless(type(optimizer))
    copy: Any = object.__new__(kind)
    tracker = copy_of(optimizer._tracker)
    known: dict[int, Any] = {id(optimizer._tracker): tracker}

    def own(value: Any) -> Any:
        if id(value) in known:
            return known[id(value)]
        if type(value) is tuple:
            return tuple(map(own, value))
        for kind in (list, dict, set):
            if isinstance(value, kind):
                # TensorFlow wraps some lists and dictionaries, which has no effect here.
                known[id(value)] = made = type(value)() if isinstance(value, _TRACKED) else kind()
                if isinstance(made, _TRACKED):
                    made.tracker = tracker
                _fill(made, value, own)
                return made
        return value

    vars(copy).update({name: own(value) for name, value in vars(optimizer).items()})
    tracker.config = {name: (test, own(store)) for name, (test, store) in tracker.config.items()}
    tracker.stored_ids = {name: set(ids) for name, ids in tracker.stored_ids.items()}
    return copy


def _fill(made: Any, value: Any, own: Callable[[Any], Any]) -> None:
    """Put what is in a list, dictionary or set into another one; trackers know the variables in it already."""
    if isinstance(made, list):
        list.extend(made, map(own, value))
    elif isinstance(made, dict):
        dict.update(made, {key: own(one) for key, one in value.items()})
    else:
        set.update(made, value)


def stateless_step(
    optimizer: Any, values: Sequence[Any], gradients: Sequence[Any], weights: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Return the weights and the optimizer's variables after a step, made as `train_step` makes it.

    Unlike `stateless_apply`, this calls `apply_gradients`, which a user's optimizer may override.

    Args:
        optimizer: what `copied` returned, built.
        values: the values of its variables.
        gradients: the gradient of each variable that it is built on.
        weights: the values of these variables.

    Raises:
        UnfusableError: the optimizer assigns inside a branch or a loop, or to its learning rate.
    """
    trained, own = optimizer._trainable_variables, optimizer.variables
    mapping = [*zip(trained, weights, strict=True), *zip(own, values, strict=True)]
    with watched([models.rate_of(optimizer)]), keras.StatelessScope(mapping) as scope:
        optimizer.apply_gradients(zip(gradients, trained, strict=True))
        found = [[scope.get_current_value(variable) for variable in some] for some in (trained, own)]
    return found[0], found[1]


def settings_of(optimizer: Any) -> dict[str, Any]:
    """Return the attributes of an optimizer that is not built, without those that Keras manages itself.

    These are the variables, and which weights do not decay (see `decays`).
    """
    plain = (bool, int, float, str, type(None))
    managed = {name for name, value in vars(specimen_optimizer()).items() if not isinstance(value, plain)}
    managed.update(_EXCLUSIONS)
    return {name: value for name, value in sorted(vars(optimizer).items()) if name not in managed}


@functools.cache
def specimen_optimizer() -> Any:
    """Return an optimizer that uses no automatic name."""
    return keras.optimizers.SGD(0.1, name="specimen_optimizer")


def decay_only(optimizer: Any, variables: Sequence[Any]) -> None:
    """Make a copied optimizer apply its weight decay to these variables only, whatever it excluded by name."""
    for name in _EXCLUSIONS:
        vars(optimizer).pop(name, None)
    decay, ids = optimizer._apply_weight_decay, set(map(id, variables))
    optimizer._apply_weight_decay = lambda given: decay([v for v in given if id(v) in ids])


def decay_by(optimizer: Any, function: Callable[[Sequence[Any]], None]) -> None:
    """Make an optimizer apply its weight decay by `function`, which gets the variables."""
    optimizer._apply_weight_decay = function


def clipped(optimizer: Any, gradients: Sequence[Any]) -> list[Any]:
    """Return the gradients of all variables as an optimizer clips them."""
    return list(optimizer._clip_gradients(list(gradients)))


@contextlib.contextmanager
def unclipped(optimizer: Any) -> Iterator[None]:
    """Turn an optimizer's clipping off inside a `with` block."""
    optimizer._clip_gradients = lambda gradients: gradients
    try:
        yield
    finally:
        del vars(optimizer)["_clip_gradients"]
