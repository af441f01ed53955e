"""Says which layer of the kernel computes a layer of Keras."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from trainables.fused.model.describe import COMPLEMENT
from trainables.fused.model.refuse import SEED
from trainables.fused.program.template import Template
from trainables.native.chain import TABLE, Chain, Layer
from trainables.native.measures import UnsupportedError
from trainables.native.structures import Activation, Kind

_PREFIX = (
    keras.layers.Normalization,
    keras.layers.Rescaling,
    keras.layers.Flatten,
    keras.layers.Reshape,
)

_JOINS = {
    keras.layers.Add: Kind.ADD,
    keras.layers.Subtract: Kind.SUBTRACT,
    keras.layers.Multiply: Kind.MULTIPLY,
    keras.layers.Average: Kind.AVERAGE,
    keras.layers.Maximum: Kind.MAXIMUM,
    keras.layers.Minimum: Kind.MINIMUM,
    keras.layers.Concatenate: Kind.CONCATENATE,
}

_OPERATIONS = {
    "Add": Kind.ADD,
    "Subtract": Kind.SUBTRACT,
    "Multiply": Kind.MULTIPLY,
    "Maximum": Kind.MAXIMUM,
    "Minimum": Kind.MINIMUM,
    "Concatenate": Kind.CONCATENATE,
}
"""What `x + y`, `keras.ops.maximum(x, y)` and the like make, by the names of their classes in Keras."""

_PENALTIES = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)

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


@dataclass(frozen=True)
class Value:
    """What a layer takes or gives.

    Attributes:
        layer: the position of the kernel's layer that gives it; TABLE if it is made of the table alone.
        width: numbers in a row.
        is_flat: whether a row is a vector.
        prefix: the layers that make it of the table.
    """

    layer: int
    width: int
    is_flat: bool
    prefix: tuple[Any, ...] = ()

    @staticmethod
    def of_table(shape: Sequence[int | None], prefix: tuple[Any, ...] = ()) -> Value:
        """Return the value of an array of rows that is made of the table."""
        width = int(np.prod([size or 0 for size in shape[1:]])) if len(shape) > 1 else 0
        return Value(TABLE, width, len(shape) == 2, prefix)


class Reader:
    """Adds the layers of a model to a chain.

    Args:
        template: the models.
        chain: gets the layers.

    Attributes:
        tables: what is made of the table and taken by a layer of the kernel.
    """

    def __init__(self, template: Template, chain: Chain) -> None:
        self._template, self._chain = template, chain
        model = template.model
        self._others = {id(v): position for position, v in enumerate(model.non_trainable_variables)}
        self._positions = {id(layer): position for position, layer in enumerate(template.layers)}
        self.tables: list[Value] = []

    def add(self, operation: Any, given: Sequence[Value]) -> Value:
        """Add a layer, or another operation, and return what it gives.

        Args:
            operation: what is called.
            given: what it takes.

        Raises:
            UnsupportedError: the kernel does not have such a layer.
        """
        if not isinstance(operation, keras.layers.Layer):
            return self._join(operation, _operation(operation), given)
        layer, kind = operation, type(operation)
        if layer.dtype_policy.name != "float32":
            raise UnsupportedError(f'the layer "{layer.name}" does not compute in float32')
        if kind in _JOINS:
            return self._join(layer, _JOINS[kind], given)
        if len(given) > 1:
            raise UnsupportedError(f"the kernel has no layer {kind.__name__}")
        [value] = given
        if kind in _PREFIX and value.layer == TABLE:
            stacked = {id(self._template.model.non_trainable_variables[p]) for p in self._template.stacked}
            if any(id(v) in stacked for v in layer.variables) or layer.trainable_variables:
                raise UnsupportedError(f'the layer "{layer.name}" differs between the points')
            self._refuse_penalty(layer)
            return Value.of_table(layer.output.shape, (*value.prefix, layer))
        made = None
        if kind is not keras.layers.Identity:
            makes = {
                keras.layers.Dense: self._dense,
                keras.layers.BatchNormalization: self._normalization,
                keras.layers.LayerNormalization: self._layer_normalization,
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
            if not value.is_flat:
                raise UnsupportedError(f'the layer "{layer.name}" takes no rows of numbers')
            made = makes[kind](layer, value.width)
        if made is None:
            self._refuse_penalty(layer)
            return value
        if _needs_input(made):
            self._refuse_penalty(layer)
            value = self._put(replace(made, activations=()), [value])
            made = Layer(Kind.ACTIVATION, made.outputs, made.outputs, activations=made.activations)
        return self._put(self._penalized(made, layer), [value])

    def _join(self, operation: Any, kind: Kind, given: Sequence[Value]) -> Value:
        if not all(value.is_flat for value in given):
            raise UnsupportedError(f'the layer "{operation.name}" takes no rows of numbers')
        widths = [value.width for value in given]
        if kind is Kind.CONCATENATE:
            if operation.axis not in (-1, 1):
                raise UnsupportedError(f'the layer "{operation.name}" joins rows')
            width = sum(widths)
        else:
            width = widths[0]
            if len(set(widths)) > 1:
                raise UnsupportedError(f'the layer "{operation.name}" takes outputs of different widths')
        if kind is Kind.SUBTRACT and len(given) != 2:
            raise UnsupportedError(f'the layer "{operation.name}" is called with arguments')
        return self._put(self._penalized(Layer(kind, width, width), operation), given)

    def _put(self, layer: Layer, given: Sequence[Value]) -> Value:
        chain = self._chain
        if layer.number and layer.number not in chain.numbers:
            chain.numbers.append(layer.number)
            if layer.kind is Kind.DROPOUT:
                # The kernel takes it from the column behind the rate's.
                chain.numbers.append(f"{layer.number}{COMPLEMENT}")
        self.tables += [value for value in given if value.layer == TABLE]
        chain.layers.append(replace(layer, sources=tuple(value.layer for value in given)))
        return Value(len(chain.layers) - 1, layer.outputs, True)

    def _penalized(self, made: Layer, layer: Any) -> Layer:
        regularizer = getattr(layer, "activity_regularizer", None)
        if regularizer is None:
            return made
        if type(regularizer) not in _PENALTIES:
            raise UnsupportedError(f'the outputs of "{layer.name}" have a regularizer of their own')
        l1, l2 = (float(getattr(regularizer, name, 0.0)) for name in ("l1", "l2"))
        return replace(made, l1=l1, l2=l2)

    def _refuse_penalty(self, layer: Any) -> None:
        if layer.activity_regularizer is not None:
            raise UnsupportedError(f'the outputs of "{layer.name}" are penalized')

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
        found = self._of_variants(layer)
        return Layer(Kind.DENSE, width, layer.units, layer.kernel, layer.bias, activations=found)

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

    def _layer_normalization(self, layer: Any, width: int) -> Layer:
        axis = layer.axis if isinstance(layer.axis, list | tuple) else [layer.axis]
        if list(axis) not in ([-1], [1]) or layer.rms_scaling:
            raise UnsupportedError(f'the layer "{layer.name}" has an axis, or rms_scaling')
        return Layer(
            Kind.LAYER_NORMALIZATION, width, width, layer.gamma, layer.beta, epsilon=float(layer.epsilon)
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


def _needs_input(layer: Layer) -> bool:
    """Return whether an activation of a dense layer needs what goes into it."""
    return layer.kind is Kind.DENSE and any(one > Activation.HARD_TANH for one, _ in layer.activations)


def _operation(operation: Any) -> Kind:
    kind = type(operation)
    if not kind.__module__.startswith("keras.") or kind.__name__ not in _OPERATIONS:
        raise UnsupportedError(f"the kernel has no operation {kind.__name__}")
    return _OPERATIONS[kind.__name__]
