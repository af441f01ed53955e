"""ASHA's account: how many points reached and passed each rung, how many epochs were saved, and what pruning lost.

Everything is computed from the points' rows and from the stored records of the rungs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from results.analysis.condition import numbers
from results.analysis.leaderboard import leaderboard
from results.directions import Mode
from results.schema import Status

if TYPE_CHECKING:
    from results.run import Run


@dataclass(frozen=True)
class Regret:
    """What pruning lost, compared with an exhaustive run of the same plan.

    Attributes:
        by: the metric that decides which point wins.
        winner, best: idx of the pruned run's winner, and of the exhaustive run's.
        lost: how much worse the exhaustive run's value of the winner is than that of the best, 0 or more.
        rank: of the winner among the exhaustive run's points, 1 for the best.
        points: how many points have a value in the exhaustive run.
    """

    by: str
    winner: int
    best: int
    lost: float
    rank: int
    points: int


def rungs(seen: pd.DataFrame, mode: Mode = "min") -> pd.DataFrame:
    """Return one row for each rung.

    Args:
        seen: as `Run.rungs` returns it.
        mode: whether a lower or a higher objective is better.

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
                "best": part["value"].min() if mode == "min" else part["value"].max(),
                "worst": passed["value"].max() if mode == "min" else passed["value"].min(),
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
    for key in ("space", "only", "data", "builder", "objective", "fit", "callbacks", "seed"):
        if _as_today(key, run.plan.get(key)) != _as_today(key, exhaustive.plan.get(key)):
            raise ValueError(
                f"{exhaustive.folder.path}: its plan has another {key} than {run.folder.path}. Give a run of the same plan."
            )


def _as_today(key: str, value: Any) -> Any:
    """Return the value of a plan's key, without what plans of earlier versions lack and what has no effect."""
    if key == "objective":
        given = value if isinstance(value, Mapping) else {"metric": value}
        return {"metric": given.get("metric") or "loss", "mode": given.get("mode") or "auto"}
    if key == "callbacks" and isinstance(value, Mapping):
        return {name: rule and _with_effect(rule) for name, rule in value.items()}
    return value or None


def _with_effect(rule: Any) -> Any:
    later = {"monitor": None, "mode": "auto", "start_from_epoch": 0, "baseline": None}
    if not isinstance(rule, Mapping):
        return rule
    return {name: value for name, value in rule.items() if name not in later or value != later[name]}


def saved(points: pd.DataFrame, exhaustive: pd.DataFrame) -> int:
    """Return how many fewer epochs than in the exhaustive run were trained, summed over the points of both runs."""
    both = points.merge(exhaustive, on="idx", suffixes=("", "_there"))
    return int((both["epochs_there"] - both["epochs"]).sum())


def regret(pruned: pd.DataFrame, exhaustive: pd.DataFrame, by: str = "loss_va", mode: Mode = "min") -> Regret:
    """Return how much worse the pruned run's winner is than the best point, by the exhaustive run's values.

    Args:
        pruned, exhaustive: points of two runs of the same plan.
        by: the metric.
        mode: whether a lower or a higher value of it is better.

    Raises:
        ValueError: one run has no point with the metric, or the exhaustive run lacks the winner.
    """
    for rows in (exhaustive, pruned):
        numbers(rows.set_index("idx"), by)
    truth, tried = (leaderboard(rows, len(rows), by, mode) for rows in (exhaustive, pruned))
    if truth.empty or tried.empty:
        raise ValueError(f"One of the runs has no point with a {by}.")
    winner = int(tried["idx"].iloc[0])
    found = truth[truth["idx"] == winner]
    if found.empty:
        raise ValueError(f"The winner, point {winner}, has no {by} in the exhaustive run.")
    best, value = truth.iloc[0], found[by].iloc[0]
    lost = float(value - best[by]) * (1 if mode == "min" else -1)
    # Points with the same value share the first of their ranks. One that broke comes after all that finished well, whatever
    # its value, so the value may even be better than the best.
    rank = int(truth.index[(truth[by] == value) & (truth.index <= found.index[0])][0]) + 1
    return Regret(by, winner, int(best["idx"]), max(lost, 0.0), rank, len(truth))


def rank_correlation(
    seen: pd.DataFrame,
    exhaustive: pd.DataFrame,
    by: str = "loss_va",
    mode: Mode = "min",
    rung_mode: Mode = "min",
) -> pd.DataFrame:
    """Return how well each rung predicts the end: Spearman's correlation of its values with the exhaustive run's.

    It is positive if points that are better at the rung are better at the end, whichever way each metric is better.

    Args:
        seen: as `Run.rungs` returns it.
        exhaustive: points of the exhaustive run.
        by: the metric at the end.
        mode, rung_mode: whether a lower or a higher value is better, of the metric and of the rungs' objective.

    Returns:
        `milestone`, `points` (how many are in both), `correlation` (NaN for fewer than three points).
    """
    truth = numbers(exhaustive.set_index("idx"), by)
    sign = 1 if mode == rung_mode else -1
    table = []
    for milestone, part in seen.groupby("milestone") if len(seen) else ():
        both = part.set_index("idx")["value"].to_frame("early").join(truth.rename("end")).dropna()
        correlation = sign * both["early"].rank().corr(both["end"].rank()) if len(both) > 2 else float("nan")
        table.append({"milestone": milestone, "points": len(both), "correlation": correlation})
    return pd.DataFrame(table, columns=["milestone", "points", "correlation"])
