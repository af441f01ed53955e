"""Builds the models of single points, and caches their descriptions."""

from __future__ import annotations

import json
import pickle
import platform
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np

from trainables.builder import build
from trainables.builder.configuration import Configuration
from trainables.builder.find import Builder
from trainables.builder.losses import note_loss, weighted_logs
from trainables.builder.maker import Maker
from trainables.error_text import cause_of
from trainables.fused.internals.errors import UnfusableError, raise_ours
from trainables.fused.internals.keras import attributes_of
from trainables.fused.internals.operations import kept
from trainables.fused.model.describe import Described, describe
from trainables.limits import TimeUpError, time_limit
from trainables.objective import Loss
from trainables.table.data import Table

KNOWN_MB = 256
"""MiB of initial values of built models that are cached, so that no model is built twice."""

FRESH_MODELS = 64
"""The maximum number of described models that are kept for later use."""

PARTS = ("variant", "optimizer", "initial")
"""The parts of a description besides the signature and the numbers."""

Config = Mapping[str, Any]


@dataclass(frozen=True)
class Failed:
    """Replaces the description of a model that cannot be described; `why` is the reason for the user."""

    signature: str
    why: str
    variant: None = None
    optimizer: None = None
    numbers: Mapping[str, float] = field(default_factory=dict)
    initial: tuple[np.ndarray, ...] = ()


class Builds:
    """Builds the models of one builder, by configuration.

    Args:
        function: the user's builder. A `Maker` of it keeps the state of earlier calls away from later ones.
        builder: the description of that function.
        table: the data.
        seed: seed of the initial weights.
        timeout_s: seconds that one call of the builder may take.
    """

    def __init__(
        self,
        function: Callable[..., Any] | Maker,
        builder: Builder,
        table: Table,
        seed: int,
        timeout_s: float,
    ) -> None:
        if isinstance(function, Maker):
            function.function()  # sets what the builder's file sets in keras.config, for the layer that is made next
        self._function, self._builder, self._table, self._seed = function, builder, table, seed
        self._timeout_s = timeout_s
        # All models share it, because to make one takes a tenth of the time of a model, until the builder changes it.
        self._shared = build.normalizer(table) if "normalizer" in builder.parameters else None
        self.losses: dict[Loss, list[str]] = {}  # of the models that were described, each with their metrics
        self.weighted: frozenset[str] = frozenset()  # see `Report.weighted`
        self._known: dict[str, Described | Failed] = {}
        # Described and not used since, each with the settings that its builder left; see `_left`.
        self._fresh: dict[str, tuple[keras.Model, Hashable]] = {}
        # Another machine may draw other initial values: a logarithm may differ in its last bit.
        self._machine_and_seed = f"{platform.node()} {seed} "
        self._others: dict[
            str, bytes
        ] = {}  # packed descriptions by other workers, by machine, seed and configuration
        self._read: set[str] = set()  # those of `_known` that come from there
        self._new: list[str] = []  # those of `_known` that other workers have not been told

    def build(self, config: Config) -> keras.Model:
        """Return a new model of `config`, the values of the axes that the builder takes.

        Raises:
            TimeUpError: the builder takes too long.
        """
        with time_limit(self._timeout_s), kept():
            before = [_State.of(layer) for layer in _layers_in(self._shared)]
            model = self._built(config)
            changed = [state for state in before if state.is_changed()]
            if not changed:
                return model
            for state in changed:  # of the models that share it
                state.restore()
            self._shared = None
            return self._built(config)

    def _built(self, config: Config) -> keras.Model:
        return build.build(self._function, self._builder, config, self._table, self._seed, self._shared)

    def fresh(self, config: Config) -> keras.Model:
        """Return a model of `config` as its builder returned it; no other caller gets the same model.

        The settings of Keras and of the environment are then those that its builder left.
        """
        key = _key(config)
        model, left = self._fresh.pop(key, (None, None))
        described = self._known.get(key)
        if left != self._left():
            model = None  # another model's builder has set others, under which this one would be traced and trained
        if isinstance(described, Described) and described.reads_globals:
            model = None  # the globals may have changed since it was built
        return model or self.build(config)

    def _left(self) -> Hashable:
        """Return the settings that the last call of the builder left, of Keras and of the environment."""
        environment = self._function.environment if isinstance(self._function, Maker) else ()
        return Configuration.now().of_numbers, environment

    def learn(self, models: Mapping[str, bytes]) -> None:
        """Take over descriptions that other workers have made; see `news`."""
        self._others |= models

    def news(self) -> dict[str, bytes]:
        """Return the descriptions that were made since the last call, packed for other workers.

        Those that a later call of the builder may change are not among them, nor are failures.
        """
        found = {key: self._known.get(key) for key in self._new}
        self._new = []
        if isinstance(self._function, Maker) and (self._function.anew or self._function.chance):
            return {}
        return {
            self._machine_and_seed + key: pickle.dumps(described)
            for key, described in found.items()
            if isinstance(described, Described) and not described.reads_globals
        }

    def describe(self, config: Config, itself: bool = False) -> Described | Failed:
        """Return the description of the model of `config`. Build the model unless its description is cached.

        Args:
            config: the values of the axes that the builder takes.
            itself: whether the model must have been built by this worker.

        Raises:
            InternalsError: the description failed for a reason that is not in the model.
        """
        key = _key(config)
        if itself and key in self._read:
            self._read.remove(key)
            del self._known[key]
        elif (
            not itself
            and key not in self._known
            and (packed := self._others.get(self._machine_and_seed + key))
        ):
            self._known[key] = pickle.loads(packed)
            self._read.add(key)
        if key not in self._known:
            if sum(a.nbytes for d in self._known.values() for a in d.initial) > KNOWN_MB * 2**20:
                self._known.clear()
                self._read.clear()
            try:
                self._refuse_chance()
                model = self.build(config)
                self._known[key] = self._configured(describe(model, isinstance(self._table.x_train, Mapping)))
                self._new.append(key)
                note_loss(self.losses, model)
                self.weighted |= weighted_logs(model)
                if len(self._fresh) >= FRESH_MODELS:
                    self._fresh.pop(next(iter(self._fresh)))
                self._fresh[key] = model, self._left()
            except TimeUpError:
                self._known[key] = Failed("slow", "the builder takes too long")
            except UnfusableError as error:
                self._known[key] = Failed(f"refused: {error}", str(error))
            except (Exception, SystemExit) as error:
                raise_ours(error)
                self._known[key] = Failed("raised", f"building and describing it raised {cause_of(error)}")
        return self._known[key]

    def _refuse_chance(self) -> None:
        if isinstance(self._function, Maker) and self._function.chance:
            raise UnfusableError(self._function.chance)

    def _configured(self, described: Described) -> Described:
        """Add the settings of `keras.config` and of the environment that the builder changes.

        A program is traced under those of its models.
        """
        if not isinstance(self._function, Maker):
            return described
        environment = self._function.environment
        changed = (*self._function.configured(), *environment)
        if not changed:
            return described
        # The code of the model may read the environment when it is traced.
        reads_globals = described.reads_globals or bool(environment)
        return replace(described, signature=(described.signature, changed), reads_globals=reads_globals)


@dataclass(frozen=True)
class _State:
    """What a builder may change of a normalizer: its attributes, and the numbers that its variables keep."""

    layer: keras.layers.Normalization
    attributes: Mapping[str, Any]
    kept: tuple[np.ndarray, np.ndarray]
    trainable: bool

    @classmethod
    def of(cls, layer: keras.layers.Normalization) -> _State:
        return cls(layer, attributes_of(layer), _kept_by(layer), layer.trainable)

    def is_changed(self) -> bool:
        now = _State.of(self.layer)
        are_same = [np.array_equal(a, b) for a, b in zip(self.kept, now.kept, strict=True)]
        are_same += [self.attributes.get(name, now) is value for name, value in now.attributes.items()]
        return not all(are_same) or self.attributes.keys() != now.attributes.keys()

    def restore(self) -> None:
        self.layer.adapt_mean.assign(self.kept[0])
        self.layer.adapt_variance.assign(self.kept[1])
        self.layer.trainable = self.trainable
        now = vars(self.layer)
        for name in attributes_of(self.layer).keys() - self.attributes.keys():
            del now[name]
        now.update(self.attributes)


def _kept_by(layer: keras.layers.Normalization) -> tuple[np.ndarray, np.ndarray]:
    return layer.adapt_mean.numpy().copy(), layer.adapt_variance.numpy().copy()


def _layers_in(normalizer: Any) -> list[keras.layers.Normalization]:
    if normalizer is None:
        return []
    return list(normalizer.values()) if isinstance(normalizer, Mapping) else [normalizer]


def _key(value: Any) -> str:
    """Return a text that is equal for equal values of an axis, or equal configurations."""
    return json.dumps(value, default=repr)


def value_of(described: Described | Failed, key: str) -> Any:
    """Return the signature, one of `PARTS`, or the number `key`; None if the model has no such number."""
    return getattr(described, key) if key in ("signature", *PARTS) else described.numbers.get(key)


def same(one: Any, other: Any) -> bool:
    """Return whether two results of `value_of` are equal."""
    if isinstance(one, tuple) and one and isinstance(one[0], np.ndarray):
        return one is other or (
            len(one) == len(other) and all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))
        )
    return one == other
