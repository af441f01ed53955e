"""The conversion of the measurements of `cohorts` into the inputs of `scaling`. For terminology, see `cohorts`."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainables.fused.engine import LANES

QUIET_S = {"compose": 39.0, "compile": 108.0, "train": 674.0, "evaluate": 15.0}
"""Core seconds of the exhaustive, cold run of the whole grid on the quiet machine, as `grid` printed them."""
PARTS = ("compose", "compile", "train", "evaluate")


def line(pairs: list[tuple[int, float]]) -> dict[str, float]:
    """Return the least-squares line through the pairs of points and seconds; both coefficients are at least 0."""
    x, y = np.array(pairs, float).T
    slope = max(0.0, float(np.polyfit(x, y, 1)[0])) if x.std() else 0.0
    return {"fixed_s": max(0.0, float(y.mean() - slope * x.mean())), "point_s": slope}


def chunk_epochs(epochs: list[int], times: float) -> int:
    """Return how many chunks a cohort trains in all its epochs; its cost is proportional to that.

    Args:
        epochs: the epochs of each of its points.
        times: the factor by which the cohort has more points, with the same epochs.
    """
    alive = (np.array(epochs)[:, None] > np.arange(max(epochs))).sum(0)
    return int(np.ceil(alive * times / LANES - 1e-9).sum())


def summary(found: dict[str, Any], each: int, corners: bool) -> dict[str, Any]:
    """Return the inputs of `scaling` from the measurements of a run."""
    trials = list(found["trials"].values())
    idle_s = float(np.median(found["empty_s"]))
    cohorts = []
    for trial in (one for one in trials if "point_bytes" in one):
        kept = {name: trial[name] for name in ("points", "point_bytes")}
        kept |= {"epochs": sum(trial["epochs"]), "chunk_epochs": chunk_epochs(trial["epochs"], 1)}
        kept["chunk_epochs_of_720"] = chunk_epochs(trial["epochs"], 720 / trial["points"])
        kept |= {f"{part}_s": round(trial[part], 3) for part in PARTS}
        # at_end: the points that finish in the cohort's last report; the others finish one by one before it.
        kept |= {"at_end": trial["finished"][-1], "reports": len(trial["finished"])}
        cohorts.append(kept | {"cpu_s": round(trial["cpu_s"], 3), "wall_s": round(trial["wall_s"], 3)})
    tally = found["tally"]
    return {
        "made_by": f"python -m tests.benchmarks.cohorts {each}{' corners' if corners else ''}",
        "stands_for": 4 if corners else 1,
        "machine": tally["machine"],
        "load": [round(load, 1) for load in found["load"]],
        "workers": tally["workers"],
        "wall_s": round(found["wall_s"], 1),
        "training_s": round(tally["training_s"], 1),
        "start": {
            name: round(float(np.median([s[name] for s in found["starts"]])), 2)
            for name in ("cpu_s", "wall_s")
        },
        "gap_s": round(float(np.median(found["gaps_s"])), 4),
        "report": line([(points, took - idle_s) for points, took in found["reports"]]),
        "commit": line([(points, cpu_s) for points, cpu_s, _ in found["commits"]]),
        "commit_wall": line([(points, wall_s) for points, _, wall_s in found["commits"]]),
        "splitting": {name: round(seconds, 7) for name, seconds in found["splitting"].items()},
        "splits": [
            {
                "points": t["points"],
                "parts": len(t["parts"]),
                "cpu_s": round(t["cpu_s"], 3),
                "wall_s": round(t["wall_s"], 3),
            }
            for t in trials
            if "parts" in t
        ],
        "sample": cohorts,
        "cohorts": cohorts if each == 720 else calibrated(cohorts, 4 if corners else 1),
    }


def calibrated(sample: list[dict[str, Any]], stands_for: int) -> list[dict[str, Any]]:
    """Return cohorts of 720 points: their sum is the cost of the whole grid, and each has its share of the sample's cost.

    A point of a small cohort costs far more than one of a large cohort, since each epoch has a fixed cost. And a loaded
    machine takes twice the core seconds. Both change the shares less than the costs.
    """
    cohorts = []
    for one in sample:
        times = 720 / one["points"]
        whole = {**one, "points": 720, "epochs": round(one["epochs"] * times)}
        whole |= {"chunk_epochs": one["chunk_epochs_of_720"], "at_end": round(one["at_end"] * times)}
        for part, total_s in QUIET_S.items():
            weight = "chunk_epochs_of_720" if part == "train" else "points"
            shares = [other[f"{part}_s"] * other[weight] for other in sample]
            share = one[f"{part}_s"] * one[weight] / sum(shares)
            whole[f"{part}_s"] = round(total_s * share / stands_for, 3)
        whole["cpu_s"] = whole["wall_s"] = round(sum(whole[f"{part}_s"] for part in PARTS), 3)
        cohorts.append(whole)
    return cohorts
