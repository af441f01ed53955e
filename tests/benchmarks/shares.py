"""The conversion of the measurements of `cohorts` into the inputs of `scaling`. For terminology, see `cohorts`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainables.fused.engine import LANES

QUIET_S = {"compose": 25.0, "compile": 1.0, "train": 219.0, "evaluate": 1.0}
"""Core seconds of the exhaustive, native run of the whole grid on a quiet machine, as `grid` printed them."""
EACH = 720
"""Points of a program in the whole grid."""
PARTS = ("compose", "compile", "train", "evaluate")
QUANTILES = 101


def line(pairs: list[tuple[int, float]]) -> dict[str, float]:
    """Return the least-squares line through the pairs of points and seconds; both coefficients are at least 0."""
    x, y = np.array(pairs, float).T
    slope = max(0.0, float(np.polyfit(x, y, 1)[0])) if x.std() else 0.0
    return {"fixed_s": max(0.0, float(y.mean() - slope * x.mean())), "point_s": slope}


def chunks_of(epochs: np.ndarray, activations: Sequence[Any], most: int) -> np.ndarray:
    """Return how many chunks a cohort trains in each epoch: int64, shape (most,). Its cost is proportional to that.

    Args:
        epochs: the epochs of each of its points, shape (points,).
        activations: of each point; a chunk has points of one of them.
        most: number of epochs to return.
    """
    found, labels = np.zeros(most, np.int64), np.asarray(activations)
    for one in np.unique(labels):
        ends = np.sort(epochs[labels == one])
        alive = len(ends) - np.searchsorted(ends, np.arange(most), side="right")
        found += -(-alive // LANES)
    return found


def summary(found: dict[str, Any], each: int) -> dict[str, Any]:
    """Return the inputs of `scaling` from the measurements of a run."""
    trials = list(found["trials"].values())
    idle_s = float(np.median(found["empty_s"]))
    cohorts = []
    for trial in (one for one in trials if one["epochs"]):
        epochs = np.array(trial["epochs"])
        kept = {name: trial[name] for name in ("points", "point_bytes", "first")}
        kept |= {"epochs": int(epochs.sum())}
        kept["chunk_epochs"] = int(chunks_of(epochs, trial["activations"], epochs.max()).sum())
        times = EACH // len(
            epochs
        )  # as often as this the grid has each of these points, with the same epochs
        whole = np.repeat(epochs, times), np.repeat(trial["activations"], times)
        kept["chunk_epochs_of_all"] = int(chunks_of(*whole, epochs.max()).sum() * EACH / len(whole[0]))
        kept |= {f"{part}_s": round(trial[part], 3) for part in PARTS}
        kept |= {"cpu_s": round(trial["cpu_s"], 3), "wall_s": round(trial["wall_s"], 3)}
        kept["epochs_of_points"] = np.quantile(
            epochs, np.linspace(0, 1, QUANTILES), method="nearest"
        ).tolist()
        cohorts.append(kept)
    tally = found["tally"]
    return {
        "made_by": f"python -m tests.benchmarks.cohorts {each}",
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
        "cohorts": cohorts if each == EACH else calibrated(cohorts),
    }


def calibrated(sample: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return cohorts of all points: their sum is the cost of the whole grid, and each has its share of the sample's cost."""
    cohorts = []
    for one in sample:
        whole = {**one, "points": EACH, "epochs": round(one["epochs"] * EACH / one["points"])}
        whole["chunk_epochs"] = one["chunk_epochs_of_all"]
        for part, total_s in QUIET_S.items():
            # Grouping costs as much for few points; the rest is proportional to what is trained.
            weights = [
                1.0 if part == "compose" else other["chunk_epochs_of_all"] / other["chunk_epochs"]
                for other in sample
            ]
            costs = [other[f"{part}_s"] * weight for other, weight in zip(sample, weights, strict=True)]
            own = costs[len(cohorts)]
            whole[f"{part}_s"] = round(total_s * own / sum(costs), 4)
        cohorts.append(whole)
    return cohorts
