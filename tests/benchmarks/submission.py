"""Benchmark of `sweep submit`: the seconds to the job's id, and to the job's first row."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from tests.help import clusters

SWEEP = str(Path(sys.executable).with_name("sweep"))
TIMES = 3
TIMEOUT_S = 300


def submitted_s(url: str, out: Path) -> tuple[float, float]:
    """Submit one point of the default plan; return the seconds to the command's end and to the first row."""
    command = [SWEEP, "submit", "--out", str(out), "--points", "1", "--address", url, "--insecure"]
    while True:
        began = time.perf_counter()
        ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
        if "No available agent" not in ran.stderr:  # a cluster that has just been started has none yet
            break
        time.sleep(1)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    taken_s = time.perf_counter() - began
    part = out / "points" / "part-00000.parquet"
    while time.perf_counter() - began < TIMEOUT_S:
        with contextlib.suppress(FileNotFoundError):
            if pq.read_metadata(part).num_rows:
                return taken_s, time.perf_counter() - began
        time.sleep(0.05)
    raise TimeoutError(f"no row within {TIMEOUT_S} s")


def main() -> None:
    taken, rows = [], []
    with tempfile.TemporaryDirectory() as scratch, clusters.running(dashboard=True, head_cpus=2) as cluster:
        for number in range(TIMES):
            command_s, row_s = submitted_s(cluster.url, out := Path(scratch) / f"run {number}")
            taken.append(command_s)
            rows.append(row_s)
            clusters.wait_until(lambda: _stage(out) == "finished", TIMEOUT_S)
    print(f"load {os.getloadavg()[0]:.1f}")
    print(f"sweep submit, to the job's id   {statistics.median(taken):.1f} s (median of {TIMES})")
    print(
        f"to the job's first row          {statistics.median(rows):.1f} s (the first {rows[0]:.1f}, the last {rows[-1]:.1f})"
    )


def _stage(out: Path) -> str:
    return str(json.loads((out / "progress.json").read_text())["stage"])


if __name__ == "__main__":
    main()
