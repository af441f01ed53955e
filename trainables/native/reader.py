"""Reads a Keras model as a chain, and says why it is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from trainables.fused.internals.keras import calls_of
from trainables.fused.model.refuse import SEED
from trainables.fused.program.template import Template
from trainables.native.chain import Chain, Layer
from trainables.native.measures import UnsupportedError, measures_of
from trainables.native.structures import Activation, Kind

MOST_LAYERS = 64
"""More layers are refused: the kernel's limit."""

_PREFIX = (
    keras.layers.Normalization,
    keras.layers.Rescaling,
    keras.layers.Flatten,
    keras.layers.Reshape,
    keras.layers.Identity,
)

_FUNCTIONS: dict[Any, tuple[Activation, float]] = {
    keras.activations.linear: (Activation.LINEAR, 0.0),
    keras.activations.relu: (Activation.RELU, 0.0),
    keras.activations.elu: (Activation.ELU, 1.0),
    keras.activations.selu: (Activation.SELU, 0.0),
    keras.activations.tanh: (Activation.TANH, 0.0),
    keras.activations.sigmoid: (Activation.SIGMOID, 0.0),
    keras.activations.softplus: (Activation.SOFTPLUS, 0.0),
    keras.activations.exponential: (Activation.EXPONENTIAL, 0.0),
    keras.activations.relu6: (Activation.RELU6, 0.0),
    keras.activations.leaky_relu: (Activation.LEAKY_RELU, 0.2),
    keras.activations.softsign: (Activation.SOFTSIGN, 0.0),
    keras.activations.hard_sigmoid: (Activation.HARD_SIGMOID, 0.0),
    keras.activations.hard_tanh: (Activation.HARD_TANH, 0.0),
    keras.activations.softmax: (Activation.SOFTMAX, 0.0),
    keras.activations.silu: (Activation.SILU, 0.0),
    keras.activations.gelu: (Activation.GELU, 0.0),
    keras.activations.mish: (Activation.MISH, 0.0),
    keras.activations.hard_silu: (Activation.HARD_SILU, 0.0),
}
"""For each function of Keras: the kernel's activation, and its slope or alpha."""


def chain_of(template: Template, targets: int) -> Chain:
    """Return the chain that a template is.

    Args:
        template: models that share a program.
        targets: numbers in a row of the target.

    Raises:
        UnsupportedError: the kernel cannot train such models.
    """
    chain = Chain()
    reader = _Reader(template, chain)
    width = _width(template.model.inputs[0].shape) if len(template.model.inputs) == 1 else 0
    if not width:
        raise UnsupportedError("the model has several inputs, or an input that is no row of numbers")
    for layer in _in_order(template.model):
        width = reader.add(layer, width)
    if not chain.layers:
        raise UnsupportedError("the model has no dense layer")
    last = chain.layers[-1]
    of_last = {one for one, _ in last.activations} or {Activation.LINEAR}
    if len(of_last) > 1:
        raise UnsupportedError("the activation of the output differs between the points")
    chain.features = chain.layers[0].inputs
    chain.measures, chain.logs = measures_of(template.model, last.outputs, targets, of_last.pop())
    if last.kind is Kind.DENSE and last.activations and any(one.logits is not None for one in chain.measures):
        # The loss takes what goes into the last activation.
        if last.l1 or last.l2:
            raise UnsupportedError("the output is penalized")
        chain.layers[-1] = replace(last, activations=())
        chain.layers.append(Layer(Kind.ACTIVATION, last.outputs, last.outputs, activations=last.activations))
    if len(chain.layers) > MOST_LAYERS:
        raise UnsupportedError(f"the model has more than {MOST_LAYERS} layers")
    return chain


def _width(shape: Sequence[int | None]) -> int:
    """Return the numbers in a row of an array of rows; 0 if it is none."""
    return int(np.prod([size or 0 for size in shape[1:]])) if len(shape) > 1 else 0


def _in_order(model: keras.Model) -> list[Any]:
    """Return the layers of a model, and those of the models in it, in the order of their calls.

    Raises:
        UnsupportedError: they are no chain.
    """
    if type(model) is keras.Sequential:
        called = list(model.layers)
    elif type(model).__module__.startswith("keras.") and (calls := calls_of(model)):
        called = []
        for position, call in enumerate(calls):
            if call.sources and call.sources != ((position - 1, 0),):
                raise UnsupportedError("the layers of the model are no chain")
            if any(other is not None and not isinstance(other, bool) for other in call.others):
                raise UnsupportedError(f"{call.operation.name} is called with arguments")
            called.append(call.operation)
        if sum(not call.sources for call in calls) > 1:
            raise UnsupportedError("the layers of the model are no chain")
    else:
        raise UnsupportedError("the model is a class of its own")
    found: list[Any] = []
    for layer in called:
        if isinstance(layer, keras.Model):
            found += _in_order(layer)
        elif type(layer) is not keras.layers.InputLayer:
            found.append(layer)
    if len({id(layer) for layer in found}) < len(found):
        raise UnsupportedError("a layer is called several times")
    return found


class _Reader:
    """Adds the layers of a model to a chain, one after another."""

    def __init__(self, template: Template, chain: Chain) -> None:
        self._template, self._chain = template, chain
        model = template.model
        self._others = {id(v): position for position, v in enumerate(model.non_trainable_variables)}
        self._positions = {id(layer): position for position, layer in enumerate(template.layers)}

    def add(self, layer: Any, width: int) -> int:
        """Add a layer that takes `width` numbers a row, and return how many it gives.

        Raises:
            UnsupportedError: the kernel does not have such a layer.
        """
        kind, chain = type(layer), self._chain
        if layer.dtype_policy.name != "float32":
            raise UnsupportedError(f'the layer "{layer.name}" does not compute in float32')
        if kind in _PREFIX and not chain.layers:
            stacked = {id(self._template.model.non_trainable_variables[p]) for p in self._template.stacked}
            if any(id(v) in stacked for v in layer.variables) or layer.trainable_variables:
                raise UnsupportedError(f'the layer "{layer.name}" differs between the points')
            chain.prefix.append(layer)
            return _width(layer.output.shape)
        if kind is keras.layers.Identity:
            return width
        makes = {
            keras.layers.Dense: self._dense,
            keras.layers.BatchNormalization: self._normalization,
            keras.layers.Activation: self._activation,
            keras.layers.ReLU: self._relu,
            keras.layers.LeakyReLU: self._leaky_relu,
            keras.layers.ELU: self._elu,
            keras.layers.Softmax: self._softmax,
            keras.layers.PReLU: self._prelu,
            keras.layers.Dropout: self._dropout,
            keras.layers.GaussianNoise: self._noise,
        }
        if kind not in makes:
            raise UnsupportedError(f"the kernel has no layer {kind.__name__}")
        if len(layer.input.shape) != 2:
            raise UnsupportedError(f'the layer "{layer.name}" takes no rows of numbers')
        made = makes[kind](layer, width)
        if made is None:
            return width
        regularizer = layer.activity_regularizer
        if regularizer is not None:
            if type(regularizer) not in (
                keras.regularizers.L1,
                keras.regularizers.L2,
                keras.regularizers.L1L2,
            ):
                raise UnsupportedError(f'the outputs of "{layer.name}" have a regularizer of their own')
            l1, l2 = (float(getattr(regularizer, name, 0.0)) for name in ("l1", "l2"))
            made = replace(made, l1=l1, l2=l2)
        if made.number and made.number not in chain.numbers:
            chain.numbers.append(made.number)
        chain.layers.append(made)
        return made.outputs

    def _of_variants(self, layer: Any) -> tuple[tuple[Activation, float], ...]:
        """Return the activations of a layer for each variant; empty if all are linear."""
        functions = self._template.activations_of(layer)
        for function in functions:
            if (
                not callable(function)
                or getattr(function, "__hash__", None) is None
                or function not in _FUNCTIONS
            ):
                name = getattr(function, "__name__", type(function).__name__)
                raise UnsupportedError(f"the kernel has no activation {name}")
        found = tuple(_FUNCTIONS[function] for function in functions)
        return () if {one for one, _ in found} == {Activation.LINEAR} else found

    def _dense(self, layer: Any, width: int) -> Layer:
        if layer.quantization_mode is not None or getattr(layer, "lora_enabled", False):
            raise UnsupportedError(f'the layer "{layer.name}" is quantized or adapted')
        kernel, bias = layer.kernel, layer.bias
        found = self._of_variants(layer)
        made = Layer(Kind.DENSE, width, layer.units, kernel, bias, activations=found)
        if not any(one > Activation.HARD_TANH for one, _ in found):
            return made
        if layer.activity_regularizer is not None:
            raise UnsupportedError(f'the outputs of "{layer.name}" are penalized')
        # Such an activation needs what goes into it.
        self._chain.layers.append(replace(made, activations=()))
        return Layer(Kind.ACTIVATION, layer.units, layer.units, activations=found)

    def _normalization(self, layer: Any, width: int) -> Layer:
        if layer.axis not in (-1, 1) or layer.renorm or layer.synchronized:
            raise UnsupportedError(f'the layer "{layer.name}" has an axis, or renormalizes or synchronizes')
        return Layer(
            Kind.BATCH_NORMALIZATION,
            width,
            width,
            layer.gamma if layer.scale else None,
            layer.beta if layer.center else None,
            layer.moving_mean,
            layer.moving_variance,
            not layer.trainable,
            epsilon=float(layer.epsilon),
            momentum=float(layer.momentum),
        )

    def _activation(self, layer: Any, width: int) -> Layer | None:
        found = self._of_variants(layer)
        return Layer(Kind.ACTIVATION, width, width, activations=found) if found else None

    def _same(self, width: int, activation: Activation, slope: float = 0.0) -> Layer:
        found = ((activation, slope),) * len(self._template.variants)
        return Layer(Kind.ACTIVATION, width, width, activations=found)

    def _relu(self, layer: Any, width: int) -> Layer:
        slope, most = float(layer.negative_slope or 0.0), layer.max_value
        if layer.threshold or (most not in (None, 6.0)) or (most and slope) or slope < 0:
            raise UnsupportedError(f'the layer "{layer.name}" has a threshold or a maximum')
        if most:
            return self._same(width, Activation.RELU6)
        return self._same(width, Activation.LEAKY_RELU if slope else Activation.RELU, slope)

    def _leaky_relu(self, layer: Any, width: int) -> Layer:
        if layer.negative_slope <= 0:
            raise UnsupportedError(f'the layer "{layer.name}" has a slope that is not above zero')
        return self._same(width, Activation.LEAKY_RELU, float(layer.negative_slope))

    def _elu(self, layer: Any, width: int) -> Layer:
        if layer.alpha <= 0:
            raise UnsupportedError(f'the layer "{layer.name}" has an alpha that is not above zero')
        return self._same(width, Activation.ELU, float(layer.alpha))

    def _softmax(self, layer: Any, width: int) -> Layer:
        if layer.axis not in (-1, 1):
            raise UnsupportedError(f'the layer "{layer.name}" has several axes')
        return self._same(width, Activation.SOFTMAX)

    def _prelu(self, layer: Any, width: int) -> Layer:
        if layer.shared_axes:
            raise UnsupportedError(f'the layer "{layer.name}" shares its slopes')
        return Layer(Kind.PRELU, width, width, layer.alpha)

    def _dropout(self, layer: Any, width: int) -> Layer | None:
        if layer.noise_shape is not None:
            raise UnsupportedError(f'the layer "{layer.name}" has a noise_shape')
        return self._drawing(Kind.DROPOUT, layer, "rate", width)

    def _noise(self, layer: Any, width: int) -> Layer | None:
        return self._drawing(Kind.NOISE, layer, "stddev", width)

    def _drawing(self, kind: Kind, layer: Any, name: str, width: int) -> Layer | None:
        if not getattr(layer, name) > 0:
            return None
        state = layer.seed_generator.state
        position = self._others[id(state)]
        if position in self._template.stacked:
            raise UnsupportedError("each point draws random numbers of its own")
        assert state.path.endswith(SEED)
        key = f"layer.{self._positions[id(layer)]}.{name}"
        return Layer(kind, width, width, seed=position, number=key)
