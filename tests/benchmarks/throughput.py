"""Points per minute against a plain Ray Tune script: the same 16 points, budget and callbacks, in one run."""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

from sweep.sampler import Selection

POINTS, SEED = 16, 16


def main() -> None:
    idx = ",".join(map(str, Selection(17280, SEED, points=POINTS)))
    print(f"points {idx}")
    with tempfile.TemporaryDirectory() as scratch:
        ours_out, plain_out = Path(scratch) / "ours", Path(scratch) / "plain.csv"
        started = time.perf_counter()
        command = ["run", "--out", str(ours_out), "--idx", idx, "--scheduler", "none"]
        subprocess.run([sys.executable, "-m", "sweep.cli", *command], check=True, capture_output=True)
        ours_s = time.perf_counter() - started
        started = time.perf_counter()
        script = Path(__file__).with_name("plain_tune.py")
        subprocess.run([sys.executable, script, idx, "200", plain_out], check=True, capture_output=True)
        plain_s = time.perf_counter() - started
        ours, plain = pd.read_parquet(ours_out / "points"), pd.read_csv(plain_out)
    for name, taken, rows in (("this runner", ours_s, ours), ("plain Ray Tune", plain_s, plain)):
        rate, best = POINTS / taken * 60, rows["loss_te"].min()
        print(f"{name:15s} {taken:6.1f} s  {rate:5.1f} points/min  best loss_te {best:.3f}")
    print(f"ratio {plain_s / ours_s:.2f}x")


if __name__ == "__main__":
    main()
