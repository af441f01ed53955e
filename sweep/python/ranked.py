"""The scores of all points of a run, in the form of scikit-learn's `cv_results_`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from results.run import Run
from results.schema import FINISHED_WELL, on_split
from results.space import number_in_grid, repeat_of


@dataclass(frozen=True)
class Ranked:
    """The points of a run by their scores.

    Attributes:
        results: the columns of `cv_results_`, which `KerasSweepClassifier` documents; a row for each point.
        best: the row of the point with the best mean score.
        idx: of its best repeat.
        epochs: the best epoch of that repeat.
    """

    results: dict[str, Any]
    best: int
    idx: int
    epochs: int


def ranked(run: Run, class_weights: Sequence[Any] | None = None) -> Ranked:
    """Rank the points of a run by the objective on the validation rows; a higher score is better.

    Args:
        run: whose points are all finished.
        class_weights: the values of the axis `class_weight` as the user wrote them, if there is such an axis: in the run
            they have codes as keys.

    Raises:
        RuntimeError: no point has a finite score.
    """
    points = run.points.sort_values("idx", ignore_index=True)
    well = points["status"].isin(FINISHED_WELL) & points["has_weights"]
    by, mode = run.directions.chosen()
    sign = 1.0 if mode == "max" else -1.0
    scores = sign * points.get(by, pd.Series(np.nan, points.index)).where(well).astype("float64")
    if scores.isna().all():
        first = points["error"].dropna()
        why = f" The first error: {first.iloc[0]}" if len(first) else ""
        raise RuntimeError(
            f"None of the {len(points)} points has a finite objective on the validation rows.{why}"
        )
    on_train = on_split(by, "tr")
    train = sign * points.get(on_train, pd.Series(np.nan, points.index)).astype("float64")
    configuration, repeat = number_in_grid(points["idx"], run.grid), repeat_of(points["idx"], run.grid)
    of_each = scores.groupby(configuration)
    mean = of_each.mean()  # over the repeats that have a score
    configs = run.configs(mean.index.tolist())
    if class_weights is not None:
        for config in configs:
            config["class_weight"] = class_weights[run.axes["class_weight"].index(config["class_weight"])]
    ranks = mean.rank(ascending=False, method="min").fillna(mean.notna().sum() + 1).astype(int)
    splits = {
        f"split{number}_test_score": scores[repeat == number]
        .set_axis(configuration[repeat == number])
        .reindex(mean.index)
        .to_numpy()
        for number in range(run.repeats)
    }
    results = {
        "params": configs,
        **{
            f"param_{name}": np.ma.array([config[name] for config in configs], dtype=object)
            for name in run.axes
        },
        "mean_fit_time": points["seconds"].groupby(configuration).mean().to_numpy(),
        **splits,
        "mean_test_score": mean.to_numpy(),
        "std_test_score": of_each.std(ddof=0).to_numpy(),
        "rank_test_score": ranks.to_numpy(),
        "mean_train_score": train.groupby(configuration).mean().to_numpy(),
    }
    best = int(np.nanargmax(mean))
    position = scores[configuration == mean.index[best]].idxmax()
    return Ranked(results, best, int(points["idx"][position]), int(points["best_epoch"][position]))
