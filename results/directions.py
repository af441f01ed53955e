"""Knows the objective of a run, and whether a lower or a higher value of a column is better.

Terminology
    objective   the metric of the plan's `objective`. Its column on the validation rows ranks the points
    mode        "min" if a lower value is better, "max" if a higher one is, as in Keras

The workers find out the modes of the metrics from the compiled model. The sweep keeps them in `metrics.json` of the run's
folder. A folder of an earlier version has no such file: there the names of Keras' own metrics tell their modes. A sweep
trains only if the mode of its objective is known. So where it is not, the file is lost, and nothing is ranked by a guess.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import yaml

from results.errors import ResultsError
from results.folder.errors import FolderError
from results.folder.files import write_json
from results.folder.run_folder import RunFolder
from results.schema import FINISHED_WELL, column_of, metric_and_split

if TYPE_CHECKING:
    import pandas as pd

Mode = Literal["min", "max"]

_UP = (
    "accuracy acc binary_accuracy categorical_accuracy sparse_categorical_accuracy top_k_categorical_accuracy "
    "sparse_top_k_categorical_accuracy auc precision recall precision_at_recall "
    "recall_at_precision sensitivity_at_specificity specificity_at_sensitivity f1_score fbeta_score r2_score "
    "cosine_similarity concordance_correlation pearson_correlation iou binary_io_u mean_io_u one_hot_io_u "
    "one_hot_mean_io_u io_u"
)
_DOWN = (
    "loss data_loss mean_squared_error mse MSE root_mean_squared_error rmse mean_absolute_error mae MAE "
    "mean_absolute_percentage_error mape MAPE mean_squared_logarithmic_error msle MSLE log_cosh logcosh "
    "kl_divergence kullback_leibler_divergence poisson binary_crossentropy categorical_crossentropy "
    "sparse_categorical_crossentropy hinge squared_hinge categorical_hinge huber"
)
BY_NAME: Mapping[str, Mode] = {
    **dict.fromkeys(_UP.split(), "max"),
    **dict.fromkeys(_DOWN.split(), "min"),
}
"""The mode of Keras' own metrics by the names under which they are logged."""

_MISSING = "is missing"

_LESS_IS_MORE = frozenset({"idx", "params", "seconds", "epochs", "best_epoch"})
"""Columns that are no metrics, of which the lowest value comes first without a word."""


class UnknownModeError(ResultsError, ValueError):
    """Whether a lower or a higher objective is better is not known; the message says which file does not tell it."""


@dataclass(frozen=True)
class Directions:
    """The objective of a run and the modes of its metrics.

    Attributes:
        objective: the metric by which points are ranked.
        modes: by the name of a metric: "min", "max", or None if Keras cannot tell. A metric that is missing here is known by
            its name only.
        file: the path of the file with the modes, for messages.
        damage: what is wrong with that file, such as "is damaged"; empty if it can be read.
    """

    objective: str = "loss"
    modes: Mapping[str, Mode | None] = field(default_factory=dict)
    file: str = "metrics.json"
    damage: str = ""

    @property
    def by(self) -> str:
        """The column by which points are ranked: the objective on the validation rows."""
        return column_of(self.objective, "va")

    @property
    def log(self) -> str:
        """The column of the curves with the objective on the validation rows."""
        return f"val_{self.objective}"

    @property
    def mode(self) -> Mode:
        """Whether a lower or a higher objective is better; "min" if that is not known (yet)."""
        return self.of(self.by) or "min"

    def of(self, column: str) -> Mode | None:
        """Return the mode of a column of `points` or `curves`; None if it is not known."""
        if column in _LESS_IS_MORE:
            return "min"
        for metric in _metrics_of(column):
            if metric in self.modes:
                return self.modes[metric]
        for metric in _metrics_of(column):
            if mode := BY_NAME.get(metric) or BY_NAME.get(re.sub(r"_\d+$", "", metric)):
                return mode
        return None

    def doubt(self, column: str) -> str:
        """Return a sentence if the file is damaged, so that only the name of `column` tells its mode; else empty.

        A file that is missing is no damage: earlier versions had none.
        """
        is_stored = any(metric in self.modes for metric in _metrics_of(column))
        if not self.damage or self.damage == _MISSING or is_stored or column in _LESS_IS_MORE:
            return ""
        return (
            f"{self.file} {self.damage}, so the name {column} alone tells whether a lower or a higher value is better. "
            "Put the file back."
        )

    def chosen(self, by: str | None = None, mode: Mode | None = None) -> tuple[str, Mode]:
        """Return the column to rank by, and its mode.

        Args:
            by: the column; None for the objective.
            mode: None for the mode of the column, or "min" if that is not known.

        Raises:
            UnknownModeError: the column is the objective's, and nothing tells its mode.
        """
        by = by or self.by
        known = mode or self.of(by)
        if known is None and by == self.by:
            modes = json.dumps({"modes": {self.objective: "max"}})
            raise UnknownModeError(
                f"Whether a lower or a higher {self.objective} is better is not known: {self.file} "
                f"{self.damage or 'does not say it'}. Put the file back. Or, if a higher value is better, write this line "
                f"into it (else min): {modes}  `sweep top` also takes --mode max."
            )
        return by, known or "min"


def read(folder: RunFolder, plan: Mapping[str, Any] | None = None) -> Directions:
    """Return the directions of a run; those of `loss` if its files do not tell. The folder may come from a stranger.

    Args:
        folder: of the run.
        plan: the content of its plan.yaml; None to read it.
    """
    if plan is None:
        try:
            plan = yaml.safe_load(folder.plan.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
            plan = None
    objective = plan.get("objective") if isinstance(plan, Mapping) else None
    given = objective if isinstance(objective, Mapping) else {"metric": objective}
    metric = given.get("metric")
    metric = metric if isinstance(metric, str) and metric else "loss"
    modes, damage = _stored(folder)
    if (mode := _mode(given.get("mode"))) is not None:
        modes[metric] = mode
    return Directions(metric, modes, str(folder.metrics), damage)


def with_objective(points: pd.DataFrame, folder: RunFolder) -> pd.DataFrame:
    """Return the rows of `points`; if no point has got as far as to have the objective, with an empty column for it."""
    if points["status"].isin(FINISHED_WELL).any() or (by := read(folder).by) in points:
        return points
    return points.assign(**{by: math.nan})


def add(folder: RunFolder, modes: Mapping[str, str | None]) -> None:
    """Add the modes of metrics to the folder's file, all or nothing; the file is written only if there is a new one.

    Raises:
        FolderError: it cannot be written.
    """
    known, damage = _stored(folder)
    more = {**known, **{name: _mode(mode) for name, mode in modes.items()}}
    if more != known or damage:
        write_json(folder.metrics, {"modes": more})


def _stored(folder: RunFolder) -> tuple[dict[str, Mode | None], str]:
    """Return the modes in the folder's file, and what is wrong with the file; empty if nothing is."""
    try:
        found = json.loads(folder.metrics.read_text(encoding="utf-8"))["modes"]
        return {str(name): _mode(mode) for name, mode in found.items()}, ""
    except FileNotFoundError:
        return {}, _MISSING
    except FolderError:
        return {}, "cannot be read, because the store does not answer"
    except OSError as error:
        return {}, f"cannot be read ({error.strerror or error})"
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}, "is damaged"


def _mode(value: Any) -> Mode | None:
    return value if value in ("min", "max") else None


def _metrics_of(column: str) -> Iterable[str]:
    """Yield the metrics that a column may belong to, the likeliest first."""
    if found := metric_and_split(column):
        yield found[0]
    if column.startswith("val_"):
        yield column.removeprefix("val_")
    yield column
