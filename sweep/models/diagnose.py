"""The diagnosis of a finished point: this rebuilds its model and gives it, with its data, to `results.diagnosis`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from results.diagnosis.diagnose import Diagnosis, diagnose
from results.diagnosis.split import Split
from results.run import Run

if TYPE_CHECKING:
    import keras

BATCH_ROWS = 8192
"""Rows of one batch of predictions."""

_CLASSIFY = ("crossentropy", "hinge")
"""Parts of the names of losses for classification."""


def diagnosed(run: Run, idx: int, trust: bool = False) -> Diagnosis:
    """Return the diagnosis of the model of a point. This runs the plan's builder.

    Args:
        run: the run.
        idx: of the point.
        trust: see `Run.model`.

    Raises:
        ValueError: `Run.model` raises it; or the model is not a regression with one output, or not the trained model.
    """
    model = run.model(idx, trust)
    _check_regression(model)

    from sweep.models.save import evaluated
    from sweep.plan.plan import Plan
    from trainables.builder import build

    evaluated(run, idx, model)
    plan = Plan.load(run.folder.plan)
    table = plan.table
    rows = build.fitted_rows(build.fit_of(run.config(idx), plan.found_builder, plan.fit), table)
    split = Split(
        table.x_train[:rows], table.y_train[:rows], table.x_test, table.y_test, table.features, table.groups
    )

    def predict(x: np.ndarray) -> Any:
        # Model.predict takes longer to set up than such a model takes to compute.
        parts = []
        for start in range(0, len(x), BATCH_ROWS):
            part = model.predict_on_batch(x[start : start + BATCH_ROWS])
            if not isinstance(part, np.ndarray):
                return part
            parts.append(part.astype("float64"))
        return np.concatenate(parts)

    row = run.points[run.points["idx"] == idx].iloc[0]
    return diagnose(predict, split, run.curves(idx), row)


def _check_regression(model: keras.Model) -> None:
    loss = model.loss
    name = str(getattr(loss, "name", None) or getattr(loss, "__name__", None) or loss)
    if any(word in name.lower().replace("_", "") for word in _CLASSIFY):
        raise ValueError(
            f"The model is trained by {name}, a loss for classification, but only a regression can be "
            "diagnosed: one output that predicts a number."
        )
