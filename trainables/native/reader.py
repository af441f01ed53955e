"""Translates a Keras model into layers of the kernel, or says why the kernel cannot train it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras

from trainables.fused.internals.keras import calls_of
from trainables.fused.program.template import Template
from trainables.native.chain import TABLE, Chain, Layer
from trainables.native.layers import Reader, Value
from trainables.native.measures import UnsupportedError, measures_of
from trainables.native.structures import Activation, Kind

MOST_LAYERS = 64
"""More layers are refused: the kernel's limit."""

MOST_SOURCES = 256
"""More outputs that all layers together take are refused, too."""


def chain_of(template: Template) -> Chain:
    """Return the layers of a template, in an order in which each comes after those whose outputs it takes.

    Args:
        template: models that share a program.

    Raises:
        UnsupportedError: the kernel cannot train such models.
    """
    if template.rows.x.shapes:
        raise UnsupportedError("the table has several inputs")
    if template.rows.y.shapes:
        raise UnsupportedError("the model has several outputs")
    chain, model = Chain(), template.model
    reader = Reader(template, chain)
    inputs = getattr(model, "inputs", None) or []
    if len(inputs) != 1:
        what = "has several inputs" if inputs else "is a class of its own"
        raise UnsupportedError(f"the model {what}")
    table = Value.of_table(inputs[0].shape)
    if not table.width:
        raise UnsupportedError("the input of the model is no row of numbers")
    output = _Walk(reader).through(model, table)
    if output.layer == TABLE:
        raise UnsupportedError("the model has no dense layer")
    if len({tuple(map(id, value.prefix)) for value in reader.tables}) > 1:
        layer = max((value.prefix for value in reader.tables), key=len)[-1]
        raise UnsupportedError(f'the model takes its input both before and after "{layer.name}"')
    chain.prefix, chain.features = list(reader.tables[0].prefix), reader.tables[0].width
    if len(chain.layers) > MOST_LAYERS:
        raise UnsupportedError(f"the model has more than {MOST_LAYERS} layers")
    if sum(len(layer.sources) for layer in chain.layers) > MOST_SOURCES:
        raise UnsupportedError(f"the layers of the model take more than {MOST_SOURCES} outputs")
    chain.layers = _in_order(chain.layers, output.layer)
    last = chain.layers[-1]
    of_last = {one for one, _ in last.activations} or {Activation.LINEAR}
    if len(of_last) > 1:
        raise UnsupportedError("the activation of the output differs between the points")
    chain.measures, chain.logs = measures_of(model, last.outputs, template.sample[1], of_last.pop())
    if any(one.logits is not None for one in chain.measures):
        _take_logits(chain)
    return chain


def _take_logits(chain: Chain) -> None:
    """Let the loss or a metric take what goes into the last activation, which becomes a layer of its own."""
    last = chain.layers[-1]
    if not last.activations:
        return
    if last.l1 or last.l2:  # the gradient of the loss passes by the output
        raise UnsupportedError("the output is penalized")
    if last.kind is Kind.DENSE:
        if len(chain.layers) == MOST_LAYERS:
            raise UnsupportedError(f"the model has more than {MOST_LAYERS} layers")
        chain.layers[-1] = replace(last, activations=())
        split = Layer(Kind.ACTIVATION, last.outputs, last.outputs, activations=last.activations)
        chain.layers.append(replace(split, sources=(len(chain.layers) - 1,)))


class _Walk:
    """Adds the layers of a model, and of the models in it, in the order of their calls."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._seen: set[int] = set()

    def through(self, model: keras.Model, value: Value) -> Value:
        """Return what a model makes of a value.

        Raises:
            UnsupportedError: the kernel cannot do the same.
        """
        if model.activity_regularizer is not None:
            raise UnsupportedError(f'the output of the model "{model.name}" is penalized')
        if type(model) is keras.Sequential:
            for layer in model.layers:
                value = self._called(layer, [value])
            return value
        calls = calls_of(model) if type(model).__module__.startswith("keras.") else []
        if not calls:
            raise UnsupportedError("the model is a class of its own")
        if len(model.inputs) > 1 or len(model.outputs) > 1:
            raise UnsupportedError(f'"{model.name}" has several inputs or outputs')
        values: list[Value] = []
        for call in calls:
            name = call.operation.name
            # In training and evaluation, Keras itself says whether it trains: a `training` of the call has no effect.
            if any(other is not None and not isinstance(other, bool) for other in call.others):
                is_layer = isinstance(call.operation, keras.layers.Layer)
                what = f'the layer "{name}"' if is_layer else f"the operation {type(call.operation).__name__}"
                raise UnsupportedError(f"{what} is called with other arguments than outputs of layers")
            if any(source is None or output for source, output in call.sources):
                raise UnsupportedError(f'the layer "{name}" takes what is no output of a layer of the model')
            given = [values[source] for source, _ in call.sources if source is not None]
            values.append(self._called(call.operation, given or [value]))
        return values[-1]  # calls are in the order of their depth, and only that of the output is the last

    def _called(self, operation: Any, given: Sequence[Value]) -> Value:
        if type(operation) is keras.layers.InputLayer:
            return given[0]
        if id(operation) in self._seen:
            raise UnsupportedError("a layer is called several times")
        self._seen.add(id(operation))
        if isinstance(operation, keras.Model):
            return self.through(operation, given[0])
        return self._reader.add(operation, given)


def _in_order(layers: Sequence[Layer], output: int) -> list[Layer]:
    """Return layers in an order in which each comes after its sources, and right after one of them where that is possible.

    A gradient then goes from a layer to the one before it, without waiting.
    """
    order: list[int] = []

    def visit(layer: int) -> None:  # at most MOST_LAYERS deep
        if layer != TABLE and layer not in order:
            for source in layers[layer].sources:
                visit(source)
            order.append(layer)

    visit(output)
    positions = {TABLE: TABLE} | {layer: position for position, layer in enumerate(order)}
    return [
        replace(layers[layer], sources=tuple(positions[source] for source in layers[layer].sources))
        for layer in order
    ]
