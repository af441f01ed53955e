"""Arranges models and rows as arrays in the order that the kernel needs."""

from __future__ import annotations

import ctypes
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from trainables.fused.program.template import Stack, Template
from trainables.native import structures as c
from trainables.native.chain import Chain
from trainables.native.measures import UnsupportedError
from trainables.native.net import Net, Variants
from trainables.native.optimizers import lifted_of, settings_of


class Rows:
    """Rows of the table, as the kernel takes them.

    Attributes:
        x: float32, shape (rows, features).
        y: float32, shape (rows, targets).
        weight: of the rows, float32, shape (rows,); None if they have none.
        target: the target, as the models take it.
        total: the sum of the weights, or the number of rows.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        weight: np.ndarray | None,
        target: np.ndarray,
        given: Sequence[np.ndarray] = (),
    ) -> None:
        self.x, self.y, self.weight, self.target, self._given = x, y, weight, target, tuple(given)
        self.total = float(len(y)) if weight is None else float(weight.sum(dtype=np.float64))

    @staticmethod
    def of(chain: Chain, arrays: Sequence[np.ndarray], targets: int) -> Rows:
        """Return the rows of features, target, and weights if there are some.

        Raises:
            UnsupportedError: the kernel cannot take them.
        """
        x, target, *weight = arrays
        x = chain.prepared(x)
        y = np.ascontiguousarray(target, np.float32).reshape(len(x), targets)
        if x.shape[1:] != (chain.features,):
            raise UnsupportedError("the layers before the first dense layer give no rows of numbers")
        is_sparse = any(
            one.measure in (c.Measure.SPARSE_CROSSENTROPY, c.Measure.SPARSE_ACCURACY)
            for one in chain.measures
        )
        if is_sparse and not (np.isfinite(y).all() and (y >= 0).all() and (y < chain.outputs).all()):
            raise UnsupportedError("the target is no class of the output")
        if (
            any(one.has_signs for one in chain.measures)
            and (y == 0.0).any()
            and not np.isin(y, (0.0, 1.0)).all()
        ):
            raise UnsupportedError("the target of a hinge loss has 0 beside other numbers than 1")
        of_rows = np.ascontiguousarray(weight[0], np.float32) if weight else None
        if of_rows is not None and of_rows.shape != (len(x),):
            raise UnsupportedError("the weights of rows are not one for each row")
        loss = chain.measures[0].expression
        if of_rows is not None and loss is not None and not loss.can_weigh:
            raise UnsupportedError("rows are weighted, but the loss does not make one number for each")
        return Rows(x, y, of_rows, target, arrays)

    def is_of(self, arrays: Sequence[np.ndarray]) -> bool:
        """Return whether these rows were made of just these arrays."""
        return len(arrays) == len(self._given) and all(map(operator.is_, arrays, self._given))

    def take(self, order: np.ndarray) -> Rows:
        """Return the rows of an epoch in their order."""
        weight = None if self.weight is None else np.ascontiguousarray(self.weight[order])
        x, y = (np.ascontiguousarray(array[order]) for array in (self.x, self.y))
        return Rows(x, y, weight, self.target[order])

    def structure(self) -> Any:
        """Return the address of their `struct Rows`; it is valid as long as these rows live."""
        made = c.CRows(
            pointer(self.x),
            pointer(self.y),
            None if self.weight is None else pointer(self.weight),
            len(self.y),
        )
        return ctypes.byref(made)


@dataclass(frozen=True)
class Part:
    """The chunks of models that one kernel trains.

    Attributes:
        lane: the model in each lane of each chunk, -1 for none: int32, shape (chunks, lanes).
        codes: the activations of each chunk: int32, shape (chunks, activations).
        slopes: of the activations: float32, shape (chunks, activations).
    """

    lane: np.ndarray
    codes: np.ndarray
    slopes: np.ndarray


class Chunks:
    """Cuts models into chunks; it remembers the last ones, since most epochs have the models of the epoch before.

    Args:
        variants: the activations of each variant.
        lanes: models in a chunk of each kernel, the widest first.
    """

    def __init__(self, variants: Variants, lanes: Sequence[int]) -> None:
        self._variants, self._lanes = variants, lanes
        self._last: tuple[np.ndarray, np.ndarray, list[Part]] | None = None

    def of(self, stack: Stack) -> list[Part]:
        """Return the chunks of each kernel."""
        if self._last is not None:
            variant, optimizer, parts = self._last
            if np.array_equal(variant, stack.variant) and np.array_equal(optimizer, stack.optimizer):
                return parts
        parts = chunked(stack, self._variants, self._lanes)
        self._last = stack.variant.copy(), stack.optimizer.copy(), parts
        return parts


class Models:
    """Copies of the models of a stack, as the kernel takes them.

    Args:
        net: their structure.
        template: what they have in common.
        stack: the models.
        shared: the variables that the models share.
        parts: the chunks of each kernel.
        trains: whether the optimizers' slots are needed.

    Attributes:
        weights: float32, shape (models, weights); the kernel changes them, the states and the slots.
        parts: the chunks of each kernel.
        sums: over rows, for each measure, and of the penalties: float64, shape (models, measures + 1).
    """

    def __init__(
        self,
        net: Net,
        template: Template,
        stack: Stack,
        shared: Sequence[Any],
        parts: list[Part],
        trains: bool = False,
    ) -> None:
        self._net = net
        count = len(stack.weights)
        self.weights = np.array(stack.weights, np.float32, order="C")
        self.states = net.states.of(stack, shared)
        self.slots, self.scalar = net.slots.of(stack) if trains else ([], None)
        self.optimizer = np.ascontiguousarray(stack.optimizer, np.int32)
        self.settings = settings_of(template, stack, net.chain.numbers, net.columns)
        self.strengths = _strengths(template, stack, net.penalized)
        self.sums = np.zeros((count, len(net.chain.measures) + 1))
        self.parts = parts

    def pointers(self, part: Part, chunks: range) -> Any:
        """Return the `struct Models` of some chunks of a part."""
        arrays = part.lane, part.codes, part.slopes
        lane, codes, slopes = (array[chunks.start : chunks.stop] for array in arrays)
        made = c.CModels(
            lane=pointer(lane), activation=pointer(codes), slope=pointer(slopes), weights=pointer(self.weights),
            states=pointer(self.states), scalar=None if self.scalar is None else pointer(self.scalar),
            optimizer=pointer(self.optimizer), settings=pointer(self.settings), strengths=pointer(self.strengths),
            sums=pointer(self.sums),
        )  # fmt: skip
        for number, slot in enumerate(self.slots):
            made.slot[number] = slot.ctypes.data
        return made

    def stack(self, before: Stack) -> Stack:
        """Return the models as a stack."""
        state = self._net.states.put(self.states, before)
        slots = self._net.slots.put(self.slots, self.scalar, before)
        return Stack(self.weights, state, slots, before.numbers, before.optimizer, before.variant)


def chunked(stack: Stack, variants: Variants, lanes: Sequence[int]) -> list[Part]:
    """Return the chunks of each kernel; `lanes` are those of the kernels, the widest first.

    The lanes of a chunk have the same activations. Equal optimizers are beside each other.
    """
    table = np.column_stack([variants.codes, variants.slopes.view(np.int32)])
    _, same = (
        np.unique(table, axis=0, return_inverse=True) if table.size else (None, np.zeros(len(table), int))
    )
    kinds = same.reshape(-1)[stack.variant]
    found: list[list[np.ndarray]] = [[np.zeros((0, width), int)] for width in lanes]
    of_chunk: list[list[int]] = [[] for _ in lanes]
    for kind in np.unique(kinds):
        points = np.flatnonzero(kinds == kind)
        points = points[np.argsort(stack.optimizer[points], kind="stable")]
        ends = np.cumsum(shares(len(points), lanes))
        for number, (some, width) in enumerate(zip(np.split(points, ends[:-1]), lanes, strict=True)):
            padded = np.pad(some, (0, -len(some) % width), constant_values=-1).reshape(-1, width)
            found[number].append(padded)
            of_chunk[number] += [stack.variant[points[0]]] * len(padded)
    return [
        Part(
            np.ascontiguousarray(np.concatenate(some), np.int32),
            np.ascontiguousarray(variants.codes[np.array(chosen, int)]),
            np.ascontiguousarray(variants.slopes[np.array(chosen, int)]),
        )
        for some, chosen in zip(found, of_chunk, strict=True)
    ]


def shares(points: int, lanes: Sequence[int]) -> list[int]:
    """Return how many points of the same activations each kernel trains.

    A kernel of half the lanes takes between a half and the whole of the time for a chunk (measured: 0.53 to 0.83 by
    `python -m tests.benchmarks lanes`). So it is the faster one for the points that are left over by full wide chunks, if
    one narrow chunk holds them, and for no others.

    Args:
        points: how many there are.
        lanes: of the kernels, the widest first.
    """
    wide, *narrower = lanes
    if not narrower:
        return [points]
    rest = points % wide
    left = rest if rest <= narrower[0] else 0
    return [points - left, *shares(left, narrower)]


def _strengths(template: Template, stack: Stack, penalized: Sequence[int]) -> np.ndarray:
    found = np.zeros((len(stack.weights), max(1, len(penalized)), 2), np.float32)
    numbers: dict[str, Any] = {**template.constants, **lifted_of(template, stack)}
    for row, position in enumerate(penalized):
        for column, norm in enumerate(("l1", "l2")):
            found[:, row, column] = numbers.get(f"penalty.{position}.{norm}", 0.0)
    return found


def row_size(y: np.ndarray) -> int:
    """Return how many numbers a row has."""
    return int(np.prod(np.shape(y)[1:]))


def pointer(array: np.ndarray) -> ctypes.c_void_p:
    """Return the address of an array.

    Raises:
        ValueError: the array has gaps.
    """
    if not array.flags.c_contiguous:
        raise ValueError("an array for the kernel is not contiguous")
    return ctypes.c_void_p(array.ctypes.data)


def pointers(arrays: Sequence[np.ndarray | None]) -> Any:
    """Return the addresses of arrays as one C array, which has at least one entry."""
    return (ctypes.c_void_p * max(1, len(arrays)))(*(None if a is None else a.ctypes.data for a in arrays))
