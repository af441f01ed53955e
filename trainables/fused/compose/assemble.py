"""Makes the members of a program: one model as the template, and the initial values of all points as arrays."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from trainables.builder.target import Target, target_of
from trainables.fused.compose.builds import PARTS, Builds
from trainables.fused.compose.points import Column, Points
from trainables.fused.compose.tryout import changed_by_training
from trainables.fused.internals.errors import UnfusableError
from trainables.fused.internals.models import layers_of
from trainables.fused.model.describe import RATE
from trainables.fused.model.own_attributes import python_state
from trainables.fused.model.refuse import SEED
from trainables.fused.program.rows import Rows
from trainables.fused.program.template import Stack, Template
from trainables.table import inputs
from trainables.table.data import Table


@dataclass(frozen=True)
class Members:
    """Points of one program.

    Attributes:
        template: what the program is made from.
        stack: the models of all points before training.
        optimizers: the optimizers, as described but without the variables that they decay, in the order of their numbers
            in `stack`.
        variants: the activations of the layers, as described, for each variant, in the same order.
        checked: bool, shape (points,): the points that a proof takes first: this worker may have their models.
        codes: the number of each point's value on each axis, int64, shape (points, axes).
        target: how their models take the target.
    """

    template: Template
    stack: Stack
    optimizers: Sequence[Hashable]
    variants: Sequence[tuple[Hashable, ...]]
    checked: np.ndarray
    codes: np.ndarray
    target: Target

    def take(self, part: np.ndarray) -> Members:
        """Return the members in the rows `part`, of the same program."""
        return replace(self, stack=self.stack.take(part), checked=self.checked[part], codes=self.codes[part])


def assemble(
    builds: Builds,
    table: Table,
    points: Points,
    names: Sequence[str],
    columns: Mapping[str, Column],
    checked: Sequence[int],
) -> Members:
    """Return the points as members of one program.

    Args:
        builds: makes the models.
        table: the data.
        points: points that share a program.
        names: names of the axes that the builder takes.
        columns: the initial values of each point, by `PARTS` and the keys of the numbers.
        checked: rows of the points that a proof takes before others.

    Raises:
        UnfusableError: no program can train them.
    """
    optimizer, of_optimizer = _numbers(columns["optimizer"])
    variant, of_variant = _numbers(columns["variant"])
    numbers = {}
    for key, column in columns.items():
        present = [value for value in column.values if value is not None]  # some optimizers lack it
        if key not in PARTS and present:
            filled = [present[0] if value is None else value for value in column.values]
            numbers[key] = Column(filled, column.combinations)
    lifted = [key for key, column in numbers.items() if key != RATE and len(set(_floats(column.values))) > 1]
    keys = [RATE, *lifted]

    models = {row: builds.fresh(points.config(row, names)) for row in made_from(columns)}
    model = models[0]
    target = target_of(model, table)
    few = inputs.taken(table.x_train, slice(2)), target.of(table.y_train[:2])
    rows = Rows.of(*few)
    initial = columns["initial"]
    stacked, sparse = _stacked(model, table, initial.values)
    if any(key.startswith(tuple(f"penalty.{position}." for position in sparse)) for key in lifted):
        # A regularizer makes the gradient dense, and optimizers treat a dense gradient differently.
        raise UnfusableError("a weight with a sparse gradient has different regularizers")
    template = Template(
        model,
        [models[row] for row in of_optimizer],
        [models[row] for row in of_variant],
        keys,
        {key: float(_floats(column.values)[column.combinations.of_point[0]])
         for key, column in numbers.items() if key not in keys},
        stacked,
        rows.packed(*few),
        rows,
    )  # fmt: skip
    count = len(model.trainable_variables)

    def flat(sets: Sequence[Any]) -> np.ndarray:
        return np.stack([np.concatenate([a.ravel() for a in arrays[:count]]) for arrays in sets])

    def of_state(position: int) -> np.ndarray:
        return initial.to_array(lambda sets: np.stack([arrays[count + position] for arrays in sets]))

    stack = Stack(
        initial.to_array(flat),
        [of_state(position) for position in stacked],
        template.updates.initial(optimizer),
        np.stack([numbers[key].to_array(_floats) for key in keys], 1),
        optimizer,
        variant,
    )
    optimizers = [columns["optimizer"][row][0] for row in of_optimizer]
    variants = [columns["variant"][row] for row in of_variant]
    is_checked = np.isin(np.arange(len(points)), checked)
    return Members(template, stack, optimizers, variants, is_checked, points.codes, target)


def _stacked(
    model: keras.Model, table: Table, initial: Sequence[tuple[np.ndarray, ...]]
) -> tuple[list[int], set[int]]:
    """Return the positions of the non-trainable variables that differ between lanes, and of the trainable variables
    whose gradient would become dense by a regularizer.
    """
    layers = layers_of(model)
    own = [layer for layer in layers if not type(layer).__module__.startswith("keras.")]
    python = [dict(python_state(layer)) for layer in own]
    variables = model.non_trainable_variables
    before = [v.numpy() for v in variables]
    state = json.dumps(python, default=repr)
    after, sparse = changed_by_training(model, inputs.taken(table.x_train, slice(8)))
    if json.dumps([python_state(layer) for layer in own], default=repr) != state:
        names = [layer.name for layer, old in zip(own, python, strict=True) if python_state(layer) != old]
        raise UnfusableError(
            f'the layer "{", ".join(names)}" changes its Python attributes when it is called'
        )
    count = len(model.trainable_variables)
    found = []
    for position, (variable, value) in enumerate(zip(variables, before, strict=True)):
        is_seed = variable.path.endswith(SEED)
        changes = position in after and not is_seed
        sets = {id(arrays): arrays[count + position] for arrays in initial}.values()
        if changes or any(not np.array_equal(value, other) for other in sets):
            found.append(position)
    tables = {id(x.embeddings) for x in layers if isinstance(x, keras.layers.Embedding)}
    described = {p for p, v in enumerate(model.trainable_variables) if id(v) in tables}
    return found, sparse - described


def made_from(columns: Mapping[str, Column]) -> list[int]:
    """Return the rows of the points whose models become the template of a program with these initial values."""
    return sorted({0, *_numbers(columns["optimizer"])[1], *_numbers(columns["variant"])[1]})


def _numbers(column: Column) -> tuple[np.ndarray, list[int]]:
    """Return the number of each point's value among the distinct values, int32, and the first row with each of these."""
    distinct: dict[Any, int] = {}
    rows = []
    for value, row in zip(column.values, column.combinations.first.tolist(), strict=True):
        if value not in distinct:
            distinct[value] = len(distinct)
            rows.append(row)
    return column.to_array(lambda values: np.array([distinct[value] for value in values], np.int32)), rows


def _floats(values: Sequence[float]) -> np.ndarray:
    return np.array(values, "float32")
