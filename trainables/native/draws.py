"""Draws the random numbers that layers take in an epoch: all at once, or those of a few steps if all would be many."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from trainables.native import structures as c
from trainables.native.arrays import pointer
from trainables.native.chain import Layer

MOST_DRAWN = 2**25
"""The most numbers that are drawn at once, except that those of a batch always are: 128 MiB. If an epoch has more, the
numbers of a few steps are drawn at a time, and again for the next chunks."""


class Draws:
    """What layers draw in the steps of an epoch. All models get the same numbers.

    Args:
        layers: those that draw.
        seeds: of each layer at the first step of the epoch, two whole numbers.
        uniform: the function of the kernel.
        rows: of the epoch.
        batch: rows of a batch.

    Attributes:
        most_steps: how many steps may be drawn at once.
    """

    def __init__(
        self, layers: Sequence[Layer], seeds: Sequence[np.ndarray], uniform: Any, rows: int, batch: int
    ) -> None:
        self._layers, self._seeds, self._uniform = layers, seeds, uniform
        self._rows, self._batch = rows, batch
        of_batch = min(rows, batch) * sum(layer.outputs for layer in layers)
        self.most_steps = max(1, MOST_DRAWN // max(1, of_batch))
        self._steps = range(0)
        self._drawn: list[np.ndarray] = []

    def of(self, first: int, last: int) -> list[np.ndarray]:
        """Return what each layer draws in the steps from `first` to `last`: float32, shape (rows of these, outputs).

        Args:
            first, last: at most `most_steps` steps.
        """
        if not (self._steps.start <= first and last <= self._steps.stop):
            steps = math.ceil(self._rows / self._batch)
            self._steps = range(steps) if steps <= self.most_steps else range(first, last)
            self._drawn = []  # the old ones are freed first
            self._drawn = [self._of_layer(*one) for one in zip(self._layers, self._seeds, strict=True)]
        start, stop = ((step - self._steps.start) * self._batch for step in (first, last))
        return [drawn[start:stop] for drawn in self._drawn]

    def _of_layer(self, layer: Layer, seed: np.ndarray) -> np.ndarray:
        start, stop = self._steps.start * self._batch, min(self._rows, self._steps.stop * self._batch)
        found = np.empty((stop - start, layer.outputs), np.float32)
        for number, step in enumerate(self._steps):
            part = found[number * self._batch : (number + 1) * self._batch]
            # As TensorFlow's backend of Keras casts a seed.
            s0, s1 = (int(number) % (2**31 - 2) for number in (seed[0], (seed[1] + step) % 2**32))
            size = part.size
            drawn = part if layer.kind is c.Kind.DROPOUT else np.empty(size + size % 2, np.float32)
            self._uniform(ctypes.c_int32(s0), ctypes.c_int32(s1), ctypes.c_int64(drawn.size), pointer(drawn))
            if layer.kind is c.Kind.NOISE:
                part[...] = _normal(drawn)[:size].reshape(part.shape)
        return found


def _normal(drawn: np.ndarray) -> np.ndarray:
    """Return normally distributed numbers by Box and Muller (1958), on pairs."""
    radius = np.sqrt(np.float32(-2.0) * np.log(np.maximum(drawn[::2], np.float32(1e-7))))
    angle = np.float32(2.0 * math.pi) * drawn[1::2]
    return np.stack([np.sin(angle) * radius, np.cos(angle) * radius], 1).ravel()
