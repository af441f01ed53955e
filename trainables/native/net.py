"""Describes the structure of a model in the form that the kernel reads: `struct Net` of kernel/structures.h."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np

from trainables.fused.program.template import Stack, Template
from trainables.native import structures as c
from trainables.native.areas import count_of, counted_areas
from trainables.native.chain import Chain, Layer, columns_of
from trainables.native.constraints import constraints_of
from trainables.native.expressions.formula import expressed
from trainables.native.measures import UnsupportedError
from trainables.native.optimizers import optimizers_of
from trainables.native.reader import chain_of

EPSILON = 1e-7
"""What `keras.config.epsilon()` is unless a builder sets it. The kernel's losses and metrics have it in their code."""


class Net:
    """What the kernel knows of the models of a template.

    Args:
        template: what the models have in common.
        batch_size: rows of a batch.
        targets: numbers in a row of the target.

    Attributes:
        chain: the layers, in order.
        columns: the column of each of the layers' numbers among the settings of a model.
        states: where each variable stands among the parameters of a model.
        slots: where the optimizers keep their slots.
        variants: the activations of each variant.
        areas: the areas under curves that the kernel counts.
        penalized: positions of the trainable variables with an L1 or L2 penalty in some point.
        decays: for each optimizer, which weights decay; None if none do.
        structure: the `struct Net`.

    Raises:
        UnsupportedError: the kernel cannot train such models.
    """

    def __init__(self, template: Template, batch_size: int, targets: int) -> None:
        if (least := keras.config.epsilon()) != EPSILON:
            raise UnsupportedError(f"keras.config.epsilon() is {least}, and the kernel takes {EPSILON}")
        self.chain: Chain = chain_of(template)
        self.columns = columns_of(self.chain.numbers)
        self.states = States(template, self.chain.layers)
        self._optimizers, self.slots = optimizers_of(template)
        self.variants = Variants(self.chain, len(template.variants))
        self.penalized = penalized_of(template)
        self.decays = [one.decays for one in self._optimizers]
        self._constraints = constraints_of(template.model, self.states.ranges)
        self.areas = counted_areas(template.model, self.chain.outputs, targets)
        self.structure, self._kept = self._made(batch_size, targets)

    def _made(self, batch_size: int, targets: int) -> tuple[c.CNet, list[Any]]:
        """Return the net, and what must live as long as it."""
        chain = self.chain
        layers = (c.CLayer * len(chain.layers))()
        sources = (ctypes.c_int32 * sum(len(layer.sources) for layer in chain.layers))()
        drawn = activation = taken = 0
        for made, layer in zip(layers, chain.layers, strict=True):
            made.kind, made.inputs, made.outputs = layer.kind, layer.inputs, layer.outputs
            made.source, made.sources = taken, len(layer.sources)
            taken += made.sources
            sources[made.source : taken] = list(layer.sources)
            for name in ("kernel", "bias", "mean", "variance"):
                setattr(made, name, self.states.position(getattr(layer, name)))
            made.frozen = layer.frozen
            made.activation = made.draws = -1
            if layer.activations:
                made.activation, activation = activation, activation + 1
            if layer.seed >= 0:
                made.draws, drawn = drawn, drawn + 1
                made.number = self.columns[layer.number]
            made.epsilon, made.momentum, made.l1, made.l2 = layer.epsilon, layer.momentum, layer.l1, layer.l2
            made.complement = 1.0 - layer.momentum
            made.penalized = bool(layer.l1 or layer.l2)
        variables = (c.CRange * len(self.states.ranges))(*(c.CRange(*one) for one in self.states.ranges))
        penalized = np.array(self.penalized, np.int32)
        measures = (c.CMeasured * len(chain.measures))()
        for one, measured in zip(measures, chain.measures, strict=True):
            one.measure, one.weighted = measured.measure, measured.weighted
            one.value, one.smoothing = measured.value, measured.smoothing
        instructions, columns = expressed(measures, [measured.expression for measured in chain.measures])
        areas = (c.CArea * len(self.areas))(*(c.CArea(one.thresholds, one.weighted) for one in self.areas))
        constraints = (c.CConstraint * len(self._constraints))(*self._constraints)
        optimizers = (c.COptimizer * len(self._optimizers))(*(one.structure() for one in self._optimizers))
        net = c.CNet(
            layers=len(layers), features=chain.features, outputs=chain.outputs, targets=targets,
            weights=self.states.weights, states=self.states.size, slots=self.slots.count,
            settings=len(c.Setting) + len(chain.numbers), variables=len(variables), penalties=len(penalized),
            optimizers=len(optimizers), constraints=len(constraints), measures=len(measures), activations=activation,
            sources=len(sources), instructions=len(instructions), columns=columns, batch=batch_size,
            layer=ctypes.cast(layers, ctypes.c_void_p),
            variable=ctypes.cast(variables, ctypes.c_void_p),
            penalty=penalized.ctypes.data, optimizer=ctypes.cast(optimizers, ctypes.c_void_p),
            constraint=ctypes.cast(constraints, ctypes.c_void_p), measured=ctypes.cast(measures, ctypes.c_void_p),
            source=ctypes.cast(sources, ctypes.c_void_p), instruction=ctypes.cast(instructions, ctypes.c_void_p),
            areas=len(areas), counts=sum(map(count_of, self.areas)), area=ctypes.cast(areas, ctypes.c_void_p),
        )  # fmt: skip
        return net, [
            layers,
            variables,
            penalized,
            measures,
            optimizers,
            constraints,
            sources,
            instructions,
            areas,
        ]


class States:
    """Where each variable of a template stands among the kernel's parameters: weights first, then the states."""

    def __init__(self, template: Template, layers: Sequence[Layer]) -> None:
        model = template.model
        self._at: dict[int, int] = {}
        self.ranges, end = [], 0
        for variable in model.trainable_variables:
            self._at[id(variable)] = end
            self.ranges.append((end, end + int(np.prod(variable.shape))))
            end = self.ranges[-1][1]
        self.weights = end
        others = model.non_trainable_variables
        used = {
            id(v)
            for layer in layers
            for v in (layer.kernel, layer.bias, layer.mean, layer.variance)
            if v is not None
        }
        unstacked = [position for position in range(len(others)) if position not in template.stacked]
        self.shared_position = {position: number for number, position in enumerate(unstacked)}
        # For each state: whether it is stacked, and its number among the stacked or the shared variables.
        self.parts: list[tuple[bool, int, int]] = []
        for position, variable in enumerate(others):
            if id(variable) in used:
                size = int(np.prod(variable.shape))
                self._at[id(variable)] = end
                is_stacked = position in template.stacked
                number = (
                    list(template.stacked).index(position) if is_stacked else self.shared_position[position]
                )
                self.parts.append((is_stacked, number, size))
                end += size
        self.size = end - self.weights
        if unread := [v.path for v in model.trainable_variables if id(v) not in used]:
            raise UnsupportedError(f"the weight {unread[0]} is in no layer of the chain")
        stacked = [p for p in template.stacked if id(others[p]) not in used]
        if stacked:
            raise UnsupportedError(f"the variable {others[stacked[0]].path} differs between the points")

    def position(self, variable: Any) -> int:
        """Return the position of a variable; -1 for None."""
        return -1 if variable is None else self._at[id(variable)]

    def of(self, stack: Stack, shared: Sequence[Any]) -> np.ndarray:
        """Return the states of all points, float32, shape (points, numbers)."""
        count = len(stack.weights)
        found = [np.zeros((count, 0), np.float32)]
        for is_stacked, number, size in self.parts:
            value = stack.state[number] if is_stacked else np.asarray(shared[number])[None]
            found.append(np.broadcast_to(value.reshape(len(value), size), (count, size)))
        return np.ascontiguousarray(np.concatenate(found, 1), np.float32)

    def put(self, states: np.ndarray, stack: Stack) -> list[np.ndarray]:
        """Return the stacked variables, given the states of all points."""
        found, end = list(stack.state), 0
        for is_stacked, number, size in self.parts:
            start, end = end, end + size
            if is_stacked:
                found[number] = states[:, start:end].reshape(stack.state[number].shape)
        return found


class Variants:
    """The activations of each variant, as the kernel takes them."""

    def __init__(self, chain: Chain, variants: int) -> None:
        layers = [layer for layer in chain.layers if layer.activations]
        self.codes = np.zeros((variants, len(layers)), np.int32)
        self.slopes = np.zeros((variants, len(layers)), np.float32)
        for column, layer in enumerate(layers):
            for variant, (activation, slope) in enumerate(layer.activations):
                self.codes[variant, column], self.slopes[variant, column] = activation, slope


def penalized_of(template: Template) -> list[int]:
    """Return the positions of the trainable variables with an L1 or L2 penalty in some point.

    Raises:
        UnsupportedError: a variable has another regularizer.
    """
    kinds = (keras.regularizers.L1, keras.regularizers.L2, keras.regularizers.L1L2)
    found = []
    for position, variable in enumerate(template.model.trainable_variables):
        if variable.regularizer is not None and type(variable.regularizer) not in kinds:
            raise UnsupportedError("a weight has a regularizer that is neither L1 nor L2")
        keys = [f"penalty.{position}.{norm}" for norm in ("l1", "l2")]
        if any(key in template.keys or template.constants.get(key) for key in keys):
            found.append(position)
    return found
