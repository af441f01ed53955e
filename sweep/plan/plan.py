"""The plan of a sweep: read from a YAML file or given in Python, and checked.

A plan is checked as a whole before Ray or TensorFlow is loaded. An error is a `PlanError` with one message: where (file,
key, line), what was given, what is expected, how to mend it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import MISSING, Field, asdict, dataclass, field, fields, is_dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_type_hints

import numpy as np

from results.folder.path import AnyPath, any_path, check_no_credentials, is_remote
from results.space import Space
from results.verified import MOST
from sweep.plan import repeats
from sweep.plan.asha import Asha
from sweep.plan.axes import axis_faults, made_space, with_conditions
from sweep.plan.form import PlanError, joined, located, read_yaml, to_yaml, unknown_keys, validated
from sweep.plan.resources import Resources
from sweep.plan.table import is_quick, table_of, with_weights
from trainables.builder import find
from trainables.builder.find import Builder
from trainables.settings import Callbacks, Fit, Objective, Programs, Training
from trainables.table import data
from trainables.table.data import DataSpec, Table

DEFAULT_PLAN = Path(__file__).parents[1] / "plans" / "abalone.yaml"


@dataclass(frozen=True)
class Plan:
    """What to sweep: data, builder, axes and budget. The default plan, `sweep/plans/abalone.yaml`, explains each key.

    Args:
        data: "abalone", a `DataSpec` (or a mapping of its arguments), or `my_data.py:load`, a function that returns arrays.
        builder: `package.module:function` or `path/to/file.py:function`.
        space: the axes' values by name, or a `Space`.
        only: the conditions of axes that act only at some points, by axis name.
        objective: an `Objective`, a mapping of its arguments, or only the name of its metric.
        fit, callbacks, scheduler, asha, engine, resources, seed, repeats, timeout_s, retries, keep_weights, verify: as in
            the default plan.
        base: the folder that relative paths start from.

    Raises:
        PlanError: see the message.
    """

    data: Literal["abalone"] | DataSpec
    builder: str
    space: Space
    only: dict[str, str] = field(default_factory=dict)
    objective: Objective = field(default_factory=Objective)
    fit: Fit = field(default_factory=Fit)
    callbacks: Callbacks = field(default_factory=Callbacks)
    scheduler: Literal["asha", "none"] = "asha"
    asha: Asha = field(default_factory=Asha)
    engine: Literal["auto", "native", "fused", "keras"] = "auto"
    resources: Resources = field(default_factory=Resources)
    seed: int = 0
    repeats: int = 1
    timeout_s: float = 600.0
    retries: int = 2
    keep_weights: bool | int = True
    verify: int = MOST
    base: Path = field(default_factory=Path.cwd, compare=False)

    def __post_init__(self) -> None:
        faults: list[PlanError] = []
        hints = get_type_hints(type(self))
        given: Mapping[str, Any] = self.space if isinstance(self.space, Mapping) else {}
        for item in fields(self):
            value, found = getattr(self, item.name), []
            if item.name == "base" or is_dataclass(value) or isinstance(value, Space):
                continue
            if value is _ABSENT:
                found = [PlanError(f'the key "{item.name}" is missing. Add it; the default plan shows how.')]
            elif item.name == "space":
                value, found = made_space(value)
            elif item.name == "objective" and isinstance(value, str):
                value, found = validated(Objective, {"metric": value}, ("objective",))
            elif item.name == "data" and isinstance(value, str) and DataSpec(value, "y").function:
                value = DataSpec(value, "y")
            elif item.name != "data" or value != "abalone":
                value, found = validated(_nested(item.name) or hints[item.name], value, (item.name,))
            faults += [PlanError(str(fault), fault.key or (item.name,)) for fault in found]
            if found and item.name != "space":
                value = _default(item)
            object.__setattr__(self, item.name, value)
        faults += self._faults_of_addresses()
        wrong = {fault.key[0] for fault in faults}
        faults += self._faults_of_numbers(wrong)
        faults += self._faults_of_axes(wrong, [*map(str, given)])
        if faults:
            raise joined([*faults, *self._faults_of_table(wrong)])

    @classmethod
    def load(cls, path: str | AnyPath = DEFAULT_PLAN) -> Plan:
        """Read and check the plan in the YAML file `path`.

        Raises:
            PlanError: the file cannot be read, is not YAML, or is not a plan.
        """
        path = any_path(path)
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise PlanError(
                f"{path}: there is no such plan. Name a YAML file, or none for the default."
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            remedy = "Name a YAML file" if isinstance(error, OSError) else "Save it as UTF-8"
            raise PlanError(f"{path}: cannot be read ({reason}). {remedy}.") from None
        raw, lines = read_yaml(text, path)
        try:
            # A plan on an object store was stored by a run, so all its paths are absolute.
            base = Path.cwd() if is_remote(path) else path.resolve().parent
            return cls.from_mapping(raw, base=base)
        except PlanError as error:
            raise located(error, path, lines) from None

    @classmethod
    def from_mapping(cls, raw: Mapping[str, Any], base: Path | None = None) -> Plan:
        """Check the plain data of a plan strictly, and return the plan.

        Args:
            raw: the keys of a plan file.
            base: the folder that relative paths start from; the current one if None.

        Raises:
            PlanError: the data is no plan; its `key` attribute is the path of the key to blame.
        """
        known = [item.name for item in fields(cls) if item.name != "base"]
        faults = unknown_keys(raw, known, ())
        given = {name: value for name, value in raw.items() if name in known}
        for key in ("data", "builder", "space"):
            if given.get(key) is None:
                given[key] = _ABSENT
        try:
            plan = cls(**given, base=base or Path.cwd())
        except PlanError as error:
            faults += error.faults
        if faults:
            raise joined(faults)
        return plan

    def _faults_of_addresses(self) -> Iterator[PlanError]:
        """Yield a fault for each URI of the table with credentials: a plan is printed, stored and sent."""
        for key in ("path", "test_path", "validation_path"):
            if "://" in (uri := getattr(self.data, key, None) or ""):
                try:
                    check_no_credentials(uri)
                except ValueError as error:
                    yield PlanError(f"data.{key}: {error}", ("data", key))

    def _faults_of_numbers(self, wrong: Set[str]) -> Iterator[PlanError]:
        """Yield a fault for each value out of range; `wrong` are keys with a fault already, which have their defaults."""
        if not 0 <= self.seed < 2**32:
            yield PlanError(f"seed got {self.seed}, but needs a whole number from 0 to 2**32 - 1.", ("seed",))
        yield from repeats.number_faults(self.repeats, self.seed)
        if not 0 < self.timeout_s <= 1e9:
            yield PlanError(
                f"timeout_s got {self.timeout_s}, but needs seconds above 0 and up to 1e9.", ("timeout_s",)
            )
        if self.fit.weight is not None:
            yield PlanError(
                f"fit.weight got {self.fit.weight!r}, but the column of weights is a key of data: "
                f'"data: {{weight: {self.fit.weight}}}".',
                ("fit", "weight"),
            )
        if self.retries < 0:
            yield PlanError(f"retries got {self.retries}, but needs 0 or more.", ("retries",))
        if self.keep_weights is not True and self.keep_weights is not False and self.keep_weights < 1:
            yield PlanError(
                f"keep_weights got {self.keep_weights}, but needs true, false, or a number of best points, at least 1.",
                ("keep_weights",),
            )
        if self.verify < 0:
            yield PlanError(
                f"verify got {self.verify}, but needs a number of points, 0 or more.", ("verify",)
            )
        if wrong & {"fit", "asha", "scheduler"}:
            return
        if self.scheduler == "asha" and (self.asha.max_t or 0) > self.fit.epochs:
            yield PlanError(
                f"asha.max_t got {self.asha.max_t}, but fit.epochs={self.fit.epochs} is all that a point trains. "
                "Lower max_t, or set it to null.",
                ("asha", "max_t"),
            )

    def _faults_of_axes(self, wrong: Set[str], given: Sequence[str]) -> Iterator[PlanError]:
        """Yield the faults of the builder, the axes and their conditions, and join the conditions to the space.

        Args:
            wrong: the keys with a fault already.
            given: the names of all axes, if the plan's data has them.
        """
        builder = None
        if "builder" not in wrong:
            try:
                builder = self.found_builder
            except PlanError as error:
                yield error
        if not isinstance(self.space, Space):
            return
        if builder is not None:
            yield from (named := [*repeats.name_faults(self.repeats, self.space, builder)])
            no_axes = repeats.TAKEN if named else ()
            yield from axis_faults(self.space, builder, [*(given or self.space.names), *no_axes])
        if not wrong & {"space", "only"}:
            times = self.repeats if 1 <= self.repeats <= repeats.MOST else 1  # else it has a fault already
            space, faults = with_conditions(self.space, self.only or self.space.only, times)
            yield from faults
            object.__setattr__(self, "space", space)
            object.__setattr__(self, "only", space.only)

    def _faults_of_table(self, wrong: Set[str]) -> Iterator[PlanError]:
        """Yield what is wrong with the table of a plan that has other faults, if that is known at once."""
        if "data" in wrong:
            return
        try:
            spec = self.data_spec
            if is_quick(spec):
                data.load(spec, self.fit.validation_split)
        except data.DataError as error:
            yield PlanError(str(error), ("data",))
        except PlanError as error:
            yield error

    @cached_property
    def found_builder(self) -> Builder:
        """The builder that the plan names. Its signature is read from the source, without an import."""
        try:
            return find.find(self.builder, self.base)
        except find.BuilderError as error:
            raise PlanError(str(error), ("builder",)) from None

    @property
    def data_spec(self) -> DataSpec:
        """The plan's `data` as a `DataSpec` with an absolute path."""
        if isinstance(self.data, str):
            return data.ABALONE
        paths: dict[str, Any] = {}
        for key in ("path", "test_path", "validation_path"):
            if (given := getattr(self.data, key)) is None or "://" in given:
                continue
            try:
                paths[key] = str((self.base / Path(given).expanduser()).resolve())
            except (ValueError, RuntimeError, OSError) as error:  # a zero byte, no such home, too long a path
                raise PlanError(f"data.{key} got {given!r}, which is no path ({error}).", ("data",)) from None
        return replace(self.data, **paths)

    @cached_property
    def table(self) -> Table:
        """The table, read and checked once.

        Raises:
            PlanError: see `sweep.plan.table.table_of`.
        """
        return table_of(self.data_spec, self.space, self.found_builder, self.fit)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before the first point is trained: of the table, and of a scheduler that can do nothing."""
        of_asha = self.asha.note(self.epochs) if self.scheduler == "asha" else ""
        return (*self.table.notes, *filter(None, [of_asha]))

    @property
    def epochs(self) -> int:
        """The most epochs that a point trains: the epochs of `fit`, or ASHA's `max_t` where that is lower."""
        return (
            min(self.fit.epochs, self.asha.max_t or self.fit.epochs)
            if self.scheduler == "asha"
            else self.fit.epochs
        )

    @property
    def _programs(self) -> Programs:
        if self.engine == "native":
            return "native"
        return "xla" if self.engine == "fused" or self.resources.gpu else "any"

    @property
    def training(self) -> Training:
        """The settings of the training, as the trials need them."""
        return Training(
            fit=replace(with_weights(self.fit, self.data_spec, self.table), epochs=self.epochs),
            callbacks=self.callbacks,
            milestones=self.asha.milestones(self.epochs) if self.scheduler == "asha" else (),
            seed=self.seed,
            timeout_s=self.timeout_s,
            threads=self.resources.cpu,
            keep_weights=self.keep_weights is not False,
            memory_mb=self.resources.memory_mb,
            gpu=self.resources.gpu,
            objective=self.objective,
            programs=self._programs,
        )

    def seeds(self, idx: np.ndarray) -> np.ndarray:
        """Return the seed of each point: int64, shape (points,). Repeat 0 has the plan's seed, repeat 1 the next one."""
        return self.seed + self.space.repeat(idx)

    def repeat_of(self, idx: np.ndarray) -> int:
        """Return the repeat of some points that all have the same one; 0 if there is no point."""
        return int(self.space.repeat(idx[:1]).sum())

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as the data of a plan file, with every default written out and every path absolute."""
        found: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.name == "data":
                found["data"] = value if isinstance(value, str) else asdict(self.data_spec)
            elif item.name == "space":
                found["space"] = value.to_dict()
            elif item.name == "builder":
                found["builder"] = self.found_builder.name
            elif item.name != "base":
                found[item.name] = asdict(value) if is_dataclass(value) else value  # type: ignore[arg-type]
        del found["fit"]["weight"]  # which is a key of data
        return found

    def to_yaml(self) -> str:
        """Return `to_dict` as the text of a plan file."""
        return to_yaml(self.to_dict(), width=110)


_ABSENT = object()
"""The value of a required key that the plan does not have."""


def _default(item: Field[Any]) -> Any:
    """Return the default of a key; None if it is required."""
    if item.default is not MISSING:
        return item.default
    return None if item.default_factory is MISSING else item.default_factory()


def _nested(key: str) -> type | None:
    """Return the dataclass that `key` of a plan holds, or None."""
    kinds = {
        "data": DataSpec,
        "objective": Objective,
        "fit": Fit,
        "callbacks": Callbacks,
        "asha": Asha,
        "resources": Resources,
    }
    return kinds.get(key)
