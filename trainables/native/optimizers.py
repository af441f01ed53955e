"""Reads the optimizers of a template for the kernel, and gives their slots and settings to the kernel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainables.fused.internals.keras import clip_of
from trainables.fused.model.describe import COMPLEMENT, RATE, decayed
from trainables.fused.program.template import Stack, Template
from trainables.native.measures import UnsupportedError
from trainables.native.structures import Clip, COptimizer, Rule, Setting

_SLOTS: dict[type, tuple[str, ...]] = {
    keras.optimizers.SGD: ("momentums",),
    keras.optimizers.RMSprop: ("_velocities", "_momentums", "_average_gradients"),
    keras.optimizers.Adam: ("_momentums", "_velocities", "_velocity_hats"),
    keras.optimizers.AdamW: ("_momentums", "_velocities", "_velocity_hats"),
    keras.optimizers.Nadam: ("_momentums", "_velocities"),
    keras.optimizers.Adamax: ("_m", "_u"),
    keras.optimizers.Adagrad: ("_accumulators",),
    keras.optimizers.Lion: ("_momentums",),
}
"""The attributes with the slots of each optimizer, in the order in which the kernel takes them."""

_SCALAR = "_u_product"
"""The attribute of Nadam with its product, one number for each point."""

_SETTINGS = {
    "momentum": Setting.MOMENTUM,
    "beta_1": Setting.BETA_1,
    "beta_2": Setting.BETA_2,
    "rho": Setting.RHO,
    "epsilon": Setting.EPSILON,
    "weight_decay": Setting.DECAY,
}

_COMPLEMENTS = {
    "beta_1": Setting.BETA_1_COMPLEMENT,
    "beta_2": Setting.BETA_2_COMPLEMENT,
    "rho": Setting.RHO_COMPLEMENT,
}

_CLIPS = {"clipnorm": Clip.NORM, "global_clipnorm": Clip.GLOBAL_NORM, "clipvalue": Clip.VALUE}


@dataclass(frozen=True)
class OptimizerSpec:
    """One optimizer, as the kernel takes it.

    Attributes:
        rule: how it updates.
        centred: whether it is an RMSprop that subtracts the square of the average gradient.
        clip: how it clips gradients.
        decays: 1 for each weight that decays, 0 for the others, float32; None if none decays.
        slots: the numbers of its slots among the kernel's arrays; -1 for none.
        scheduled: the number of its schedule; -1 if it has none.
    """

    rule: Rule
    centred: bool
    clip: Clip
    decays: np.ndarray | None
    slots: tuple[int, int, int]
    scheduled: int

    def structure(self) -> COptimizer:
        """Return the structure of the kernel."""
        made = COptimizer(self.rule, self.centred, self.clip, self.decays is not None)
        made.slot[:] = self.slots
        made.scheduled = self.scheduled
        return made


@dataclass(frozen=True)
class Slots:
    """The slots of a stack that the kernel takes.

    Attributes:
        vectors: the numbers of those with a number for each weight, in the kernel's order.
        scalar: the number of Nadam's product; -1 if there is none.
    """

    vectors: tuple[int, ...]
    scalar: int

    @property
    def count(self) -> int:
        """The number of vectors."""
        return len(self.vectors)

    def of(self, stack: Stack) -> tuple[list[np.ndarray], np.ndarray | None]:
        """Return copies of the vectors and of the scalar of all points."""
        vectors = [np.array(stack.slots[number], np.float32, order="C") for number in self.vectors]
        return vectors, None if self.scalar < 0 else np.array(stack.slots[self.scalar], np.float32)

    def put(self, vectors: Sequence[np.ndarray], scalar: np.ndarray | None, stack: Stack) -> list[np.ndarray]:
        """Return the slots of a stack, given what the kernel made of them."""
        found = list(stack.slots)
        for number, vector in zip(self.vectors, vectors, strict=True):
            found[number] = vector
        if scalar is not None:
            found[self.scalar] = scalar
        return found


def optimizers_of(template: Template) -> tuple[list[OptimizerSpec], Slots]:
    """Return the optimizers of a template, as the kernel takes them, and which slots they use.

    Raises:
        UnsupportedError: the kernel does not have one of them.
    """
    updates = template.updates
    for model, update in zip(template.optimizers, updates.each, strict=True):
        if type(model.optimizer) not in _SLOTS or not update.is_flat:
            raise UnsupportedError(f"the kernel has no optimizer {type(model.optimizer).__name__}")
    vectors = tuple(number for number, (shape, _) in enumerate(updates.shapes) if len(shape) == 1)
    scalars = [number for number, (shape, _) in enumerate(updates.shapes) if shape == ()]
    if len(vectors) > 3 or len(scalars) > 1 or len(vectors) + len(scalars) < len(updates.shapes):
        raise UnsupportedError("the optimizers keep more than the kernel has room for")
    found, schedules = [], 0
    for model, update, positions in zip(template.optimizers, updates.each, updates.positions, strict=True):
        optimizer = model.optimizer
        kind = type(optimizer)
        # The slots by name; their values are their positions.
        numbers = [
            np.full(shape_of(slot), position) for slot, position in zip(update.slots, positions, strict=True)
        ]
        by_name = {name: int(np.ravel(value)[0]) for name, value in update.by_name(numbers).items()}
        used = [vectors.index(by_name.pop(name)) if name in by_name else -1 for name in _SLOTS[kind]]
        first, second, third = [*used, -1, -1, -1][:3]
        by_name.pop(_SCALAR, None)
        if by_name:
            raise UnsupportedError(
                f"the optimizer {kind.__name__} keeps something that the kernel does not know"
            )
        variables = zip(decayed(model), model.trainable_variables, strict=True)
        decays = None
        if optimizer.weight_decay:
            decays = np.concatenate([np.full(int(np.prod(v.shape)), on, np.float32) for on, v in variables])
        clip = clip_of(optimizer)
        is_scheduled = update.schedule is not None
        found.append(
            OptimizerSpec(
                _rule(optimizer),
                bool(getattr(optimizer, "centered", False)),
                _CLIPS[clip] if clip else Clip.NONE,
                decays,
                (first, second, third),
                schedules if is_scheduled else -1,
            )
        )
        schedules += is_scheduled
    return found, Slots(vectors, scalars[0] if scalars else -1)


def shape_of(slot: Any) -> tuple[int, ...]:
    """Return the shape of a slot."""
    return tuple(np.shape(slot))


def _rule(optimizer: Any) -> Rule:
    kind = type(optimizer)
    if kind is keras.optimizers.SGD:
        return (Rule.NESTEROV if optimizer.nesterov else Rule.MOMENTUM) if optimizer.momentum else Rule.SGD
    if kind in (keras.optimizers.Adam, keras.optimizers.AdamW):
        return Rule.AMSGRAD if optimizer.amsgrad else Rule.ADAM
    return {
        keras.optimizers.RMSprop: Rule.RMSPROP,
        keras.optimizers.Nadam: Rule.NADAM,
        keras.optimizers.Adamax: Rule.ADAMAX,
        keras.optimizers.Adagrad: Rule.ADAGRAD,
        keras.optimizers.Lion: Rule.LION,
    }[kind]


def lifted_of(template: Template, stack: Stack) -> dict[str, np.ndarray]:
    """Return the numbers that differ between the points, by key: float32, shape (points,)."""
    return {key: stack.numbers[:, column] for column, key in enumerate(template.keys)}


def settings_of(
    template: Template, stack: Stack, numbers: Sequence[str], columns: Mapping[str, int]
) -> np.ndarray:
    """Return the settings of all points: float32, shape (points, settings and layers' numbers)."""
    lifted = lifted_of(template, stack)
    found = np.zeros((len(stack.weights), len(Setting) + len(numbers)), np.float32)
    for key in numbers:
        found[:, columns[key]] = lifted.get(key, template.constants.get(key, 0.0))
    for number, model in enumerate(template.optimizers):
        rows = stack.optimizer == number
        if not rows.any():
            continue
        optimizer = model.optimizer
        for name, column in _SETTINGS.items():
            value = getattr(optimizer, name, None)
            key = f"optimizer.{name}"
            if not value:
                continue
            found[rows, column] = lifted[key][rows] if key in lifted else value
            if name in _COMPLEMENTS:
                complement = f"{key}{COMPLEMENT}"
                of_complement = lifted[complement][rows] if complement in lifted else 1.0 - value
                if type(optimizer) is keras.optimizers.Nadam:  # it subtracts in float32
                    of_complement = np.float32(1.0) - found[rows, column]
                found[rows, _COMPLEMENTS[name]] = of_complement
        for name in ("beta_1", "beta_2", "rho"):
            if getattr(optimizer, name, None) == 0:
                found[rows, _COMPLEMENTS[name]] = 1.0
        if clip := clip_of(optimizer):
            key = f"optimizer.{clip}"
            found[rows, Setting.CLIP] = lifted[key][rows] if key in lifted else getattr(optimizer, clip)
    found[:, Setting.RATE] = lifted[RATE] if RATE in lifted else template.constants.get(RATE, 0.0)
    return found
