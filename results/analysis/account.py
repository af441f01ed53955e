"""ASHA's account: how many points reached and passed each rung, how many epochs were saved, and what pruning lost.

Everything is computed from the points' rows and from the stored records of the rungs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from results.analysis.condition import numbers
from results.schema import Status

if TYPE_CHECKING:
    from results.run import Run


@dataclass(frozen=True)
class Regret:
    """What pruning lost, compared with an exhaustive run of the same plan.

    Attributes:
        by: the metric that decides which point wins.
        winner, best: idx of the pruned run's winner, and of the exhaustive run's.
        lost: the exhaustive run's value of the winner, minus that of the best.
        rank: of the winner among the exhaustive run's points, 1 for the best.
        points: how many points have a value in the exhaustive run.
    """

    by: str
    winner: int
    best: int
    lost: float
    rank: int
    points: int


def rungs(seen: pd.DataFrame) -> pd.DataFrame:
    """Return one row for each rung.

    Args:
        seen: as `Run.rungs` returns it.

    Returns:
        `milestone`, how many points `entered` and `passed`, the `best` value of all, and the `worst` value that passed.
    """
    table = []
    for milestone, part in seen.groupby("milestone") if len(seen) else ():
        passed = part[part["passed"]]
        table.append(
            {
                "milestone": milestone,
                "entered": len(part),
                "passed": len(passed),
                "best": part["value"].min(),
                "worst": passed["value"].max(),
            }
        )
    return pd.DataFrame(table, columns=["milestone", "entered", "passed", "best", "worst"])


def epochs(points: pd.DataFrame, budget: int) -> dict[str, int]:
    """Return the epochs `spent` on all points, the number of `pruned` points, and the epochs `saved_at_most`.

    The last is the part of their budget that pruned points did not use. Fewer epochs were really saved, because early
    stopping would have ended some of these points anyway; only an exhaustive run tells how many.
    """
    pruned = points[points["status"] == Status.PRUNED]
    return {
        "spent": int(points["epochs"].sum()),
        "pruned": len(pruned),
        "saved_at_most": int((budget - pruned["epochs"]).sum()),
    }


def check_comparable(run: Run, exhaustive: Run) -> None:
    """Check that two runs have the same plan, except for the scheduler.

    Raises:
        ValueError: their grids or their trainings differ.
    """
    for key in ("space", "only", "data", "builder", "fit", "callbacks", "seed"):
        if (run.plan.get(key) or None) != (exhaustive.plan.get(key) or None):
            raise ValueError(
                f"{exhaustive.folder.path}: its plan has another {key} than {run.folder.path}. Give a run of the same plan."
            )


def saved(points: pd.DataFrame, exhaustive: pd.DataFrame) -> int:
    """Return how many fewer epochs than in the exhaustive run were trained, summed over the points of both runs."""
    both = points.merge(exhaustive, on="idx", suffixes=("", "_there"))
    return int((both["epochs_there"] - both["epochs"]).sum())


def regret(pruned: pd.DataFrame, exhaustive: pd.DataFrame, by: str = "loss_va") -> Regret:
    """Return how much worse the pruned run's winner is than the best point, by the exhaustive run's values.

    Args:
        pruned, exhaustive: points of two runs of the same plan.
        by: the metric; lower is better.

    Raises:
        ValueError: one run has no point with the metric, or the exhaustive run lacks the winner.
    """
    truth, tried = (numbers(rows.set_index("idx"), by).dropna() for rows in (exhaustive, pruned))
    if truth.empty or tried.empty:
        raise ValueError(f"One of the runs has no point with a {by}.")
    winner = int(tried.sort_values(kind="stable").index[0])
    if winner not in truth.index:
        raise ValueError(f"The winner, point {winner}, has no {by} in the exhaustive run.")
    lost = float(truth[winner] - truth.min())
    return Regret(
        by,
        winner,
        int(truth.sort_values(kind="stable").index[0]),
        lost,
        int((truth < truth[winner]).sum()) + 1,
        len(truth),
    )


def rank_correlation(seen: pd.DataFrame, exhaustive: pd.DataFrame, by: str = "loss_va") -> pd.DataFrame:
    """Return how well each rung predicts the end: Spearman's correlation of its values with the exhaustive run's.

    Returns:
        `milestone`, `points` (how many are in both), `correlation` (NaN for fewer than three points).
    """
    truth = numbers(exhaustive.set_index("idx"), by)
    table = []
    for milestone, part in seen.groupby("milestone") if len(seen) else ():
        both = part.set_index("idx")["value"].to_frame("early").join(truth.rename("end")).dropna()
        correlation = both["early"].rank().corr(both["end"].rank()) if len(both) > 2 else float("nan")
        table.append({"milestone": milestone, "points": len(both), "correlation": correlation})
    return pd.DataFrame(table, columns=["milestone", "points", "correlation"])
