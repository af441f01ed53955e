"""The preparation of a run's table: what the models of the run need of it to predict, kept as `preparation.json`.

With it, predictions need neither the table's file nor its rows.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from results.folder.files import write_json
from results.folder.run_folder import RunFolder
from sweep.errors import InputError
from sweep.models.table import check_unchanged, table_of
from trainables.table import inputs
from trainables.table.data import Table
from trainables.table.inputs import Features
from trainables.table.recipe import Recipe

if TYPE_CHECKING:
    from sweep.plan.plan import Plan


@dataclass(frozen=True)
class Preparation:
    """What is kept of a table.

    Attributes:
        task: what is learned; see `trainables.table.spec.Task`.
        classes: the label of each code of the target; empty for numbers.
        targets: the names of the target columns.
        shape: of the features of one row, such as (10,); by the name of the input if there are several.
        recipe: what each raw column becomes; None for arrays, which are taken as they are.
        mean, variance: the state of the `normalizer` that builders get, float32, shape (features,); by the name of the input
            if there are several.
    """

    task: str
    classes: tuple[Any, ...]
    targets: tuple[str, ...]
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]]
    recipe: Recipe | None
    mean: tuple[float, ...] | Mapping[str, tuple[float, ...]]
    variance: tuple[float, ...] | Mapping[str, tuple[float, ...]]

    @classmethod
    def of(cls, table: Table) -> Preparation:
        """Return the preparation of a table."""
        return cls(
            table.task,
            table.classes,
            table.targets or (table.target,),
            inputs.shape(table.x_train),
            table.recipe,
            _each(table.x_train, functools.partial(_moment, np.mean)),
            _each(table.x_train, functools.partial(_moment, np.var)),
        )

    def table(self) -> Table:
        """Return a table without rows that has the features and targets of the run's table."""
        x = self.rows(0)
        y = np.empty((0, len(self.targets)) if len(self.targets) > 1 else 0, np.float32)
        names = self.recipe.features if self.recipe else ()
        return Table(
            x, y, x, y, names, ", ".join(self.targets), "", task=self.task,  # type: ignore[arg-type]
            classes=self.classes, targets=self.targets, recipe=self.recipe,
        )  # fmt: skip

    def rows(self, count: int) -> Features:
        """Return rows of zeros with the shape of the features."""
        return _each(self.shape, lambda shape: np.zeros((count, *shape), np.float32))

    @property
    def described(self) -> str:
        """What the features are, in words: the shape of an array, or the name and shape of each."""
        if isinstance(self.shape, Mapping):
            listed = [f"{name} of the shape {inputs.in_words(shape)}" for name, shape in self.shape.items()]
            return f"a dictionary of arrays: {', '.join(listed)}"
        return f"an array of the shape {inputs.in_words(self.shape)}"

    @property
    def moments(self) -> tuple[Any, Any]:
        """Mean and variance of the features of the train rows, float32, shape (features,); by the input if several."""
        mean, variance = (
            _each(moment, lambda values: np.array(values, np.float32))
            for moment in (self.mean, self.variance)
        )
        return mean, variance

    def to_dict(self) -> dict[str, Any]:
        """Return the preparation as plain data for JSON."""
        return {**asdict(self), "recipe": None if self.recipe is None else self.recipe.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preparation:
        """Return the preparation of which `to_dict` returned `data`."""
        recipe = None if data["recipe"] is None else Recipe.from_dict(data["recipe"])
        lists = ("classes", "targets", "shape", "mean", "variance")
        return cls(task=data["task"], recipe=recipe, **{name: _each(data[name], tuple) for name in lists})


def _each(values: Any, function: Callable[[Any], Any]) -> Any:
    """Return what a function makes of values, or of those of each input."""
    if isinstance(values, Mapping):
        return {name: function(one) for name, one in values.items()}
    return function(values)


def _moment(function: Callable[..., np.ndarray], x: np.ndarray) -> tuple[float, ...]:
    """Return the mean or variance of features of the shape (rows, ..., features); empty if a row is one number."""
    # `keras.layers.Normalization.adapt` computes the same, to the last bit.
    return tuple(function(x, axis=tuple(range(x.ndim - 1))).tolist()) if x.ndim > 1 else ()


def keep(folder: RunFolder, table: Table) -> None:
    """Write the preparation of a run's table into its folder, unless it is there."""
    if not folder.preparation.is_file():
        write_json(folder.preparation, Preparation.of(table).to_dict())


def of_run(folder: RunFolder, plan: Plan) -> Preparation:
    """Return the preparation of a run's table, from its folder; for runs of earlier versions, from the table itself.

    Raises:
        InputError: the file is damaged; or it is missing, and the table cannot be read or has changed since the sweep.
    """
    if (found := kept(folder)) is not None:
        return found
    table = table_of(folder, plan)
    check_unchanged(folder, plan, table)
    return Preparation.of(table)


def kept(folder: RunFolder) -> Preparation | None:
    """Return the preparation that `keep` wrote; None for runs of earlier versions.

    Raises:
        InputError: the file is damaged.
    """
    try:
        text = folder.preparation.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    try:
        return Preparation.from_dict(json.loads(text))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{folder.preparation}: is damaged ({error}). Remove it; the table of the plan is then read instead."
        ) from None
