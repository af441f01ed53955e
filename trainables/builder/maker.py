"""Calls the user's builder as a fresh process would, although many points are built in one process.

Terminology
    fresh process   one that sets the seed, imports the builder's module, sets the seed again, and calls the builder once
    state           what a call of the builder leaves in its modules or in Keras, and a later call meets
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from trainables.builder import modules
from trainables.builder.find import Builder

if TYPE_CHECKING:
    from trainables.builder.configuration import Configuration


class Maker:
    """The builder of a worker. All engines of the worker use one maker.

    Importing the module once is enough, unless the builder keeps state. `trainables.builder.examine` finds that out
    and calls `import_anew`.

    Args:
        builder: the description of the user's builder.
        seed: the seed of the points.

    Attributes:
        anew: whether the module is imported anew for each model.
        examined: whether calls of the builder are known to leave no state. What training or a call of the loss leaves is
            found when the builder is called again.
        environment: the variables of the environment that the last call of the builder changed, each with its new value.
        chance: why no engine can train a point twice with the same numbers; empty if each can.
        notes: what the user must know about the builder, one sentence or more each.
    """

    def __init__(self, builder: Builder, seed: int) -> None:
        self.builder = builder
        self.anew = False
        self.examined = False
        self.environment: tuple[tuple[str, str | None], ...] = ()
        self.chance = ""
        self.notes: tuple[str, ...] = ()
        self._seed = seed
        self._function: Callable[..., Any] | None = None
        self._imported: Configuration | None = None  # what the import left
        self._before: dict[str, str] = {}  # the environment before the last call
        self._globals: Mapping[str, Any] | None = None  # what calls leave, once the builder was examined
        self._leaves_all = False  # whether calls are known to change no global

    def function(self) -> Callable[..., Any]:
        """Return the builder's function for one call. Keras is then as a fresh process has it after the import.

        Raises:
            BuilderError: the import raised, or the module has no such function.
        """
        import keras

        from trainables.builder.configuration import Configuration

        for (
            name,
            _,
        ) in self.environment:  # a fresh process has its variables as they were, also while it imports
            _set(name, self._before.get(name))
        if self._imported is None:
            self._import()
            self._imported = Configuration.now()
            if self._leaves_all:
                self._globals = self.globals()
        if not self.anew and self._globals is not None:
            self.compare(self._globals)
        if self.anew:
            self._import()
        else:
            # Otherwise the global state of Keras would grow in the worker with each point.
            keras.utils.clear_session(free_memory=False)
            self._imported.restore()
        assert self._function is not None
        self._before, self.environment = dict(os.environ), ()
        return self._function

    def called(self) -> None:
        """Note that the function has returned a model, and what it has changed."""
        names = sorted(self._before.keys() | os.environ.keys())
        changed = [name for name in names if self._before.get(name) != os.environ.get(name)]
        self.environment = tuple((name, os.environ.get(name)) for name in changed)
        if self.examined and self._globals is None and not self.anew:
            self._globals = self.globals()

    def begin_anew(self) -> None:
        """Let the next call begin with a new import, as the first one did."""
        self._imported = self._globals = None

    def keep(self, imported: Mapping[str, Any]) -> None:
        """Note that calls of the builder leave no state, and what its globals hold now.

        Args:
            imported: what they held after the import.
        """
        self.examined, self._globals = True, self.globals()
        self._leaves_all = not modules.changed(imported, self._globals)

    def globals(self) -> Mapping[str, Any]:
        """Return what the globals of the builder's modules hold now; see `modules.globals_of`."""
        return modules.globals_of(self.builder)

    def compare(self, before: Mapping[str, Any]) -> bool:
        """Return whether `globals` differ from an earlier result. If so, the module is imported anew for each model."""
        state = modules.changed(before, self.globals())
        if state and not self.anew:
            self.import_anew(f"{state} changes when a model is trained or its loss is called")
        return bool(state)

    def configured(self) -> tuple[tuple[str, str], ...]:
        """Return the settings of `keras.config` that the last call of the builder left; empty if it changed none."""
        from trainables.builder.configuration import Configuration

        left = Configuration.now().of_numbers
        return () if self._imported is None or left == self._imported.of_numbers else left

    def learn(self, other: Maker) -> None:
        """Take over what another maker of the same builder has found out about it."""
        self.anew, self.chance, self.notes = other.anew, other.chance, other.notes
        self.examined, self._leaves_all = other.examined, other._leaves_all

    def import_anew(self, state: str) -> None:
        """Import the module anew for each model from now on.

        Args:
            state: what the builder keeps between two calls.
        """
        self.anew = True
        self.notes = (
            f"builder: {self.builder.function} in {self.builder.path} keeps state between calls ({state}). Its module "
            "is imported anew for each point, which takes time. To avoid that, make layers, optimizers and random "
            "generators inside the function, and change no globals in it",
        )

    def give_up(self, difference: str) -> None:
        """Say that the builder is not deterministic.

        Args:
            difference: what differs between two models of one point, although the module was imported anew for each.
        """
        self.chance = f"the builder is not deterministic: two models of one point differ in {difference}"
        self.notes = (
            f"builder: {self.builder.function} in {self.builder.path} is not deterministic ({difference} differ for "
            "one point, although the module was imported anew). Each of its points is trained by itself by Keras, "
            'and the column "note" of its row says so. To avoid that, use no clock and draw random numbers only with '
            "keras.random, numpy.random.* or random.*, which the plan's seed sets, or with a fixed seed",
        )

    def _import(self) -> None:
        import keras

        from trainables.builder.configuration import at_start

        before = at_start()
        keras.utils.clear_session(free_memory=False)
        before.restore()
        modules.forget(self.builder)
        keras.utils.set_random_seed(self._seed)
        self._function = self.builder.load()


def _set(name: str, value: str | None) -> None:
    """Set a variable of the environment, or remove it."""
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
