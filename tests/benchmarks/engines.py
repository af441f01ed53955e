"""Benchmark of whole runs: the native engine against XLA, in turn, on the same points of the default grid.

`python -m tests.benchmarks engines [POINTS]` (default: 1,000) runs `sweep run` three times with each, without pruning. The
compiled programs are kept between the runs, so the first run of XLA is cold and the others are warm.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path

import pandas as pd

from tests.benchmarks.grid import watched

TIMES = 3
NAMES = {"native": "native", "fused": "XLA"}


def main(points: int = 1000) -> None:
    print(f"{points} points   wall s   core s of the workers: grouping, compiling, training, evaluating; sum")
    walls: dict[str, list[float]] = {name: [] for name in NAMES}
    cores: dict[str, list[float]] = {name: [] for name in NAMES}
    rows: dict[str, pd.DataFrame] = {}
    with tempfile.TemporaryDirectory() as cache:
        for number in range(1, TIMES + 1):
            for engine, name in NAMES.items():
                options = ["--engine", engine, "--scheduler", "none", "--points", str(points), "--no-verify"]
                with tempfile.TemporaryDirectory() as out:
                    found = watched(["run", "--out", out, *options], cache)
                    assert found["code"] == 0, found
                    rows[engine] = pd.read_parquet(Path(out) / "points").set_index("idx")
                    spent = json.loads((Path(out) / "progress.json").read_text())["spent_s"]
                walls[engine].append(found["wall_s"])
                cores[engine].append(sum(spent.values()))
                parts = " ".join(
                    f"{spent.get(part, 0.0):8.1f}" for part in ("compose", "compile", "train", "evaluate")
                )
                print(
                    f"{name:6} run {number} {found['wall_s']:8.1f} {parts} {cores[engine][-1]:8.1f}",
                    flush=True,
                )
    for what, of_engine in (("wall time", walls), ("core time of the workers", cores)):
        native, xla = (statistics.median(of_engine[engine]) for engine in NAMES)
        print(f"{what}, medians: native {native:.1f} s, XLA {xla:.1f} s, ratio {xla / native:.2f}")
    first, second = (rows[engine].sort_index() for engine in NAMES)
    assert first.index.equals(second.index) and len(first) == points
    difference = (first["loss_va"] / second["loss_va"] - 1).abs()
    print(f"loss_va within 1e-3 of each other in {(difference < 1e-3).mean():.1%} of the points")


if __name__ == "__main__":
    main()
