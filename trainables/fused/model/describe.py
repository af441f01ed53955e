"""Describes a built model: what determines its program, and the values that may differ within one program.

Terminology
    lane        one model of those that a program works on at once
    signature   everything on which the traced program depends: layers, their settings and connections, loss,
                metrics, shapes. Models with equal signatures can be lanes of one program.
    number      a float that may differ from lane to lane: a learning rate, a regularizer's strength, a dropout
                rate, an optimizer's momentum
    variant     the layers' activation functions: a program can switch between several
    optimizer   the optimizer's class and its other settings; a program can contain several
    initial     the values of all variables before training

None of these contains initializers, because they have no effect besides the initial values.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.keras import (
    CLIPS,
    calls_of,
    decays,
    ends_of,
    settings_of,
)
from trainables.fused.internals.models import given_to_compile, layers_of, rate_of
from trainables.fused.model.code import home_of, is_foundation, is_library, is_third_party, names_in
from trainables.fused.model.own_attributes import own_names
from trainables.fused.model.parts import has_users_parts, is_users, leaves_of, metrics_of
from trainables.fused.model.read_aside import extras_of_all, names_of, regularizers_of
from trainables.fused.model.reads import read_by_users
from trainables.fused.model.refuse import moments_of, refuse
from trainables.fused.model.tokens import Tokens

OPTIMIZER_NUMBERS = (
    "beta_1",
    "beta_2",
    "clipnorm",
    "clipvalue",
    "epsilon",
    "global_clipnorm",
    "momentum",
    "rho",
    "weight_decay",
)
"""Settings of optimizers that may differ from lane to lane, except that zero and None need optimizers of their own."""

COMPLEMENTS = ("beta_1", "beta_2", "rho", "rate")
"""Numbers that optimizers, and the layer Dropout, subtract from one. The difference is a number of its own, since a number
close to one would lose digits: of 1 - 0.999999, a float32 keeps only the first two."""

COMPLEMENT = ".complement"
"""The end of the key of such a difference."""

LAYER_NUMBERS = {keras.layers.Dropout: "rate", keras.layers.GaussianNoise: "stddev"}
"""Settings of layers that may differ from lane to lane, if above zero. A rate of one may not: Keras then drops everything,
but a program that computes with the rate would divide by zero."""

SIZES = (("units",), ("output_dim",))
"""How the pairs of a setting and its value begin that say how many outputs a layer has."""

RATE = "learning_rate"


@dataclass(frozen=True)
class Described:
    """The description of one built model.

    Attributes:
        signature, variant, optimizer: see the module's terminology.
        numbers: by key: "learning_rate", "optimizer.momentum", "layer.3.rate", "penalty.0.l1". The number in
            a key is the position of the layer or of the trainable variable.
        initial: the values of the trainable variables, then those of the other variables.
        reads_globals: whether a function or class of the user in the model reads data of its module: then a model must
            be traced before its builder is called again.
    """

    signature: tuple[Hashable, ...]
    variant: Hashable
    optimizer: Hashable
    numbers: Mapping[str, float]
    initial: tuple[np.ndarray, ...]
    reads_globals: bool = False


def describe(model: keras.Model, by_name: bool = False) -> Described:
    """Return the description of `model`, which must be as its builder returned it.

    Args:
        model: the model.
        by_name: whether it gets a dictionary, in which it finds its inputs by their names.

    Raises:
        UnfusableError: only the model's own `fit` can train it.
    """
    layers = layers_of(model)
    refuse(model, layers)
    numbers: dict[str, float] = {}
    every = tokens, of_models, of_optimizer = _all_tokens(model, layers, as_built=True)
    signature: list[Hashable] = []
    variant: list[Hashable] = []
    for position, layer in enumerate(layers):
        its = of_models if isinstance(layer, keras.Model) else tokens
        signature.append(_layer_token(layer, position, numbers, variant, its))
    signature += [_topology(item, tokens) for item in layers]
    for position, variable in enumerate(model.trainable_variables):
        constraint = tokens.of(variable.constraint, "the constraint of a weight")
        signature.append((tuple(variable.shape), variable.dtype, constraint))
        signature.append(_penalty(variable.regularizer, position, numbers, tokens))
    signature += [(tuple(v.shape), v.dtype) for v in model.non_trainable_variables]
    signature += _compiled_tokens(model, tokens)
    if by_name:
        signature.append(_names_of_inputs(model))
    optimizer = _optimizer_token(model.optimizer, numbers, of_optimizer), decayed(model)
    signature.append(extras_of_all(model, layers, every))
    if any(some.keeps_state for some in every):
        raise UnfusableError(
            "its code may assign to a variable that is no part of the model, so a program cannot keep its value for each "
            "point; make it by `add_weight` in a layer or a metric, or by `add_variable` in an optimizer"
        )
    signature.append(names_of(model, layers) if any(some.reads_names for some in every) else ())
    if any(some.reads_regularizers for some in every):
        signature.append(regularizers_of(layers, tokens))
    if any(some.reads_activations for some in every):
        signature.append(tuple(variant))
    initial = tuple(v.numpy() for v in [*model.trainable_variables, *model.non_trainable_variables])
    reads_globals = any(some.reads_globals for some in every)
    return Described(tuple(signature), tuple(variant), optimizer, numbers, initial, reads_globals)


def users_parts(model: keras.Model) -> frozenset[Hashable]:
    """Return tokens of what is not Keras' own in `model`, which must be as its builder returned it; empty if all is.

    The loss, the metrics and the optimizer are among them in any case, but the sizes of Keras' own layers are not.
    """
    if not has_users_parts(model):
        return frozenset()
    layers = layers_of(model)
    tokens, of_models, of_optimizer = _all_tokens(model, layers)
    found = {*_compiled_tokens(model, tokens), _optimizer_token(model.optimizer, {}, of_optimizer)}
    for layer in layers:
        activation: list[Hashable] = []
        its = of_models if isinstance(layer, keras.Model) else tokens
        described = _layer_token(layer, 0, {}, activation, its)
        found |= {described} if is_users(layer) or is_users(layer.activity_regularizer) else set()
        found |= set(activation) if is_users(getattr(layer, "activation", None)) else set()
    for variable in model.trainable_variables:
        for part in filter(is_users, (variable.regularizer, variable.constraint)):
            found.add(tokens.of(part, "the regularizer or the constraint of a weight"))
    return frozenset(found)


def kind_of(model: keras.Model) -> Hashable:
    """Return the signature of `model` without the sizes of its layers; the model must be as its builder returned it.

    With parts of the user's own, it also has the optimizer, the activations, and these parts with all their sizes. With
    layers or an optimizer of the user's own, it has all sizes.
    """
    layers = layers_of(model)
    tokens, of_models, _ = _all_tokens(model, layers)
    activations: list[Hashable] = []
    found: list[Hashable] = []
    for layer in layers:
        its = of_models if isinstance(layer, keras.Model) else tokens
        found.append(_without_sizes(_layer_token(layer, 0, {}, activations, its)))
    if has_users_parts(model):
        found += [users_parts(model), *activations]
    if any(map(is_users, [*layers, model.optimizer])):  # their code may read the sizes of what they get
        found += [tuple(variable.shape) for variable in model.variables]
    found += [_topology(item, tokens) for item in layers]
    for variable in model.trainable_variables:
        constraint = tokens.of(variable.constraint, "the constraint of a weight")
        found.append(
            (len(variable.shape), variable.dtype, constraint, _penalty(variable.regularizer, 0, {}, tokens))
        )
    found += [(len(variable.shape), variable.dtype) for variable in model.non_trainable_variables]
    found += _compiled_tokens(model, tokens)
    return (*found, extras_of_all(model, layers, (tokens, of_models)))


def _without_sizes(found: Hashable) -> Hashable:
    """Return the token of a layer without the number of its outputs."""
    if not isinstance(found, tuple):
        return found
    return found[:1] if found[:1] in SIZES else tuple(map(_without_sizes, found))


def _all_tokens(
    model: keras.Model, layers: Sequence[Any], as_built: bool = False
) -> tuple[Tokens, Tokens, Tokens]:
    """Return what makes the tokens of layers and other parts, of models, and of the optimizer.

    A model has its optimizer as an attribute, which its own code may not read while it trains.
    """
    own, optimizer = _own(model, layers), model.optimizer
    closed = {id(optimizer), *_ids_of(optimizer.variables)}
    metrics = [metric for metric in metrics_of(model) if isinstance(metric, keras.metrics.Metric)]
    tracked = {one for metric in metrics for one in _ids_of(metric.variables)}
    return (
        Tokens(own, closed, tracked, as_built=as_built),
        Tokens(own, (), tracked, as_built=as_built),
        Tokens(own, of_optimizer=True, as_built=as_built),
    )


def _ids_of(variables: Iterable[Any]) -> set[int]:
    return {id(part) for variable in variables for part in (variable, variable.value)}


def _own(model: keras.Model, layers: Sequence[Any]) -> dict[int, Hashable]:
    """Return tokens, by id, for what a part of the model may refer to although it is described elsewhere."""
    variables = {
        "variable": [*model.trainable_variables, *model.non_trainable_variables],
        "other": [*model.metrics_variables, *model.optimizer.variables],
    }
    own: dict[int, Hashable] = {}
    for word, some in variables.items():
        for position, variable in enumerate(some):
            own[id(variable)] = own[id(variable.value)] = word, position
    own |= {id(layer): ("layer", position) for position, layer in enumerate(layers)}
    return own | {id(model.optimizer): ("optimizer",)}


def _layer_token(
    layer: Any, position: int, numbers: dict[str, float], variant: list[Hashable], tokens: Tokens
) -> Hashable:
    """Return what a layer adds to the signature. Add its numbers to `numbers` and its activation to `variant`."""
    what = f'the layer "{layer.name}"'
    config: Any
    if isinstance(layer, keras.Model):  # its layers and their connections are described separately
        config = {"activity_regularizer": layer.activity_regularizer}
    else:
        try:
            config = dict(layer.get_config())
        except (NotImplementedError, TypeError, ValueError) as error:
            if is_foundation(home_of(type(layer))):
                raise UnfusableError(f"{what} has no usable get_config ({error})") from error
            config = {}
    # The variable has a weight's regularizer too; `_penalty` describes it from there.
    elsewhere = {"activation", *(key for key in config if key.endswith("_regularizer"))} - {
        "activity_regularizer"
    }
    for key in elsewhere - {"activation"}:
        del config[key]
    if isinstance(layer, keras.layers.Embedding):  # else the gradient is sparse: optimizers differ
        config["is_regularized"] = layer.embeddings_regularizer is not None
    for kind, name in LAYER_NUMBERS.items():
        if type(layer) is kind and config.get(name, 0) > 0:
            key, value = f"layer.{position}.{name}", float(config[name])
            numbers[key] = value
            if (name, value) != ("rate", 1.0):
                del config[name]
            if name in COMPLEMENTS:
                numbers[f"{key}{COMPLEMENT}"] = 1.0 - value
    kind = tokens.of(type(layer), what)
    # Weights of equal shapes may be trained in one model and not in another.
    trained = layer.trainable, tuple(variable.trainable for variable in layer.variables)
    masks = layer.supports_masking
    if not is_foundation(home_of(type(layer))):
        # Keras reads the regularizer from the layer, whether or not the configuration of a user's layer has it.
        state = tokens.attributes(layer, own_names(layer), what)
        regularizer = tokens.of(layer.activity_regularizer, what)
        return kind, tokens.config(layer, config, vars(layer), what), state, regularizer, trained, masks
    activation = getattr(layer, "activation", None)
    if isinstance(activation, keras.layers.Layer):  # which may have weights
        elsewhere.discard("activation")
    else:
        config.pop("activation", None)
        variant.append(tokens.of(activation, f"the activation of {what}"))
    # A configuration may be that of the constructor, whatever is set later.
    state = vars(layer)
    changed = {key: state[key] for key in config if _differ(config[key], state.get(key))}
    others: Hashable = tokens.of((layer.activity_regularizer, changed), what)
    if isinstance(layer, keras.layers.Lambda):  # its configuration has only the function's name
        config.pop("function", None)
        others = tokens.of((others, layer.function, config.pop("arguments", None)), what)
    if isinstance(layer, keras.layers.Normalization):  # whose call reads constants, which are no variables
        others = others, *(_bytes_of(part) for part in moments_of(layer))
    return kind, tokens.config(layer, config, elsewhere, what), others, trained, masks


def _differ(given: Any, now: Any) -> bool:
    kinds = bool, int, float, str
    return type(given) in kinds and type(now) in kinds and given != now


def _bytes_of(array: np.ndarray | None) -> Hashable:
    return None if array is None else (array.shape, array.tobytes())


def _topology(model: Any, tokens: Tokens) -> Hashable:
    """Return how the layers of a sequential model, or the operations of a functional one, are connected.

    It is empty for other models and for layers.
    """
    if isinstance(model, keras.Sequential):
        # A layer that stands there twice is only once among the layers that are described.
        return tuple(tokens.of(layer, f'the layer "{layer.name}"') for layer in model.layers)
    calls = calls_of(model)
    positions = (
        {id(operation): position for position, operation in enumerate(model.operations)} if calls else {}
    )
    found = []
    for call in calls:
        operation = call.operation
        what = f'the operation "{operation.name}"'
        is_layer = isinstance(operation, keras.layers.Layer)
        own = () if is_layer else tokens.attributes(operation, own_names(operation), what)
        kind, arguments = tokens.of(type(operation), what), tokens.of(call.arguments, what)
        found.append((positions[id(operation)], kind, own, call.sources, arguments))
    if not calls:
        return (), ()
    # A dictionary that the model is called with is taken apart by these names, unless the model was made of one.
    names = _names_of_inputs(model) if len(model.inputs) > 1 else ()
    return tuple(found), tokens.of(ends_of(model), f'the model "{model.name}"'), names


def _names_of_inputs(model: keras.Model) -> tuple[str, ...]:
    return tuple(tensor.name for tensor in getattr(model, "inputs", None) or ())


def _penalty(regularizer: Any, position: int, numbers: dict[str, float], tokens: Tokens) -> Hashable:
    kinds = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
    if regularizer is not None and type(regularizer) not in kinds:
        return tokens.of(regularizer, "the regularizer of a weight")
    for name in ("l1", "l2"):
        numbers[f"penalty.{position}.{name}"] = float(getattr(regularizer, name, 0.0))
    return ("l1l2",)


def _compiled_tokens(model: keras.Model, tokens: Tokens) -> list[Hashable]:
    """Return tokens of the losses, the metrics, and what names the logs."""
    found: list[Hashable] = []
    for word, given in zip(("loss", "metric"), given_to_compile(model), strict=True):
        leaves = leaves_of(given)
        what = (
            f"the {word}"
            if len(leaves) == 1
            else f"one of the {word[:-1]}ses"
            if word == "loss"
            else "one of the metrics"
        )
        if len(leaves) == 1:
            name = getattr(leaves[0], "__name__", None) or type(leaves[0]).__name__
            what = f"the {word} `{name}`"
        found.append(tokens.of(given, what))
    outputs = list(getattr(model, "output_names", None) or ())
    found.append(tuple(outputs) if len(outputs) > 1 else ())
    return found


def _optimizer_token(optimizer: Any, numbers: dict[str, float], tokens: Tokens) -> Hashable:
    kind, schedule = type(optimizer), rate_of(optimizer)
    what = f"the optimizer {kind.__name__}"
    every = settings_of(optimizer)
    settings = {name: every[name] for name in every if name in read_by_users(kind, every)}
    if isinstance(schedule, keras.optimizers.schedules.LearningRateSchedule):
        rate = float(schedule(0))
    elif isinstance(schedule, keras.Variable):
        rate, schedule = float(schedule.numpy()), None
    else:
        raise UnfusableError("the learning rate is a function")
    numbers[RATE] = rate
    used = _used_by(kind)
    for name in OPTIMIZER_NUMBERS:
        value = settings.get(name)
        if isinstance(value, int | float) and not isinstance(value, bool) and name not in used:
            value = max(value, 0) if name in CLIPS else value  # Keras clips by no number below zero
            numbers[f"optimizer.{name}"] = float(value)
            if name in COMPLEMENTS:
                numbers[f"optimizer.{name}{COMPLEMENT}"] = 1.0 - float(value)
            settings[name] = value != 0
    return tokens.of(kind, what), tokens.of(settings, what), tokens.of(schedule, f"the schedule of {what}")


def _used_by(kind: type) -> frozenset[str]:
    """Return the names of the attributes that the methods of a user's optimizer read.

    Such a number cannot differ from lane to lane: the method may compute anything from it.
    """
    found: set[str] = set()
    for base in kind.__mro__:
        if is_third_party(home_of(base)):
            found.update(OPTIMIZER_NUMBERS)
        elif not is_library(home_of(base)):
            methods = [(name, getattr(value, "__code__", None)) for name, value in vars(base).items()]
            found |= {a for name, code in methods if code and name not in ("__init__", "get_config")
                      for a in names_in(code).attributes}  # fmt: skip
    return frozenset(found)


def decayed(model: keras.Model) -> tuple[bool, ...]:
    """Return which trainable variables the optimizer's weight decay applies to."""
    optimizer = model.optimizer
    return tuple(
        optimizer.weight_decay is not None and decays(optimizer, v) for v in model.trainable_variables
    )
