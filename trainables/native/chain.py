"""The form in which the kernel gets a model: a list of layers, each with the layers that feed it.

Layers at the start that are the same for all points and draw nothing, such as a normalizer, are applied to the table by
Keras itself, once. They are the `prefix`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from trainables.native.measures import Measured
from trainables.native.structures import Activation, Kind, Setting

TABLE = -1
"""The source of a layer that takes the rows of the table, behind the prefix."""


@dataclass(frozen=True)
class Layer:
    """One layer of a chain.

    Attributes:
        kind: what it computes.
        inputs, outputs: numbers in a row.
        kernel, bias, mean, variance: its variables; None if it has none.
        frozen: whether it normalizes by its moving statistics in training, too.
        activations: activation and slope for each variant; empty if it has none.
        seed: the position of its seed among the non-trainable variables; -1 if it draws nothing.
        number: the key of its number; see `trainables.fused.model.describe`.
        epsilon, momentum: of a normalization.
        l1, l2: strengths of the penalty of its outputs.
        sources: the positions of the layers whose outputs it takes; TABLE for rows of the table.
    """

    kind: Kind
    inputs: int
    outputs: int
    kernel: Any = None
    bias: Any = None
    mean: Any = None
    variance: Any = None
    frozen: bool = False
    activations: tuple[tuple[Activation, float], ...] = ()
    seed: int = -1
    number: str = ""
    epsilon: float = 0.0
    momentum: float = 0.0
    l1: float = 0.0
    l2: float = 0.0
    sources: tuple[int, ...] = ()


@dataclass
class Chain:
    """A model as the kernel trains it.

    Attributes:
        prefix: the layers that Keras applies to the table.
        layers: the layers of the kernel.
        measures: the loss, then the metrics that the kernel computes.
        logs: the position of each of them among the logs.
        numbers: the keys of the layers' numbers, in the order of their columns; behind a rate of Dropout comes one minus it.
        features: numbers in a row behind the prefix.
    """

    prefix: list[Any] = field(default_factory=list)
    layers: list[Layer] = field(default_factory=list)
    measures: list[Measured] = field(default_factory=list)
    logs: list[int] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    features: int = 0

    @property
    def outputs(self) -> int:
        """Numbers in a row of the output."""
        return self.layers[-1].outputs

    def prepared(self, x: np.ndarray) -> np.ndarray:
        """Return features as they are behind the prefix, float32, shape (rows, features)."""
        found = np.asarray(x)
        for layer in self.prefix:
            found = np.asarray(layer(found))
        return np.ascontiguousarray(found, np.float32)


def columns_of(numbers: Sequence[str]) -> Mapping[str, int]:
    """Return the column of each of the layers' numbers among the settings."""
    return {key: len(Setting) + position for position, key in enumerate(numbers)}
