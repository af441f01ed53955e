"""The preparation of a run's table: what the models of the run need of it to predict, kept as `preparation.json`.

With it, predictions need neither the table's file nor its rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from results.folder.files import write_json
from results.folder.run_folder import RunFolder
from sweep.errors import InputError
from sweep.models.table import check_unchanged, table_of
from trainables.table.data import Table
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
        shape: of the features of one row, such as (10,).
        recipe: what each raw column becomes; None for arrays, which are taken as they are.
        mean, variance: the state of the `normalizer` that builders get, float32, shape (features,).
    """

    task: str
    classes: tuple[Any, ...]
    targets: tuple[str, ...]
    shape: tuple[int, ...]
    recipe: Recipe | None
    mean: tuple[float, ...]
    variance: tuple[float, ...]

    @classmethod
    def of(cls, table: Table) -> Preparation:
        """Return the preparation of a table."""
        axes = tuple(range(table.x_train.ndim - 1))
        # `keras.layers.Normalization.adapt` computes the same, to the last bit.
        mean, variance = np.mean(table.x_train, axis=axes), np.var(table.x_train, axis=axes)
        return cls(
            table.task,
            table.classes,
            table.targets or (table.target,),
            table.x_train.shape[1:],
            table.recipe,
            tuple(mean.tolist()),
            tuple(variance.tolist()),
        )

    def table(self) -> Table:
        """Return a table without rows that has the features and targets of the run's table."""
        x = np.empty((0, *self.shape), np.float32)
        y = np.empty((0, len(self.targets)) if len(self.targets) > 1 else 0, np.float32)
        names = self.recipe.features if self.recipe else ()
        return Table(
            x, y, x, y, names, ", ".join(self.targets), "", task=self.task,  # type: ignore[arg-type]
            classes=self.classes, targets=self.targets, recipe=self.recipe,
        )  # fmt: skip

    @property
    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and variance of the features of the train rows, float32, each of shape (features,)."""
        return np.array(self.mean, np.float32), np.array(self.variance, np.float32)

    def to_dict(self) -> dict[str, Any]:
        """Return the preparation as plain data for JSON."""
        return {**asdict(self), "recipe": None if self.recipe is None else self.recipe.to_dict()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preparation:
        """Return the preparation of which `to_dict` returned `data`."""
        recipe = None if data["recipe"] is None else Recipe.from_dict(data["recipe"])
        lists = ("classes", "targets", "shape", "mean", "variance")
        return cls(task=data["task"], recipe=recipe, **{name: tuple(data[name]) for name in lists})


def keep(folder: RunFolder, table: Table) -> None:
    """Write the preparation of a run's table into its folder, unless it is there or the table has several inputs."""
    if not folder.preparation.is_file() and not isinstance(table.x_train, Mapping):
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
