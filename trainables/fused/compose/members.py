"""Find out which points can share a program, and compose each point's values without building its model.

Building a Keras model costs 30 to 110 ms, so not every point of a group is built. One point is the base; from it
each axis is varied alone, one model for each of its values, and what changes is seen by comparing descriptions
(`describe`). Then

    an axis that changes the signature                  splits the group
    a value that one axis changes                       is taken from that axis' model
    a value that several axes change                    is taken from a model for each combination of these axes

That axes do not act together in other ways is an assumption, so it is tested: random members are built alone, and
their whole description and the loss of a first batch are compared with what was composed, by the kernels that will train
it; and the whole first step, where the model or the optimizer is new. If they differ, the group is split along an axis
that is to blame.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from trainables.builder import build
from trainables.builder.find import Builder
from trainables.fused.compose.builds import PARTS, Builds, Config, Failed, key_of, same, value_of
from trainables.fused.compose.tryout import changed_by_training, trains_alike
from trainables.fused.internals.errors import UnfusableError, raise_ours
from trainables.fused.internals.keras import check_objects, layers_of
from trainables.fused.model.describe import RATE, SEED, Described, describe, python_state
from trainables.fused.program.template import Stack, Template
from trainables.limits import TimeUpError
from trainables.settings import Fit
from trainables.table.data import Table
from trainables.table.order import row_order

PROVEN = 4
"""Random members of each group that are built alone and compared."""

MAX_COMBINATIONS = 256
"""Models that may be built for one set of axes that act on the same value; beyond it the group is split."""

LEAST_POINTS = 16
"""A group may have so many points, whatever its memory: the program works on as many anyway."""


@dataclass(frozen=True)
class Split:
    """The points are no group; these parts may be. `why` says it for people.

    Attributes:
        parts: places of the points of each part.
        costs: what a part costs to train, relative to the others; all alike if nothing is known.
    """

    parts: Sequence[np.ndarray]
    why: str
    costs: Sequence[float] = ()


@dataclass(frozen=True)
class Refused:
    """No program can train the points; `why` says it for people."""

    why: str


@dataclass(frozen=True)
class Members:
    """Points of one program: its template, and the models of all points before training."""

    template: Template
    stack: Stack

    def take(self, part: np.ndarray) -> Members:
        """Return the members at the places `part`, of the same program."""
        return Members(self.template, self.stack.take(part))


@dataclass(frozen=True)
class _Study:
    """What is known of points that can share a program, before it is made."""

    given: Sequence[Config]
    axes: Sequence[str]
    columns: Mapping[str, list[Any]]
    batch_size: int


class Composer:
    """Composes groups of points of one builder.

    Args:
        function: the user's builder.
        builder: what is known of it.
        table: the data.
        seed: of the initial weights.
        timeout_s: seconds that one call of the builder may take.
        memory_mb: MiB that the arrays of one group may take in training.

    Raises:
        InternalsError: this Keras has not the parts that the engine needs.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        builder: Builder,
        table: Table,
        seed: int,
        timeout_s: float = 600.0,
        memory_mb: float = 512.0,
    ) -> None:
        check_objects()
        self._builder, self._table, self._seed = builder, table, seed
        self._builds = Builds(function, builder, table, seed, timeout_s)
        self._memory_bytes = memory_mb * 2**20
        self._stepped: set[Hashable] = set()  # signatures and optimizers of which a whole step was compared

    def compose(self, configs: Sequence[Config], fit: Fit) -> Members | Split | Refused:
        """Return the points as one program's, or what keeps them from being that.

        Args:
            configs: of the points.
            fit: the arguments of `Model.fit` for the points whose axes do not set them.

        Raises:
            InternalsError: the engine fails by itself, whatever the points.
            UnfusableError: as `Refused`, where it is found out late.
        """
        study = self._study(configs, fit)
        if not isinstance(study, _Study):
            return study
        members = self._assemble(study.given, study.columns)
        return self._prove(study, members) or members

    def divide(self, configs: Sequence[Config], fit: Fit) -> Split | Refused | None:
        """Return what keeps the points from being one program's, as far as can be said without composing them."""
        study = self._study(configs, fit)
        return None if isinstance(study, _Study) else study

    def _study(self, configs: Sequence[Config], fit: Fit) -> _Study | Split | Refused:
        fits = [build.fit_of(config, self._builder, fit) for config in configs]
        if len(set(fits)) > 1:
            return _split([(repr(one),) for one in fits], "arguments of fit change the batches")
        given = [build.builder_axes(config, self._builder) for config in configs]
        base, axes = given[0], _varying(given)
        found: dict[str, dict[str, Described | Failed]] = {}
        for axis in axes:
            values = {key_of(config[axis]): config[axis] for config in given}
            found[axis] = {key: self._builds.describe({**base, axis: value}) for key, value in values.items()}
        first = self._builds.describe(base)
        structural = [
            axis for axis in axes if any(d.signature != first.signature for d in found[axis].values())
        ]
        if structural:
            labels = [
                tuple(str(hash(found[a][key_of(config[a])].signature)) for a in structural)
                for config in given
            ]
            split = _split(
                labels, f"{_and(structural)} {'change' if structural[1:] else 'changes'} the model"
            )
            # The weights of a part's first model stand for all of its models.
            sizes = [
                sum(a.size for a in self._builds.describe(given[part[0]]).initial) for part in split.parts
            ]
            costs = [len(part) * size for part, size in zip(split.parts, sizes, strict=True)]
            return Split(split.parts, split.why, costs)
        if isinstance(first, Failed):
            return Refused(first.why)
        most = max(LEAST_POINTS, int(self._memory_bytes / _row_bytes(first, fits[0])))
        if len(given) > most:
            blocks = np.array_split(np.arange(len(given)), math.ceil(len(given) / most))
            return Split(blocks, f"{len(given):,} points do not fit into resources.memory_mb at once")
        columns = self._columns(given, base, axes, found, first)
        if isinstance(columns, Split):
            return columns
        return _Study(given, axes, columns, fits[0].batch_size)

    def _columns(
        self,
        given: Sequence[Config],
        base: Config,
        axes: Sequence[str],
        found: Mapping[str, Any],
        first: Described,
    ) -> dict[str, list[Any]] | Split:
        """Return each value of each point: "variant", "optimizer", "initial" and the numbers by key."""
        everything = [first, *itertools.chain.from_iterable(by_value.values() for by_value in found.values())]
        keys = dict.fromkeys(itertools.chain(PARTS, *(d.numbers for d in everything)))
        columns: dict[str, list[Any]] = {}
        for key in keys:
            acting = [
                a
                for a in axes
                if any(not same(value_of(d, key), value_of(first, key)) for d in found[a].values())
            ]
            picked = [{axis: config[axis] for axis in acting} for config in given]
            distinct = {key_of(values): values for values in picked}
            if len(distinct) > MAX_COMBINATIONS:
                return self._along(given, acting, f"{_and(acting)} act together on too many values")
            by_key = {name: self._builds.describe({**base, **values}) for name, values in distinct.items()}
            if any(d.signature != first.signature for d in by_key.values()):
                return self._along(given, acting, f"{_and(acting)} change the model together")
            columns[key] = [value_of(by_key[key_of(values)], key) for values in picked]
        return columns

    def _assemble(self, given: Sequence[Config], columns: Mapping[str, list[Any]]) -> Members:
        optimizer, of_optimizer = _numbered(columns["optimizer"])
        variant, of_variant = _numbered(columns["variant"])
        numbers = {}
        for key, values in columns.items():
            present = [value for value in values if value is not None]  # an optimizer may not have it
            if key not in PARTS and present:
                numbers[key] = np.array(
                    [present[0] if value is None else value for value in values], "float32"
                )
        lifted = [key for key, values in numbers.items() if key != RATE and len(np.unique(values)) > 1]
        keys = [RATE, *lifted]

        model = self._builds.fresh(given[0])
        stacked, sparse = self._stacked(model, columns["initial"])
        if any(key.startswith(tuple(f"penalty.{place}." for place in sparse)) for key in lifted):
            # With a regularizer the gradient is dense, and what optimizers make of it is another thing.
            raise UnfusableError("a weight with a sparse gradient has different regularizers")
        template = Template(
            model,
            [self._builds.fresh(given[place]) if place else model for place in of_optimizer],
            [self._builds.fresh(given[place]) if place else model for place in of_variant],
            keys,
            {key: float(values[0]) for key, values in numbers.items() if key not in keys},
            stacked,
            (self._table.x_train[:2], self._table.y_train[:2]),
        )
        count = len(model.trainable_variables)
        # Points share their initial values by reference; each distinct set is flattened once.
        distinct = {id(initial): initial for initial in columns["initial"]}
        flats = {
            name: np.concatenate([a.ravel() for a in arrays[:count]]) for name, arrays in distinct.items()
        }
        stack = Stack(
            np.stack([flats[id(initial)] for initial in columns["initial"]]),
            [np.stack([initial[count + place] for initial in columns["initial"]]) for place in stacked],
            template.updates.initial(optimizer),
            np.stack([numbers[key] for key in keys], 1),
            optimizer,
            variant,
        )
        return Members(template, stack)

    def _stacked(
        self, model: keras.Model, initial: Sequence[tuple[np.ndarray, ...]]
    ) -> tuple[list[int], set[int]]:
        """Return the places of the non-trainable variables that each lane has of its own, and of the trainable ones
        whose gradient a regularizer would make dense.
        """
        layers = layers_of(model)
        own = [layer for layer in layers if not type(layer).__module__.startswith("keras.")]
        python = [dict(python_state(layer)) for layer in own]
        variables = model.non_trainable_variables
        before = [v.numpy() for v in variables]
        state = json.dumps(python, default=repr)
        after, sparse = changed_by_training(model, self._table.x_train[:8])
        if json.dumps([python_state(layer) for layer in own], default=repr) != state:
            names = [layer.name for layer, old in zip(own, python, strict=True) if python_state(layer) != old]
            raise UnfusableError(
                f'the layer "{", ".join(names)}" changes its Python attributes when it is called'
            )
        count = len(model.trainable_variables)
        found = []
        for place, (variable, value) in enumerate(zip(variables, before, strict=True)):
            is_seed = variable.path.endswith(SEED)
            changes = place in after and not is_seed
            sets = {id(arrays): arrays[count + place] for arrays in initial}.values()
            if changes or any(not np.array_equal(value, other) for other in sets):
                found.append(place)
        tables = {id(x.embeddings) for x in layers if isinstance(x, keras.layers.Embedding)}
        described = {p for p, v in enumerate(model.trainable_variables) if id(v) in tables}
        return found, sparse - described

    def _prove(self, study: _Study, members: Members) -> Split | None:
        """Compare random members with models built alone; return how to split the group if they differ."""
        given, base = study.given, study.given[0]
        keys = [key_of(config) for config in given]
        random = np.random.default_rng([self._seed, len(given)])
        for place in random.permutation(len(given))[:PROVEN].tolist():
            if self._is_as_composed(place, study, members):
                continue
            # An axis is to blame if composing is right with its value put back to the base's.
            for axis in sorted(study.axes, key=lambda name: len({key_of(config[name]) for config in given})):
                mended = key_of({**given[place], axis: base[axis]})
                differs = key_of(given[place][axis]) != key_of(base[axis])
                if differs and (
                    mended not in keys or self._is_as_composed(keys.index(mended), study, members)
                ):
                    return self._along(given, [axis], f"{axis} acts together with other axes")
            raise UnfusableError("composed models differ from those that the builder makes")
        return None

    def _is_as_composed(self, place: int, study: _Study, members: Members) -> bool:
        member = members.stack.take(np.array([place]))
        # A value on the kink of an activation has another gradient once it is rounded otherwise: not in two batches.
        for number in range(2):
            try:
                model = self._builds.build(study.given[place])
                alone = describe(model)
            except (Exception, SystemExit, TimeUpError) as error:
                raise_ours(error)
                return False
            if not set(alone.numbers) <= set(study.columns):
                return False
            if any(not same(value_of(alone, key), values[place]) for key, values in study.columns.items()):
                return False
            rows = row_order(self._seed, number, len(self._table.x_train))[: study.batch_size]
            batch = self._table.x_train[rows], self._table.y_train[rows]
            step = not {alone.signature, alone.optimizer} <= self._stepped
            if trains_alike(model, members.template, member, batch, step):
                self._stepped |= {alone.signature, alone.optimizer}
                return True
        return False

    def _along(self, given: Sequence[Config], axes: Iterable[str], why: str) -> Split:
        """Split along that one of `axes` with the fewest values."""
        counts = {axis: len({key_of(config[axis]) for config in given}) for axis in axes}
        axis = min((a for a in counts if counts[a] > 1), key=counts.__getitem__)
        return _split([(key_of(config[axis]),) for config in given], why)


def _row_bytes(described: Described, fit: Fit) -> int:
    """Return the bytes that a point takes in training, about: its weights, two slots for each and the best epoch's,
    all of it in NumPy and as tensors; and its learning curve.
    """
    return 8 * sum(a.nbytes for a in described.initial) + 4 * 8 * fit.epochs


def _numbered(items: Sequence[Any]) -> tuple[np.ndarray, list[int]]:
    """Return the number of each item among the distinct ones, int32, and the place where each of these is first."""
    first: dict[Any, int] = {}
    for place, item in enumerate(items):
        first.setdefault(item, place)
    numbers = {item: number for number, item in enumerate(first)}
    return np.array([numbers[item] for item in items], np.int32), list(first.values())


def _varying(configs: Sequence[Config]) -> list[str]:
    return [name for name in configs[0] if len({key_of(config[name]) for config in configs}) > 1]


def _split(labels: Sequence[tuple[str, ...]], why: str) -> Split:
    parts: dict[tuple[str, ...], list[int]] = {}
    for row, label in enumerate(labels):
        parts.setdefault(label, []).append(row)
    return Split([np.array(rows) for rows in parts.values()], why)


def _and(names: Sequence[str]) -> str:
    return " and ".join(names) if len(names) < 3 else f"{', '.join(names[:-1])} and {names[-1]}"
