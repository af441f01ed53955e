"""Benchmark of points per minute against a plain Ray Tune script, on the same random points, budget and callbacks.

Plain Ray Tune trains only the first 8 of the 64 points. It trains one by one, so its rate is taken as that of all points.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from sweep.plan.order import Selection

POINTS, PLAIN, SEED = 64, 8, 16


def main() -> None:
    chosen = list(map(str, Selection(17280, SEED, points=POINTS)))
    idx = ",".join(chosen)
    print(f"points {idx}")
    with tempfile.TemporaryDirectory() as scratch:
        ours_out, plain_out = Path(scratch) / "ours", Path(scratch) / "plain.csv"
        started = time.perf_counter()
        command = ["run", "--out", str(ours_out), "--idx", idx, "--scheduler", "none"]
        subprocess.run([sys.executable, "-m", "sweep", *command], check=True, capture_output=True)
        ours_s = time.perf_counter() - started
        started = time.perf_counter()
        script = Path(__file__).with_name("plain_tune.py")
        subprocess.run(
            [sys.executable, script, ",".join(chosen[:PLAIN]), "200", plain_out],
            check=True,
            capture_output=True,
        )
        plain_s = time.perf_counter() - started
        ours, plain = pd.read_parquet(ours_out / "points"), pd.read_csv(plain_out)
    rates = []
    for name, taken, rows in (("this runner", ours_s, ours), ("plain Ray Tune", plain_s, plain)):
        rates.append(len(rows) / taken * 60)
        best = rows["loss_te"].min()
        print(
            f"{name:15s} {len(rows)} points {taken:6.1f} s  {rates[-1]:6.2f} points/min  best loss_te {best:.3f}"
        )
    print(f"ratio {rates[0] / rates[1]:.2f}x")


if __name__ == "__main__":
    main()
